"""Insertions and deletions of packed reads, left-aligned on the reference; what molecules say at one slot."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.evidence import (
    DELETED_CODE,
    IS_END,
    IS_LOW_MAPQ,
    NO_CELL,
    class_of,
    hash_bytes,
    join_cells,
    strands_of,
    tiny_reads,
)
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.model.evidence import IndelEvents, Regions, StoredReads

Ints = NDArray[np.int64]
Int = int | np.int64
Place = tuple[Int, Int, Int, Int, Int]


@kernel
def count_events(reads: StoredReads) -> tuple[Int, Int]:
    """Return at most how many indel events the reads hold, joint ones too, and at most how many inserted bases."""
    n_events, n_inserted = np.int64(0), np.int64(0)
    for i in range(len(reads.key)):
        n_here = np.int64(0)
        for c in range(np.int64(reads.n_cigar[i])):
            operation = np.int64(reads.cigars[reads.cigar_at[i] + c])
            code = operation & 15
            if code == 1 or code == 2:
                n_here += 1
                n_inserted += (operation >> 4) if code == 1 else np.int64(0)
        n_inserted += n_here * np.int64(reads.n_cells[i])
        n_events += 2 * n_here
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


@lean_kernel
def trim(reference: NDArray[np.uint8], slot: Int, n_deleted: Int, inserted: NDArray[np.uint8]) -> tuple[Int, Int]:
    """Return how many bases the deleted and the inserted ones share at their ends, and then at their starts."""
    n = np.int64(len(inserted))
    tail, head = np.int64(0), np.int64(0)
    while tail < min(n, n_deleted) and inserted[n - 1 - tail] == reference[slot + n_deleted - 1 - tail]:
        tail += 1
    while head < min(n, n_deleted) - tail and inserted[head] == reference[slot + head]:
        head += 1
    return tail, head


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
    tail, head = trim(regions.reference, slot, n_deleted, out.inserted[at : at + n_inserted])
    n_deleted, n_inserted = n_deleted - tail - head, n_inserted - tail - head
    if n_deleted + n_inserted == 0:
        return False
    slot, at = slot + head, at + head
    out.read[n], out.n_deleted[n], out.n_inserted[n], out.inserted_at[n] = i, n_deleted, n_inserted, at
    near = min(slot - reads.fragment_low[i], reads.fragment_high[i] - 1 - slot)
    before = np.int64(reads.cells[max(cell - 1, reads.cell_at[i])])
    out.evidence_class[n] = class_of((before & 0xF0) | (8 if near < end_bases else 0))
    out.slot[n] = left_align(regions.reference, low, slot, n_deleted, out.inserted[at : at + n_inserted])
    out.first_part[n] = -1
    return True


@lean_kernel
def _stretch(reads: StoredReads, reference: NDArray[np.uint8], place: tuple[Int, Int, Int, Int], distance: Int) -> Int:
    """Return how many aligned bases beside an event reach to its last mismatch, each near to the one before.

    `place`: slot and cell of the nearest base, number of bases, direction.
    """
    slot, cell, n, step = place
    reach = np.int64(0)
    for k in range(n):
        at = slot + step * k
        if k - reach >= distance - 1 or not 0 <= at < len(reference):
            break
        code = np.int64(reads.cells[cell + step * k])
        if (code & 7) < 4 and not code & 8 and (code & 7) != reference[at]:
            reach = np.int64(k + 1)
    return reach


@kernel
def _read_events(
    reads: StoredReads, regions: Regions, i: Int, limits: tuple[Int, Int], out: IndelEvents, at: tuple[Int, Int]
) -> tuple[Int, Int]:
    """Add the events of one read. `limits`: end bases, distance; `at`: events and inserted bases so far, returned."""
    end_bases, distance = limits
    n, used = at
    slot, cell, before = reads.slot[i], reads.cell_at[i], np.int64(0)
    n_deleted, n_inserted = np.int64(0), np.int64(0)
    chain_slot: Int = np.int64(0)
    chain_cell: Int = np.int64(0)
    chain_end: Int = np.int64(0)
    first: Int = np.int64(-1)
    for c in range(np.int64(reads.n_cigar[i]) + 1):
        operation = np.int64(reads.cigars[reads.cigar_at[i] + c]) if c < reads.n_cigar[i] else np.int64(6)
        code, length = operation & 15, operation >> 4
        is_aligned = code == 0 or code == 7 or code == 8
        if code == 1:
            n_inserted += length
            cell += length
            continue
        if code == 2:
            n_deleted += length
            slot += length
            continue
        start = slot - n_deleted
        place = (start, n_deleted, cell - n_inserted, n_inserted, end_bases)
        if n_deleted + n_inserted > 0 and _add_event(reads, regions, i, place, out, n, used):
            n, used = n + 1, used + n_inserted
            if first < 0 or start - chain_end >= distance:
                left = (start - 1, place[2] - 1, before, np.int64(-1))
                reach = _stretch(reads, regions.reference, left, distance)
                chain_slot, chain_cell, first = start - reach, place[2] - reach, n - 1
            right = (slot, cell, length if is_aligned else np.int64(0), np.int64(1))
            reach = _stretch(reads, regions.reference, right, distance)
            n_whole, n_cells = slot + reach - chain_slot, cell + reach - chain_cell
            whole = (chain_slot, n_whole, chain_cell, n_cells, end_bases)
            is_more = n_whole > n_deleted or n_cells > n_inserted
            if is_more and _add_event(reads, regions, i, whole, out, n, used):
                out.first_part[n] = first
                n, used = n + 1, used + n_cells
            chain_end = slot
        n_deleted, n_inserted = np.int64(0), np.int64(0)
        before = length if is_aligned else np.int64(0)
        if is_aligned:
            slot += length
            cell += length
        elif code == 3:
            slot += length
        elif code == 4:
            cell += length
    return n, used


@kernel
def find_events(reads: StoredReads, regions: Regions, end_bases: Int, distance: Int, out: IndelEvents) -> Int:
    """Fill the indel events of reads of sufficient mapping quality, and return how many there are.

    Insertions and deletions side by side are one event. An event with other events of its read, or with mismatches,
    nearer than `distance` is written once more together with them, behind the last. Bases in common at the ends are cut
    off. An event with an unknown or low-quality inserted base, or at a region's edge, is left out.
    """
    n: Int = np.int64(0)
    used: Int = np.int64(0)
    for i in range(len(reads.key)):
        if not np.int64(reads.flags[i]) & IS_LOW_MAPQ and reads.n_cigar[i] > 1:
            n, used = _read_events(reads, regions, i, (end_bases, distance), out, (n, used))
    return n


@kernel
def inserted_keys(events: IndelEvents) -> NDArray[np.uint64]:
    """Return a hash of each event's inserted bases."""
    out = np.empty(len(events.read), np.uint64)
    for n in range(len(events.read)):
        at = events.inserted_at[n]
        out[n] = hash_bytes(events.inserted, at, at + np.int64(events.n_inserted[n]))
    return out


