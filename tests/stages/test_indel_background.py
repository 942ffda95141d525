import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels.candidates import warm
from ctdna.model.evidence import N_CLASSES, Allele, Panel, Targets
from ctdna.stages.candidates import indel_context, make_change, repeat_of
from ctdna.stages.evidence import lay_panel
from ctdna.stages.indel_background import (
    PlaceErrors,
    by_context,
    group_of_contexts,
    indel_places,
    indel_rates,
    place_rates,
    settle_indels,
    trained_indel_rates,
)
from ctdna.stats.background import IndelNull
from ctdna.stats.indel_background import N_INDEL_CONTEXTS, IndelContext, all_contexts, prior_indels
from tests.donors import DEPTH
from tests.donors import panel as random_panel

pytestmark = pytest.mark.timeout(60)
FLANK = 30


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm()


def laid(middle: str) -> Panel:
    """Return a panel of one target between flanks without repeats of its own."""
    flank = "ACGTTGCATCAGGCTAACGTCCATGATTCG"
    text = np.frombuffer((flank + middle + flank).encode(), np.uint8)
    targets = Targets(*(np.array([x], np.int32) for x in (0, FLANK, FLANK + len(middle))), ("GENE:1",))
    return lay_panel(targets, (("chrT", len(text)),), lambda _, start0, end0: text[start0:end0])


def naive_places(panel: Panel, longest: int) -> set[tuple[int, int]]:
    """Return (slot, context) of every deletion, and insertion of a copy of what follows, that begins on target."""
    target = np.flatnonzero(panel.regions.target >= 0)
    n = len(panel.regions.reference)
    found = set()
    for slot in range(1, n - longest - 1):
        for length in range(1, longest + 1):
            before = panel.text(slot - 1, 1)
            text = panel.text(slot, length)
            for allele in (Allele(slot - 1, before + text, before), Allele(slot - 1, before, before + text)):
                change = make_change(panel, allele)
                found.add((change.slot, indel_context(change, repeat_of(panel, change))))
    return {(slot, context) for slot, context in found if target[0] <= slot <= target[-1]}


@settings(max_examples=25, deadline=None)
@given(middle=st.text("AC", min_size=8, max_size=24) | st.text("ACGT", min_size=8, max_size=24))
def test_every_indel_has_its_place(middle: str) -> None:
    panel = laid(middle)
    places = indel_places(panel)
    known = set(zip(places.slot.tolist(), places.context.tolist(), strict=True))
    assert naive_places(panel, 7) - known == set()
    assert len(known) == len(places.slot)


def test_repeats_are_one_place_for_each_step() -> None:
    panel = laid("GCTAAAAAAAAGTC" + "CACACACAGT")
    places = indel_places(panel)
    run, pair = FLANK + 3, FLANK + 14

    def slots(context: IndelContext) -> list[int]:
        return places.slot[places.context == context.row()].tolist()

    for step in (1, 2, 3):
        assert slots(IndelContext(False, 1, 8, step)) == [run]
        assert slots(IndelContext(True, 1, 8, step)) == [run]
        assert slots(IndelContext(False, 2, 4, step)) == [pair]
    lone = slots(IndelContext(False, 0, 1, 1))
    assert not set(range(run, run + 8)) & set(lone)
    assert FLANK + 1 in lone
    assert places.find(np.array([run, run]), np.array([IndelContext(False, 1, 8, 1).row(), 0])).tolist()[0] >= 0
    assert places.find(np.array([run]), np.array([IndelContext(False, 1, 7, 1).row()])).tolist() == [-1]


def test_trained_rates_follow_the_counts_and_the_coarser_context() -> None:
    k, n = np.zeros((2, N_INDEL_CONTEXTS, N_CLASSES), np.int64)
    rich, poor = IndelContext(False, 1, 8, 1).row(), IndelContext(False, 1, 9, 1).row()
    n[:], k[rich] = 1000, 4000
    n[rich] = 2_000_000
    n[poor] = 0
    found, prior = trained_indel_rates(k, n), prior_indels()
    assert found[rich] == pytest.approx(0.002, rel=0.01)
    assert (found[poor] > 2 * prior[poor])[:4].all(), "places without molecules follow their unit and step"
    assert (found[poor] > found[rich]).all(), "longer runs err more"
    assert (found[IndelContext(True, 0, 1, 3).row()] <= prior[IndelContext(True, 0, 1, 3).row()]).all()


def _settled(errors: list[tuple[int, list[int]]], n_bases: int = 300) -> tuple[IndelNull, IndelNull]:
    places = indel_places(random_panel(n_bases))
    depth = np.tile(DEPTH, (len(places.slot), 1)).astype(np.int64)
    none = np.zeros((4, N_CLASSES))
    sizes = np.full(N_CLASSES, 2.0), np.full(N_CLASSES, 5.0)
    base = IndelNull(prior_indels(), *sizes, 0.05, none, none, {})
    k = np.array([row for _, row in errors], dtype=np.int64).reshape(-1, N_CLASSES)
    place = np.array([place for place, _ in errors], dtype=np.int64)
    rows = PlaceErrors(place, k, depth[place].sum(axis=1))
    return base, settle_indels(base, rows, places, depth, 0.005, 0.02)


def test_variants_do_not_raise_the_rates_of_a_sample() -> None:
    base, none = _settled([])
    _, some = _settled([(40, [6, 0, 3, 0, 1, 0, 1, 0]), (900, [5, 0, 2, 0, 1, 0, 0, 0])])
    assert some.seen.sum() == 0
    places = indel_places(random_panel(300))
    assert place_rates(some, places)[0] == pytest.approx(place_rates(none, places)[0])
    assert (place_rates(none, places)[0] <= base.mean[places.context] * 1.2).all()


def test_an_alleles_own_molecules_do_not_raise_its_rate() -> None:
    _, none = _settled([])
    _, one = _settled([(40, [1, 0, 0, 0, 0, 0, 0, 0])])
    places = indel_places(random_panel(300))
    slot, context = int(places.slot[40]), int(places.context[40])
    assert indel_rates(one, slot, context)[0] == pytest.approx(indel_rates(none, slot, context)[0])
    same_group = np.flatnonzero(group_of_contexts()[places.context] == group_of_contexts()[context])
    other = int(same_group[same_group != 40][0])
    raised = indel_rates(one, int(places.slot[other]), int(places.context[other]))[0][0]
    assert raised > indel_rates(none, int(places.slot[other]), int(places.context[other]))[0][0]


def test_a_sample_that_slips_more_has_higher_rates() -> None:
    rng = np.random.default_rng(3)
    places = indel_places(random_panel(3000))
    expected = 30 * prior_indels()[places.context] * DEPTH
    k = rng.poisson(expected)
    rows = [(int(i), k[i].tolist()) for i in np.flatnonzero(k.any(axis=1))]
    base, found = _settled(rows, 3000)
    ratio = place_rates(found, places)[0] / base.mean[places.context]
    assert np.median(ratio[:, 6]) == pytest.approx(30, rel=0.3)


def test_sums_by_context_keep_every_molecule() -> None:
    places = indel_places(random_panel(120))
    depth = np.arange(len(places.slot) * N_CLASSES).reshape(-1, N_CLASSES)
    assert by_context(places.context, depth).sum() == depth.sum()
    assert len(all_contexts()) == N_INDEL_CONTEXTS
