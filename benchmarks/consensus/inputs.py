"""Simulated reads of three sizes, aligned once: the same input for every program."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

KIT = "ctdna-demo@1.0.0"
SEED = 20260101
READS_PER_MOLECULE = 8.0
PAIRS_PER_MOLECULE_AND_TARGET = 130
"""Read pairs that one molecule per target makes with the demo kit's panel at the mean above."""
STRUCTURES = "5M2S+T 5M2S+T"
_ROOT = Path(__file__).resolve().parents[2]
_DESIGN = """run: {{n_tiles: 4, read_bases: 100}}
samples:
  - {{sample_id: S, role: patient, index: ACTAGTGA, index2: ACTACACG, subject: one,
     molecules_per_target: {molecules}, reads_per_molecule: {reads}}}
"""


class Inputs(NamedTuple):
    """The files of one size."""

    size: int
    """Read pairs asked for; the simulation comes within a few per cent."""
    folder: Path
    reference: Path
    r1: Path
    r2: Path
    aligned: Path
    """BAM in the aligner's order."""
    grouped: Path
    """BAM grouped by ctdna: the input of every consensus caller."""


def reference(work: Path) -> Path:
    """Return a copy of the demo kit's reference with the indexes that the aligner and the peers want."""
    target = work / "reference.fa"
    if not target.with_suffix(".dict").exists():
        shutil.copy(_ROOT / "config" / "kits" / "ctdna-demo" / "1.0.0" / "reference.fa", target)
        _do(["bwa", "index", str(target)])
        _do(["samtools", "faidx", str(target)])
        _do(["samtools", "dict", "-o", str(target.with_suffix(".dict")), str(target)])
    return target


def _do(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def prepare(work: Path, ctdna: str, size: int) -> Inputs:
    """Return the inputs of `size` read pairs, made unless they are there."""
    folder = work / f"pairs_{size}"
    fastq = folder / "fastq"
    made = Inputs(
        size,
        folder,
        reference(work),
        fastq / "S_R1.fastq.gz",
        fastq / "S_R2.fastq.gz",
        folder / "aligned.bam",
        folder / "grouped.bam",
    )
    if made.grouped.exists():
        return made
    folder.mkdir(parents=True, exist_ok=True)
    design = folder / "design.yaml"
    molecules = round(size / PAIRS_PER_MOLECULE_AND_TARGET, 1)
    design.write_text(_DESIGN.format(molecules=molecules, reads=READS_PER_MOLECULE), encoding="utf-8")
    shutil.rmtree(fastq, ignore_errors=True)
    simulate = [ctdna, "simulate", "--design", str(design), "--kit", KIT, "--output", str(fastq)]
    _do([*simulate, "--seed", str(SEED), "--fastq-only", "--threads", "2"])
    x1, x2 = folder / "extract_R1.fastq.gz", folder / "extract_R2.fastq.gz"
    extract = [ctdna, "extract", "--r1", str(made.r1), "--r2", str(made.r2), "--threads", "2"]
    _do([*extract, "--read-structures", *STRUCTURES.split(), "--output-r1", str(x1), "--output-r2", str(x2)])
    align = [ctdna, "align", "--r1", str(x1), "--r2", str(x2), "--reference", str(made.reference), "--threads", "2"]
    _do([*align, "--sample", "S", "--output", str(made.aligned)])
    group = [ctdna, "group", "--input", str(made.aligned), "--strategy", "paired", "--edits", "1", "--threads", "2"]
    _do([*group, "--output", str(made.grouped)])
    return made


def pairs_of(made: Inputs) -> int:
    """Return the read pairs that the simulation really made."""
    (truth,) = (made.folder / "fastq" / "truth").glob("*.simulate.json")
    counts = json.loads(truth.read_text(encoding="utf-8"))["counts"]
    return int(counts["read_pairs"])
