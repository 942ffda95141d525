"""The vote of a family's reads: evidence per base and position in whole numbers, consensus base and quality.

Base codes are A 0, C 1, G 2, T 3, N 4; letters are bits, A 1, C 2, G 4, T 8, none 0, so that the bases seen in a column
are an `or`. A lane is the evidence for one base over the others; lanes are whole-number logarithms (`stats.phred`), so
their sums, and ties, are exact and independent of the order of the reads.

Most columns hold one base only: their evidence is one sum, and a table gives its quality. The reads are walked again
for the mixed columns alone.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.stats.phred import (
    EXP_NATS,
    EXP_STEP_BITS,
    LEAD_BITS,
    MAX_PHRED,
    MIN_PHRED,
    SCALE_BITS,
    ConsensusTables,
    consensus_tables,
)

Int = int | np.int64
Bytes = NDArray[np.uint8]
N = 4
MIXED = 5
"""What `CODE_OF_LETTERS` gives for more than one base."""
NO_CALL_QUALITY = MIN_PHRED
TOO_SHALLOW_QUALITY = 0
_NOT_NEGATIVE = (1 << 62) - 1
"""A mask that tells the compiler what the index is anyway."""
MAX_DEPTH = 32767
"""Depths and errors are written as signed 16-bit numbers."""
N_STRANDS = 6
"""Slots of `Strands`: four votes and two combined reads."""
LETTERS_OF_NIBBLES = np.zeros(32, dtype=np.uint8)
"""Letters of BAM's 4-bit bases, 0 for any but A, C, G and T; from 16 on those of the reverse strand's."""
LETTERS_OF_NIBBLES[[1, 2, 4, 8, 17, 18, 20, 24]] = [1, 2, 4, 8, 8, 4, 2, 1]
CODE_OF_LETTERS = np.full(16, MIXED, dtype=np.uint8)
CODE_OF_LETTERS[[0, 1, 2, 4, 8]] = [N, 0, 1, 2, 3]


class Strands(NamedTuple):
    """Consensus reads of one molecule, by slot and position; reused from molecule to molecule."""

    codes: Bytes
    """Base codes, slots x positions."""
    quals: Bytes
    """Phred, slots x positions."""
    depths: NDArray[np.int32]
    """Reads with a base there, at most `MAX_DEPTH`, slots x positions."""
    errors: NDArray[np.int32]
    """Reads with another base than the vote's, at most `MAX_DEPTH`, slots x positions."""
    seen: Bytes
    """Letters of the bases that voted, slots x positions."""
    votes: NDArray[np.int32]
    """Reads with a base there, slots x positions."""
    counts: NDArray[np.int32]
    """Reads by base, slots x positions x 4; where `seen` is mixed only."""
    totals: NDArray[np.int64]
    """Evidence of all votes, by position."""
    lanes: NDArray[np.int64]
    """Evidence by base, mixed columns x 4."""
    mixed: NDArray[np.int64]
    """Positions of the mixed columns."""
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
        np.zeros((N_STRANDS, n_bases), np.uint8),
        np.zeros((N_STRANDS, n_bases), np.uint8),
        np.zeros((N_STRANDS, n_bases), np.int32),
        np.zeros((N_STRANDS, n_bases), np.int32),
        np.zeros((N_STRANDS, n_bases), np.uint8),
        np.zeros((N_STRANDS, n_bases), np.int32),
        np.zeros((N_STRANDS, n_bases, 4), np.int32),
        np.zeros(n_bases, np.int64),
        np.zeros((n_bases, 4), np.int64),
        np.zeros(n_bases, np.int64),
        np.zeros(N_STRANDS, np.int64),
    )


@lean_kernel
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


@lean_kernel
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


@lean_kernel
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


@lean_kernel
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


@lean_kernel
def lead(lanes: NDArray[np.int64], i: Int, best: Int) -> Int:
    """Return how far the best of the four lanes of position i lies ahead of the next."""
    nearest = np.int64(1) << 62
    for b in range(4):
        if b != best:
            nearest = min(nearest, lanes[i, best] - lanes[i, b])
    return nearest


