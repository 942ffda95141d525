"""A small indexed reference, reads of it, and false programs that fail like an aligner does."""

import shutil
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.builders import write_fasta

_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
Plain = tuple[str, str, str]


def turned(bases: str) -> str:
    """Return the reverse complement."""
    return bases.translate(_COMPLEMENT)[::-1]


def random_contigs() -> dict[str, str]:
    """Return two random contigs, always the same."""
    draw = np.random.default_rng(11)
    return {name: "".join(draw.choice(list("ACGT"), size)) for name, size in (("chr1", 6_000), ("chr2", 3_000))}


def indexed_reference(folder: Path) -> Path:
    """Write the contigs with all indexes; skip the test where bwa is not installed."""
    program = shutil.which("bwa")
    if program is None:
        pytest.skip("bwa is not on the PATH")
    path = write_fasta(folder / "reference.fa", random_contigs())
    subprocess.run([program, "index", str(path)], check=True, capture_output=True)
    return path


def fragment_pairs(n: int, size: int = 160, length: int = 100) -> tuple[list[Plain], list[Plain]]:
    """Return n read pairs of the contigs, with a RX tag as comment; every fifth is random and cannot be aligned."""
    draw = np.random.default_rng(12)
    contigs = random_contigs()
    one: list[Plain] = []
    two: list[Plain] = []
    for i in range(n):
        name = "chr1" if i % 2 else "chr2"
        start = int(draw.integers(0, len(contigs[name]) - size))
        fragment = contigs[name][start : start + size]
        fragment = "".join(draw.choice(list("ACGT"), size)) if i % 5 == 4 else fragment
        fragment = turned(fragment) if i % 3 == 0 else fragment
        header = f"read{i} RX:Z:ACG-TT{'ACGT'[i % 4]}\tQX:Z:III III"
        one.append((header, fragment[:length], "I" * length))
        two.append((header, turned(fragment)[:length], "F" * length))
    return one, two


def false_program(folder: Path, script: str) -> Path:
    """Write a shell script named `bwa` into a folder of its own; put that folder on the PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / "bwa"
    version = 'if [ $# -eq 0 ]; then echo "Version: 0.7.17-r1188" >&2; exit 1; fi'
    path.write_text(f"#!/bin/sh\n{version}\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder
