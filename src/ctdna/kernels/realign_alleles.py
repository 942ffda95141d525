"""What each molecule says about one allele: its reads held against the reference and the alternate sequence.

A read is placed by the base before the window of the change, or, where it does not reach there, by the base after it;
from there it is compared, base by base and clips included, with both sequences. Only a clear difference decides. A read
that differs from the allele in an inserted base, or that is not aligned like the allele and differs at all, may show a
neighbouring allele and does not count for this one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.evidence import (
    IS_END,
    IS_LOW_MAPQ,
    NO_CELL,
    NONE_CODE,
    class_of,
    join_cells,
    strands_of,
    tiny_reads,
)
from ctdna.kernels.jit import kernel
from ctdna.model.evidence import Regions, StoredReads

Ints = NDArray[np.int64]
Int = int | np.int64
Bytes = NDArray[np.uint8]

FLANK = 20
"""Bases compared beyond the window of the change."""
MARGIN = 2
"""Least difference of mismatches that decides."""
MAX_MISMATCHES = 3
"""Most mismatches of a read with the sequence it is given to."""
NOTHING, REF, ALT, OTHER, DISAGREE = 0, 1, 2, 3, 4


class Change(NamedTuple):
    """One allele and the window in which it can be written, in slots."""

    slot: int
    n_deleted: int
    inserted: Bytes
    low: int
    """First slot of the window: the change cannot be written before it."""
    high: int
    """Past the window."""


@kernel
def cell_of_slot(reads: StoredReads, i: Int, slot: Int) -> Int:
    """Return the index into `reads.cells` of the read base aligned to a slot, -1 where none is."""
    at, cell = reads.slot[i], reads.cell_at[i]
    for c in range(np.int64(reads.n_cigar[i])):
        operation = np.int64(reads.cigars[reads.cigar_at[i] + c])
        code, n = operation & 15, operation >> 4
        if code == 0 or code == 7 or code == 8:
            if at <= slot < at + n:
                return np.int64(cell + slot - at)
            at += n
            cell += n
        elif code == 2 or code == 3:
            at += n
        elif code == 1 or code == 4:
            cell += n
        if at > slot:
            return np.int64(-1)
    return np.int64(-1)


@kernel
def _alternate_base(reference: Bytes, change: Change, k: Int) -> Int:
    """Base k of the alternate sequence, counted from `change.low`; negative k runs to the left of it."""
    slot = change.low + k
    n = len(change.inserted)
    if slot < change.slot:
        code = reference[slot]
    elif slot < change.slot + n:
        code = change.inserted[slot - change.slot]
    else:
        code = reference[slot - n + change.n_deleted]
    return np.int64(code)


@kernel
def _compare(reads: StoredReads, regions: Regions, i: Int, change: Change, side: tuple[Int, bool]) -> tuple[Int, Int]:
    anchor, is_left = side
    top = regions.offsets[np.int64(reads.region[i]) + 1] - max(len(change.inserted), change.n_deleted) - 1
    bottom = regions.offsets[reads.region[i]] + max(len(change.inserted), change.n_deleted) + 1
    first, last = reads.cell_at[i], reads.cell_at[i] + reads.n_cells[i]
    span = change.high - change.low + FLANK + len(change.inserted)
    shift = len(change.inserted) - change.n_deleted
    bad_ref, bad_alt = np.int64(0), np.int64(0)
    for step in range(1, span + 1):
        cell = anchor + step if is_left else anchor - step
        slot = change.low - 1 + step if is_left else change.high - step
        if cell < first or cell >= last or slot >= top or slot < bottom:
            break
        code = np.int64(reads.cells[cell])
        if (code & 7) > 3 or code & 8:
            continue
        k = slot - change.low + (0 if is_left else shift)
        bad_ref += (code & 7) != np.int64(regions.reference[slot])
        if (code & 7) != _alternate_base(regions.reference, change, k):
            is_inserted = change.slot <= change.low + k < change.slot + len(change.inserted)
            bad_alt += MAX_MISMATCHES + 1 if is_inserted else 1
    return bad_ref, bad_alt


@kernel
def _cell_around(reads: StoredReads, i: Int, change: Change, side: tuple[Int, bool]) -> Int:
    """Return the lesser strand depths around the change, as one packed cell."""
    anchor, is_left = side
    first, last = reads.cell_at[i], reads.cell_at[i] + reads.n_cells[i] - 1
    n = len(change.inserted) + 1
    low = max(first, anchor if is_left else anchor - n)
    high = min(last, anchor + n if is_left else anchor)
    a, b = np.int64(3), np.int64(3)
    for k in range(low, high + 1):
        cell = np.int64(reads.cells[k])
        if (cell & 7) < 4:
            a, b = min(a, (cell >> 4) & 3), min(b, (cell >> 6) & 3)
    return a << 4 | b << 6


@kernel
def _is_aligned_so(change: Change, left: Int, right: Int) -> bool:
    """Return whether the read's alignment has both bases around the window, as far apart as in the allele."""
    n_between = change.high - change.low + len(change.inserted) - change.n_deleted
    return bool(left >= 0 and right >= 0 and right - left - 1 == n_between)


