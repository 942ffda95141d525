"""Mates, tags carried over to aligned records, and orders."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels.mates import cigar_texts, match_templates, primary_mates, template_bounds
from ctdna.kernels.order import sort_runs
from ctdna.kernels.orient import COMPLEMENT, carried_tags
from ctdna.kernels.record import record_fields, same_name_as_previous, tag_code
from tests import naive_record
from tests.builders import Read, Tag, records, tag_bytes
from tests.kernels.test_record import items, reads

pytestmark = pytest.mark.timeout(60)


def test_the_mate_is_the_other_end_s_primary_record() -> None:
    flags = [99, 2147, 147, 0, 77, 141, 73]
    names = ["a", "a", "a", "b", "c", "c", "d"]
    raw = records([Read(name, flag) for name, flag in zip(names, flags, strict=True)])
    fields = record_fields(raw.data, raw.offsets)
    bounds = template_bounds(same_name_as_previous(raw.data, fields.name_at, fields.n_name))
    assert bounds.tolist() == [0, 3, 4, 6, 7]
    assert primary_mates(bounds, fields.flag).tolist() == [2, 2, 0, -1, 5, 4, -1]
    assert template_bounds(np.zeros(0, dtype=np.bool_)).tolist() == [0]


@settings(max_examples=40, deadline=None)
@given(st.lists(reads(), max_size=3))
def test_cigar_texts(many: list[Read]) -> None:
    raw = records(many)
    fields = record_fields(raw.data, raw.offsets)
    data, offsets = cigar_texts(raw.data, fields.cigar_at, fields.n_cigar)
    found = [data[a:b].tobytes().decode() for a, b in itertools.pairwise(offsets)]
    assert found == ["" if read.cigar == "*" else read.cigar for read in many]


def test_aligned_records_find_their_source() -> None:
    source = records([Read("a", 77), Read("a", 141), Read("b", 4), Read("c", 77), Read("c", 141)])
    aligned = records([Read("a", 65), Read("a", 2113), Read("a", 129), Read("b", 16), Read("b", 2048)])
    of = record_fields(aligned.data, aligned.offsets)
    origin = record_fields(source.data, source.offsets)
    index, n_used, bad = match_templates(aligned.data, of, source.data, origin)
    assert (index.tolist(), n_used, bad) == ([0, 0, 1, 2, 2], 3, -1)
    for wrong in (Read("x", 0), Read("a", 0)):
        stray = records([Read("a", 65), wrong])
        _, _, bad = match_templates(stray.data, record_fields(stray.data, stray.offsets), source.data, origin)
        assert bad == 1


@pytest.mark.req("REQ-ALN-005")
def test_per_base_tags_turn_on_the_reverse_strand() -> None:
    tags = {
        "cd": [1, 2, 3, 4],
        "ae": Tag("B:C", [1, 2, 3]),
        "ac": "AACGN",
        "aq": "abc",
        "RX": "AC-GT",
        "XS": 5,
        "cE": 0.5,
    }
    raw = records([Read("a", 4, tags=tags)])
    fields = record_fields(raw.data, raw.offsets)

    def codes(*names: str) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
        return np.array([tag_code(name) for name in names], dtype=np.uint16)

    data, offsets = carried_tags(
        raw.data,
        (fields.tags_at, fields.tags_end),
        np.array([0, 0], dtype=np.int64),
        np.array([False, True]),
        (codes("XS"), codes("cd", "ae", "aq"), codes("ac")),
        COMPLEMENT,
    )
    kept = {name: value for name, value in tags.items() if name != "XS"}
    turned = {**kept, "cd": [4, 3, 2, 1], "ae": Tag("B:C", [3, 2, 1]), "ac": "NCGTT", "aq": "cba"}
    expected = [b"".join(tag_bytes(name, value) for name, value in some.items()) for some in (kept, turned)]
    assert [data[a:b].tobytes() for a, b in itertools.pairwise(offsets)] == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "ab", "b", "abc"]), st.integers(0, 2)), max_size=12), st.integers(0, 12)
)
def test_runs_are_sorted_like_python_sorts(keys: list[tuple[str, int]], cut: int) -> None:
    raw = records([Read(name) for name, _ in keys])
    fields = record_fields(raw.data, raw.offsets)
    rank = np.array([value for _, value in keys], dtype=np.int64)
    bounds = np.array([0, min(cut, len(keys)), len(keys)], dtype=np.int64)
    order = np.arange(len(keys), dtype=np.int64)
    found = sort_runs(raw.data, fields.name_at, fields.n_name, rank, order, bounds)
    halves = [range(int(bounds[0]), int(bounds[1])), range(int(bounds[1]), int(bounds[2]))]
    assert found.tolist() == [i for half in halves for i in sorted(half, key=lambda i: (keys[i][0], keys[i][1]))]


def test_complement_is_its_own_inverse_for_plain_bases() -> None:
    assert COMPLEMENT[list(b"ACGTNacgtn")].tobytes() == b"TGCANtgcan"
    raw = records([Read("a")])
    assert naive_record.parse(items(raw)[0]).name == b"a"
