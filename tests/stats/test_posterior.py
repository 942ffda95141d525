import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

from ctdna.stats.posterior import presence


def one(k: int, n: int, mean: float, size: float, prior: float) -> float:
    row = np.array([[k]]), np.array([[n]]), np.array([[mean]]), np.array([[size]])
    return float(presence(*row, np.array([prior]), 1e-4)[0])


@pytest.mark.parametrize("k", [0, 1, 2, 3, 5])
def test_equals_an_integral_of_binomials_where_the_rate_is_certain(k: int) -> None:
    """64 points of a smooth integrand over four decades: within 3 % of the odds."""
    n, mean, prior = 2500, 2e-5, 1e-3
    low = np.log(1e-4)
    there = quad(lambda u: binom.pmf(k, n, mean + np.exp(u) * (1 - mean)), low, 0, limit=200)[0] / -low
    odds = prior / (1 - prior) * there / binom.pmf(k, n, mean)
    found = one(k, n, mean, 1e14, prior)
    assert found / (1 - found) == pytest.approx(odds, rel=0.03)


@pytest.mark.req("REQ-CAL-019")
def test_posterior_is_calibrated_on_planted_alleles() -> None:
    """Of alleles drawn by the model itself, as many are present as the posterior says."""
    rng = np.random.default_rng(3)
    rows, n, prior, mean, size = 20000, 2500, 0.05, 1e-4, 2e4
    present = rng.random(rows) < prior
    vaf = np.where(present, np.exp(rng.uniform(np.log(1e-4), 0, rows)), 0.0)
    rate = rng.beta(mean * size, (1 - mean) * size, rows)
    k = rng.binomial(n, rate + vaf * (1 - rate))[:, None]
    shape = (rows, 1)
    found = presence(k, np.full(shape, n), np.full(shape, mean), np.full(shape, size), np.full(rows, prior), 1e-4)
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.95), (0.95, 1.01)):
        some = (found >= low) & (found < high)
        expected, n_some = found[some].mean(), some.sum()
        error = 4 * np.sqrt(expected * (1 - expected) / n_some) + 0.01
        assert abs(present[some].mean() - expected) < error, (low, high)


def test_hotspots_need_less() -> None:
    assert one(3, 2500, 1e-5, 1e5, 1e-2) > 0.5 > one(3, 2500, 1e-5, 1e5, 1e-5)
    assert one(400, 2500, 1e-5, 1e5, 1e-5) == pytest.approx(1.0)
    assert one(0, 2500, 1e-5, 1e5, 1e-2) < 1e-2
