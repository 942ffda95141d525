"""The error model: null rates per class, substitution, context and site, and their uncertainty.

A rate is the chance that one molecule of a class shows one given wrong allele. It is a beta law of mean `mean` and
size `size`, so that counts under the null are beta-binomial. Its shape is `mean * size`, 1 / (coefficient of
variation)^2: what scales the rate leaves the shape as it is. Fits take counts as gamma-Poisson (negative binomial),
which the beta-binomial is at small rates.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from ctdna.model.evidence import N_CLASSES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR_NAME = "research-prior-1"
"""Name of the rates below, for the VCF header."""
PRIOR_SHAPE = 1.5
"""Shape of the gamma law of rates over sites where no normals were measured: a coefficient of variation of 0.8."""
DONOR_SHAPE = 4.0
"""The same for what differs between donors at one site, where the normals do not tell: a coefficient of 0.5."""
SHAPE_SPREAD = 2.0
"""Standard deviation of ln(shape) around ln(PRIOR_SHAPE) or ln(DONOR_SHAPE), for shapes that are fitted."""
PRIOR_EVENTS = 2.0
"""The prior weighs as much as seeing so many errors."""
OUTLIER_SHAPE = 0.5
"""Shape of the factor of a sample that is like no donor: a coefficient of variation of 1.4."""
LEAST_RATE, MOST_RATE = 1e-9, 0.25
DAMAGE = np.array([[0, 0, 0, 0], [2, 0, 0, 1], [1, 0, 0, 2], [0, 0, 0, 0]])
"""(reference, alternate): 1 deamination (C>T, G>A), 2 oxidation (G>T, C>A), 0 the others: what raises one of them in a
sample need not raise another."""
N_DAMAGE = 3
_TIER_RATE = (1e-6, 1.5e-5, 4e-5, 1.5e-4)
_END_FACTOR = 3.0
_DEAMINATION, _OXIDATION, _TRANSITION = 3.0, 2.0, 1.5
_LN_SHAPES = (math.log(0.05), math.log(1e6))
_SURE = 1e9
"""Greater shapes scatter nothing."""


class IndelNull(NamedTuple):
    """What the null rates of a sample's indels come from."""

    mean: Floats
    """(contexts, 8) before the sample's own errors are looked at."""
    shape: Floats
    """(8,) of places around their context."""
    factor_shape: Floats
    """(8,) of samples' factors."""
    outlier_share: float
    """Chance that a sample is like no donor."""
    seen: Floats
    """(groups of contexts, 8) the sample's own errors."""
    expected: Floats
    """As `seen`."""
    own: Mapping[int, Floats]
    """The molecules (8,) that a place gave to `seen`, by slot * contexts + context."""


class Rates(NamedTuple):
    """Null rates of a panel's sites, ready for testing."""

    mean: Floats
    """(sites, 4 alternate bases, 8 classes)."""
    size: Floats
    """As `mean`: alpha + beta."""
    indels: IndelNull


def by_class(rates: tuple[float, ...]) -> Floats:
    """Return the rates of the 4 tiers as those of the 8 classes: three times as high at fragment ends."""
    out: Floats = np.repeat(rates, 2) * np.tile([1.0, _END_FACTOR], 4)
    return out


def prior_substitutions() -> Floats:
    """Return the prior rates, (4 reference bases, 4 alternate bases, 8 classes); 1e-9 on the diagonal."""
    out = np.full((4, 4, N_CLASSES), LEAST_RATE)
    factors = {(1, 3): _DEAMINATION, (2, 0): _DEAMINATION, (2, 3): _OXIDATION, (1, 0): _OXIDATION}
    factors |= {(0, 2): _TRANSITION, (3, 1): _TRANSITION}
    for ref in range(4):
        for alt in range(4):
            if ref != alt:
                out[ref, alt] = factors.get((ref, alt), 1.0) * by_class(_TIER_RATE)
    return out


def posterior_mean(k: NDArray[np.int64], n: NDArray[np.int64], prior: Floats, events: float = PRIOR_EVENTS) -> Floats:
    """Return rates whose prior weighs `events` expected errors: (k + events) / (n + events / prior)."""
    return (k + events) / (n + events / prior)


def ln_marginal(k: Floats, expected: Floats, shape: Floats | float) -> Floats:
    """Return ln P(k) of a Poisson count whose mean is `expected` times a gamma law of mean 1 and this shape."""
    ratio = expected / shape
    tail = -shape * np.log1p(ratio)
    some: Floats = np.broadcast_to(tail, np.broadcast_shapes(k.shape, np.shape(tail))).copy()
    seen = k > 0
    if seen.any():
        a, count, odds = (np.broadcast_to(x, some.shape)[seen] for x in (np.asarray(shape, float), k, ratio))
        some[seen] += gammaln(a + count) - gammaln(a) - gammaln(count + 1.0) + count * np.log(odds / (1.0 + odds))
    return some


