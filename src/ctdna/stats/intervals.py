"""Estimates and intervals of a fraction."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_STEPS = 60
"""Halvings of an interval of VAFs."""
_FEW = 3
"""Up to so many alternate molecules, the low end of the score interval lies too high."""


class VafEstimate(NamedTuple):
    """VAFs with their intervals; each (rows,)."""

    vaf: Floats
    low: Floats
    high: Floats


class _Counts(NamedTuple):
    """Alternate and all molecules by class, and the null rates; each (rows, classes)."""

    k: Floats
    n: Floats
    mean: Floats

    def slope(self, vaf: Floats) -> Floats:
        """Return the derivative of the log likelihood (the score) at one VAF a row."""
        q = self.mean + vaf[:, None] * (1.0 - self.mean)
        gain = np.divide(self.k, q, out=np.zeros_like(q), where=self.k > 0)
        loss = np.divide(self.n - self.k, 1.0 - q, out=np.zeros_like(q), where=self.n > self.k)
        total: Floats = ((1.0 - self.mean) * (gain - loss)).sum(axis=1)
        return total

    def deviate(self, vaf: Floats) -> Floats:
        """Return the score over the root of Fisher's information: about normal where the VAF is the true one."""
        q = self.mean + vaf[:, None] * (1.0 - self.mean)
        information = (self.n * (1.0 - self.mean) ** 2 / np.maximum(q * (1.0 - q), 1e-300)).sum(axis=1)
        found: Floats = self.slope(vaf) / np.sqrt(information)
        return found


def _likeliest(counts: _Counts) -> Floats:
    """Return the VAF of greatest likelihood, by halving: the log likelihood is concave."""
    low, high = np.zeros(len(counts.k)), np.ones(len(counts.k))
    is_zero = counts.slope(low) <= 0.0
    is_one = (counts.k == counts.n).all(axis=1)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        rises = counts.slope(middle) > 0.0
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    return np.where(is_zero, 0.0, np.where(is_one, 1.0, 0.5 * (low + high)))


def _end(counts: _Counts, vaf: Floats, limit: float, z: float) -> Floats:
    """Return the VAF between the likeliest and `limit` (0 or 1) from where on the score test refuses."""
    inner, outer = vaf.copy(), np.full(len(vaf), limit)
    for _ in range(_STEPS):
        middle = 0.5 * (inner + outer)
        holds = np.abs(counts.deviate(middle)) <= z
        inner, outer = np.where(holds, middle, inner), np.where(holds, outer, middle)
    return outer


def _low_end_of_few(counts: _Counts, level: float) -> Floats:
    """Return the one-sided Poisson limit of rows with 1 to 3 alternate molecules, less the background; else infinity.

    The modified interval of Brown, Cai and DasGupta (2001, section 4.1.1).
    """
    k, n = counts.k.sum(axis=1), counts.n.sum(axis=1)
    least = 0.5 * chi2.ppf(1.0 - level, 2.0 * np.maximum(k, 1.0)) - (counts.n * counts.mean).sum(axis=1)
    return np.where((k >= 1) & (k <= _FEW), np.maximum(0.0, least / n), np.inf)


def shared_vaf(k: Ints, n: Ints, mean: Floats, level: float = 0.95) -> VafEstimate:
    """Return, for each row, the VAF that all classes share, less the background, and its interval.

    A molecule of class c shows the allele with the chance `mean[c] + f (1 - mean[c])`. The VAF f is that of greatest
    likelihood, 0 or more. The interval holds every f that the score test does not refuse; with one class and no
    background it is Wilson's. Its low end at 1 to 3 molecules is the one-sided Poisson limit, where that lies lower.
    Rows without molecules: VAF 0, interval 0 to 1.

    Arguments:
        k, n, mean: (rows, classes) alternate molecules, all molecules, null rates above 0.
        level: coverage, below 1.
    """
    rows = len(k)
    out = VafEstimate(np.zeros(rows), np.zeros(rows), np.ones(rows))
    known = np.flatnonzero(n.sum(axis=1) > 0)
    if len(known):
        counts = _Counts(k[known].astype(np.float64), n[known].astype(np.float64), mean[known])
        z = float(norm.ppf(0.5 + 0.5 * level))
        vaf = _likeliest(counts)
        out.vaf[known] = vaf
        low = np.where(vaf > 0.0, _end(counts, vaf, 0.0, z), 0.0)
        out.low[known] = np.minimum(low, _low_end_of_few(counts, level))
        out.high[known] = np.where(vaf < 1.0, _end(counts, vaf, 1.0, z), 1.0)
    return out


def plain_interval(n_alt: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of n_alt out of n, without background; (0, 1) for n = 0."""
    found = shared_vaf(np.array([[n_alt]]), np.array([[n]]), np.full((1, 1), 1e-12))
    return float(found.low[0]), float(found.high[0])