@lean_kernel
def cell_of_slot(reads: StoredReads, i: Int, slot: Int) -> Int:
    """Return the index of the cell aligned to a slot, -1 where none is, -2 where the slot is deleted."""
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
            if code == 2 and at <= slot < at + n:
                return np.int64(-2)
            at += n
        elif code == 1 or code == 4:
            cell += n
        if at > slot:
            return np.int64(-1)
    return np.int64(-1)


@lean_kernel
def _laid_cell(reads: StoredReads, i: Int, slot: Int, end_bases: Int) -> Int:
    """Return the packed cell of read i at a slot, as `lay_out` gives it."""
    cell = cell_of_slot(reads, i, slot)
    near = min(slot - reads.fragment_low[i], reads.fragment_high[i] - 1 - slot)
    end = np.int64(IS_END if near < end_bases else 0)
    if cell >= 0:
        return np.int64(reads.cells[cell]) | end
    return DELETED_CODE | end if cell == -2 else np.int64(NO_CELL)


@kernel
def base_calls(
    reads: StoredReads, chosen: Ints, molecule_of: Ints, slot: Int, end_bases: Int
) -> tuple[Ints, Ints, Ints]:
    """Return the molecules of the chosen reads (in stored order), what each says at the slot, and its class.

    What they say is packed as `join_cells` does; the third array packs `class | top << 4 | bottom << 5`.
    """
    n = len(chosen)
    molecule, calls, packed = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    cells, flags = np.empty(max(n, 1), np.uint16), np.empty(max(n, 1), np.uint8)
    n_out, j = np.int64(0), np.int64(0)
    while j < n:
        m, n_reads = molecule_of[chosen[j]], np.int64(0)
        while j < n and molecule_of[chosen[j]] == m:
            cells[n_reads], flags[n_reads] = _laid_cell(reads, chosen[j], slot, end_bases), reads.flags[chosen[j]]
            j, n_reads = j + 1, n_reads + 1
        call = join_cells(cells, flags, n_reads)
        top, bottom = strands_of(call)
        molecule[n_out], calls[n_out], packed[n_out] = m, call, class_of(call) | top << 4 | bottom << 5
        n_out += 1
    return molecule[:n_out].copy(), calls[:n_out].copy(), packed[:n_out].copy()


@kernel
def calls_at(reads: StoredReads, molecules: Ints, chosen: Ints, slots: Ints, end_bases: Int) -> Ints:
    """Return what each chosen molecule says at each slot, as `join_cells` packs it: (molecules, slots)."""
    out = np.empty((len(chosen), len(slots)), np.int64)
    longest = np.int64(1)
    for m in chosen:
        longest = max(longest, molecules[m + 1] - molecules[m])
    cells, flags = np.empty(longest, np.uint16), np.empty(longest, np.uint8)
    for row in range(len(chosen)):
        first, last = molecules[chosen[row]], molecules[chosen[row] + 1]
        for column in range(len(slots)):
            for i in range(first, last):
                cells[i - first] = _laid_cell(reads, i, slots[column], end_bases)
                flags[i - first] = reads.flags[i]
            out[row, column] = join_cells(cells, flags, last - first)
    return out


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
    out = IndelEvents(longs, longs, ints, longs, ints, ints, longs, np.zeros(1, np.uint8))
    find_events(reads, regions, 2, 0, out)
    inserted_keys(IndelEvents._make([*(column[:0] for column in out[:-1]), out.inserted]))
    trim(regions.reference, 4, 1, np.zeros(0, np.uint8))
    cell_of_slot(reads, np.int64(0), 4)
    base_calls(reads, np.zeros(1, np.int64), np.zeros(1, np.int64), 4, 2)
    calls_at(reads, np.array([0, 1], np.int64), np.zeros(1, np.int64), np.full(1, 4, np.int64), 2)
    left_align(regions.reference, 0, 4, 1, np.zeros(0, np.uint8))
    shift_window(regions.reference, 7, 4, 1, np.zeros(0, np.uint8))
