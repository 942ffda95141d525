"""Insertions and deletions of packed reads, left-aligned on the reference."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.evidence import IS_LOW_MAPQ, class_of, tiny_reads
from ctdna.kernels.jit import kernel
from ctdna.model.evidence import IndelEvents, Regions, StoredReads

Ints = NDArray[np.int64]
Int = int | np.int64
Place = tuple[Int, Int, Int, Int, Int]


@kernel
def count_events(reads: StoredReads) -> tuple[Int, Int]:
    """Return at most how many indel events the reads hold, and at most how many inserted bases."""
    n_events, n_inserted = np.int64(0), np.int64(0)
    for operation in reads.cigars:
        code = np.int64(operation) & 15
        if code == 1 or code == 2:
            n_events += 1
            n_inserted += (np.int64(operation) >> 4) if code == 1 else np.int64(0)
    return n_events, n_inserted


@kernel
def left_align(reference: NDArray[np.uint8], low: Int, slot: Int, n_deleted: Int, inserted: NDArray[np.uint8]) -> Int:
    """Return the leftmost slot at which the same change can be written; rotates `inserted` in place.

    Only pure insertions and pure deletions move. The slot stays above `low`, so that a base stands before it.
    """
    n = len(inserted)
    if (n > 0) == (n_deleted > 0):
        return slot
    while slot - 1 > low:
        before = reference[slot - 1]
        last = inserted[n - 1] if n > 0 else reference[slot + n_deleted - 1]
        if before != last or before > 3:
            break
        for k in range(n - 1, 0, -1):
            inserted[k] = inserted[k - 1]
        if n > 0:
            inserted[0] = before
        slot -= 1
    return slot


@kernel
def _add_event(reads: StoredReads, regions: Regions, i: Int, place: Place, out: IndelEvents, n: Int, at: Int) -> bool:
    slot, n_deleted, cell, n_inserted, end_bases = place
    low = regions.offsets[reads.region[i]]
    high = regions.offsets[np.int64(reads.region[i]) + 1]
    if slot <= low or slot + n_deleted >= high:
        return False
    for k in range(n_inserted):
        code = np.int64(reads.cells[cell + k])
        if (code & 7) > 3 or code & 8:
            return False
        out.inserted[at + k] = code & 7
    out.read[n], out.n_deleted[n], out.n_inserted[n], out.inserted_at[n] = i, n_deleted, n_inserted, at
    near = min(slot - reads.fragment_low[i], reads.fragment_high[i] - 1 - slot)
    before = np.int64(reads.cells[max(cell - 1, reads.cell_at[i])])
    out.evidence_class[n] = class_of((before & 0xF0) | (8 if near < end_bases else 0))
    out.slot[n] = left_align(regions.reference, low, slot, n_deleted, out.inserted[at : at + n_inserted])
    return True


@kernel
def find_events(reads: StoredReads, regions: Regions, end_bases: Int, out: IndelEvents) -> Int:
    """Fill the indel events of reads of sufficient mapping quality, and return how many there are.

    Neighbouring insertions and deletions are one event. An event with an unknown or low-quality inserted base, or at a
    region's edge, is left out.
    """
    n, used = np.int64(0), np.int64(0)
    for i in range(len(reads.key)):
        if np.int64(reads.flags[i]) & IS_LOW_MAPQ:
            continue
        slot, cell = reads.slot[i], reads.cell_at[i]
        n_deleted, n_inserted = np.int64(0), np.int64(0)
        for c in range(np.int64(reads.n_cigar[i]) + 1):
            operation = np.int64(reads.cigars[reads.cigar_at[i] + c]) if c < reads.n_cigar[i] else np.int64(6)
            code, length = operation & 15, operation >> 4
            if code == 1:
                n_inserted += length
                cell += length
            elif code == 2:
                n_deleted += length
                slot += length
            else:
                place = (slot - n_deleted, n_deleted, cell - n_inserted, n_inserted, end_bases)
                if n_deleted + n_inserted > 0 and _add_event(reads, regions, i, place, out, n, used):
                    n, used = n + 1, used + n_inserted
                n_deleted, n_inserted = np.int64(0), np.int64(0)
                if code == 0 or code == 7 or code == 8:
                    slot += length
                    cell += length
                elif code == 3:
                    slot += length
                elif code == 4:
                    cell += length
    return n


@kernel
def shift_window(
    reference: NDArray[np.uint8], high: Int, slot: Int, n_deleted: Int, inserted: NDArray[np.uint8]
) -> Int:
    """Return the slot past everything that the same change, written elsewhere, can touch to the right."""
    n = len(inserted)
    if (n > 0) == (n_deleted > 0):
        return slot + n_deleted
    k = np.int64(0)
    while slot + n_deleted + k < high:
        nxt = reference[slot + n_deleted + k]
        first = inserted[k % n] if n > 0 else reference[slot + k]
        if nxt != first or nxt > 3:
            break
        k += 1
    return slot + n_deleted + k


def warm() -> None:
    """Compile every kernel of this module on one tiny read."""
    reads, _, regions = tiny_reads()
    count_events(reads)
    longs, ints = np.empty(1, np.int64), np.empty(1, np.int32)
    out = IndelEvents(longs, longs, ints, longs, ints, ints, np.empty(1, np.uint8))
    find_events(reads, regions, 2, out)
    left_align(regions.reference, 0, 4, 1, np.zeros(0, np.uint8))
    shift_window(regions.reference, 7, 4, 1, np.zeros(0, np.uint8))
