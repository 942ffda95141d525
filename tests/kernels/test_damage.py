"""Damage and correlated errors of the simulator against slow twins and closed forms."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ctdna.kernels import damage as kernels
from ctdna.model.simulated import Amplification, Sequencing
from ctdna.stages.simulation.tables import codes
from tests import naive_simulate

pytestmark = pytest.mark.timeout(60)
OFF = Amplification(1.0, 0.0, 0.1, 0.0, 0.0, 0.0, 8, 0.0, 6, 8, 0.0, 0.0, 0.0, 0.0, 8, 0.0)
BASES = st.text("ACGT", min_size=1, max_size=60)
SEED = st.integers(0, 2**63)
RATE = st.sampled_from([0.0, 0.2, 0.7, 1.0])


@pytest.fixture(autouse=True, scope="module")
def _wrapping() -> Iterator[None]:
    with np.errstate(over="ignore"):
        yield


def letters(template: np.ndarray) -> str:
    return "".join("ACGT"[code] for code in template.tolist())


@settings(max_examples=80, deadline=None)
@given(BASES, SEED, st.integers(0, 1), st.integers(1, 80), RATE, RATE)
def test_stretches_of_damage(
    bases: str, seed: int, side: int, reach: int, oxidation: float, deamination: float
) -> None:
    rates = OFF._replace(damaged_bases=reach, damaged_oxidation=oxidation, damaged_deamination=deamination)
    state, template = np.array([seed], np.uint64), codes(bases)
    kernels.damage_stretch(state, template, len(bases), side, rates)
    stream = naive_simulate.Stream(seed)
    assert letters(template) == naive_simulate.damage_stretch(stream, bases, side, reach, oxidation, deamination)
    assert int(state[0]) == stream.state


def test_damage_of_either_strand_stands_within_one_stretch() -> None:
    rates = OFF._replace(damaged_bases=10, damaged_oxidation=1.0)
    for side, found, becomes in ((0, 2, 3), (1, 1, 0)):
        template = np.full(50, found, np.uint8)
        kernels.damage_stretch(np.array([3], np.uint64), template, 50, side, rates)
        changed = np.flatnonzero(template == becomes)
        assert len(changed) == 10 == changed[-1] - changed[0] + 1


def test_share_of_damaged_molecules() -> None:
    state, rates = np.array([7], np.uint64), OFF._replace(damaged=0.2)
    n = sum(kernels.is_damaged(state, rates) for _ in range(3000))
    assert stats.binomtest(n, 3000, 0.2).pvalue > 1e-3


@settings(max_examples=80, deadline=None)
@given(BASES, SEED, st.integers(0, 5), st.sampled_from([0.0, 0.05, 0.3]), st.integers(0, kernels.MAX_EVENTS))
def test_jackpots(bases: str, seed: int, n_reads: int, rate: float, n_events: int) -> None:
    state, events = np.array([seed], np.uint64), np.full((kernels.MAX_EVENTS, 3), 9, np.int64)
    rates = OFF._replace(jackpot=rate)
    n = kernels.add_jackpots(state, codes(bases), len(bases), n_reads, rates, events, n_events)
    room = kernels.MAX_EVENTS - n_events
    expected = naive_simulate.jackpots(naive_simulate.Stream(seed), bases, n_reads, rate, room)
    assert [(int(at), "ACGT"[base], int(cycle)) for at, base, cycle in events[n_events:n]] == [
        (at, base, 0) for at, base in expected
    ]


def test_small_families_have_more_jackpots() -> None:
    state, events = np.array([5], np.uint64), np.zeros((kernels.MAX_EVENTS, 3), np.int64)
    template, rates = np.zeros(100, np.uint8), OFF._replace(jackpot=0.01)
    counts = {
        m: sum(kernels.add_jackpots(state, template, 100, m, rates, events, 0) for _ in range(1500)) for m in (1, 5)
    }
    assert all(stats.poisson.interval(0.999, 1500 / m)[0] <= n <= stats.poisson.interval(0.999, 1500 / m)[1]
               for m, n in counts.items())  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.text("AG", min_size=1, max_size=12), st.data())
def test_factor_on_the_error_rate(read: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(read) - 1))
    cycles = np.linspace(1.0, 2.0, 24)
    empty = np.zeros((2, 8), np.uint8)
    sequencing = Sequencing(
        np.ones((3, 24, 4)), np.zeros(4), 0.0, empty[0, :2], empty, empty[:1], 2, 2, 10, 0.0, cycles, 3.0, 5.0, 0.0
    )
    found = kernels.error_scale(codes(read), at, at + 4, sequencing)
    assert found == pytest.approx(naive_simulate.error_scale(read, at, float(cycles[at + 4]), 3.0, 5.0))


@settings(max_examples=60, deadline=None)
@given(BASES, SEED)
def test_damage_changes_its_own_base_only(bases: str, seed: int) -> None:
    template = codes(bases)
    kernels.damage(np.array([seed], np.uint64), template, len(bases), 0.5, 2, 3)
    changed = {(old, new) for old, new in zip(bases, letters(template), strict=True) if old != new}
    assert changed <= {("G", "T")}


@settings(max_examples=60, deadline=None)
@given(BASES, SEED, st.integers(0, 20))
def test_end_repair_keeps_to_the_ends(bases: str, seed: int, reach: int) -> None:
    template = codes(bases)
    rates = OFF._replace(end_repair=0.5, end_repair_bases=reach)
    kernels.end_repair(np.array([seed], np.uint64), template, len(bases), rates)
    for at, (old, new) in enumerate(zip(bases, letters(template), strict=True)):
        if old != new:
            assert (old, new) in {("C", "T"), ("G", "A")}
            assert min(at, len(bases) - 1 - at) < reach


def test_each_kernel_compiles_once() -> None:
    kernels.warm()
    for name in ("damage", "end_repair", "is_damaged", "damage_stretch", "add_jackpots", "error_scale"):
        assert len(getattr(getattr(kernels, name), "signatures", [None])) == 1, name
