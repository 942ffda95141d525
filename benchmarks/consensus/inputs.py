"""Simulated reads of several sizes on two references, and real reads: the same input for every program."""

import csv
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.consensus import measure

SEED = 20260101
READS_PER_MOLECULE = 8.0
STRUCTURES = ("5M2S+T", "5M2S+T")
CALIBRATION = 20.0
"""Molecules per target of the small run that tells how many pairs one molecule per target makes."""
REAL_DATA = "CTDNA_REAL_DATA"
_ROOT = Path(__file__).resolve().parents[2]
_DESIGN = """run: {{n_tiles: 4, read_bases: 100}}
samples:
  - sample_id: S
    role: patient
    index: ACTAGTGA
    index2: ACTACACG
    subject: one
    molecules_per_target: {molecules}
    reads_per_molecule: {reads}
    variants: [{variants}]
"""


class Genome(NamedTuple):
    """A reference to simulate on and to align to."""

    name: str
    kit: str
    folder: Path
    fasta: Path
    env: dict[str, str]
    """Where the kit and its reference are found."""
    variants: tuple[str, ...]
    """Planted alleles: substitutions, a deletion, an insertion."""


class Inputs(NamedTuple):
    """The reads of one comparison, and what is made of them."""

    name: str
    size: int
    """Read pairs."""
    genome: str
    folder: Path
    reference: Path
    r1: Path
    r2: Path | None
    structures: tuple[str, ...]

    @property
    def aligned(self) -> Path:
        """Return the BAM in the aligner's order."""
        return self.folder / "aligned.bam"

    @property
    def grouped(self) -> Path:
        """Return the BAM grouped by ctdna: the input of every consensus caller."""
        return self.folder / "grouped.bam"

    @property
    def reads(self) -> str:
        """Return the options that name reads and structures."""
        second = f" --r2 {self.r2}" if self.r2 else ""
        return f"--r1 {self.r1}{second} --read-structures {' '.join(self.structures)}"


