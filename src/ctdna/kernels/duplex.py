"""Two single-strand consensus reads to one duplex read."""

import numpy as np

from ctdna.kernels.consensus import MAX_DEPTH, NO_CALL_QUALITY, N, Strands, count_of
from ctdna.kernels.jit import lean_kernel
from ctdna.stats.phred import MAX_PHRED, MIN_PHRED

Int = int | np.int64
BOTH, ONLY_A, ONLY_B, NEITHER = range(4)


@lean_kernel
def combine_base(a: Int, qa: Int, b: Int, qb: Int) -> tuple[Int, Int, Int]:
    """Return the duplex base, its quality, and the base before masking, from two strands' bases and qualities.

    Agreeing: qualities add, at most 93. Differing: the better base with the difference. A difference of 2 or less, or
    N on either strand: N.
    """
    if a == b:
        raw, quality = a, min(qa + qb, np.int64(MAX_PHRED))
    elif qa > qb:
        raw, quality = a, qa - qb
    elif qb > qa:
        raw, quality = b, qb - qa
    else:
        raw, quality = a, np.int64(MIN_PHRED)
    if a == N or b == N or quality <= MIN_PHRED:
        return np.int64(N), np.int64(NO_CALL_QUALITY), raw
    return raw, quality, raw


@lean_kernel
def _has_depth(strands: Strands, slot: Int, n: Int) -> bool:
    depths = strands.depths
    i = np.int64(0)
    while i < n and depths[slot, i] == 0:
        i += 1
    return bool(i < n)


@lean_kernel
def _copy(strands: Strands, source: Int, target: Int) -> None:
    codes, quals, depths, errors = strands.codes, strands.quals, strands.depths, strands.errors
    n = strands.lengths[source]
    strands.lengths[target] = n
    for i in range(n):
        codes[target, i], quals[target, i] = codes[source, i], quals[source, i]
        depths[target, i], errors[target, i] = depths[source, i], errors[source, i]


@lean_kernel
def _combine_both(strands: Strands, a: Int, b: Int, target: Int) -> None:
    """Combine slots a and b, cut to one length, position by position."""
    codes, quals, votes, seen = strands.codes, strands.quals, strands.votes, strands.seen
    depths, all_errors = strands.depths, strands.errors
    for i in range(strands.lengths[target]):
        code, quality, raw = combine_base(
            np.int64(codes[a, i]), np.int64(quals[a, i]), np.int64(codes[b, i]), np.int64(quals[b, i])
        )
        letters = np.int64(seen[a, i] | seen[b, i])
        errors = np.int64(0)
        if raw != N and letters & (letters - 1):
            errors = np.int64(votes[a, i]) + np.int64(votes[b, i])
            errors -= count_of(strands, a, np.int64(i), raw) + count_of(strands, b, np.int64(i), raw)
        codes[target, i], quals[target, i] = code, quality
        depths[target, i] = np.int64(depths[a, i]) + np.int64(depths[b, i])
        all_errors[target, i] = min(errors, np.int64(MAX_DEPTH))


@lean_kernel
def combine(strands: Strands, a: Int, b: Int, target: Int) -> Int:
    """Combine slots a and b into `target`; return `BOTH`, `ONLY_A`, `ONLY_B` or `NEITHER`: the strands it stands on.

    Two strands: the length of the shorter (a and b are cut to it); depths are the sums of the strands' depths; errors
    are all reads that differ from the base before masking. One strand without depth there: a copy of the other.
    """
    length_a, length_b = strands.lengths[a], strands.lengths[b]
    shorter = min(length_a, length_b) if length_a > 0 and length_b > 0 else max(length_a, length_b)
    has_a = length_a > 0 and _has_depth(strands, a, shorter)
    has_b = length_b > 0 and _has_depth(strands, b, shorter)
    strands.lengths[target] = 0
    if not has_a and not has_b:
        return NEITHER
    if not has_a or not has_b:
        _copy(strands, a if has_a else b, target)
        return ONLY_A if has_a else ONLY_B
    strands.lengths[a], strands.lengths[b], strands.lengths[target] = shorter, shorter, shorter
    _combine_both(strands, a, b, target)
    return BOTH
