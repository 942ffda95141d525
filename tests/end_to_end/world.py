"""Small sound inputs of every command, made once by the commands themselves, and how a refusal is looked at."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pysam

from ctdna.cli.main import run
from tests.aligner import indexed_reference, random_contigs, turned
from tests.builders import write_fastq
from tests.builders_bcl import tile_of, write_run_folder, write_sheet

KIT = "ctdna-demo@1.0.0"
STRUCTURES = ("--read-structures", "5M2S+T", "5M2S+T")
READS = [(5, "T"), (4, "B"), (4, "B"), (3, "T")]
SHEET_ROWS = ["S1,AAAA,CCCC", "S2,GGTT,TTGG"]


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    err: str
    out: str

    @property
    def errors(self) -> list[str]:
        """Return the lines on standard error that are no warnings."""
        return [line for line in self.err.splitlines() if "warning:" not in line]


def ctdna(*arguments: object) -> Ended:
    """Run a command line in this process, exactly as the `ctdna` program does."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["ctdna", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run()
        except SystemExit as left:
            return Ended(int(left.code or 0), err.getvalue(), out.getvalue())
    raise AssertionError("run() always leaves by sys.exit")


def done(*arguments: object) -> Ended:
    """Run a command that must succeed."""
    ended = ctdna(*arguments)
    assert ended.code == 0, ended.err
    return ended


def check_refusal(ended: Ended, code: int, *pieces: str) -> None:
    """Check for exactly one line of error with the exit code, all the pieces of text, and no traceback."""
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    assert len(ended.errors) == 1, ended.err
    line = ended.errors[0]
    assert re.match(rf"ctdna: error {code}: \S", line), line
    for piece in pieces:
        assert piece in line, line


def refused(out: Path, arguments: tuple[object, ...], code: int, *pieces: str) -> None:
    """Run a command that must be refused and leave nothing in the folder of its outputs."""
    before = sorted(str(path) for path in out.rglob("*"))
    check_refusal(ctdna(*arguments), code, *pieces)
    assert sorted(str(path) for path in out.rglob("*")) == before


class World(NamedTuple):
    """One folder with a sound input of each stage."""

    folder: Path

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def command(self, stage: str, out: Path, **other: object) -> tuple[object, ...]:
        """Return the command line of a stage on the sound inputs; `other` replaces options (None leaves one out)."""
        options: dict[str, object] = {**self._inputs(stage), **self._outputs(stage, out), **other}
        words: list[object] = [stage]
        for name, value in options.items():
            if value is not None:
                words += [f"--{name.replace('_', '-')}", *(value if isinstance(value, tuple) else (value,))]
        return tuple(words)

    def _inputs(self, stage: str) -> dict[str, object]:
        reference = {"reference": self / "reference.fa"}
        reads = {"r1": self / "r1.fastq.gz", "r2": self / "r2.fastq.gz", "read_structures": STRUCTURES[1:]}
        return {
            "extract": reads,
            "consensus-from-fastq": {**reads, **reference, "strategy": "paired"},
            "align": {"r1": self / "extract_r1.fastq.gz", "r2": self / "extract_r2.fastq.gz", **reference},
            "group": {"input": self / "align.bam", "strategy": "paired"},
            "consensus": {"input": self / "group.bam"},
            "realign": {"input": self / "consensus.bam", **reference},
            "filter": {"input": self / "realign.bam", **reference},
            "call": {"input": self / "filter.bam", **reference, "targets": self / "panel.bed"},
            "background": {"normals": self / "filter.bam", **reference, "targets": self / "panel.bed"},
        }[stage]

    def _outputs(self, stage: str, out: Path) -> dict[str, object]:
        if stage == "extract":
            return {"output_r1": out / "extract_r1.fastq.gz", "output_r2": out / "extract_r2.fastq.gz"}
        suffix = {"call": "vcf.gz", "background": "tsv.gz"}.get(stage, "bam")
        return {"output": out / f"{stage}.{suffix}"}


def molecules(n: int, copies: int = 3, seed: int = 3) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]]:
    """Return read pairs of n duplex molecules of chr1 with UMIs `5M2S+T`, `copies` of each strand."""
    draw = np.random.default_rng(seed)
    contig = random_contigs()["chr1"]
    pairs: tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]] = ([], [])
    for i in range(n):
        start = int(draw.integers(900, 1100))
        fragment = contig[start : start + 160]
        ends = ["".join(draw.choice(list("ACGT"), 5)) + "AT" for _ in range(2)]
        reads = (ends[0] + fragment[:90], ends[1] + turned(fragment)[:90])
        for copy in range(2 * copies):
            one, two = reads if copy % 2 == 0 else reads[::-1]
            pairs[0].append((f"m{i}c{copy}", one, "I" * len(one)))
            pairs[1].append((f"m{i}c{copy}", two, "I" * len(two)))
    return pairs


def make_world(folder: Path, n_molecules: int = 40) -> World:
    """Fill a folder with reference, panel, reads, and the output of every stage up to `call`."""
    world = World(folder)
    pysam.faidx(str(indexed_reference(folder)))
    for path, reads in zip(("r1.fastq.gz", "r2.fastq.gz"), molecules(n_molecules), strict=True):
        write_fastq(folder / path, reads)
    (folder / "panel.bed").write_text("chr1\t1000\t1100\tGENE:1\n")
    for stage in ("extract", "align", "group", "consensus", "realign", "filter", "call"):
        done(*world.command(stage, folder))
    return world


def sequencer_run(folder: Path, kind: str = "cbcl") -> Path:
    """Write a small finished run folder with its sample sheet."""
    one = tile_of(["ACGTAAAAACCCCTTG", "CCCCCGGTTTTGGAAA", "GGGGGAAAACCCCCCC"], [37, 12, 23], [1, 1, 1])
    path = write_run_folder(folder, READS, {1: {1101: one, 1102: tile_of(["TTTTTAAAACCCCACA"])}}, kind)
    write_sheet(path / "SampleSheet.csv", SHEET_ROWS)
    return path


def bwa_version() -> str:
    """Return what the real aligner says its version is."""
    shown = subprocess.run(["bwa"], capture_output=True, check=False, text=True).stderr
    return re.findall(r"Version: (\S+)", shown)[0]
