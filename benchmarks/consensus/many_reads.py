"""Millions of read pairs in FASTQ files, quickly: duplex molecules in random order, as a sequencer would leave them.

The simulator of ctdna holds a whole sample; this writes reads as it makes them. Molecules start anywhere on the
reference, have UMIs of 5 + 5 bases and a spacer of 2, and Poisson reads of both strands, which lie scattered over the
whole file. Bases are wrong at random; there are no variants.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pysam
from isal import igzip_threaded
from numpy.typing import NDArray

READ = 100
HEAD = 7
"""Bases of UMI and spacer."""
READS_PER_MOLECULE = 8.0
ERROR_RATE = 0.003
LOW_QUALITY_RATE = 0.06
BATCH = 200_000
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
_DIGITS = 9


def _genome(fasta: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return all contigs' bases as codes 0 to 3, where each contig starts, and how long it is."""
    with pysam.FastaFile(str(fasta)) as source:
        texts = [source.fetch(name).upper().encode() for name in source.references]
    codes = np.zeros(256, dtype=np.uint8)
    codes[_LETTERS] = np.arange(4)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    return codes[np.frombuffer(b"".join(texts), dtype=np.uint8)], np.cumsum(lengths) - lengths, lengths


class Library:
    """Molecules, and the order in which their reads come."""

    def __init__(self, fasta: Path, n_pairs: int, seed: int) -> None:
        dice = np.random.default_rng(seed)
        self.dice = dice
        self.genome, starts, lengths = _genome(fasta)
        n = round(n_pairs / READS_PER_MOLECULE)
        size = np.clip(dice.normal(167, 25, n), READ, lengths.min()).astype(np.int64)
        contig = dice.choice(len(lengths), n, p=lengths / lengths.sum())
        self.start = starts[contig] + (dice.random(n) * (lengths[contig] - size + 1)).astype(np.int64)
        self.end = self.start + size
        self.umis = dice.integers(0, 4, (n, 2, 5), dtype=np.uint8)
        counts = dice.poisson(READS_PER_MOLECULE / 2, 2 * n)
        self.reads = np.repeat(np.arange(2 * n, dtype=np.int32), counts)
        dice.shuffle(self.reads)

    def batch(self, first: int, last: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the bases (codes) of both reads of some pairs."""
        molecule, is_bottom = np.divmod(self.reads[first:last].astype(np.int64), 2)
        inside = np.arange(READ - HEAD)
        top = self.genome[self.start[molecule, None] + inside]
        bottom = 3 - self.genome[self.end[molecule, None] - 1 - inside]
        spacer = np.broadcast_to(np.array([1, 3], dtype=np.uint8), (len(molecule), 2))
        ends = (
            np.concatenate((self.umis[molecule, 0], spacer, top), axis=1),
            np.concatenate((self.umis[molecule, 1], spacer, bottom), axis=1),
        )
        turned = is_bottom[:, None] == 1
        return np.where(turned, ends[1], ends[0]), np.where(turned, ends[0], ends[1])


def _fastq(bases: NDArray[np.uint8], first: int, dice: np.random.Generator) -> bytes:
    """Return reads as FASTQ text, with errors and low qualities put in; names are numbers."""
    n = len(bases)
    flat = bases.reshape(-1)
    at = dice.integers(0, flat.size, dice.binomial(flat.size, ERROR_RATE))
    flat[at] = (flat[at] + dice.integers(1, 4, len(at), dtype=np.uint8)) % 4
    quals = np.full(flat.size, ord("F"), dtype=np.uint8)
    low = dice.integers(0, flat.size, dice.binomial(flat.size, LOW_QUALITY_RATE))
    quals[low] = np.array([ord("8"), ord("-")], dtype=np.uint8)[dice.integers(0, 2, len(low))]
    quals[at] = ord("-")
    numbers = np.arange(first, first + n)[:, None] // 10 ** np.arange(_DIGITS - 1, -1, -1) % 10
    name = np.concatenate((np.full((n, 1), ord("@")), numbers + ord("0"), np.full((n, 1), 10)), axis=1)
    middle = np.broadcast_to(np.frombuffer(b"\n+\n", dtype=np.uint8), (n, 3))
    last = np.full((n, 1), 10, dtype=np.uint8)
    parts = name.astype(np.uint8), _LETTERS[flat].reshape(n, READ), middle, quals.reshape(n, READ), last
    return np.concatenate(parts, axis=1).tobytes()


def _open(path: Path) -> BinaryIO:
    stream: BinaryIO = igzip_threaded.open(path, "wb", compresslevel=1, threads=1)  # type: ignore[no-untyped-call]
    return stream


def write_pairs(fasta: Path, r1: Path, r2: Path, n_pairs: int, seed: int = 1) -> int:
    """Write about `n_pairs` read pairs; return how many."""
    library = Library(fasta, n_pairs, seed)
    n = len(library.reads)
    with (
        _open(r1) as one,
        _open(r2) as two,
    ):
        for first in range(0, n, BATCH):
            for stream, bases in zip((one, two), library.batch(first, min(first + BATCH, n)), strict=True):
                stream.write(_fastq(bases, first, library.dice))
    return n
