"""Slow, obvious twins of the kernels of indels, on text."""

from typing import NamedTuple

import numpy as np

from ctdna.kernels.evidence import tiny_reads
from ctdna.kernels.realign_alleles import FLANK, MANY, MARGIN, Change
from ctdna.model.evidence import Regions, StoredReads

CODES = {base: code for code, base in enumerate("ACGT")}


def codes(text: str) -> np.ndarray:
    return np.array([CODES[base] for base in text], dtype=np.uint8)


def text(bases: np.ndarray) -> str:
    return "".join("ACGT"[code] for code in bases)


def haplotype(reference: str, slot: int, n_deleted: int, inserted: str) -> str:
    return reference[:slot] + inserted + reference[slot + n_deleted :]


def normal_form(reference: str, sequence: str) -> tuple[int, int, str]:
    """Return slot, deleted and inserted bases that turn one text into the other, with the most in common at the end."""
    tail = 0
    while tail < min(len(reference), len(sequence)) and reference[-1 - tail] == sequence[-1 - tail]:
        tail += 1
    head = 0
    while head < min(len(reference), len(sequence)) - tail and reference[head] == sequence[head]:
        head += 1
    return head, len(reference) - tail - head, sequence[head : len(sequence) - tail]


def mismatches(read: str, sequence: str, at: int, first: int, last: int) -> int:
    """Return how many of the read's bases [first, last) differ from the sequence when its first base stands at `at`."""
    pairs = [(read[k], sequence[at + k]) for k in range(first, last) if 0 <= at + k < len(sequence)]
    return sum(one != other for one, other in pairs)


def changed_window(reference: str, change: Change) -> tuple[int, int]:
    """Return the first slot of the change's window and the slot past it: all slots at which it could be written."""
    whole = haplotype(reference, change.slot, change.n_deleted, text(change.inserted))
    n = len(change.inserted)
    if (n > 0) == (change.n_deleted > 0):
        return change.slot, change.slot + change.n_deleted
    last = change.slot
    while last + 1 + change.n_deleted < len(reference):
        inserted = whole[last + 1 : last + 1 + n]
        if haplotype(reference, last + 1, change.n_deleted, inserted) != whole:
            break
        last += 1
    return change.slot, last + change.n_deleted


class Laid(NamedTuple):
    """A read on a region: its bases and aligned blocks as (slot, first base, bases)."""

    bases: str
    blocks: tuple[tuple[int, int, int], ...]


def fit_of(laid: Laid, reference: str, change: Change) -> tuple[int, int]:
    """Return the fewest mismatches of a read with the reference and with the allele, near the change."""
    grown = len(change.inserted) - change.n_deleted
    near = [s - c for s, c, n in laid.blocks if s < change.high + FLANK and s + n > change.low - FLANK]
    left, right = near[0], near[-1]
    sequence = haplotype(reference, change.slot, change.n_deleted, text(change.inserted))
    ways = (left, right, right + grown)
    first = max(change.low - FLANK - max(ways), 0)
    last = min(change.high + max(grown, 0) + FLANK - min(ways), len(laid.bases))
    on_reference = min(mismatches(laid.bases, reference, way, first, last) for way in (left, right))
    on_allele = min(mismatches(laid.bases, sequence, way, first, last) for way in (left, right + grown))
    return min(on_reference, MANY), min(on_allele, MARGIN if on_reference == 0 else MANY)


def stored(laid: Laid, n_slots: int, reference: str) -> tuple[StoredReads, Regions]:
    """Return one read of depth 1 and 1 and its region."""
    reads, _, regions = tiny_reads()
    cigar: list[tuple[int, int]] = []
    at, cell = laid.blocks[0][0], 0
    for k, (slot, first, n) in enumerate(laid.blocks):
        cigar += [(4 if k == 0 else 1, first - cell)] if first > cell else []
        cigar += [(2, slot - at)] if slot > at else []
        cigar.append((0, n))
        at, cell = slot + n, first + n
    cigar += [(4, len(laid.bases) - cell)] if len(laid.bases) > cell else []
    one = np.zeros(1, np.int64)
    low, high = laid.blocks[0][0] - laid.blocks[0][1], at + len(laid.bases) - cell
    reads = reads._replace(
        slot=one + laid.blocks[0][0], end_slot=one + at, fragment_low=one + low, fragment_high=one + high,
        cigar_at=one.copy(), n_cigar=np.array([len(cigar)], np.int32), cell_at=one.copy(),
        n_cells=np.array([len(laid.bases)], np.int32), flags=np.zeros(1, np.uint8),
        cigars=np.array([n << 4 | code for code, n in cigar], np.uint32), cells=codes(laid.bases) | np.uint8(0x50),
    )  # fmt: skip
    regions = regions._replace(
        offsets=np.array([0, n_slots], np.int64), reference=codes(reference), target=np.zeros(n_slots, np.int32)
    )
    return reads, regions