@lean_kernel
def lead_quality(ahead: Int, tables: ConsensusTables) -> Int:
    """Return the consensus quality of a column whose votes (evidence above 0) all show one base."""
    if ahead >= tables.sure[0]:
        return np.int64(tables.ceiling[0])
    leads = tables.leads
    step = np.int64(tables.lead_index[ahead >> (SCALE_BITS - LEAD_BITS)])
    while leads[step + 1] <= ahead:
        step += 1
    return np.int64(tables.lead_quality[step])


@lean_kernel
def clear_votes(strands: Strands, slot: Int, n_bases: Int) -> None:
    """Empty a slot for a vote of so many bases."""
    strands.lengths[slot] = n_bases
    seen, votes, totals = strands.seen, strands.votes, strands.totals
    for i in range(n_bases):
        seen[slot, i] = 0
        votes[slot, i] = 0
        totals[i] = 0


@lean_kernel
def add_read(
    strands: Strands,
    slot: Int,
    data: Bytes,
    place: tuple[Int, Int, Int, Int, Int],
    letters: Bytes,
    tables: ConsensusTables,
    min_input_quality: Int,
) -> None:
    """Add a raw read's bases to the votes of a slot, in sequencing direction.

    `place` is (offset of the packed bases, offset of the qualities, bases in the record, bases to use, 1 if reverse),
    `letters` is `LETTERS_OF_NIBBLES`. Bases that are N, or whose quality is below the limit, do not vote.
    """
    bases_at, quals_at, n_bases, n_used, is_reverse = place
    # Rows and parts are taken before the loop: an index that starts at 0 needs no look whether it counts from the end.
    seen, votes, totals, support = strands.seen[slot], strands.votes[slot], strands.totals, tables.support
    bases, quals = data[bases_at : bases_at + ((n_bases + 1) >> 1)], data[quals_at : quals_at + n_bases]
    table = letters[16:] if is_reverse else letters[:16]
    last, step = (n_bases - 1, np.int64(-1)) if is_reverse else (np.int64(0), np.int64(1))
    for i in range(min(np.int64(n_used), strands.lengths[slot])):
        k = (last + step * i) & _NOT_NEGATIVE
        quality = np.int64(quals[k])
        here = np.int64(table[np.int64(bases[k >> 1]) >> (4 - ((k & 1) << 2)) & 15])
        here = here if quality >= min_input_quality else np.int64(0)
        seen[i] |= here
        votes[i] += here != 0
        totals[i] += support[quality & 127] & -np.int64(here != 0)


@lean_kernel
def find_mixed(strands: Strands, slot: Int) -> Int:
    """Note the columns of a slot that hold several bases, and empty their lanes and counts; return their number."""
    seen, mixed, lanes, counts = strands.seen, strands.mixed, strands.lanes, strands.counts
    n = np.int64(0)
    for i in range(strands.lengths[slot]):
        letters = np.int64(seen[slot, i])
        if letters & (letters - 1):
            for b in range(4):
                lanes[n, b] = 0
                counts[slot, i, b] = 0
            mixed[n] = i
            n += 1
    return n


@lean_kernel
def add_mixed(
    strands: Strands,
    slot: Int,
    n_mixed: Int,
    data: Bytes,
    place: tuple[Int, Int, Int, Int, Int],
    letters: Bytes,
    tables: ConsensusTables,
    min_input_quality: Int,
) -> None:
    """Add a raw read's bases to the lanes and counts of the mixed columns of a slot; arguments as of `add_read`."""
    bases_at, quals_at, n_bases, n_used, is_reverse = place
    mixed, lanes, counts, support = strands.mixed, strands.lanes, strands.counts, tables.support
    for m in range(n_mixed):
        i = mixed[m]
        if i >= n_used:
            break
        k = n_bases - 1 - i if is_reverse else i
        quality = np.int64(data[quals_at + k])
        nibble = np.int64(data[bases_at + (k >> 1)]) >> (4 - ((k & 1) << 2)) & 15
        code = np.int64(CODE_OF_LETTERS[letters[nibble + (16 if is_reverse else 0)]])
        if quality >= min_input_quality and code != N:
            lanes[m, code] += support[quality & 127]
            counts[slot, i, code] += 1


