import numpy as np
import pytest
from scipy import stats

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


def test_binomial_at_most() -> None:
    assert binomial_at_most(0, 3, 0.5) == pytest.approx(0.125)
