"""Numbers of molecules against SciPy, against counting by hand, and against published figures."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ctdna.stats.richness import (
    chao1,
    expected_duplex,
    expected_duplex_ideal,
    expected_seen,
    molecules_behind,
    shared_label,
    weighted_quantile,
)

shares = st.floats(0.0, 1.0)
histograms = st.dictionaries(st.integers(1, 60), st.integers(1, 500), min_size=1, max_size=12)


def _columns(sizes: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(list(sizes), dtype=np.int64), np.array(list(sizes.values()), dtype=np.int64)


@pytest.mark.req("REQ-GRP-005")
def test_chao1_as_scikit_bio_states_it() -> None:
    """Its own test: counts 0 1 1 4 2 5 2 4 1 2 give 10.5."""
    seen = np.array([0, 1, 1, 4, 2, 5, 2, 4, 1, 2])
    assert chao1(int((seen > 0).sum()), int((seen == 1).sum()), int((seen == 2).sum())) == 10.5


def test_chao1_without_doubletons_is_the_bias_corrected_form() -> None:
    assert chao1(10, 4, 0) == 16.0
    assert chao1(7, 0, 0) == 7.0
    assert chao1(0, 0, 0) == 0.0


def test_chao1_comes_near_the_truth_of_a_poisson_sample() -> None:
    """For equal chances the bound is the truth; 40,000 molecules, 1.2 templates each: within 1 %."""
    sizes = np.random.default_rng(3).poisson(1.2, 40_000)
    found = chao1(int((sizes > 0).sum()), int((sizes == 1).sum()), int((sizes == 2).sum()))
    assert found == pytest.approx(40_000, rel=0.01)


@pytest.mark.req("REQ-GRP-005")
@given(histograms, shares)
def test_seen_is_what_the_binomial_says(sizes: dict[int, int], share: float) -> None:
    expected = sum(n * (1 - stats.binom.pmf(0, size, share)) for size, n in sizes.items())
    assert expected_seen(*_columns(sizes), share) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_seen_is_near_the_hypergeometric_of_a_fixed_number_of_reads() -> None:
    """Drawing exactly half of 60,000 templates or each with chance 1/2 differ by less than 1 in 10,000."""
    sizes, counts = np.array([1, 2, 3, 8]), np.array([9000, 6000, 5000, 3000])
    total = int((sizes * counts).sum())
    drawn = sum(
        n * (1 - stats.hypergeom.pmf(0, total, size, total // 2)) for size, n in zip(sizes, counts, strict=True)
    )
    assert expected_seen(sizes, counts, 0.5) == pytest.approx(drawn, rel=1e-4)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=8), shares)
def test_duplex_is_what_the_binomial_says(pairs: list[tuple[int, int]], share: float) -> None:
    expected = sum(
        (1 - stats.binom.pmf(0, a, share)) * (1 - stats.binom.pmf(0, b, share)) if a and b else 0.0 for a, b in pairs
    )
    first, second = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    assert expected_duplex(first, second, np.ones(len(pairs), np.int64), share) == pytest.approx(expected, abs=1e-9)


@given(histograms, shares)
def test_ideal_duplex_sums_over_reads_and_strands(sizes: dict[int, int], share: float) -> None:
    expected = 0.0
    for size, n in sizes.items():
        for kept in range(1, size + 1):
            both = 1 - stats.binom.pmf(0, kept, 0.5) - stats.binom.pmf(kept, kept, 0.5)
            expected += n * stats.binom.pmf(kept, size, share) * both
    assert expected_duplex_ideal(*_columns(sizes), share) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_yields_are_those_of_reads_thrown_away() -> None:
    """300 rounds of keeping each read with chance 0.3: mean within 4 standard errors."""
    rng = random.Random(11)
    pairs = [(rng.randint(0, 4), rng.randint(0, 4)) for _ in range(400)]
    rounds = []
    for _ in range(300):
        kept = [[sum(rng.random() < 0.3 for _ in range(n)) for n in pair] for pair in pairs]
        rounds.append((sum(any(pair) for pair in kept), sum(all(pair) for pair in kept)))
    first, second = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    ones = np.ones(len(pairs), np.int64)
    seen, both = np.mean(rounds, axis=0)
    slack = 4 * np.std(rounds, axis=0) / np.sqrt(300)
    assert abs(expected_seen(first + second, ones, 0.3) - seen) < slack[0]
    assert abs(expected_duplex(first, second, ones, 0.3) - both) < slack[1]


@pytest.mark.req("REQ-GRP-005")
def test_molecules_behind_labels_as_fu_and_others_give_them() -> None:
    """960 labels, as in their paper: n molecules show K (1 - (1 - 1/K)^n) labels; -K ln(1 - k/K) turns that round."""
    for n in (1, 100, 500, 2000):
        shown = 960 * (1 - (1 - 1 / 960) ** n)
        assert molecules_behind(np.array([shown]), 960)[0] == pytest.approx(n, rel=1e-9)
        assert -960 * np.log(1 - shown / 960) == pytest.approx(n, abs=0.002 * n + 0.001)


def test_labels_that_are_used_up_give_a_lower_bound() -> None:
    used_up = molecules_behind(np.array([14.0, 16.0, 40.0, 80.0]), 16)
    assert used_up[0] < used_up[1] == used_up[2] < used_up[3] == 80.0
    assert list(molecules_behind(np.array([3.0]), 1.0)) == [3.0]


def test_23_people_share_a_birthday_with_one_half() -> None:
    """The birthday problem: of 23 people none shares a day with 1 - 0.5073; one of them shares his with 0.0586."""
    assert shared_label(np.array([23.0]), 1 / 365)[0] == pytest.approx(1 - (364 / 365) ** 22)
    nobody = np.prod([1 - shared_label(np.array([2.0]), k / 365)[0] for k in range(1, 23)])
    assert 1 - nobody == pytest.approx(0.5073, abs=5e-5)


def test_shared_label_is_what_draws_show() -> None:
    rng = np.random.default_rng(2)
    drawn = rng.integers(0, 64, (4000, 20))
    shares = (drawn[:, 1:] == drawn[:, :1]).any(axis=1).mean()
    assert shared_label(np.array([20.0]), 1 / 64)[0] == pytest.approx(shares, abs=0.03)
    assert list(shared_label(np.array([0.0, 1.0, 2.0]), 1.0)) == [0.0, 0.0, 1.0]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=20), st.floats(0.01, 1.0))
def test_weighted_quantile_is_that_of_the_values_written_out(pairs: list[tuple[int, int]], share: float) -> None:
    values = np.array([value for value, _ in pairs], dtype=np.float64)
    weights = np.array([weight for _, weight in pairs], dtype=np.int64)
    written = np.sort(np.repeat(values, weights))
    expected = float(np.quantile(written, share, method="inverted_cdf")) if len(written) else 0.0
    assert weighted_quantile(values, weights, share) == expected
