"""Intervals and regressions against published figures, SciPy and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_1samp

from ctdna.validation.agreement import compare_vafs, deming, deming_estimates, mean_estimate, rate, wilson


@pytest.mark.req("REQ-RPL-003")
@pytest.mark.parametrize(
    ("n", "low"),
    [(20, 0.839), (60, 0.940)],
    ids=["20 of 20", "60 of 60"],
)
def test_the_lower_ends_of_published_tables(n: int, low: float) -> None:
    assert wilson(n, n, 0.95)[0] == pytest.approx(low, abs=5e-4)


def test_an_observed_95_per_cent_needs_140_for_a_lower_end_of_90() -> None:
    assert wilson(133, 140, 0.95)[0] >= 0.9
    assert wilson(114, 120, 0.95)[0] < 0.9


@pytest.mark.req("REQ-RPL-003")
@given(st.integers(1, 400), st.integers(0, 400), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_interval_is_scipys(n: int, n_agree: int, confidence: float) -> None:
    n_agree = min(n_agree, n)
    expected = binomtest(n_agree, n).proportion_ci(confidence, method="wilson")
    assert wilson(n_agree, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_counted_has_no_figures() -> None:
    assert wilson(0, 0, 0.95) == (0.0, 1.0)
    found = rate(0, 0, 0.95)
    assert (found.value, found.low, found.high) == (None, None, None)


def test_the_mean_has_the_interval_of_students_t() -> None:
    values = np.array([0.1, -0.2, 0.05, 0.4, 0.0])
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    found = mean_estimate(values, 0.95)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert mean_estimate(values[:0], 0.95) is None
    one = mean_estimate(values[:1], 0.95)
    assert one is not None
    assert (one.value, one.low) == (0.1, None)


@given(st.integers(0, 2**32 - 1), st.integers(3, 40))
def test_demings_line_is_the_first_principal_component(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    x = draw.normal(0.1, 0.05, n)
    y = 1.3 * x + draw.normal(0, 0.01, n)
    points = np.column_stack([x, y]) - [x.mean(), y.mean()]
    first = np.linalg.svd(points)[2][0]
    line = deming(x, y)
    assert line is not None
    assert line[0] == pytest.approx(first[1] / first[0], rel=1e-6)
    assert line[0] * x.mean() + line[1] == pytest.approx(y.mean())


def test_points_on_a_line_give_the_line_without_width() -> None:
    x = np.array([0.01, 0.02, 0.05, 0.2])
    found = deming_estimates(x, 0.9 * x + 0.001, 0.95)
    assert found is not None
    for estimate, value in zip(found, (0.9, 0.001), strict=True):
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((value, value, value), abs=1e-9)


def test_no_line_goes_through_one_place() -> None:
    same = np.full(5, 0.1)
    assert deming(same, same) is None
    assert deming_estimates(same, same, 0.95) is None
    assert deming(same[:1], same[:1]) is None


def test_the_jackknife_covers_the_true_slope_about_as_often_as_it_says() -> None:
    draw = np.random.default_rng(11)
    hits = 0
    for _ in range(400):
        true = draw.uniform(0.01, 0.4, 30)
        x, y = true + draw.normal(0, 0.01, 30), true + draw.normal(0, 0.01, 30)
        found = deming_estimates(x, y, 0.95)
        assert found is not None
        slope = found[0]
        assert slope.low is not None
        assert slope.high is not None
        hits += slope.low <= 1 <= slope.high
    assert 365 <= hits <= 395  # 380 expected; 4 standard deviations are 17


def test_a_shift_is_found_as_bias() -> None:
    x = np.array([0.01, 0.02, 0.05, 0.2])
    found = compare_vafs(x, 1.1 * x, 0.95)
    assert found.relative_bias is not None
    assert found.relative_bias.value == pytest.approx(2 * 0.1 / 2.1)
    assert found.absolute_bias is not None
    assert found.absolute_bias.value == pytest.approx(0.1 * x.mean())
    assert found.agreement_high == pytest.approx(0.1 * x.mean() + 1.96 * 0.1 * x.std(ddof=1))


def test_no_pairs_have_no_bias() -> None:
    found = compare_vafs(np.zeros(0), np.zeros(0), 0.95)
    assert (found.n, found.relative_bias, found.agreement_low, found.slope) == (0, None, None, None)