@lean_kernel
def _call_mixed(strands: Strands, slot: Int, m: Int, tables: ConsensusTables) -> tuple[Int, Int, Int]:
    """Return base code, quality and agreeing reads of the m-th mixed column."""
    lanes = strands.lanes
    raw = best_lane(lanes, m)
    if raw == N:
        return raw, np.int64(NO_CALL_QUALITY), np.int64(0)
    is_sure = lead(lanes, m, raw) >= tables.sure[0]
    quality = np.int64(tables.ceiling[0]) if is_sure else lanes_quality(lanes, m, raw, tables)
    return raw, quality, np.int64(strands.counts[slot, strands.mixed[m], raw])


@lean_kernel
def call_votes(strands: Strands, slot: Int, limits: VoteLimits, tables: ConsensusTables) -> None:
    """Call bases, qualities, depths and errors of a slot from its votes; the lanes of mixed columns are filled."""
    codes, quals, depths, all_errors = strands.codes, strands.quals, strands.depths, strands.errors
    seen, votes, totals = strands.seen, strands.votes, strands.totals
    least, least_quality, most = limits.min_reads, limits.min_consensus_quality, np.int64(MAX_DEPTH)
    m = np.int64(0)
    for i in range(strands.lengths[slot]):
        depth = np.int64(votes[slot, i])
        code: Int = np.int64(CODE_OF_LETTERS[seen[slot, i]])
        quality: Int = np.int64(NO_CALL_QUALITY)
        n_agreeing: Int = depth
        if code == MIXED:
            code, quality, n_agreeing = _call_mixed(strands, slot, m, tables)
            m += 1
        elif totals[i] > 0:
            quality = lead_quality(totals[i], tables)
        else:
            code, n_agreeing = np.int64(N), np.int64(0)
        if depth < least:
            code, quality = np.int64(N), np.int64(TOO_SHALLOW_QUALITY)
        elif quality < least_quality or code == N:
            code, quality = np.int64(N), np.int64(NO_CALL_QUALITY)
        codes[slot, i], quals[slot, i] = code, quality
        depths[slot, i], all_errors[slot, i] = min(depth, most), min(depth - n_agreeing, most)


@lean_kernel
def count_of(strands: Strands, slot: Int, i: Int, code: Int) -> Int:
    """Return how many reads of a slot voted for a base (not N) at position i."""
    only = np.int64(CODE_OF_LETTERS[strands.seen[slot, i]])
    if only == MIXED:
        return np.int64(strands.counts[slot, i, code])
    return np.int64(strands.votes[slot, i]) if only == code else np.int64(0)


@lean_kernel
def call_single(
    strands: Strands,
    slot: Int,
    data: Bytes,
    place: tuple[Int, Int, Int, Int, Int],
    letters: Bytes,
    tables: ConsensusTables,
    limits: VoteLimits,
) -> None:
    """Call a slot from its only read: its bases, each quality through the table of single reads."""
    bases_at, quals_at, n_bases, n_used, is_reverse = place
    strands.lengths[slot] = n_used
    seen, votes, out_codes, quals = strands.seen, strands.votes, strands.codes, strands.quals
    depths, errors, single = strands.depths, strands.errors, tables.single
    least, least_quality = limits.min_input_quality, limits.min_consensus_quality
    k, step, table = (n_bases - 1, np.int64(-1), 16) if is_reverse else (np.int64(0), np.int64(1), 0)
    for i in range(n_used):
        raw_quality = np.int64(data[quals_at + k])
        nibble = np.int64(data[bases_at + (k >> 1)]) >> (4 - ((k & 1) << 2)) & 15
        here = np.int64(letters[table + nibble]) if raw_quality >= least else np.int64(0)
        depth = 1 if here else 0
        seen[slot, i], votes[slot, i], depths[slot, i], errors[slot, i] = here, depth, depth, 0
        quality = np.int64(single[raw_quality & 127])
        is_called = here != 0 and quality >= least_quality
        out_codes[slot, i] = np.int64(CODE_OF_LETTERS[here]) if is_called else np.int64(N)
        quals[slot, i] = quality if is_called else np.int64(NO_CALL_QUALITY)
        k += step


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
