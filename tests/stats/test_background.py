import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import gamma, nbinom, poisson

from ctdna.stats.background import (
    DONOR_SHAPE,
    OUTLIER_SHAPE,
    PRIOR_SHAPE,
    condensed,
    fit_shape,
    joined_shape,
    ln_marginal,
    prior_substitutions,
    sample_factor,
)


@settings(max_examples=50, deadline=None)
@given(k=st.integers(0, 400), expected=st.floats(1e-3, 500), shape=st.floats(0.05, 1e3))
def test_marginal_is_the_negative_binomial_law(k: int, expected: float, shape: float) -> None:
    got = ln_marginal(np.array([float(k)]), np.array([expected]), shape)[0]
    # SciPy takes shape / (shape + expected), which rounds near 1: hence the tolerance and the bounds.
    assert got == pytest.approx(float(nbinom.logpmf(k, shape, shape / (shape + expected))), rel=1e-6, abs=1e-6)


def test_joined_shape_is_that_of_the_product() -> None:
    rng = np.random.default_rng(1)
    product = rng.gamma(3.0, 1 / 3.0, 400_000) * rng.gamma(20.0, 1 / 20.0, 400_000)
    assert float(joined_shape(3.0, 20.0)) == pytest.approx(1 / (product.std() / product.mean()) ** 2, rel=0.02)
    assert float(joined_shape(3.0, np.inf)) == pytest.approx(3.0)


@pytest.mark.parametrize("shape", [0.3, 2.0, 15.0])
@pytest.mark.parametrize("other", [np.inf, 4.0])
def test_shape_of_drawn_counts_is_found(shape: float, other: float) -> None:
    rng = np.random.default_rng(7)
    expected = rng.uniform(0.05, 1.0, 60_000)
    known = rng.gamma(other, 1 / other, 60_000) if np.isfinite(other) else 1.0
    k = rng.poisson(expected * known * rng.gamma(shape, 1 / shape, 60_000))
    # A product of two gamma laws is taken as one of the same variance, which holds for few counts: a fifth off.
    assert fit_shape(k, expected, other) == pytest.approx(shape, rel=0.2)


def test_counts_that_say_nothing_give_the_prior() -> None:
    assert fit_shape(np.zeros(500, np.int64), np.full(500, 1e-6)) == pytest.approx(PRIOR_SHAPE, rel=0.01)
    assert fit_shape(np.zeros(0, np.int64), np.zeros(0)) == pytest.approx(PRIOR_SHAPE, rel=0.01)
    few = fit_shape(np.zeros(5, np.int64), np.full(5, 1e-6), centre=DONOR_SHAPE)
    assert few == pytest.approx(DONOR_SHAPE, rel=0.01)


def test_condensed_rows_give_the_same_fit() -> None:
    rng = np.random.default_rng(9)
    expected, other = rng.uniform(1e-4, 0.5, 20_000), rng.uniform(1.0, 50.0, 20_000)
    k = rng.poisson(expected * rng.gamma(1.0, 1.0, 20_000))
    rows = condensed(k, expected, other)
    assert len(rows.k) < 0.4 * len(k)
    assert rows.weight.sum() == len(k)
    assert rows.k.sum() == k.sum()
    assert (rows.expected * rows.weight).sum() == pytest.approx(expected.sum())
    assert fit_shape(*rows) == pytest.approx(fit_shape(k, expected, other), rel=0.01)


def _posterior(seen: int, expected: float, shape: float, outlier_share: float) -> tuple[float, float]:
    """Return mean and variance of the factor by integration."""

    def density(x: float) -> float:
        prior = (1 - outlier_share) * gamma.pdf(x, shape, scale=1 / shape)
        prior += outlier_share * gamma.pdf(x, OUTLIER_SHAPE, scale=1 / OUTLIER_SHAPE)
        return float(prior * poisson.pmf(seen, expected * x))

    peak = (seen + 1) / (expected + 1)
    bounds = [1e-9, 0.2 * peak, 0.6 * peak, peak, 1.5 * peak, 3 * peak, 20 * peak + 20]
    moments = [
        sum(quad(lambda x, p=p: x**p * density(x), a, b)[0] for a, b in itertools.pairwise(bounds)) for p in range(3)
    ]
    mean = moments[1] / moments[0]
    return mean, moments[2] / moments[0] - mean**2


@pytest.mark.parametrize(
    ("seen", "expected", "shape", "outlier_share"),
    [(0, 0.4, 20.0, 0.05), (3, 0.4, 20.0, 0.05), (40, 10.0, 50.0, 0.05), (9, 10.0, 2.0, 0.3), (12, 4.0, 8.0, 0.1)],
)
def test_factor_is_the_mean_of_its_posterior(seen: int, expected: float, shape: float, outlier_share: float) -> None:
    found = sample_factor(np.array([float(seen)]), np.array([expected]), shape, outlier_share)
    mean, variance = _posterior(seen, expected, shape, outlier_share)
    assert found.mean[0] == pytest.approx(mean, rel=1e-3)
    assert found.shape[0] == pytest.approx(mean**2 / variance, rel=1e-2)


def test_factor_of_tiny_huge_and_outlying_samples() -> None:
    none = sample_factor(np.zeros(1), np.full(1, 1e-6), 50.0, 0.05)
    assert none.mean[0] == pytest.approx(1.0, abs=1e-3)
    seen, expected = np.array([300_000.0, 3000.0, 10.0]), np.array([1e5, 100.0, 1000.0])
    found = sample_factor(seen, expected, 1e4, 0.05)
    assert found.mean == pytest.approx(seen / expected, rel=0.06)
    assert (found.shape > 5).all()
    assert np.isfinite(found.shape).all()


def test_prior_rates_are_alike_on_both_strands() -> None:
    rates = prior_substitutions()
    assert np.array_equal(rates, rates[::-1, ::-1])
