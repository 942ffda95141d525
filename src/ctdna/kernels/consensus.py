"""The vote of a family's reads: evidence per base and position in whole numbers, consensus base and quality.

Base codes are A 0, C 1, G 2, T 3, N 4. A lane is the evidence for one base over the others; lanes are whole-number
logarithms (`stats.phred`), so their sums, and ties, are exact and independent of the order of the reads.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.stats.phred import (
    EXP_NATS,
    EXP_STEP_BITS,
    MAX_PHRED,
    MIN_PHRED,
    SCALE_BITS,
    ConsensusTables,
    consensus_tables,
)

Int = int | np.int64
N = 4
NO_CALL_QUALITY = MIN_PHRED
TOO_SHALLOW_QUALITY = 0
MAX_DEPTH = 32767
"""Depths and errors are written as signed 16-bit numbers."""
N_STRANDS = 6
"""Slots of `Strands`: four votes and two combined reads."""


class Strands(NamedTuple):
    """Consensus reads of one molecule, by slot and position; reused from molecule to molecule."""

    codes: NDArray[np.uint8]
    """Base codes, slots x positions."""
    quals: NDArray[np.uint8]
    """Phred, slots x positions."""
    depths: NDArray[np.int32]
    """Reads with a base there, at most `MAX_DEPTH`, slots x positions."""
    errors: NDArray[np.int32]
    """Reads with another base than the vote's, at most `MAX_DEPTH`, slots x positions."""
    counts: NDArray[np.int32]
    """Reads by base, slots x positions x 4."""
    lanes: NDArray[np.int64]
    """Evidence by base, positions x 4."""
    lengths: NDArray[np.int64]
    """Bases of each slot; 0 where there is none."""


class VoteLimits(NamedTuple):
    """What a vote needs to be called, as whole numbers."""

    min_reads: Int
    min_consensus_quality: Int
    min_input_quality: Int


@kernel
def new_strands(n_bases: Int) -> Strands:
    """Return room for reads of up to so many bases."""
    return Strands(
        np.empty((N_STRANDS, n_bases), np.uint8),
        np.empty((N_STRANDS, n_bases), np.uint8),
        np.zeros((N_STRANDS, n_bases), np.int32),
        np.zeros((N_STRANDS, n_bases), np.int32),
        np.zeros((N_STRANDS, n_bases, 4), np.int32),
        np.zeros((n_bases, 4), np.int64),
        np.zeros(N_STRANDS, np.int64),
    )


@kernel
def exp_minus(nats: Int, exponentials: NDArray[np.float64]) -> float:
    """Return exp(-nats) of a whole-number logarithm of 0 or more, to 1e-15; 0 beyond `EXP_NATS`.

    Table and polynomial instead of the system's `exp`: the same bits on every machine.
    """
    if nats >> SCALE_BITS >= EXP_NATS:
        return 0.0
    step = nats >> (SCALE_BITS - EXP_STEP_BITS)
    rest = float(nats - (step << (SCALE_BITS - EXP_STEP_BITS))) / float(1 << SCALE_BITS)
    series = 1.0 - rest / 6.0
    for k in range(5, 0, -1):
        series = 1.0 - rest / k * series
    return float(exponentials[step]) * series


@kernel
def odds_quality(odds: float, tables: ConsensusTables) -> Int:
    """Return the consensus quality (2 to 93) for the odds that the vote is wrong."""
    if odds <= tables.odds[0]:
        return np.int64(tables.ceiling[0])
    limits = tables.middle if odds < tables.odds[1] else tables.far
    low, high = np.int64(MIN_PHRED), np.int64(MAX_PHRED)
    while low < high:
        half = (low + high + 1) >> 1
        if odds <= limits[half]:
            low = half
        else:
            high = half - 1
    return low


@kernel
def best_lane(lanes: NDArray[np.int64], i: Int) -> Int:
    """Return the base code of the greatest of the four lanes of position i, N where the greatest is not alone."""
    best, most = np.int64(0), lanes[i, 0]
    is_tie = False
    for b in range(1, 4):
        if lanes[i, b] > most:
            best, most, is_tie = np.int64(b), lanes[i, b], False
        elif lanes[i, b] == most:
            is_tie = True
    return np.int64(N) if is_tie else best


@kernel
def lanes_quality(lanes: NDArray[np.int64], i: Int, best: Int, tables: ConsensusTables) -> Int:
    """Return the consensus quality of the best of the four lanes of position i."""
    most, exponentials = lanes[i, best], tables.exponentials
    odds, last, share = 0.0, np.int64(-1), 0.0
    for b in range(4):
        if b != best:
            behind = most - lanes[i, b]
            if behind != last:
                last, share = behind, exp_minus(behind, exponentials)
            odds += share
    return odds_quality(odds, tables)


@kernel
def lead(lanes: NDArray[np.int64], i: Int, best: Int) -> Int:
    """Return how far the best of the four lanes of position i lies ahead of the next."""
    nearest = np.int64(1) << 62
    for b in range(4):
        if b != best:
            nearest = min(nearest, lanes[i, best] - lanes[i, b])
    return nearest


@kernel
def clear_votes(strands: Strands, slot: Int, n_bases: Int) -> None:
    """Empty the lanes and a slot's counts for a vote of so many bases."""
    strands.lengths[slot] = n_bases
    lanes, counts = strands.lanes, strands.counts
    for i in range(n_bases):
        for b in range(4):
            lanes[i, b] = 0
            counts[slot, i, b] = 0


