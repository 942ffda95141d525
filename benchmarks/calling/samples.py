"""Simulated samples of the panel: reads, truth, and our consensus reads, each made once."""

import csv
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from benchmarks.calling.panel import Panel
from benchmarks.calling.variants import Planted, draw_variants

MOLECULES_A_SITE = 2850
"""Double-stranded molecules that reach amplification, over the middle of a target."""
MEAN_FRAGMENT = 160.0
READS_A_MOLECULE = 7.0
NORMAL_SHARE = 0.35
"""Molecules of a training normal over those of a sample."""
PROCESSES = {
    "plain": "{}",
    "harsh": (
        "{oxidation: 2.0e-4, deamination: 2.0e-4, end_repair: 3.0e-4, end_repair_bases: 15, stutter: 4.0e-4,"
        " damaged_fraction: 0.03, damaged_bases: 60, damaged_oxidation: 0.02, damaged_deamination: 0.03,"
        " jackpot: 2.0e-5, misreport: 2.0, misreport_late: 3.0, misreport_after_gg: 5.0, misreport_after_run: 3.0,"
        " dark_base: 2.0e-4}"
    ),
}
"""The simulator's default, and one that differs in kind (docs/stages/simulate.md)."""
_INDEX = ("ACTAGTGA", "ACTACACG")
_DESIGN = """run: {{n_tiles: 4, read_bases: 100}}
process: {process}
samples:
  - sample_id: {name}
    role: {role}
    index: {index[0]}
    index2: {index[1]}
    subject: {subject}
    molecules_per_target: {molecules:.1f}
    reads_per_molecule: {reads:g}
    variants: [{variants}]
"""


class Tools(NamedTuple):
    """How programs are started."""

    ctdna: tuple[str, ...]
    env: dict[str, str]

    def do(self, command: list[str], log: Path | None = None) -> None:
        """Run a command; its output goes to `log`.

        Raises:
            RuntimeError: it ended with an error.
        """
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **self.env})
        if log:
            log.write_text(done.stderr, "utf-8")
        if done.returncode:
            lines = (done.stderr.strip() or "it said nothing").splitlines()[-3:]
            raise RuntimeError(f"{' '.join(command)[:300]}: exit {done.returncode}: {' | '.join(lines)}")


class Sample(NamedTuple):
    """One sample's files."""

    name: str
    process: str
    folder: Path

    @property
    def r1(self) -> Path:
        """Return read 1."""
        return self.folder / "fastq" / f"{self.name}_R1.fastq.gz"

    @property
    def r2(self) -> Path:
        """Return read 2."""
        return self.folder / "fastq" / f"{self.name}_R2.fastq.gz"

    @property
    def consensus(self) -> Path:
        """Return our filtered consensus reads, aligned."""
        return self.folder / "filter.bam"

    @property
    def truth(self) -> Path:
        """Return the simulator's truth."""
        return self.folder / "fastq" / "truth" / f"{self.name}.truth.tsv"

    @property
    def planted(self) -> Path:
        """Return the table of planted variants with their classes."""
        return self.folder / "planted.tsv"


def _write_planted(path: Path, planted: list[Planted]) -> None:
    lines = ["\t".join(Planted._fields)] + ["\t".join(map(str, one)) for one in planted]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def read_planted(path: Path) -> list[Planted]:
    """Return the planted variants of a sample."""
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return [Planted(r["contig"], int(r["pos1"]), r["ref"], r["alt"], r["kind"], float(r["vaf"])) for r in rows]


def simulate(
    tools: Tools,
    panel: Panel,
    sample: Sample,
    seed: int,
    planted: list[Planted],
    molecules_a_site: float = MOLECULES_A_SITE,
    reads: float = READS_A_MOLECULE,
) -> None:
    """Make a sample's reads and truth unless they are there; a subject a sample."""
    if sample.r1.exists():
        return
    sample.folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(sample.folder / "fastq", ignore_errors=True)
    bases = panel.n_bases / len(panel.targets)
    text = _DESIGN.format(
        process=PROCESSES[sample.process],
        name=sample.name,
        role="patient" if planted else "normal",
        index=_INDEX,
        subject=f"{sample.name}-{seed}",
        molecules=molecules_a_site * bases / MEAN_FRAGMENT,
        reads=reads,
        variants=", ".join(f'{{allele: "{one.name}", vaf: {one.vaf}}}' for one in planted),
    )
    design = sample.folder / "design.yaml"
    design.write_text(text, "utf-8")
    _write_planted(sample.planted, planted)
    words = ["simulate", "--design", str(design), "--kit", panel.kit, "--output", str(sample.folder / "fastq")]
    tools.do([*tools.ctdna, *words, "--seed", str(seed), "--fastq-only", "--threads", "2"])


def consensus(tools: Tools, panel: Panel, sample: Sample) -> None:
    """Make our consensus reads unless they are there."""
    if sample.consensus.exists():
        return
    words = ["consensus-from-fastq", "--kit", panel.kit, "--r1", str(sample.r1), "--r2", str(sample.r2)]
    words += ["--reference", str(panel.fasta), "--output", str(sample.consensus), "--sample", sample.name]
    tools.do([*tools.ctdna, *words, "--threads", "2"], sample.folder / "consensus.log")


def patient(tools: Tools, panel: Panel, work: Path, process: str, seed: int) -> Sample:
    """Return the sample of one seed and process, with planted variants, made unless it is there."""
    sample = Sample(f"S{seed}", process, work / process / f"S{seed}")
    simulate(tools, panel, sample, seed, draw_variants(seed, panel))
    consensus(tools, panel, sample)
    return sample


def normal(tools: Tools, panel: Panel, work: Path, process: str, number: int, share: float) -> Sample:
    """Return a sample without planted variants, made unless it is there; its reads are not kept."""
    sample = Sample(f"N{number:02d}", process, work / process / f"N{number:02d}")
    if not sample.consensus.exists():
        simulate(tools, panel, sample, 1000 + number, [], MOLECULES_A_SITE * share)
        consensus(tools, panel, sample)
        sample.r1.unlink()
        sample.r2.unlink()
    return sample
