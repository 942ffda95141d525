import numpy as np
import pytest
from scipy import stats

from ctdna.stats.intervals import jeffreys
from ctdna.stats.tests import binomial_at_most, fisher_more, fisher_two_sided, q_values


@pytest.mark.parametrize("table", [(10, 2, 3, 15), (0, 5, 400, 380), (7, 7, 7, 7), (3, 0, 0, 3)])
def test_fisher_equals_scipy(table: tuple[int, int, int, int]) -> None:
    square = np.array(table).reshape(2, 2)
    assert fisher_two_sided(*table) == pytest.approx(stats.fisher_exact(square).pvalue, rel=1e-9)
    assert fisher_more(*table) == pytest.approx(stats.fisher_exact(square, "greater").pvalue, rel=1e-9)


def test_fisher_of_an_empty_margin_is_one() -> None:
    assert fisher_two_sided(0, 0, 5, 5) == 1.0


def test_q_values_equal_scipy() -> None:
    p = np.array([0.001, 0.5, 0.02, 0.04, 1.0])
    assert q_values(p, 5) == pytest.approx(stats.false_discovery_control(p))
    padded = np.concatenate([p, np.ones(95)])
    assert q_values(p, 100) == pytest.approx(stats.false_discovery_control(padded)[:5])


@pytest.mark.parametrize(("k", "n"), [(0, 100), (3, 2500), (100, 100), (50, 100)])
def test_jeffreys_equals_scipy(k: int, n: int) -> None:
    low, high = jeffreys(k, n)
    law = stats.beta(k + 0.5, n - k + 0.5)
    assert low == pytest.approx(0.0 if k == 0 else law.ppf(0.025))
    assert high == pytest.approx(1.0 if k == n else law.ppf(0.975))
    assert jeffreys(0, 0) == (0.0, 1.0)


def test_jeffreys_covers_95_of_100() -> None:
    k = np.random.default_rng(2).binomial(2500, 0.004, 4000)
    covered = [low <= 0.004 <= high for low, high in (jeffreys(int(one), 2500) for one in k)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_binomial_at_most() -> None:
    assert binomial_at_most(0, 3, 0.5) == pytest.approx(0.125)
