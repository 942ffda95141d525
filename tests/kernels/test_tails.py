import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom

from ctdna.kernels.tails import (
    attained_sizes,
    beta_binomial,
    class_weights,
    critical_score,
    detection_limit,
    limits,
    ln_none,
    miss_probability,
    null_tails,
    score_p,
    warm,
)
from tests.naive_evidence import missed, null_tail

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm()


classes = st.lists(
    st.tuples(st.integers(0, 5), st.floats(1e-4, 0.2), st.floats(5, 1e4), st.integers(1, 16)), min_size=1, max_size=3
)


@settings(max_examples=60, deadline=None)
@given(rows=classes, score=st.integers(1, 60))
def test_null_tail_equals_the_sum_over_all_combinations(rows: list[tuple[int, float, float, int]], score: int) -> None:
    n, mean, size, weights = (np.array(column) for column in zip(*rows, strict=True))
    expected = null_tail(n.tolist(), mean.tolist(), size.tolist(), weights.tolist(), score)
    got = null_tails(n.astype(np.int64), mean, size, weights.astype(np.int64), 60, 1e-300)[score]
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-300)


@settings(max_examples=60, deadline=None)
@given(rows=classes, score=st.integers(1, 40), least=st.integers(1, 3), vaf=st.floats(0.001, 0.9))
def test_miss_probability_equals_the_sum_over_all_combinations(
    rows: list[tuple[int, float, float, int]], score: int, least: int, vaf: float
) -> None:
    n, mean, _, weights = (np.array(column) for column in zip(*rows, strict=True))
    expected = missed(n.tolist(), mean.tolist(), weights.tolist(), score, least, vaf)
    got = miss_probability(n.astype(np.int64), mean, weights.astype(np.int64), score, least, vaf)
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("size", "n", "mean"), [(2e4, 2500, 7e-5), (1e12, 2500, 7e-5), (50.0, 40, 0.3)])
def test_beta_binomial_equals_scipy(size: float, n: int, mean: float) -> None:
    from scipy.stats import betabinom, binom

    out = np.zeros(60)
    m = beta_binomial(n, mean, size, 1e-40, out)
    law = binom(n, mean) if size > 1e9 else betabinom(n, mean * size, (1 - mean) * size)
    k = np.arange(min(m, 59))
    assert out[k] == pytest.approx(law.pmf(k), rel=1e-6)


@settings(max_examples=200, deadline=None)
@given(n=st.integers(0, 3000), ln_mean=st.floats(-20, -1), ln_size=st.floats(0.7, 20.7))
def test_ln_none_equals_the_sum_of_its_terms(n: int, ln_mean: float, ln_size: float) -> None:
    mean, size = math.exp(ln_mean), math.exp(ln_size)
    expected = math.fsum(math.log1p(-mean * size / (size + i)) for i in range(n))
    assert ln_none(n, mean, size) == pytest.approx(expected, rel=1e-9, abs=3e-11)


def test_last_cell_of_the_law_holds_the_rest() -> None:
    from scipy.stats import binom

    out = np.zeros(3)
    assert beta_binomial(10, 0.5, 1e12, 1e-40, out) == 3
    assert out[2] == pytest.approx(binom.sf(1, 10, 0.5), rel=1e-9)


@pytest.mark.req("REQ-CAL-003")
@pytest.mark.parametrize(
    ("mean", "size", "percent"),
    [
        (7e-5, 1e12, (0.77, 0.42, 0.24, 0.13)),
        (7e-5, 2e4, (0.91, 0.47, 0.31, 0.21)),
        (1e-6, 1e12, (0.47, 0.25, 0.13, 0.063)),
    ],
)
def test_lod95_of_the_anchor_table(mean: float, size: float, percent: tuple[float, ...]) -> None:
    # The anchors count the background's own molecules into the fraction; they are rounded to two digits.
    n = np.array([[1000], [2500], [5000], [10000]], dtype=np.int64)
    lob, lod95 = np.empty(4), np.empty(4)
    limits(n, np.full((4, 1), mean), np.full((4, 1), size), 0.005, np.full(4, 1e-6), 1, lob, lod95)
    digits = [2 if value > 0.1 else 3 for value in percent]
    got = [round(value * 100, d) for value, d in zip(lod95 + mean, digits, strict=True)]
    assert got == pytest.approx(percent, abs=1e-9)
    assert (lob < lod95).all()


