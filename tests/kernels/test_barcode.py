"""Barcodes: kernels against their slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels import barcode
from tests import naive_bcl
from tests.builders_bcl import encode_call

READS = st.lists(st.text("ACGTN", min_size=6, max_size=6), min_size=1, max_size=8)
SAMPLES = st.lists(st.text("ACGT*", min_size=6, max_size=6), max_size=5)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    barcode.warm()


def _calls(reads: list[str]) -> np.ndarray:
    return np.array([[encode_call(base, 30) for base in read] for read in reads], dtype=np.uint8)


def _expected(samples: list[str]) -> np.ndarray:
    rows = [["ACGT*".index(base) for base in sample] for sample in samples]
    return np.array(rows, dtype=np.uint8).reshape(len(samples), -1 if samples else 3)


@pytest.mark.req("REQ-DMX-004")
@pytest.mark.timeout(60)
@settings(max_examples=80, deadline=None)
@given(READS, SAMPLES, st.integers(0, 2), st.integers(0, 2))
def test_matches_are_the_twins(reads: list[str], samples: list[str], budget1: int, budget2: int) -> None:
    pairs = [(sample[:3], sample[3:]) for sample in samples]
    budgets = [(budget1, budget2)] * len(samples)
    i_sample = np.empty(len(reads), dtype=np.int64)
    mismatches = np.zeros((len(reads), 2), dtype=np.int64)
    cycles = np.arange(6, dtype=np.int64)
    barcode.match_samples(
        _calls(reads),
        cycles[:3].copy(),
        cycles[3:].copy(),
        _expected([one for one, _ in pairs]),
        _expected([two for _, two in pairs]),
        np.array(budgets, dtype=np.int64).reshape(len(samples), 2),
        i_sample,
        mismatches,
    )
    for i_read, read in enumerate(reads):
        found = naive_bcl.matching_samples((read[:3], read[3:]), pairs, budgets)
        if len(found) == 1:
            one, two = pairs[found[0]]
            assert i_sample[i_read] == found[0]
            assert mismatches[i_read].tolist() == [naive_bcl.distance(read[:3], one), naive_bcl.distance(read[3:], two)]
        else:
            assert i_sample[i_read] == (barcode.AMBIGUOUS if found else barcode.UNDETERMINED)
            assert mismatches[i_read].tolist() == [0, 0]


@settings(max_examples=80, deadline=None)
@given(READS, SAMPLES, st.integers(0, 2))
def test_best_index_is_the_twins(reads: list[str], samples: list[str], budget: int) -> None:
    out = np.empty(len(reads), dtype=np.int64)
    cycles = np.arange(3, dtype=np.int64)
    limits = np.full(len(samples), budget, dtype=np.int64)
    rows = np.arange(len(reads), dtype=np.int64)
    barcode.match_index(_calls(reads), rows, cycles, _expected([s[:3] for s in samples]), limits, out)
    assert out.tolist() == [naive_bcl.best_index(read[:3], [s[:3] for s in samples], budget) for read in reads]


def test_codes_count_in_base_five() -> None:
    out = np.empty(3, dtype=np.int64)
    rows = np.array([0, 1, 2], dtype=np.int64)
    barcode.barcode_codes(_calls(["NA", "AT", "TN"]), rows, np.array([0, 1], dtype=np.int64), out)
    assert out.tolist() == [1, 1 * 5 + 4, 4 * 5]
