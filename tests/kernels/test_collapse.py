"""Clusters of read pairs, against a slow twin that compares every pair with every other."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels import collapse as kernels
from ctdna.kernels.collapse import BASE_CODES, Clusters, Collapsed, collapse_pairs, new_clusters
from tests import naive_collapse
from tests.collapse_cases import columns, pairs
from tests.naive_collapse import Found, Marks, Pair

pytestmark = pytest.mark.timeout(120)
QUICK = settings(max_examples=60, deadline=None)
HOW = ("exact", "tolerant", "different", "new")


def places(marks: int) -> Marks:
    """Return the places that the marks of a read stand for."""
    n = kernels.END_BASES
    bits = [int(marks) >> 2 * k & 1 for k in range(2 * n)]
    return frozenset(k for k in range(n) if bits[k]), frozenset(n - 1 - k for k in range(n) if bits[n + k])


def collapsed(clusters: Clusters, some: Sequence[Pair]) -> Collapsed:
    one, two = columns(some, 0), columns(some, 1)
    return collapse_pairs(  # type: ignore[no-any-return]
        clusters, (one.bases, two.bases), (one.offsets, two.offsets), one.comments, one.comment_offsets, BASE_CODES
    )


def plain(found: Collapsed) -> list[Found]:
    rows = zip(found.representative, found.is_turned, found.marks, found.how, strict=True)
    return [Found(int(r), bool(turn), (places(a), places(b)), HOW[how]) for r, turn, (a, b), how in rows]


def expected(some: Sequence[Pair]) -> list[Found]:
    """Return the twin's answers, representatives numbered among themselves."""
    found = naive_collapse.collapse(some)
    number = {i: n for n, i in enumerate(i for i, one in enumerate(found) if one.representative == i)}
    return [one._replace(representative=number[one.representative]) for one in found]


@pytest.mark.req("REQ-COL-002")
@QUICK
@given(pairs())
def test_representatives_are_those_of_the_slow_twin(some: list[Pair]) -> None:
    assert plain(collapsed(new_clusters(len(some), 8 * len(some)), some)) == expected(some)


@QUICK
@given(pairs(longest=30))
def test_short_reads(some: list[Pair]) -> None:
    assert plain(collapsed(new_clusters(len(some), 2 * len(some)), some)) == expected(some)


@settings(max_examples=25, deadline=None)
@given(pairs(), st.lists(st.integers(0, 40), max_size=4))
def test_batches_change_nothing(some: list[Pair], cuts: list[int]) -> None:
    clusters = new_clusters(len(some), 8 * len(some))
    found: list[Found] = []
    for start, end in itertools.pairwise(sorted({0, len(some), *(min(cut, len(some)) for cut in cuts)})):
        found += plain(collapsed(clusters, some[start:end]))
    assert found == expected(some)


def test_only_the_latest_eight_are_compared() -> None:
    start = "ACGTTGCATGCAACGT"
    tails = ["".join("ACGT"[i >> 2 * k & 3] * 5 for k in range(4)) for i in range(12)]
    some = [Pair("ACG-TTT", (start + tail, start)) for tail in tails]
    found = plain(collapsed(new_clusters(24, 96), [*some, some[11], some[4], some[3]]))
    assert [one.how for one in found] == ["new"] + ["different"] * 11 + ["exact", "exact", "different"]
    assert found == expected([*some, some[11], some[4], some[3]])


@pytest.mark.req("REQ-COL-002")
def test_a_half_that_differs_in_three_letters_is_too_far() -> None:
    reads = ("ACGTTGCATGCAACGTAA", "TTGACCATGCAACGTGGA")
    some = [Pair(f"AAAAAA-{half}", reads) for half in ("CCCCCC", "CGCCGC", "GGGCCC", "CCCCC", "CCCCCCN")]
    assert [one.how for one in plain(collapsed(new_clusters(5, 10), some))] == ["new", "tolerant", "new", "new", "new"]
    turned = Pair("CCCCCC-AAATTA", reads[::-1])
    assert plain(collapsed(new_clusters(2, 4), [some[0], turned]))[1].is_turned


@pytest.mark.req("REQ-COL-002")
@pytest.mark.parametrize("n, allowed", [(1, 1), (24, 1), (25, 2), (49, 2), (50, 3), (100, 5)])
def test_a_read_may_differ_by_one_base_and_four_in_a_hundred(n: int, allowed: int) -> None:
    read, mate = "A" * n, "C" * 40
    spoil = ["A" * (n - k) + "G" * k for k in (allowed, min(allowed + 1, n))]
    some = [Pair("ACG-TTT", (mate, text)) for text in (read, *spoil)]
    found = plain(collapsed(new_clusters(3, 24), some))
    assert found == expected(some)
    assert [one.representative for one in found] == ([0, 0, 0] if n == 1 else [0, 0, 1])
    assert found[1].marks[1][1] == frozenset(range(allowed))


def test_a_read_without_bases_has_one_key() -> None:
    some = [
        Pair("AC-GT", ("ACGTACGTACGTACGTAC", "")),
        Pair("TT-GT", ("G", "TTTT")),
        Pair("AC-GT", ("ACGTACGTACGTACGTAC", "")),
    ]
    found = plain(collapsed(new_clusters(3, 6), some))
    assert [(one.representative, one.how) for one in found] == [(0, "new"), (1, "new"), (0, "exact")]


def test_full_tables_still_end_their_search() -> None:
    some = [Pair("ACG-TTT", ("ACGT"[i & 3] * 20 + "ACGT"[i >> 2 & 3] * 20, "ACGT"[i >> 4] * 40)) for i in range(64)]
    clusters = new_clusters(64, 256)
    found = plain(collapsed(clusters, some))
    assert found == expected(some)
    assert (clusters.chain == 0).any()
    assert (clusters.end_chain == 0).any()
    assert plain(collapsed(clusters, some))[0].how == "exact"


@QUICK
@given(pairs(), st.integers(1, 8), st.integers(1, 40))
def test_without_room_pairs_are_numbered_on_and_stand_for_no_other(some: list[Pair], limit: int, n_words: int) -> None:
    found = plain(collapsed(new_clusters(limit, n_words), some))
    own = [i for i, one in enumerate(found) if one.how in ("new", "different")]
    assert [found[i].representative for i in own] == list(range(len(own)))
    members = [one for one in found if one.how in ("exact", "tolerant")]
    assert all(one.representative < limit for one in members)
    for pair, one in zip(some, found, strict=True):
        assert naive_collapse.alike(pair, some[own[one.representative]], one.is_turned) is not None