@pytest.mark.req("REQ-CAL-003")
def test_lod95_is_where_95_of_100_are_seen() -> None:
    n, mean, size = np.array([1500, 300], np.int64), np.array([1e-6, 1e-4]), np.array([1e6, 1e4])
    weights = class_weights(n, mean, 0.005)
    score = critical_score(n, mean, size, weights, 1e-6)
    lod95 = detection_limit(n, mean, weights, score, 2)
    rng = np.random.default_rng(3)
    k = rng.binomial(n, mean + lod95 * (1 - mean), size=(20_000, 2))
    seen = ((k * weights).sum(axis=1) >= score) & (k.sum(axis=1) >= 2)
    assert seen.mean() == pytest.approx(0.95, abs=0.006)


def test_no_molecules_no_limit() -> None:
    lob, lod95 = np.empty(1), np.empty(1)
    limits(
        np.zeros((1, 2), np.int64), np.full((1, 2), 1e-4), np.full((1, 2), 1e4), 0.01, np.full(1, 1e-6), 2, lob, lod95
    )
    assert lob[0] == lod95[0] == -1


def test_p_values_of_null_counts_are_calibrated() -> None:
    # Discrete p-values: P(p <= level) must not exceed the level, and come close to it.
    n, mean, size = np.array([400, 100], np.int64), np.array([0.01, 0.05]), np.array([300.0, 100.0])
    weights = class_weights(n, mean, 0.05)
    rng = np.random.default_rng(11)
    rates = rng.beta(mean * size, (1 - mean) * size, size=(4000, 2))
    scores = (rng.binomial(n, rates) * weights).sum(axis=1)
    p = np.array([score_p(n, mean, size, weights, int(score)) for score in scores])
    for level in (0.5, 0.2, 0.05, 0.01):
        assert (p <= level).mean() == pytest.approx(level, abs=3.5 * (level * (1 - level) / 4000) ** 0.5 + 0.006)


def test_far_tails_keep_their_digits() -> None:
    from scipy.stats import binom

    n, one = np.array([2000], np.int64), np.array([16], np.int64)
    p = score_p(n, np.array([1e-6]), np.array([1e12]), one, 16 * 12)
    assert p == pytest.approx(float(binom.sf(11, 2000, 1e-6)), rel=1e-5)


def test_duplex_molecules_weigh_most() -> None:
    weights = class_weights(np.array([100, 100, 0], np.int64), np.array([1e-6, 1e-3, 1e-9]), 0.005)
    assert weights.tolist() == [16, 3, 1]


@settings(max_examples=40, deadline=None)
@given(rows=classes, levels=st.lists(st.floats(1e-9, 0.4), min_size=1, max_size=4))
def test_attained_size_is_the_tail_at_the_critical_score(
    rows: list[tuple[int, float, float, int]], levels: list[float]
) -> None:
    n, mean, size, _ = (np.array(column) for column in zip(*rows, strict=True))
    n = n.astype(np.int64)
    out = np.empty((1, len(levels)))
    attained_sizes(n[None], mean[None], size[None], 0.01, np.sort(levels), out)
    weights = class_weights(n, mean, 0.01)
    law = np.ones(1)
    for c in range(len(n)):
        single = np.zeros(int(n[c] * weights[c]) + 1)
        single[:: int(weights[c])] = betabinom(n[c], mean[c] * size[c], (1 - mean[c]) * size[c]).pmf(range(n[c] + 1))
        law = np.convolve(law, single)
    tails = law[::-1].cumsum()[::-1]
    for level, got in zip(sorted(levels), out[0].tolist(), strict=True):
        assume(not np.isclose(tails, level, rtol=1e-6).any())
        expected = tails[tails <= level].max(initial=0.0) if n.sum() else 0.0
        assert got == pytest.approx(expected, rel=1e-8, abs=1e-30)
