"""Clipped reads to alleles: breakpoints, the sequence beyond them, and where it joins the reference again.

A right clip begins past the last aligned base of a read, a left clip ends before its first one. The sequence of a left
clip is held from the breakpoint outward, so both sides are read alike; `step` is 1 to the right and -1 to the left.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.evidence import IS_LOW_MAPQ, tiny_reads
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.model.evidence import Regions, StoredReads

Ints = NDArray[np.int64]
Int = int | np.int64
Bytes = NDArray[np.uint8]

SEED = 8
"""Bases next to the breakpoint by which clips are told apart."""
MIN_CLIP = 12
"""Shorter clips make no candidate; they count once one is known."""
WORD = 20
"""Length of the words by which a sequence is walked on."""
ANCHOR = 14
"""Least bases that must fit the reference where the sequence joins it again."""
MAX_EVENT = 300
"""Farthest place from the breakpoint at which it may do so."""
MAX_SEQUENCE = 400
"""Longest sequence beyond a breakpoint."""


class Clips(NamedTuple):
    """Clipped read ends."""

    read: Ints
    is_left: NDArray[np.uint8]
    slot: Ints
    """Right clip: past the last aligned base. Left clip: the first aligned base."""
    cell: Ints
    """Index into the cells of the clipped base next to the breakpoint."""
    n_bases: Ints
    seed: Ints
    """Its first bases, two bits each."""


@lean_kernel
def _seed(reads: StoredReads, cell: Int, step: Int) -> Int:
    """Return the code of the first clipped bases, -1 where one is unknown or of low quality."""
    code = np.int64(0)
    for k in range(SEED):
        base = np.int64(reads.cells[cell + step * k])
        if (base & 7) > 3 or base & 8:
            return np.int64(-1)
        code = code << 2 | base & 3
    return code


@lean_kernel
def _add_clip(reads: StoredReads, regions: Regions, i: Int, is_left: bool, out: Clips, n: Int) -> bool:
    at = reads.cigar_at[i] if is_left else reads.cigar_at[i] + np.int64(reads.n_cigar[i]) - 1
    operation = np.int64(reads.cigars[at])
    slot = reads.slot[i] if is_left else reads.end_slot[i]
    low, high = regions.offsets[reads.region[i]], regions.offsets[np.int64(reads.region[i]) + 1]
    if operation & 15 != 4 or operation >> 4 < MIN_CLIP or slot <= low or slot >= high:
        return False
    cell = reads.cell_at[i] + ((operation >> 4) - 1 if is_left else np.int64(reads.n_cells[i]) - (operation >> 4))
    seed = _seed(reads, cell, -1 if is_left else 1)
    out.read[n], out.is_left[n], out.slot[n], out.cell[n] = i, is_left, slot, cell
    out.n_bases[n], out.seed[n] = operation >> 4, seed
    return bool(seed >= 0)


@kernel
def find_clips(reads: StoredReads, regions: Regions, out: Clips) -> Int:
    """Fill the clipped ends of reads of sufficient mapping quality, at most two a read; return their number."""
    n = np.int64(0)
    for i in range(len(reads.key)):
        if np.int64(reads.flags[i]) & IS_LOW_MAPQ or reads.n_cigar[i] < 2:
            continue
        n += _add_clip(reads, regions, i, True, out, n)
        n += _add_clip(reads, regions, i, False, out, n)
    return n


@kernel
def agreed_sequence(reads: StoredReads, clips: Clips, chosen: Ints, floor: Int) -> Bytes:
    """Return the sequence that most of the chosen clips of one breakpoint show, as far as `floor` of them agree."""
    out = np.empty(MAX_SEQUENCE, np.uint8)
    votes = np.empty(4, np.int64)
    for k in range(MAX_SEQUENCE):
        votes[:] = 0
        for c in chosen:
            if k < clips.n_bases[c]:
                base = np.int64(reads.cells[clips.cell[c] + (-k if clips.is_left[c] else k)])
                if (base & 7) < 4 and not base & 8:
                    votes[base & 7] += 1
        best = np.int64(np.argmax(votes))
        if votes[best] < floor or 4 * votes[best] < 3 * votes.sum():
            return out[:k].copy()
        out[k] = best
    return out


@lean_kernel
def _fit(reference: Bytes, sequence: Bytes, skipped: Int, at: Int, bounds: tuple[Int, Int, Int]) -> Int:
    """Return the mismatches of the sequence behind its skipped bases with the reference from a slot on, -1 for no fit.

    The first `SEED` bases must fit each, the rest with one mismatch in `WORD`.
    """
    low, high, step = bounds
    n, bad = len(sequence) - skipped, np.int64(0)
    if not low <= at < high or not low <= at + step * (n - 1) < high:
        return np.int64(-1)
    for k in range(n):
        bad += sequence[skipped + k] != reference[at + step * k]
        if bad > (0 if k < SEED else n // WORD):
            return np.int64(-1)
    return bad


@kernel
def find_anchor(reference: Bytes, low: Int, high: Int, slot: Int, is_left: bool, sequence: Bytes) -> tuple[Int, Int]:
    """Return how many bases of the sequence are new, and the slot at which it joins the reference; (-1, -1) for none.

    A right clip's sequence, past the new bases, begins at that slot; a left clip's ends before it. The fewest new bases
    win, then the fewest mismatches, then the nearest slot, then the leftmost. [low, high) are the region's slots.
    """
    step = np.int64(-1 if is_left else 1)
    for skipped in range(len(sequence) - ANCHOR + 1):
        best_bad: Int = np.int64(len(sequence))
        best_at: Int = np.int64(-1)
        for far in range(MAX_EVENT + 1):
            for sign in (-1, 1):
                at = slot + sign * far - (1 if is_left else 0)
                bad = _fit(reference, sequence, skipped, at, (low, high, step))
                if 0 <= bad < best_bad:
                    best_bad, best_at = bad, at
        if best_at >= 0:
            return np.int64(skipped), best_at + (1 if is_left else 0)
    return np.int64(-1), np.int64(-1)


@kernel
def clip_words(reads: StoredReads, clips: Clips, chosen: Ints) -> Ints:
    """Return the words of the chosen clipped reads, sorted; words with an unknown or low-quality base are left out."""
    total = np.int64(0)
    for c in chosen:
        total += reads.n_cells[clips.read[c]]
    out, n = np.empty(total, np.int64), np.int64(0)
    mask = (np.int64(1) << (2 * WORD)) - 1
    for c in chosen:
        i, code, length = clips.read[c], np.int64(0), np.int64(0)
        for k in range(reads.cell_at[i], reads.cell_at[i] + np.int64(reads.n_cells[i])):
            base = np.int64(reads.cells[k])
            length = np.int64(0) if (base & 7) > 3 or base & 8 else length + 1
            code = (code << 2 | base & 3) & mask
            if length >= WORD:
                out[n] = code
                n += 1
    return np.sort(out[:n])


@lean_kernel
def _n_words(words: Ints, code: Int) -> Int:
    """Return how many words are the given one."""
    n = np.int64(np.searchsorted(words, code + 1)) - np.int64(np.searchsorted(words, code))
    return n


@kernel
def walk_on(sequence: Bytes, words: Ints, floor: Int) -> Bytes:
    """Return the sequence walked on to the right by the words: the commonest next one, while it is clear and common.

    Clear: seen `floor` times, and three quarters of all that could follow. At most `MAX_SEQUENCE` bases.
    """
    out = np.empty(MAX_SEQUENCE, np.uint8)
    n = min(len(sequence), MAX_SEQUENCE)
    out[:n] = sequence[:n]
    mask = (np.int64(1) << (2 * WORD)) - 1
    code = np.int64(0)
    for k in range(max(n - WORD, 0), n):
        code = code << 2 | np.int64(out[k])
    while WORD <= n < MAX_SEQUENCE:
        best: Int = np.int64(0)
        best_base, total = np.int64(0), np.int64(0)
        for base in range(4):
            seen = _n_words(words, (code << 2 | base) & mask)
            total += seen
            if seen > best:
                best, best_base = seen, np.int64(base)
        if best < floor or 4 * best < 3 * total:
            break
        code = (code << 2 | best_base) & mask
        out[n] = best_base
        n += 1
    return out[:n].copy()


def warm() -> None:
    """Compile every kernel of this module on one tiny read."""
    reads, _, regions = tiny_reads()
    one = np.zeros(1, np.int64)
    clips = Clips(one.copy(), np.zeros(1, np.uint8), one.copy(), one.copy(), one.copy(), one.copy())
    find_clips(reads, regions, clips)
    sequence = agreed_sequence(reads, clips, one, 1)
    find_anchor(regions.reference, 0, 8, 4, False, np.zeros(ANCHOR, np.uint8))
    words = clip_words(reads, clips, one)
    walk_on(sequence, words, 1)
