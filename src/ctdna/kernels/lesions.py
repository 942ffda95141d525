"""Damage of one strand: molecules whose two strands disagree at a base, counted once each."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.consensus_tags import READ_TWICE
from ctdna.kernels.evidence import IS_LOW_MAPQ, empty_splits, lay_out, tiny_reads
from ctdna.kernels.jit import kernel
from ctdna.model.evidence import Regions, Splits, StoredReads

Ints = NDArray[np.int64]
Int = int | np.int64
BOTH, NONE = 32, 33
"""A molecule of which both strands are changed; one that counts nowhere."""


@kernel
def slot_of_base(reads: StoredReads, i: Int, base: Int) -> Int:
    """Return the slot of a read's base, -1 where it is not aligned."""
    slot, k = reads.slot[i], np.int64(0)
    for c in range(np.int64(reads.n_cigar[i])):
        operation = np.int64(reads.cigars[reads.cigar_at[i] + c])
        code, n = operation & 15, operation >> 4
        is_base, is_reference = code in (0, 1, 4, 7, 8), code in (0, 2, 3, 7, 8)
        if is_base and base < k + n:
            return slot + base - k if is_reference else np.int64(-1)
        k += n if is_base else 0
        slot += n if is_reference else 0
    return np.int64(-1)


@kernel
def lesion_of(code: Int, reference: Int) -> Int:
    """Return `strand << 4 | base << 2 | changed base` of two strands' bases, the changed strand's as it is written;
    `BOTH` where neither is the reference's."""
    one, other = code & 3, (code >> 2) & 3
    top, bottom = (one, other) if code & 16 else (other, one)
    if bottom == reference:
        return reference << 2 | top
    if top == reference:
        return np.int64(16 | (3 - reference) << 2 | (3 - bottom))
    return np.int64(BOTH)


@kernel
def _bounds_of(splits: Splits, read: Int) -> tuple[Int, Int]:
    return np.searchsorted(splits.read, read), np.searchsorted(splits.read, read + 1)


@kernel
def _mate_says(reads: StoredReads, splits: Splits, j: Int, slot: Int, reference: Int, laid: NDArray[np.uint16]) -> Int:
    """Return the lesion that read j shows at a slot, `NONE` where its strands agree there, -1 where it cannot tell."""
    first, last = _bounds_of(splits, j)
    for k in range(first, last):
        if slot_of_base(reads, j, np.int64(splits.base[k])) == slot:
            return lesion_of(np.int64(splits.code[k]), reference)
    lay_out(reads, j, 0, laid)
    cell = np.int64(laid[slot - reads.slot[j]])
    is_sure = cell & 7 < 4 and cell & 8 == 0 and min((cell >> 4) & 3, (cell >> 6) & 3) >= READ_TWICE
    return np.int64(NONE if is_sure else -1)


@kernel
def _joined(
    reads: StoredReads, molecules: tuple[Int, Int], splits: Splits, i: Int, slot: Int, reference: Int,
    laid: NDArray[np.uint16],
) -> Int:  # fmt: skip
    """Return the lesion of split i, `NONE` where another read of the molecule says otherwise or has told it already."""
    read = splits.read[i]
    found = lesion_of(np.int64(splits.code[i]), reference)
    for j in range(molecules[0], molecules[1]):
        is_over = reads.region[j] == reads.region[read] and reads.slot[j] <= slot < reads.end_slot[j]
        if j == read or not is_over or reads.flags[j] & IS_LOW_MAPQ:
            continue
        said = _mate_says(reads, splits, j, slot, reference, laid)
        if said >= 0 and (said != found or j < read):
            return np.int64(NONE)
    return found


@kernel
def count_lesions(
    reads: StoredReads, molecules: Ints, molecule_of: Ints, splits: Splits, regions: Regions, out: Ints
) -> None:
    """Fill `out`, (33,): molecules on target by `strand << 4 | base << 2 | changed base`, and of both strands changed.

    `splits` are sorted by read and base. Mates over the same slot must say the same; then the molecule counts once.
    """
    longest = np.int64(1)
    for j in range(len(reads.slot)):
        longest = max(longest, reads.end_slot[j] - reads.slot[j])
    laid = np.empty(longest, np.uint16)
    for i in range(len(splits.read)):
        read = splits.read[i]
        slot = slot_of_base(reads, read, np.int64(splits.base[i]))
        region = np.int64(reads.region[read])
        if reads.flags[read] & IS_LOW_MAPQ or not regions.offsets[region] <= slot < regions.offsets[region + 1]:
            continue
        reference = np.int64(regions.reference[slot])
        if regions.target[slot] < 0 or reference > 3:
            continue
        molecule = molecule_of[read]
        bounds = molecules[molecule], molecules[molecule + 1]
        found = _joined(reads, bounds, splits, i, slot, reference, laid)
        if found != NONE:
            out[found] += 1


def warm() -> None:
    """Compile the kernel of this module on one tiny read."""
    reads, molecules, regions = tiny_reads()
    splits = empty_splits(1)
    splits.code[0] = 1
    count_lesions(reads, molecules, np.zeros(1, np.int64), splits, regions, np.zeros(33, np.int64))
