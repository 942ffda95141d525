"""Packed reads to molecules per slot."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.consensus_tags import READ_TWICE
from ctdna.kernels.evidence import (
    DELETED_CODE,
    DISCORDANT_CODE,
    class_of,
    join_cells,
    lay_out,
    strands_of,
    tiny_reads,
)
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.model.evidence import N_CLASSES, Regions, SiteCounts, StoredReads

Ints = NDArray[np.int64]
Int = int | np.int64


class _Scratch(NamedTuple):
    """Room for the reads of one molecule."""

    laid: NDArray[np.uint16]
    """Their cells, one a reference position, read after read."""
    at: Ints
    """Where each read's cells begin, and one past the last."""
    cells: NDArray[np.uint16]
    """What they say at one slot."""
    flags: NDArray[np.uint8]


@lean_kernel
def _count(counts: SiteCounts, slot: Int, call: Int) -> bool:
    code = call & 7
    if code < 4:
        top, bottom = strands_of(call)
        counts.classes[slot, code, class_of(call)] += 1
        counts.strands[slot, code, 0] += top
        counts.strands[slot, code, 1] += bottom
        if min((call >> 4) & 3, (call >> 6) & 3) >= READ_TWICE:
            counts.read_twice[slot] += 1
        return True
    if code == DELETED_CODE:
        counts.deleted[slot] += 1
    elif code == DISCORDANT_CODE:
        counts.discordant[slot] += 1
    elif (call >> 9) & 7:
        counts.low_quality[slot, ((call >> 9) & 7) - 1] += 1
    elif (call >> 12) & 7:
        counts.low_mapq[slot, ((call >> 12) & 7) - 1] += 1
    return code == DELETED_CODE


@lean_kernel
def _tally_molecule(
    reads: StoredReads, span: tuple[Int, Int], regions: Regions, end_bases: Int, scratch: _Scratch, counts: SiteCounts
) -> bool:
    """Count one molecule; return whether it says something on a target."""
    first, last = span
    laid, at, is_counted = scratch.laid, scratch.at, False
    at[0] = 0
    for i in range(first, last):
        at[i - first + 1] = at[i - first] + reads.end_slot[i] - reads.slot[i]
        lay_out(reads, i, end_bases, laid[at[i - first] : at[i - first + 1]])
    for i in range(first, last):
        region = np.int64(reads.region[i])
        low, high = regions.offsets[region], regions.offsets[region + 1]
        for slot in range(max(reads.slot[i], low), min(reads.end_slot[i], high)):
            n, is_seen = np.int64(0), False
            for j in range(first, last):
                if reads.region[j] == region and reads.slot[j] <= slot < reads.end_slot[j]:
                    is_seen |= j < i
                    scratch.cells[n] = laid[at[j - first] + slot - reads.slot[j]]
                    scratch.flags[n] = reads.flags[j]
                    n += 1
            if not is_seen and _count(counts, slot, join_cells(scratch.cells, scratch.flags, n)):
                is_counted |= regions.target[slot] >= 0
    return is_counted


@kernel
def _longest_molecule(reads: StoredReads, molecules: Ints) -> tuple[Int, Int]:
    bases, n_reads = np.int64(1), np.int64(1)
    for m in range(len(molecules) - 1):
        total = np.int64(0)
        for i in range(molecules[m], molecules[m + 1]):
            total += reads.end_slot[i] - reads.slot[i]
        bases, n_reads = max(bases, total), max(n_reads, molecules[m + 1] - molecules[m])
    return bases, n_reads


@kernel
def tally(reads: StoredReads, molecules: Ints, regions: Regions, end_bases: Int, counts: SiteCounts) -> None:
    """Add to the molecules per slot; `molecules` are n + 1 offsets of molecules into the reads."""
    n_bases, n_reads = _longest_molecule(reads, molecules)
    scratch = _Scratch(
        np.empty(n_bases, np.uint16), np.empty(n_reads + 1, np.int64), np.empty(n_reads, np.uint16),
        np.empty(n_reads, np.uint8),
    )  # fmt: skip
    for m in range(len(molecules) - 1):
        if _tally_molecule(reads, (molecules[m], molecules[m + 1]), regions, end_bases, scratch, counts):
            counts.is_counted[m] = 1


def empty_counts(n_slots: int, n_molecules: int) -> SiteCounts:
    """Return counts of nothing."""
    return SiteCounts(
        np.zeros((n_slots, 4, N_CLASSES), np.int32),
        np.zeros((n_slots, 4, 2), np.int32),
        np.zeros((n_slots, 4), np.int32),
        np.zeros((n_slots, 4), np.int32),
        np.zeros(n_slots, np.int32),
        np.zeros(n_slots, np.int32),
        np.zeros(n_molecules, np.uint8),
        np.zeros(n_slots, np.int32),
    )


def warm() -> None:
    """Compile every kernel of this module on one tiny read."""
    reads, molecules, regions = tiny_reads()
    tally(reads, molecules, regions, 2, empty_counts(8, 1))
