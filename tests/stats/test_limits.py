import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from ctdna.stats.limits import coarse, panel_alpha, panel_limits

pytestmark = pytest.mark.timeout(60)


@given(n=st.integers(0, 10**9))
def test_coarse_counts_are_near_and_on_the_side_asked_for(n: int) -> None:
    low, high = int(coarse(np.array([n]))[0]), int(coarse(np.array([n]), up=True)[0])
    assert n * 0.96875 <= low <= n <= high <= n * 1.03125


@pytest.mark.parametrize("n_molecules", [100, 992, 2496])
@pytest.mark.parametrize("mean", [1e-6, 3e-5, 2e-3])
def test_level_of_equal_sites_spends_the_budget_and_not_more(n_molecules: int, mean: float) -> None:
    # 1,000 sites, one class: sizes are tails of SciPy's binomial law.
    shape = (1000, 1)
    n = np.full(shape, n_molecules, np.int64)
    alpha = panel_alpha(n, np.full(shape, mean), np.full(shape, 1e15), np.ones(1000, np.int64), 0.1, 0.005, 1)
    tails = binom.sf(np.arange(40) - 1, n_molecules, mean)
    attained, next_level = tails[tails <= alpha].max(), tails[tails > alpha].min()
    assert alpha >= 1e-4
    assert 1000 * attained <= 0.1
    assert 1000 * next_level > 0.1 or next_level > 2**5.75 * 1e-4


@pytest.mark.req("REQ-CAL-005")
def test_expected_false_calls_stay_within_the_budget_on_drawn_molecules() -> None:
    rng = np.random.default_rng(5)
    n = rng.integers(100, 600, size=(300, 2)).astype(np.int64)
    mean = 10.0 ** rng.uniform(-5, -3, size=(300, 2))
    size = 1.5 / mean
    budget, once = 3.0, np.ones(300, np.int64)
    alpha = panel_alpha(n, mean, size, once, budget, 0.01, 1)
    assert alpha >= budget / 300
    assert alpha == panel_alpha(n, mean, size, once, budget, 0.01, 3)
    from ctdna.stages.rates import p_values

    calls = []
    for _ in range(60):
        k = rng.binomial(n, rng.beta(mean * size, (1 - mean) * size))
        calls.append(int((p_values(k.astype(np.int64), n, mean, size, 0.01) <= alpha).sum()))
    # Poisson at most: 60 panels hold at most 180 expected, 3 standard errors are 40.
    assert 90 <= sum(calls) <= 220


def test_no_test_has_bonferroni_s_level() -> None:
    none = np.empty((0, 8))
    assert panel_alpha(none.astype(np.int64), none, none, np.ones(0, np.int64), 0.1, 0.005, 1) == 0.1


def test_limits_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(2)
    n = rng.integers(0, 900, size=(50, 8)).astype(np.int64)
    mean = 10.0 ** rng.uniform(-6, -4, size=(50, 8))
    one, two = (panel_limits(n, mean, 1.5 / mean, np.full(50, 1e-5), 0.005, 2, threads) for threads in (1, 2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


def test_rows_that_stand_for_many_tests_weigh_as_many() -> None:
    rng = np.random.default_rng(4)
    n = rng.integers(100, 900, size=(40, 2)).astype(np.int64)
    mean, times = 10.0 ** rng.uniform(-6, -4, size=(40, 2)), rng.integers(1, 30, size=40)
    together = panel_alpha(n, mean, 1.5 / mean, times, 0.01, 0.005, 1)
    rows = [np.repeat(column, times, axis=0) for column in (n, mean, 1.5 / mean)]
    assert together == panel_alpha(rows[0], rows[1], rows[2], np.ones(len(rows[0]), np.int64), 0.01, 0.005, 2)
