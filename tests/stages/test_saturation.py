"""UMI diversity, collisions, saturation and yields of molecules: against counting by hand, draws and addition."""

import random
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.model.evidence import Targets
from ctdna.stages.saturation import (
    NOTHING,
    PERCENTS,
    Molecules,
    MoleculeSums,
    collision,
    counted,
    molecule_sums,
    strand_sizes,
    summed_up,
    target_yields,
    yield_histograms,
    yield_values,
)
from ctdna.stages.umi_diversity import UmiDiversity, umi_diversity, word_widths

SHAPE = 3 * 64 + 3 + 4096
PANEL = Targets(
    np.array([0, 0, 0, 2], dtype=np.int32),
    np.array([10, 20, 25, 0], dtype=np.int32),
    np.array([90, 30, 26, 50], dtype=np.int32),
    ("wide", "mid", "one", "other"),
)
molecule_rows = st.tuples(
    st.integers(0, 5), st.integers(0, 63), st.integers(0, 63), st.integers(0, 3), st.integers(0, 4),
    st.integers(0, 2), st.integers(-5, 110), st.integers(1, 40),
)  # fmt: skip


def _code(text: str) -> int:
    code = 0
    for base in text:
        code = code << 2 | "ACGT".index(base)
    return code


def _molecules(rows: list[tuple[int, ...]]) -> Molecules:
    rows = sorted(rows)
    columns = [np.array([row[k] for row in rows], dtype=np.int64) for k in range(8)]
    place, first, second, a, b, contig, start0, length = columns
    sizes = np.stack((a, np.where((a == 0) & (b == 0), 1, b)), axis=1)
    shape = np.full(len(rows), SHAPE, dtype=np.int32)
    return Molecules(first, second, shape, place, sizes, contig, start0, start0 + length)


def _equal(one: MoleculeSums, other: MoleculeSums) -> bool:
    columns = [
        [
            sums.all,
            *(sums.targets[i] for i in sorted(sums.targets)),
            *(table for tables in sums.umis.words.values() for table in tables),
        ]
        for sums in (one, other)
    ]
    flat = [[np.concatenate([np.ravel(x) for x in _arrays(item)]) for item in side] for side in columns]
    same_keys = one.umis.molecules == other.umis.molecules and one.targets.keys() == other.targets.keys()
    return same_keys and all(map(np.array_equal, *flat))


def _arrays(item: object) -> list[np.ndarray]:
    if isinstance(item, np.ndarray):
        return [item]
    return [array for part in item for array in _arrays(part)]  # type: ignore[attr-defined]


@settings(max_examples=60)
@given(st.lists(molecule_rows, max_size=30), st.integers(0, 5))
def test_parts_add_up_to_the_whole(rows: list[tuple[int, ...]], cut: int) -> None:
    whole = molecule_sums(_molecules(rows), PANEL)
    low = molecule_sums(_molecules([row for row in rows if row[0] < cut]), PANEL)
    high = molecule_sums(_molecules([row for row in rows if row[0] >= cut]), PANEL)
    assert _equal(low.plus(high), whole)
    assert _equal(high.plus(low), whole)
    assert _equal(NOTHING.plus(whole), whole)
    assert yield_values(low.plus(high), 1) == yield_values(whole, 1)


@settings(max_examples=60)
@given(st.lists(molecule_rows, max_size=30))
def test_targets_hold_the_molecules_that_overlap_them(rows: list[tuple[int, ...]]) -> None:
    some = _molecules(rows)
    at_place = Counter(some.place.tolist())
    found_sums = molecule_sums(some, PANEL).targets
    for i in range(len(PANEL.names)):
        sums = found_sums.get(i, NOTHING.all)
        mine = [
            k
            for k in range(len(rows))
            if some.contig[k] == PANEL.contig[i] and some.start0[k] < PANEL.end0[i] and some.end0[k] > PANEL.start0[i]
        ]
        found = summed_up(sums, 1 / 64)
        assert found.molecules == len(mine)
        assert found.templates == int(some.sizes[mine].sum())
        assert found.duplex_molecules == sum(bool(some.sizes[k].all()) for k in mine)
        expected = Counter(at_place[int(some.place[k])] for k in mine)
        assert dict(zip(sums.places.keys.tolist(), sums.places.counts.tolist(), strict=True)) == dict(expected)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.text("ACGT", min_size=4, max_size=4), st.integers(0, 3)), min_size=2, max_size=25))
def test_the_chance_of_the_same_word_is_that_of_all_pairs(words: list[tuple[str, int]]) -> None:
    codes = np.array([_code(text) for text, _ in words], dtype=np.int64)
    found = umi_diversity(codes, np.zeros_like(codes), np.full(len(codes), 4 * 64, dtype=np.int32))
    pairs = list(combinations([text for text, _ in words], 2))
    for edits in range(3):
        near = sum(sum(a != b for a, b in zip(x, y, strict=True)) <= edits for x, y in pairs) / len(pairs)
        assert found.same_chance(edits) >= near - 1e-12
        assert found.same_chance(edits) <= 1.0


def test_random_umis_have_as_many_effective_umis_as_there_are() -> None:
    """100,000 UMIs of 6 + 6 bases: 4^12 = 16.8 million within 5 %; within one mismatch 37 times as likely."""
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 4096, (2, 100_000))
    found = umi_diversity(first, second, np.full(100_000, 6 * 64 + 6 + 4096, dtype=np.int32))
    assert 1 / found.same_chance() == pytest.approx(4**12, rel=0.05)
    assert found.same_chance(1) / found.same_chance() == pytest.approx(37, rel=0.02)


