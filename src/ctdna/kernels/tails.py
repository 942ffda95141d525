"""Null tails, critical scores and detection limits of the weighted count over evidence classes.

The score of an allele is the sum over classes of `weight * alternate molecules`, whole numbers. Under the null, the
molecules of class c follow a beta-binomial law of mean `mean[c]` and size `size[c]` (alpha + beta).
"""

import math

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Int = int | np.int64
MAX_WEIGHT = 16
_MAX_GRID = 1 << 16
LEAST_P = 1e-30
"""Smaller p-values are given as this."""
_LEAST_TERM = 1e-40
"""P-values' laws are cut below it."""
_CUT = 1e-7
"""For the score that is critical at a level, laws are cut below this part of the level."""


@kernel
def class_weights(n: Ints, mean: Floats, vaf: float) -> Ints:
    """Return the classes' weights, 1 to 16: `ln((vaf + mean) / mean)` on one scale, its greatest being 16.

    Classes without molecules get 1. `vaf` is the fraction that the test looks for.
    """
    raw = np.log((vaf + mean) / mean)
    top = 0.0
    for c in range(len(n)):
        if n[c] > 0:
            top = max(top, raw[c])
    out = np.ones(len(n), np.int64)
    for c in range(len(n)):
        if n[c] > 0 and top > 0.0:
            out[c] = max(1, round(MAX_WEIGHT * raw[c] / top))
    return out


@kernel
def ln_none(n: Int, mean: float, size: float) -> float:
    """Return ln P(0 of n) of the beta-binomial law, to about 1e-12: the sum of ln(1 - a / (size + i)) over i < n.

    The first terms one by one, the others by Euler and Maclaurin's formula (Abramowitz and Stegun 3.6.28) to the third
    derivative. Differences of ln gamma lose up to nine digits for large sizes, and other machines lose others.
    """
    a = mean * size
    s, total = size, 0.0
    first = np.int64(min(n, max(0, math.ceil(40.0 - size + a))))
    for _ in range(first):
        total += math.log1p(-a / s)
        s += 1.0
    m = float(n - first)
    if m == 0.0:
        return total
    low, high = math.log1p(-a / s), math.log1p(-a / (s + m))
    b = s - a
    total += (s + m - a) * high - (s - a) * low - a * math.log1p(m / s)
    total -= (high - low) / 2.0
    total += (a / ((b + m) * (s + m)) - a / (b * s)) / 12.0
    third_high, third_low = 2.0 / (b + m) ** 3 - 2.0 / (s + m) ** 3, 2.0 / b**3 - 2.0 / s**3
    return float(total - (third_high - third_low) / 720.0)


@kernel
def beta_binomial(n: Int, mean: float, size: float, least: float, out: Floats) -> Int:
    """Fill `out` with the probabilities of 0, 1, ... and return how many were needed; the rest is below `least`.

    Where `out` ends before the law does, its last cell holds the rest.
    """
    a, b = mean * size, (1.0 - mean) * size
    p = math.exp(n * math.log1p(-mean) if size > 1e9 else ln_none(n, mean, size))
    k = 0
    total = 0.0
    while k < len(out) - 1:
        out[k] = p
        total += p
        if k == n or (p < least and k > mean * n):
            return k + 1
        if size > 1e9:
            p *= (n - k) / (k + 1.0) * mean / (1.0 - mean)
        else:
            p *= (n - k) / (k + 1.0) * (a + k) / (b + n - k - 1.0)
        k += 1
    rest = 0.0
    while k <= n and (p >= least or k <= mean * n):
        rest += p
        p *= (n - k) / (k + 1.0) * ((a + k) / (b + n - k - 1.0) if size <= 1e9 else mean / (1.0 - mean))
        k += 1
    out[len(out) - 1] = rest
    return len(out)


