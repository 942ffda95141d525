import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from ctdna.kernels.calibration import randomised_p, warm
from ctdna.kernels.tails import class_weights
from tests.naive_evidence import null_tail

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm()


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 5), st.floats(1e-4, 0.2), st.floats(5, 1e4), st.integers(0, 5)), min_size=1, max_size=3
    ),
    key=st.integers(0, 2**64 - 1),
)
def test_both_sides_of_the_step_equal_the_sums_over_all_combinations(
    rows: list[tuple[int, float, float, int]], key: int
) -> None:
    n, mean, size, k = (np.array(column) for column in zip(*rows, strict=True))
    n, k = n.astype(np.int64), np.minimum(k, n).astype(np.int64)
    p, randomised = np.empty((2, 1))
    randomised_p(k[None], n[None], mean[None], size[None], 0.01, np.uint64(key), p, randomised)
    weights = class_weights(n, mean, 0.01)
    given_lists = (n.tolist(), mean.tolist(), size.tolist(), weights.tolist())
    score = int((k * weights).sum())
    at_least, more = null_tail(*given_lists, score), null_tail(*given_lists, score + 1)
    assert p[0] == pytest.approx(at_least, rel=1e-9)
    assert more * (1 - 1e-9) - 1e-30 <= randomised[0] <= at_least * (1 + 1e-9)


def test_randomised_p_is_uniform_and_the_same_again() -> None:
    rng = np.random.default_rng(4)
    rows = 3000
    n = np.tile(np.array([400, 60], np.int64), (rows, 1))
    mean, size = np.tile([0.002, 0.01], (rows, 1)), np.tile([2000.0, 300.0], (rows, 1))
    rates = rng.beta(mean * size, (1 - mean) * size)
    k = rng.binomial(n, rates).astype(np.int64)
    p, randomised, again = np.empty((3, rows))
    randomised_p(k, n, mean, size, 0.01, np.uint64(99), p, randomised)
    randomised_p(k, n, mean, size, 0.01, np.uint64(99), p, again)
    assert np.array_equal(randomised, again)
    assert kstest(randomised, "uniform").pvalue > 0.01
    assert kstest(p, "uniform").pvalue < 1e-6, "p-values of counts are not uniform"
    none = np.zeros((1, 2), np.int64)
    randomised_p(none, none, mean[:1], size[:1], 0.01, np.uint64(7), p[:1], randomised[:1])
    assert p[0] == 1.0
    assert 0 <= randomised[0] < 1
