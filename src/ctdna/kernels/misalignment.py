"""Substitutions near reads' ends that an indel of the bases beside explains as well.

Where a read ends inside a repeat, an indel in it costs the aligner more than the mismatches that it leaves, so the read
is laid straight on and shows a substitution.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.candidates import cell_of_slot
from ctdna.kernels.evidence import IS_LOW_MAPQ, tiny_reads
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.model.evidence import Regions, StoredReads

Ints = NDArray[np.int64]
Int = int | np.int64


@lean_kernel
def tail_misfits(
    reads: StoredReads, regions: Regions, i: Int, place: tuple[Int, Int], step: Int, shift: Int
) -> tuple[Int, Int]:
    """Return mismatches and bases of read i from a cell on, to its end, held against the reference `shift` further on.

    Arguments:
        place: the cell (index into `reads.cells`) and its slot.
        step: 1 to the read's right end, -1 to its left.
    """
    cell, slot = place
    first, last = reads.cell_at[i], reads.cell_at[i] + reads.n_cells[i]
    low, high = regions.offsets[reads.region[i]], regions.offsets[np.int64(reads.region[i]) + 1]
    bad, n = np.int64(0), np.int64(0)
    while first <= cell < last and low <= slot + shift < high:
        code = np.int64(reads.cells[cell])
        if (code & 7) < 4 and not code & 8:
            bad += (code & 7) != np.int64(regions.reference[slot + shift])
            n += 1
        cell += step
        slot += step
    return bad, n


@lean_kernel
def is_doubtful(reads: StoredReads, regions: Regions, i: Int, place: tuple[Int, Int], most: Int) -> bool:
    """Return whether an indel of up to `most` bases, with the tail beyond it, fits read i better than a substitution.

    Either tail of the read that begins at the place is held against the reference, straight on and moved.
    """
    for step in (1, -1):
        straight, n = tail_misfits(reads, regions, i, place, step, 0)
        for shift in range(-most, most + 1):
            moved, n_moved = tail_misfits(reads, regions, i, place, step, shift)
            if shift != 0 and n_moved == n and moved < straight:
                return True
    return False


@kernel
def doubtful_molecules(
    reads: StoredReads, regions: Regions, chosen: Ints, molecule_of: Ints, slot: Int, alt: Int, most: Int
) -> tuple[Int, Int]:
    """Return how many molecules show base `alt` at a slot, and in how many of them each such read is doubtful.

    `chosen` are reads in stored order; bases of low quality and reads of low mapping quality say nothing.
    """
    n, n_doubtful, j = np.int64(0), np.int64(0), np.int64(0)
    while j < len(chosen):
        m, n_with, n_clear = molecule_of[chosen[j]], np.int64(0), np.int64(0)
        while j < len(chosen) and molecule_of[chosen[j]] == m:
            i = chosen[j]
            j += 1
            cell = np.int64(-1) if np.int64(reads.flags[i]) & IS_LOW_MAPQ else cell_of_slot(reads, i, slot)
            if cell < 0 or np.int64(reads.cells[cell]) & 15 != alt:
                continue
            n_with += 1
            n_clear += 0 if is_doubtful(reads, regions, i, (cell, np.int64(slot)), most) else 1
        n += n_with > 0
        n_doubtful += n_with > 0 and n_clear == 0
    return n, n_doubtful


def warm() -> None:
    """Compile every kernel of this module on one tiny read."""
    reads, _, regions = tiny_reads()
    one = np.zeros(1, np.int64)
    place = (np.int64(0), np.int64(3))
    tail_misfits(reads, regions, np.int64(0), place, 1, 0)
    is_doubtful(reads, regions, np.int64(0), place, 1)
    doubtful_molecules(reads, regions, one, one, 3, 0, 1)