@kernel
def add_read(
    strands: Strands,
    slot: Int,
    data: NDArray[np.uint8],
    place: tuple[Int, Int, Int, Int, Int],
    codes: NDArray[np.uint8],
    tables: ConsensusTables,
    min_input_quality: Int,
) -> None:
    """Add a raw record's bases to the lanes and counts of a slot, in sequencing direction.

    `place` is (offset of the packed bases, offset of the qualities, bases in the record, bases to use, 1 if reverse).
    `codes` turns 4-bit bases into base codes. Bases that are N, or whose quality is below the limit, do not vote.
    """
    bases_at, quals_at, n_bases, n_used, is_reverse = place
    used = min(np.int64(n_used), strands.lengths[slot])
    # Columns of a tuple are bound before the loop: taken inside it, each costs two atomic counts of references.
    lanes, counts, support = strands.lanes, strands.counts, tables.support
    for i in range(used):
        k = n_bases - 1 - i if is_reverse else np.int64(i)
        quality = np.int64(data[quals_at + k])
        if quality < min_input_quality:
            continue
        pair = np.int64(data[bases_at + (k >> 1)])
        code = np.int64(codes[pair & 15 if k & 1 else pair >> 4])
        if code == N:
            continue
        if is_reverse:
            code = 3 - code
        lanes[i, code] += support[quality & 127]
        counts[slot, i, code] += 1


@kernel
def call_votes(strands: Strands, slot: Int, limits: VoteLimits, tables: ConsensusTables) -> None:
    """Call bases, qualities, depths and errors of a slot from its lanes and counts."""
    lanes, counts, codes, quals = strands.lanes, strands.counts, strands.codes, strands.quals
    depths, all_errors = strands.depths, strands.errors
    least, least_quality, most = limits.min_reads, limits.min_consensus_quality, np.int64(MAX_DEPTH)
    sure, ceiling = tables.sure[0], tables.ceiling[0]
    for i in range(strands.lengths[slot]):
        depth = np.int64(0)
        for b in range(4):
            depth += np.int64(counts[slot, i, b])
        raw = best_lane(lanes, i)
        quality: Int = np.int64(NO_CALL_QUALITY)
        errors = depth
        if raw != N:
            is_sure = lead(lanes, i, raw) >= sure
            quality = ceiling if is_sure else lanes_quality(lanes, i, raw, tables)
            errors = depth - np.int64(counts[slot, i, raw])
        code = raw
        if depth < least:
            code, quality = np.int64(N), np.int64(TOO_SHALLOW_QUALITY)
        elif quality < least_quality or raw == N:
            code, quality = np.int64(N), np.int64(NO_CALL_QUALITY)
        codes[slot, i], quals[slot, i] = code, quality
        depths[slot, i], all_errors[slot, i] = min(depth, most), min(errors, most)


@kernel
def call_single(
    strands: Strands,
    slot: Int,
    data: NDArray[np.uint8],
    place: tuple[Int, Int, Int, Int, Int],
    codes: NDArray[np.uint8],
    tables: ConsensusTables,
    limits: VoteLimits,
) -> None:
    """Call a slot from its only read: its bases, each quality through the table of single reads."""
    bases_at, quals_at, n_bases, n_used, is_reverse = place
    strands.lengths[slot] = n_used
    counts, out_codes, quals, single = strands.counts, strands.codes, strands.quals, tables.single
    depths, errors = strands.depths, strands.errors
    least, least_quality = limits.min_input_quality, limits.min_consensus_quality
    for i in range(n_used):
        k = n_bases - 1 - i if is_reverse else np.int64(i)
        raw_quality = np.int64(data[quals_at + k])
        pair = np.int64(data[bases_at + (k >> 1)])
        code = np.int64(codes[pair & 15 if k & 1 else pair >> 4])
        if raw_quality < least:
            code = np.int64(N)
        elif is_reverse and code != N:
            code = 3 - code
        for b in range(4):
            counts[slot, i, b] = 1 if b == code else 0
        depths[slot, i], errors[slot, i] = (0 if code == N else 1), 0
        quality = np.int64(single[raw_quality & 127])
        if code == N or quality < least_quality:
            code, quality = np.int64(N), np.int64(NO_CALL_QUALITY)
        out_codes[slot, i], quals[slot, i] = code, quality


@kernel
def pileup_call(
    observed: NDArray[np.uint8], quals: NDArray[np.uint8], tables: ConsensusTables
) -> tuple[Int, Int, NDArray[np.int64]]:
    """Return base code, quality and counts by base of one position from its observations (base codes, qualities)."""
    lanes = np.zeros((1, 4), np.int64)
    counts = np.zeros(4, np.int64)
    for i in range(len(observed)):
        code = np.int64(observed[i])
        if code < N:
            lanes[0, code] += tables.support[np.int64(quals[i]) & 127]
            counts[code] += 1
    best = best_lane(lanes, np.int64(0))
    quality: Int = np.int64(NO_CALL_QUALITY)
    if best != N:
        quality = lanes_quality(lanes, np.int64(0), best, tables)
    return best, quality, counts


def warm() -> None:
    """Compile the kernels of this module that no other calls."""
    one = np.zeros(1, dtype=np.uint8)
    pileup_call(one, one, consensus_tables(45, 40))
