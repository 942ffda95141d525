"""Shares and their Wilson intervals; VAFs of two runs held against each other."""

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from ctdna.model.equivalence import Estimate, Rate, VafComparison

Floats = NDArray[np.float64]
_LIMITS = 1.96
"""Standard deviations of Bland and Altman's limits of agreement."""


def wilson(n_agree: int, n: int, confidence: float) -> tuple[float, float]:
    """Return the score interval of a share (Wilson 1927), two-sided; (0, 1) for n = 0.

    Its ends are the shares p at which (n_agree / n - p) / sqrt(p (1 - p) / n) is -/+ z.
    """
    if n == 0:
        return 0.0, 1.0
    z = float(norm.ppf(0.5 + 0.5 * confidence))
    share = n_agree / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if n_agree == 0 else middle - half
    high = 1.0 if n_agree == n else middle + half
    return max(0.0, low), min(1.0, high)


def rate(n_agree: int, n: int, confidence: float) -> Rate:
    """Return a share with its interval; without figures where nothing was counted."""
    if n == 0:
        return Rate(n_agree=0, n=0, value=None, low=None, high=None)
    low, high = wilson(n_agree, n, confidence)
    return Rate(n_agree=n_agree, n=n, value=n_agree / n, low=low, high=high)


def mean_estimate(values: Floats, confidence: float) -> Estimate | None:
    """Return the mean with its t interval; without interval for one value, None for none."""
    if len(values) == 0:
        return None
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(value=mean, low=None, high=None)
    half = float(t.ppf(0.5 + 0.5 * confidence, len(values) - 1)) * float(values.std(ddof=1)) / sqrt(len(values))
    return Estimate(value=mean, low=mean - half, high=mean + half)


def deming(x: Floats, y: Floats) -> tuple[float, float] | None:
    """Return slope and intercept of the line nearest to all points, errors of x and y alike (Deming, ratio 1).

    None where x has no spread that y follows: fewer than 2 points, all equal, or no covariance.
    """
    if len(x) < 2:
        return None
    covariance = np.cov(x, y)
    sxx, syy, sxy = float(covariance[0, 0]), float(covariance[1, 1]), float(covariance[0, 1])
    if sxy == 0:
        return None
    slope = (syy - sxx + sqrt((syy - sxx) ** 2 + 4 * sxy * sxy)) / (2 * sxy)
    return slope, float(y.mean()) - slope * float(x.mean())


def deming_estimates(x: Floats, y: Floats, confidence: float) -> tuple[Estimate, Estimate] | None:
    """Return slope and intercept with jackknife intervals (Linnet 1990); None where the line is not defined.

    Pseudo-values n * all - (n - 1) * without one; their mean's standard error with n - 2 degrees of freedom.
    """
    whole = deming(x, y)
    if whole is None or len(x) < 3:
        return None
    parts = [deming(np.delete(x, i), np.delete(y, i)) for i in range(len(x))]
    known = [part for part in parts if part is not None]
    if len(known) < len(x):
        return None
    pseudo = len(x) * np.array(whole) - (len(x) - 1) * np.array(known)
    quantile = float(t.ppf(0.5 + 0.5 * confidence, len(x) - 2))
    half = quantile * pseudo.std(axis=0, ddof=1) / sqrt(len(x))
    slope, intercept = (
        Estimate(value=value, low=value - float(width), high=value + float(width))
        for value, width in zip(whole, half, strict=True)
    )
    return slope, intercept


def compare_vafs(baseline: Floats, candidate: Floats, confidence: float) -> VafComparison:
    """Return bias, limits of agreement and regression of paired VAFs, each above 0."""
    difference = candidate - baseline
    absolute = mean_estimate(difference, confidence)
    line = deming_estimates(baseline, candidate, confidence)
    spread = _LIMITS * float(difference.std(ddof=1)) if len(difference) > 1 else None
    return VafComparison(
        n=len(baseline),
        relative_bias=mean_estimate(2 * difference / (candidate + baseline), confidence),
        absolute_bias=absolute,
        agreement_low=absolute.value - spread if absolute and spread is not None else None,
        agreement_high=absolute.value + spread if absolute and spread is not None else None,
        slope=line[0] if line else None,
        intercept=line[1] if line else None,
    )