def test_a_list_of_umis_is_found_out() -> None:
    """24 UMIs of 8 bases on either end: 576 pairs, however many bases they have."""
    rng = np.random.default_rng(1)
    known = rng.choice(4**8, 24, replace=False)
    first, second = known[rng.integers(0, 24, (2, 20_000))]
    found = umi_diversity(first, second, np.full(20_000, 8 * 64 + 8 + 4096, dtype=np.int32))
    assert 1 / found.same_chance() == pytest.approx(576, rel=0.02)


def test_few_molecules_count_as_random_umis() -> None:
    one = umi_diversity(np.array([5]), np.array([0]), np.array([4 * 64], dtype=np.int32))
    assert one.same_chance() == pytest.approx(4.0**-4)
    assert UmiDiversity({}, {}).same_chance() == 0.0
    every = np.arange(256, dtype=np.int64)
    assert umi_diversity(every, 0 * every, np.full(256, 256, np.int32)).same_chance() == pytest.approx(1 / 256)


def test_umis_of_two_lengths_never_meet() -> None:
    codes = np.zeros(100, dtype=np.int64)
    shape = np.array([64 * 5, 64 * 6] * 50, dtype=np.int32)
    assert umi_diversity(codes, codes, shape).same_chance() == pytest.approx(2 * 50 * 49 / (100 * 99))


@pytest.mark.parametrize(("n_bases", "widths"), [(0, ()), (6, (6,)), (9, (9,)), (12, (6, 6)), (31, (8, 8, 8, 7))])
def test_words_are_about_equal(n_bases: int, widths: tuple[int, ...]) -> None:
    assert word_widths(n_bases) == widths


def test_collisions_are_those_of_labels_drawn_at_random() -> None:
    """400 places of 60 molecules and 256 labels, drawn: lost molecules and sharers within 5 %."""
    rng = random.Random(4)
    lost, sharing, places = 0, 0, []
    for _ in range(400):
        labels = Counter(rng.randrange(256) for _ in range(60))
        lost += 60 - len(labels)
        sharing += sum(n for n in labels.values() if n > 1)
        places += [len(labels)] * len(labels)
    found = collision(counted(np.array(places)), 1 / 256)
    assert found.n_lost == pytest.approx(lost, rel=0.05)
    assert found.mean == pytest.approx(sharing / 24_000, rel=0.05)
    assert found.mean <= found.p95 <= found.highest <= 1


def test_without_molecules_every_figure_is_zero() -> None:
    nothing = molecule_sums(_molecules([]), PANEL)
    assert set(yield_values(nothing, 1).values()) == {0.0}
    assert yield_histograms(nothing, is_duplex=True)["molecules_at_percent"] == dict.fromkeys(PERCENTS, 0)
    rows = target_yields(nothing, PANEL, [("a", 200), ("b", 9), ("c", 60)])
    assert [(row.target, row.contig, row.start0, row.end0) for row in rows] == [
        ("wide", "a", 10, 90), ("mid", "a", 20, 30), ("one", "a", 25, 26), ("other", "c", 0, 50),
    ]  # fmt: skip
    assert {(row.molecules, row.saturation, row.umi_collision) for row in rows} == {(0, None, None)}


def test_a_targets_figures_are_those_of_its_molecules() -> None:
    rows = [(k // 3, k, 63 - k, 1 + k % 3, k % 2, 0, 50 if k < 30 else 200, 20) for k in range(60)]
    (target,) = target_yields(
        molecule_sums(_molecules(rows), Targets(*(np.array([v], dtype=np.int32) for v in (0, 60, 65)), ("t",))),
        Targets(*(np.array([v], dtype=np.int32) for v in (0, 60, 65)), ("t",)),
        [("a", 300)],
    )
    mine = _molecules(rows[:30]).sizes.sum(axis=1)
    once, twice = int((mine == 1).sum()), int((mine == 2).sum())
    assert (target.molecules, target.templates) == (30, int(mine.sum()))
    assert target.molecules_estimated == pytest.approx(30 + once**2 / (2 * twice))
    assert target.saturation == pytest.approx(30 / target.molecules_estimated)
    assert target.sequencing_saturation == pytest.approx(1 - 30 / mine.sum())


ROWS = [(k % 7, k, 63 - k, k % 4, k % 3, 0, 5, 20) for k in range(60)]


def some_sums() -> MoleculeSums:
    """Return the sums of 60 molecules at 7 places."""
    return molecule_sums(_molecules(ROWS))


def test_curves_end_at_what_was_seen() -> None:
    sums = some_sums()
    found = yield_histograms(sums, is_duplex=True)
    both = sum(bool(pair.all()) for pair in _molecules(ROWS).sizes)
    assert found["molecules_at_percent"][100] == 60
    assert found["duplex_molecules_at_percent"][100] == both
    assert list(found["molecules_at_percent"].values()) == sorted(found["molecules_at_percent"].values())
    assert sum(found["molecule_size"].values()) == 60
    assert sum(n * times for n, times in found["molecules_at_place"].items()) == 60
    assert set(yield_histograms(sums, is_duplex=False)) == {
        "molecule_size", "molecules_at_percent", "molecules_at_place",
    }  # fmt: skip


def test_strand_sizes_count_templates() -> None:
    molecule, strand = np.array([0, 0, 2, 2, 2]), np.array([1, 2, 2, 2, 1], dtype=np.uint8)
    assert strand_sizes(molecule, strand, 3).tolist() == [[1, 1], [0, 0], [1, 2]]
    assert strand_sizes(molecule, 0 * strand, 3).tolist() == [[2, 0], [0, 0], [3, 0]]