def _do(command: list[str], env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    if done.returncode:
        raise measure.FailedRunError(" ".join(command), done.returncode, done.stderr)


def indexed(source: Path, folder: Path) -> Path:
    """Return a copy of a FASTA with the indexes that the aligner and the peers want."""
    target = folder / "reference.fa"
    if not target.with_suffix(".dict").exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        _do(["bwa", "index", str(target)])
        _do(["samtools", "faidx", str(target)])
        _do(["samtools", "dict", "-o", str(target.with_suffix(".dict")), str(target)])
    return target


def real_data() -> Path | None:
    """Return the folder of public real data, or None where CTDNA_REAL_DATA names none."""
    named = os.environ.get(REAL_DATA)
    return Path(named) if named and (Path(named) / "README.md").is_file() else None


def demo(work: Path) -> Genome:
    """Return the contrived reference of the demo kit, 49 kb."""
    folder = work / "demo"
    fasta = indexed(_ROOT / "config" / "kits" / "ctdna-demo" / "1.0.0" / "reference.fa", folder)
    alleles = (
        "demo_KRAS:1389:C>T",
        "demo_BRAF:1374:AC>TT",
        "demo_EGFR:4533:AGGAATTAAGAGAAGC>A",
        "demo_ERBB2:4946:A>AGCATACGTGATG",
    )
    return Genome("demo kit, 49 kb", "ctdna-demo@1.0.0", folder, fasta, {}, alleles)


def slices(work: Path, ctdna: str) -> Genome | None:
    """Return real GRCh38 sequence of panel genes, 1.4 Mb; None without the folder of real data."""
    data = real_data()
    if data is None:
        return None
    folder = work / "slices"
    source = data / "reference" / "panel_hg38_slices.fa"
    fasta = indexed(source, folder)
    env = {"CTDNA_HOME": str(folder / "home"), "CTDNA_KITS": str(folder / "kits")}
    kit = "ctdna-core-slices@1.0.0"
    if not (folder / "kit.made").exists():
        for made in ("kits", "home"):
            shutil.rmtree(folder / made, ignore_errors=True)
        _do([ctdna, "kit", "slice", "ctdna-core@1.0.0", "--output", env["CTDNA_KITS"]], env)
        _do([ctdna, "reference", "add", str(source), "--kit", kit], env)
        (folder / "kit.made").touch()
    alleles = ("chr7_55014000_55217000:160773:GGAATTAAGAGAAGCA>G",)
    return Genome("GRCh38 slices, 1.4 Mb", kit, folder, fasta, env, alleles)


def _simulate(genome: Genome, ctdna: str, folder: Path, molecules: float) -> int:
    """Make reads of so many molecules per target unless they are there; return the read pairs."""
    fastq = folder / "fastq"
    if not fastq.exists():
        folder.mkdir(parents=True, exist_ok=True)
        design = folder / "design.yaml"
        alleles = ", ".join(f'{{allele: "{allele}", vaf: 0.15}}' for allele in genome.variants)
        text = _DESIGN.format(molecules=round(molecules, 1), reads=READS_PER_MOLECULE, variants=alleles)
        design.write_text(text, encoding="utf-8")
        words = [ctdna, "simulate", "--design", str(design), "--kit", genome.kit, "--output", str(fastq)]
        _do([*words, "--seed", str(SEED), "--fastq-only", "--threads", "2"], genome.env)
    (truth,) = (fastq / "truth").glob("*.simulate.json")
    return int(json.loads(truth.read_text(encoding="utf-8"))["counts"]["read_pairs"])


def simulated(genome: Genome, ctdna: str, size: int) -> Inputs:
    """Return simulated reads of about `size` pairs (within a few per cent), made unless they are there."""
    few = _simulate(genome, ctdna, genome.folder / "calibration", CALIBRATION)
    folder = genome.folder / f"pairs_{size}"
    pairs = _simulate(genome, ctdna, folder, size * CALIBRATION / few)
    fastq = folder / "fastq"
    reads = fastq / "S_R1.fastq.gz", fastq / "S_R2.fastq.gz"
    return Inputs(f"simulated, {genome.name}", pairs, genome.name, folder, genome.fasta, *reads, STRUCTURES)


def align(at: Inputs, ctdna: str) -> None:
    """Make `aligned` unless it is there."""
    if at.aligned.exists():
        return
    folder = at.folder
    x1, x2 = str(folder / "extract_R1.fastq.gz"), str(folder / "extract_R2.fastq.gz")
    second, r2 = (["--output-r2", x2], ["--r2", x2]) if at.r2 else ([], [])
    _do([ctdna, "extract", *at.reads.split(), "--output-r1", x1, *second, "--threads", "2"])
    align = [ctdna, "align", "--r1", x1, *r2, "--reference", str(at.reference), "--threads", "2", "--sample", "S"]
    _do([*align, "--output", str(at.aligned)])


def group(at: Inputs, ctdna: str) -> None:
    """Make `grouped`, and `aligned` before it, unless they are there."""
    align(at, ctdna)
    if not at.grouped.exists():
        words = [ctdna, "group", "--input", str(at.aligned), "--strategy", "paired", "--edits", "1", "--threads", "2"]
        _do([*words, "--output", str(at.grouped)])


def _count(path: Path) -> int:
    """Return the reads of a gzipped FASTQ."""
    done = subprocess.run(f"zcat {path} | wc -l", shell=True, capture_output=True, check=True, text=True)
    return int(done.stdout) // 4


def nfcore(work: Path) -> Inputs | None:
    """Return real duplex-adapter reads, 2 x 151 bases of 40 kb of chromosome 22; None without real data."""
    data = real_data()
    if data is None:
        return None
    source, folder = data / "nfcore-umi", work / "nfcore-umi"
    r1, r2 = (source / f"test.umi_{end}.fastq.gz" for end in (1, 2))
    fasta = indexed(source / "genome.fasta", folder)
    return Inputs("nfcore-umi", _count(r1), "chr22, 40 kb", folder, fasta, r1, r2, ("7M1S+T", "7M1S+T"))


def simsen(work: Path) -> Inputs | None:
    """Return real single SiMSen-Seq reads of one amplicon; None without real data."""
    data = real_data()
    if data is None:
        return None
    folder, r1 = work / "simsen", data / "simsen-pik3ca" / "test_R1.fastq.gz"
    fasta = indexed(data / "reference" / "panel_hg38_slices.fa", folder)
    return Inputs("simsen-pik3ca", _count(r1), "GRCh38 slices, 1.4 Mb", folder, fasta, r1, None, ("12M16S+T",))


def mageri(work: Path) -> Inputs | None:
    """Return real read pairs of a spike with a UMI of 14 bases in R1; None without real data."""
    data = real_data()
    if data is None:
        return None
    folder, source = work / "mageri", data / "mageri"
    folder.mkdir(parents=True, exist_ok=True)
    template = folder / "template.fa"
    _, text = (source / "pipeline" / "refs.fa").read_text().split()
    template.write_text(f">SPIKE1\n{text.upper().replace('Y', 'T')}\n", encoding="utf-8")
    r1, r2 = (source / "sample" / f"R{end}.fastq.gz" for end in (1, 2))
    return Inputs("mageri", _count(r1), "spike, 136 bases", folder, indexed(template, folder), r1, r2, ("14M+T", "+T"))


def targets(work: Path, at: Inputs) -> Path:
    """Return a BED file that holds the whole of an input's reference."""
    path = work / f"{at.folder.name}.bed"
    with (at.reference.parent / "reference.fa.fai").open(encoding="utf-8") as stream:
        rows = [(row[0], row[1]) for row in csv.reader(stream, delimiter="\t")]
    path.write_text("".join(f"{contig}\t0\t{length}\t{contig}\n" for contig, length in rows), encoding="utf-8")
    return path
