"""The error model: null rates per class, substitution, context and site, and their uncertainty.

A rate is the chance that one molecule of a class shows one given wrong allele. It is a beta law of mean `mean` and
size `size`, so that counts under the null are beta-binomial.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betaln

from ctdna.model.evidence import N_CLASSES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR_NAME = "research-prior-1"
"""Name of the rates below, for the VCF header."""
PRIOR_SHAPE = 1.5
"""Shape of the gamma law of rates over sites where no normals were measured: a coefficient of variation of 0.8."""
PRIOR_EVENTS = 2.0
"""The prior weighs as much as seeing so many errors."""
MAX_RUN = 10
"""Runs and repeats of more copies count as this many."""
N_INDEL_CONTEXTS = 2 * MAX_RUN
"""Deletion or insertion, by copies of the repeat; 1: not in a repeat, or not by one unit."""
_TIER_RATE = (1e-6, 1.5e-5, 4e-5, 1.5e-4)
_TIER_INDEL_RATE = (2e-7, 1e-6, 3e-6, 1e-5)
_RUN_FACTOR = 2.2
_END_FACTOR = 3.0
_DEAMINATION, _OXIDATION, _TRANSITION = 3.0, 2.0, 1.5


class Rates(NamedTuple):
    """Null rates of a panel's sites, ready for testing."""

    mean: Floats
    """(sites, 4 alternate bases, 8 classes)."""
    size: Floats
    """As `mean`: alpha + beta."""
    indel_mean: Floats
    """(20 contexts, 8 classes)."""
    indel_size: Floats


def prior_substitutions() -> Floats:
    """Return the prior rates, (4 reference bases, 4 alternate bases, 8 classes); 1e-9 on the diagonal."""
    out = np.full((4, 4, N_CLASSES), 1e-9)
    factors = {(1, 3): _DEAMINATION, (2, 0): _DEAMINATION, (2, 3): _OXIDATION, (1, 0): _OXIDATION}
    factors |= {(0, 2): _TRANSITION, (3, 1): _TRANSITION}
    for ref in range(4):
        for alt in range(4):
            if ref != alt:
                out[ref, alt] = factors.get((ref, alt), 1.0) * _by_class(_TIER_RATE)
    return out


def _by_class(rates: tuple[float, ...]) -> Floats:
    by_class: Floats = np.repeat(rates, 2) * np.tile([1.0, _END_FACTOR], 4)
    return by_class


def prior_indels() -> Floats:
    """Return the prior indel rates, (20 contexts, 8 classes); they grow by 2.2 with each copy of a repeat."""
    growth = np.minimum(_RUN_FACTOR ** np.arange(MAX_RUN), 1e3)
    rates = growth[:, None] * _by_class(_TIER_INDEL_RATE)[None, :]
    capped: Floats = np.minimum(np.concatenate([rates, rates]), 0.05)
    return capped


def posterior_mean(k: NDArray[np.int64], n: NDArray[np.int64], prior: Floats, events: float = PRIOR_EVENTS) -> Floats:
    """Return rates whose prior weighs `events` expected errors: (k + events) / (n + events / prior)."""
    return (k + events) / (n + events / prior)


def _beta_binomial_ln(k: Ints, n: Ints, mean: Floats, size: float) -> float:
    a, b = mean * size, (1.0 - mean) * size
    return float((betaln(a + k, b + n - k) - betaln(a, b)).sum())


def fit_size(k: Ints, n: Ints, mean: Floats) -> float:
    """Return the beta law's size (alpha + beta) of greatest marginal likelihood, between 10 and 1e9.

    `k` of `n` in many groups around the expected `mean`; groups without molecules say nothing; no group gives 1e9.
    """
    known = (n > 0) & (mean > 0)
    if not known.any():
        return 1e9
    k, n, mean = k[known], n[known], mean[known]
    found = minimize_scalar(
        lambda ln_size: -_beta_binomial_ln(k, n, mean, float(np.exp(ln_size))),
        bounds=(np.log(10.0), np.log(1e9)),
        method="bounded",
        options={"xatol": 1e-3},
    )
    return float(np.exp(found.x))


def shrink(k: Ints, n: Ints, mean: Floats) -> tuple[Floats, float]:
    """Return groups' rates shrunk towards `mean` by the fitted size m, (k + m mean) / (n + m), and m."""
    size = fit_size(k.ravel(), n.ravel(), np.broadcast_to(mean, k.shape).ravel())
    return (k + size * mean) / (n + size), size