@kernel
def null_tails(n: Ints, mean: Floats, size: Floats, weights: Ints, grid: Int, least: float) -> Floats:
    """Return P(score >= t) for t = 0 to `grid`; only sums of positive terms, so far tails keep their digits.

    The classes' laws are cut where they fall below `least`.
    """
    law = np.zeros(grid + 1)
    law[0] = 1.0
    for c in range(len(n)):
        if n[c] == 0:
            continue
        single = np.zeros(grid // weights[c] + 2)
        m = beta_binomial(n[c], mean[c], size[c], least, single)
        joined = np.zeros(grid + 1)
        for t in range(grid + 1):
            if law[t] > 0.0:
                for k in range(m):
                    joined[min(grid, t + k * weights[c])] += law[t] * single[k]
        law = joined
    for t in range(grid - 1, -1, -1):
        law[t] += law[t + 1]
    return law


@kernel
def score_p(n: Ints, mean: Floats, size: Floats, weights: Ints, score: Int) -> float:
    """Return P(score or more) under the null, at least 1e-30."""
    if score <= 0:
        return 1.0
    expected, variance = 0.0, 0.0
    for c in range(len(n)):
        if n[c] > 0:
            expected += weights[c] * n[c] * mean[c]
            spread = (size[c] + n[c]) / (size[c] + 1.0)
            variance += weights[c] ** 2 * n[c] * mean[c] * (1.0 - mean[c]) * spread
    cap = np.int64(expected + 60.0 * math.sqrt(variance)) + 40 * MAX_WEIGHT
    grid = np.int64(min(score, cap, _MAX_GRID))
    return float(max(LEAST_P, min(1.0, null_tails(n, mean, size, weights, grid, _LEAST_TERM)[grid])))


@kernel
def critical_score(n: Ints, mean: Floats, size: Floats, weights: Ints, alpha: float) -> Int:
    """Return the least score whose null tail is at most alpha; -1 where the grid holds none."""
    grid = 8 * MAX_WEIGHT
    while grid <= _MAX_GRID:
        tails = null_tails(n, mean, size, weights, grid, alpha * _CUT)
        if tails[grid] <= alpha:
            low, high = 0, grid
            while low < high:
                middle = (low + high) // 2
                if tails[middle] <= alpha:
                    high = middle
                else:
                    low = middle + 1
            return low
        grid *= 2
    return -1


@kernel
def attained_sizes(n: Ints, mean: Floats, size: Floats, vaf: float, levels: Floats, out: Floats) -> None:
    """Fill, for each row and each of the rising `levels`, the null's chance of a score that is critical at that level.

    0 where no score is. `n`, `mean`, `size`: (rows, classes); `out`: (rows, levels).
    """
    for i in range(len(n)):
        out[i] = 0.0
        if n[i].sum() == 0:
            continue
        weights = class_weights(n[i], mean[i], vaf)
        grid = 8 * MAX_WEIGHT
        tails = null_tails(n[i], mean[i], size[i], weights, grid, levels[0] * _CUT)
        while tails[grid] > levels[0] and grid < _MAX_GRID:
            grid *= 2
            tails = null_tails(n[i], mean[i], size[i], weights, grid, levels[0] * _CUT)
        score = 0
        for k in range(len(levels) - 1, -1, -1):
            while score <= grid and tails[score] > levels[k]:
                score += 1
            if score <= grid:
                out[i, k] = tails[score]


@kernel
def _binomial_step(law: Floats, n: Int, q: float, weight: Int, out: Floats) -> None:
    out[:] = 0.0
    p = math.exp(n * math.log1p(-q))
    k = 0
    while k <= n and k * weight < len(law):
        for t in range(len(law) - k * weight):
            out[t + k * weight] += law[t] * p
        p *= (n - k) / (k + 1.0) * q / (1.0 - q)
        k += 1


@kernel
def _few_but_heavy(n: Ints, q: Floats, weights: Ints, score: Int, min_molecules: Int) -> float:
    """P(score reached by fewer than `min_molecules` molecules)."""
    if min_molecules < 2 or score > (min_molecules - 1) * MAX_WEIGHT:
        return 0.0
    width = (min_molecules - 1) * MAX_WEIGHT + 1
    law = np.zeros((min_molecules, width))
    law[0, 0] = 1.0
    for c in range(len(n)):
        joined = np.zeros((min_molecules, width))
        p = math.exp(n[c] * math.log1p(-q[c]))
        for k in range(min(n[c], min_molecules - 1) + 1):
            for j in range(min_molecules - k):
                for t in range(width - k * weights[c]):
                    joined[j + k, t + k * weights[c]] += law[j, t] * p
            p *= (n[c] - k) / (k + 1.0) * q[c] / (1.0 - q[c])
        law = joined
    return float(law[:, score:].sum())


@kernel
def miss_probability(n: Ints, mean: Floats, weights: Ints, score: Int, min_molecules: Int, vaf: float) -> float:
    """Return the chance that an allele at `vaf` stays below the critical score or has too few molecules."""
    law = np.zeros(max(score, 1))
    law[0] = 1.0
    out = np.zeros(max(score, 1))
    q = mean + vaf * (1.0 - mean)
    for c in range(len(n)):
        if n[c] > 0:
            _binomial_step(law, n[c], q[c], weights[c], out)
            law, out = out, law
    missed = float(law.sum()) if score > 0 else 0.0
    return missed + _few_but_heavy(n, q, weights, score, min_molecules)


@kernel
def detection_limit(n: Ints, mean: Floats, weights: Ints, score: Int, min_molecules: Int) -> float:
    """Return the least VAF that reaches the critical score, with enough molecules, 95 times in 100; -1 where none.

    To a relative 2e-4, from above.
    """
    high = 0.999
    if score < 0 or n.sum() == 0 or miss_probability(n, mean, weights, score, min_molecules, high) > 0.05:
        return -1.0
    guess = 5.0 * max(score, 1) / max(1, (n * weights).sum())
    low = min(guess, 0.5)
    if miss_probability(n, mean, weights, score, min_molecules, low) <= 0.05:
        high = low
        while low > 1e-9 and miss_probability(n, mean, weights, score, min_molecules, low) <= 0.05:
            high, low = low, low / 2.0
    else:
        while low * 2.0 < high and miss_probability(n, mean, weights, score, min_molecules, low * 2.0) > 0.05:
            low *= 2.0
        high = min(high, low * 2.0)
    while high - low > 2e-4 * high:
        middle = 0.5 * (low + high)
        if miss_probability(n, mean, weights, score, min_molecules, middle) <= 0.05:
            high = middle
        else:
            low = middle
    return float(high)


@kernel
def limits(
    n: Ints, mean: Floats, size: Floats, vaf: float, alpha: Floats, min_molecules: Int, lob: Floats, lod95: Floats
) -> None:
    """Fill LoB and LoD95 of each row, as VAF; -1 where there is no limit. `n`, `mean`, `size`: (rows, classes).

    LoB is (k - 1) / n for the k of molecules of the mean class weight that reach the critical score (at least
    `min_molecules`).
    """
    for i in range(len(n)):
        total = n[i].sum()
        if total == 0:
            lob[i], lod95[i] = -1.0, -1.0
            continue
        weights = class_weights(n[i], mean[i], vaf)
        score = critical_score(n[i], mean[i], size[i], weights, alpha[i])
        lod95[i] = detection_limit(n[i], mean[i], weights, score, min_molecules)
        k = max(min_molecules, math.ceil(score * total / (n[i] * weights).sum()))
        lob[i] = -1.0 if score < 0 else min(1.0, (k - 1) / total)


@kernel
def score_rows(k: Ints, n: Ints, mean: Floats, size: Floats, vaf: float, p_values: Floats) -> None:
    """Fill each row's p-value of its alternate molecules `k` out of `n`; all (rows, classes)."""
    for i in range(len(k)):
        p_values[i] = 1.0
        if k[i].sum() > 0:
            weights = class_weights(n[i], mean[i], vaf)
            p_values[i] = score_p(n[i], mean[i], size[i], weights, (k[i] * weights).sum())


def warm() -> None:
    """Compile every kernel of this module on one row of one class."""
    n, k = np.full((1, 1), 100, np.int64), np.ones((1, 1), np.int64)
    mean, size = np.full((1, 1), 1e-3), np.full((1, 1), 1e4)
    score_rows(k, n, mean, size, 0.01, np.empty(1))
    limits(n, mean, size, 0.01, np.full(1, 1e-3), 2, np.empty(1), np.empty(1))
    attained_sizes(n, mean, size, 0.01, np.full(1, 1e-3), np.empty((1, 1)))