@kernel
def read_verdict(reads: StoredReads, regions: Regions, i: Int, change: Change, end_bases: Int) -> tuple[Int, Int]:
    """Return what read i says about the change (NOTHING, REF, ALT or OTHER) and its packed cell there."""
    left = cell_of_slot(reads, i, change.low - 1)
    right = cell_of_slot(reads, i, change.high)
    if left < 0 and right < 0:
        return NOTHING, 0
    side = (left, True) if left >= 0 else (right, False)
    bad_ref, bad_alt = _compare(reads, regions, i, change, side)
    verdict = NOTHING
    if bad_alt + MARGIN <= bad_ref and bad_alt <= MAX_MISMATCHES:
        verdict = ALT
    elif bad_ref + MARGIN <= bad_alt and bad_ref <= MAX_MISMATCHES:
        verdict = REF
    elif left >= 0 and right >= 0 and min(bad_ref, bad_alt) > MAX_MISMATCHES:
        verdict = OTHER
    if verdict == ALT and bad_alt > 0 and not _is_aligned_so(change, left, right):
        # Another change near by, which the alignment shows or, clipped, leaves open.
        spans = reads.slot[i] < change.low and reads.end_slot[i] > change.high
        verdict = OTHER if spans else NOTHING
    near = min(change.slot - reads.fragment_low[i], reads.fragment_high[i] - 1 - change.slot)
    return verdict, _cell_around(reads, i, change, side) | (IS_END if near < end_bases else 0)


@kernel
def judge_molecules(
    reads: StoredReads, regions: Regions, chosen: Ints, molecule_of: Ints, change: Change, end_bases: Int
) -> tuple[Ints, Ints, Bytes, Int]:
    """Return per molecule that the chosen reads touch: its index, class, and strands; verdicts in the third.

    `chosen` are reads in stored order. The second array packs `class | top << 4 | bottom << 5`. A molecule whose reads
    disagree is DISAGREE. The last value counts molecules with the allele in reads of low mapping quality only.
    """
    n = len(chosen)
    molecule, packed, verdicts = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint8)
    n_out, n_astray, j = np.int64(0), np.int64(0), np.int64(0)
    one_cell, one_flag = np.zeros(1, np.uint16), np.zeros(1, np.uint8)
    while j < n:
        m = molecule_of[chosen[j]]
        verdict: Int = NOTHING
        cell, flags, is_astray = np.int64(0), np.int64(0), False
        while j < n and molecule_of[chosen[j]] == m:
            i = chosen[j]
            said, here = read_verdict(reads, regions, i, change, end_bases)
            j += 1
            if said == NOTHING:
                continue
            if np.int64(reads.flags[i]) & IS_LOW_MAPQ:
                is_astray |= said == ALT
                continue
            flags |= np.int64(reads.flags[i])
            a, b = max((cell >> 4) & 3, (here >> 4) & 3), max((cell >> 6) & 3, (here >> 6) & 3)
            cell = ((cell | here) & IS_END) | a << 4 | b << 6
            verdict = said if verdict in (NOTHING, said) else np.int64(DISAGREE)
        n_astray += 1 if is_astray and verdict == NOTHING else 0
        if verdict != NOTHING:
            one_cell[0], one_flag[0] = cell, flags
            call = join_cells(one_cell, one_flag, np.int64(1))
            top, bottom = strands_of(call)
            molecule[n_out], verdicts[n_out] = m, verdict
            packed[n_out] = class_of(call) | top << 4 | bottom << 5
            n_out += 1
    return molecule[:n_out].copy(), packed[:n_out].copy(), verdicts[:n_out].copy(), n_astray


@kernel
def calls_at(reads: StoredReads, molecules: Ints, chosen: Ints, slots: Ints, end_bases: Int) -> NDArray[np.int64]:
    """Return what each chosen molecule says at each slot, as `join_cells` packs it: (molecules, slots)."""
    out = np.full((len(chosen), len(slots)), NONE_CODE, np.int64)
    longest = np.int64(1)
    for m in chosen:
        longest = max(longest, molecules[m + 1] - molecules[m])
    cells, flags = np.empty(longest, np.uint16), np.empty(longest, np.uint8)
    for row in range(len(chosen)):
        first, last = molecules[chosen[row]], molecules[chosen[row] + 1]
        for column in range(len(slots)):
            slot = slots[column]
            for i in range(first, last):
                cell = cell_of_slot(reads, i, slot)
                near = min(slot - reads.fragment_low[i], reads.fragment_high[i] - 1 - slot)
                end = IS_END if near < end_bases else 0
                cells[i - first] = NO_CELL if cell < 0 else np.int64(reads.cells[cell]) | end
                flags[i - first] = reads.flags[i]
            out[row, column] = join_cells(cells, flags, last - first)
    return out


def warm() -> None:
    """Compile every kernel of this module on one tiny read."""
    reads, molecules, regions = tiny_reads()
    one = np.zeros(1, np.int64)
    judge_molecules(reads, regions, one, one, Change(4, 1, np.zeros(0, np.uint8), 4, 5), 2)
    calls_at(reads, molecules, one, one + 3, 2)
