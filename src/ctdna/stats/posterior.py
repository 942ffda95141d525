"""How likely an allele is there at all."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit, logsumexp

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_POINTS = 64
_MOST_VAF = 0.999
_MOST_SIZE = 1e9
"""Greater sizes are binomial laws, and lose digits."""


def _ln_beta_binomial(k: Floats, n: Floats, mean: Floats, size: Floats) -> Floats:
    """Return the log of the beta-binomial law without its binomial factor, which cancels in a ratio."""
    a, b = mean * size, (1.0 - mean) * size
    found: Floats = betaln(a + k, b + n - k) - betaln(a, b)
    return found


def _ln_factors(k: Floats, n: Floats, mean: Floats, size: Floats, vafs: Floats) -> Floats:
    """Return (rows, vafs): log likelihood at each VAF over that at VAF 0."""
    size = np.minimum(size, _MOST_SIZE)
    keep = 1.0 - vafs[None, :, None]
    q = mean[:, None, :] + vafs[None, :, None] * (1.0 - mean[:, None, :])
    spread = mean * (1.0 - mean) / (size + 1.0)
    q_size = np.minimum(q * (1.0 - q) / (keep**2 * spread[:, None, :]) - 1.0, _MOST_SIZE)
    there = _ln_beta_binomial(k[:, None, :], n[:, None, :], q, q_size).sum(axis=2)
    absent = _ln_beta_binomial(k, n, mean, size).sum(axis=1)
    found: Floats = there - absent[:, None]
    return found


def presence(k: Ints, n: Ints, mean: Floats, size: Floats, prior: Floats, least_vaf: float) -> Floats:
    """Return the posterior probability of each row that its allele is present.

    The Bayes factor weighs the beta-binomial law of the counts at VAF f against the law at 0, f averaged with equal
    weight on its logarithm from `least_vaf` to 1. At VAF f the chance of the allele is `mean + f (1 - mean)`, its
    variance that of the null rate times `(1 - f)^2`.

    Arguments:
        k, n, mean, size: (rows, classes) alternate molecules, all molecules, null rates and their sizes.
        prior: (rows,) probability, before the molecules are looked at, that the allele is present.
        least_vaf: between 0 and 1.
    """
    vafs = np.geomspace(least_vaf, _MOST_VAF, _POINTS)
    weights = np.ones(_POINTS)
    weights[[0, -1]] = 0.5
    factors = _ln_factors(k.astype(float), n.astype(float), mean, size, vafs)
    ln_bayes = logsumexp(factors, axis=1, b=weights / weights.sum())
    found: Floats = expit(ln_bayes + np.log(prior) - np.log1p(-prior))
    return found
