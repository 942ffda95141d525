import pytest
from scipy.stats import binomtest, chi2

from ctdna.stats.exact import clopper_pearson, poisson_interval


@pytest.mark.parametrize(("k", "n", "level"), [(0, 12, 0.95), (12, 12, 0.95), (3, 40, 0.95), (95, 100, 0.9)])
def test_fraction_equals_scipy(k: int, n: int, level: float) -> None:
    found = binomtest(k, n).proportion_ci(confidence_level=level, method="exact")
    assert clopper_pearson(k, n, level) == pytest.approx((found.low, found.high), rel=1e-9, abs=1e-12)


def test_no_trials_say_nothing() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("k", "level"), [(0, 0.95), (1, 0.95), (7, 0.9), (300, 0.99)])
def test_poisson_equals_the_quantiles_of_chi_square(k: int, level: float) -> None:
    # Garwood (1936): half the quantiles of chi-square laws of 2 k and 2 k + 2 degrees of freedom.
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * k) / 2 if k else 0.0
    assert poisson_interval(k, level) == pytest.approx((low, chi2.ppf(1 - tail, 2 * k + 2) / 2), rel=1e-9)