def joined_shape(*shapes: Floats | float) -> Floats:
    """Return the shape of a product of independent laws of mean 1: squared variations add up as (1 + v) factors."""
    variation: Floats | float = 1.0
    for shape in shapes:
        variation = variation * (1.0 + 1.0 / np.asarray(shape, float))
    return np.asarray(1.0 / np.maximum(variation - 1.0, 1e-12))


def fit_shape(
    k: Ints,
    expected: Floats,
    other: Floats | float = np.inf,
    weight: Floats | None = None,
    centre: float = PRIOR_SHAPE,
) -> float:
    """Return the shape, 0.05 to 1e6, of greatest posterior density, of what scatters the counts around `expected`.

    `other`: shape of a further scatter that is known (uncertain expectations). `weight`: how often each row stands. The
    prior of ln(shape) is normal around ln(centre), so that groups that say nothing give `centre`.
    """
    known = expected > 0
    rows, means = k[known].astype(np.float64), expected[known]
    others = np.broadcast_to(np.asarray(other, float), k.shape)[known]
    times = np.ones(len(rows)) if weight is None else weight[known]

    def cost(ln_shape: float) -> float:
        shapes = joined_shape(float(np.exp(ln_shape)), others)
        prior = 0.5 * ((ln_shape - np.log(centre)) / SHAPE_SPREAD) ** 2
        return float(prior - (ln_marginal(rows, means, shapes) * times).sum())

    found = minimize_scalar(cost, bounds=_LN_SHAPES, method="bounded", options={"xatol": 1e-3})
    return float(np.exp(found.x))


class Rows(NamedTuple):
    """Counts for `fit_shape`, with rows of no errors put together."""

    k: Ints
    expected: Floats
    other: Floats
    weight: Floats


def condensed(k: Ints, expected: Floats, other: Floats) -> Rows:
    """Return the rows with errors, and those without as means over steps of 3 % in `expected` and 13 % in `other`."""
    is_none, is_some = (k == 0) & (expected > 0), k > 0
    other = np.minimum(other, _SURE)
    steps = [np.floor(np.log(column[is_none]) * fine).astype(np.int64) for column, fine in ((expected, 32), (other, 8))]
    low = [int(step.min()) if len(step) else 0 for step in steps]
    width = int(steps[1].max()) - low[1] + 1 if len(steps[1]) else 1
    key = (steps[0] - low[0]) * width + steps[1] - low[1]
    weight = np.bincount(key).astype(np.float64)
    held = weight > 0
    n_steps, n_some = int(held.sum()), int(is_some.sum())
    means = [np.bincount(key, column[is_none])[held] / weight[held] for column in (expected, other)]
    return Rows(
        np.concatenate([k[is_some], np.zeros(n_steps, np.int64)]), np.concatenate([expected[is_some], means[0]]),
        np.concatenate([other[is_some], means[1]]), np.concatenate([np.ones(n_some), weight[held]]),
    )  # fmt: skip


class Factor(NamedTuple):
    """A sample's errors over those expected."""

    mean: Floats
    shape: Floats
    """1 / (coefficient of variation)^2."""


def sample_factor(seen: Floats, expected: Floats, shape: Floats | float, outlier_share: float) -> Factor:
    """Return the posterior of a sample's factor, of which donors vary with `shape` around 1.

    The prior is a mixture: a gamma law of `shape`, and with chance `outlier_share` one of OUTLIER_SHAPE, so that a
    sample like no donor follows its own errors however alike the donors are (Berger, J Stat Plan Inference 1990,
    25:303-328, on contaminated priors).
    """
    laws = (np.asarray(shape, float), np.asarray(OUTLIER_SHAPE))
    weights = [ln_marginal(seen, expected, law) for law in laws]
    odds = np.exp(np.clip(weights[1] - weights[0], -700, 700)) * outlier_share / (1.0 - outlier_share)
    parts = [((seen + law) / (expected + law), seen + law) for law in laws]
    share = (1.0 / (1.0 + odds), odds / (1.0 + odds))
    mean = share[0] * parts[0][0] + share[1] * parts[1][0]
    square = share[0] * parts[0][0] ** 2 * (1 + 1 / parts[0][1]) + share[1] * parts[1][0] ** 2 * (1 + 1 / parts[1][1])
    return Factor(mean, mean**2 / np.maximum(square - mean**2, 1e-12 * mean**2))
