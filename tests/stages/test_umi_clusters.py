"""Clusters of UMIs against the cases of fgbio's and fgumi's own tests, and against the slow twin."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels.umi import ADJACENCY, BASE_TABLE, EDIT, UNORIENTED, cluster_umis, encode_umis, mismatches
from ctdna.model.errors import InputError
from ctdna.stages.umi_clusters import cluster_texts
from tests import naive_grouping
from tests.oracle_cases import Case, case_params

pytestmark = pytest.mark.timeout(60)


@pytest.mark.req("REQ-GRP-001")
@pytest.mark.parametrize("case", case_params("group_umis"))
def test_as_the_field_does(case: Case) -> None:
    umis = [(umi, n) for umi, n in case["input"]["umis"]]
    strategy, edits = case["options"]["strategy"], case["options"]["edits"]
    if case["expect"].get("error"):
        with pytest.raises(InputError, match="no dash"):
            cluster_texts(umis, strategy, edits)
        return
    found = cluster_texts(umis, strategy, edits)
    molecules, families = defaultdict(set), defaultdict(set)
    for umi, (molecule, strand) in found.items():
        molecules[molecule].add(umi)
        families[molecule, strand].add(umi)
    assert sorted(map(sorted, molecules.values())) == sorted(map(sorted, case["expect"]["molecules"]))
    if "families" in case["expect"]:
        assert sorted(map(sorted, families.values())) == sorted(map(sorted, case["expect"]["families"]))
    for umi, strand in case["expect"].get("strand", {}).items():
        assert found[umi][1] == strand


def _encoded(umis: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    text = np.frombuffer("".join(umis).encode(), dtype=np.uint8).copy()
    lengths = np.array([len(umi) for umi in umis], dtype=np.int32)
    at = (np.cumsum(lengths) - lengths).astype(np.int64)
    return encode_umis(text, at, lengths, BASE_TABLE)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.text("AC", min_size=6, max_size=6), st.integers(1, 40), min_size=1, max_size=64)
    | st.dictionaries(st.text("ACGT", min_size=4, max_size=4), st.integers(1, 9), min_size=50, max_size=90),
    st.integers(1, 5),
    st.booleans(),
)
def test_clusters_agree_with_the_twin(counts: dict[str, int], edits: int, gradient: bool) -> None:
    order = sorted(counts, key=lambda umi: (-counts[umi], umi))
    first, second, shape, status = _encoded(order)
    assert not status.any()
    offsets = np.array([0, len(order)], dtype=np.int64)
    numbers = np.array([counts[umi] for umi in order], dtype=np.int64)
    root = cluster_umis(first, second, shape, numbers, offsets, edits, ADJACENCY if gradient else EDIT)
    expected = naive_grouping.clusters(counts, edits, gradient)
    assert {umi: order[root[i]] for i, umi in enumerate(order)} == expected


@settings(max_examples=40, deadline=None)
@given(st.sets(st.text("ACG", min_size=6, max_size=6), min_size=49, max_size=80), st.integers(1, 2))
def test_index_and_comparison_of_all_agree_when_turned_round(umis: set[str], edits: int) -> None:
    order = sorted(f"{umi[:3]}-{umi[3:]}" for umi in umis)
    first, second, shape, _ = _encoded(order)
    numbers = np.ones(len(order), dtype=np.int64)
    whole = np.array([0, len(order)], dtype=np.int64)
    root = cluster_umis(first, second, shape, numbers, whole, edits, UNORIENTED)
    texts = dict(enumerate(order))
    for i, founder in enumerate(root):
        assert root[founder] == founder
        for j in range(i):
            turned = "-".join(texts[i].split("-")[::-1])
            near = min(naive_grouping.distance(texts[i], texts[j]), naive_grouping.distance(turned, texts[j]))
            assert near > edits or founder == root[j]


@given(st.integers(1, 31).flatmap(lambda n: st.tuples(*[st.text("ACGT", min_size=n, max_size=n)] * 2)))
@settings(max_examples=60, deadline=None)
def test_mismatches(pair: tuple[str, str]) -> None:
    first, _, _, _ = _encoded(list(pair))
    assert mismatches(first[0], first[1]) == naive_grouping.distance(*pair)


def test_codes_tell_what_cannot_be_a_umi() -> None:
    umis = ["ACGT", "AC-GT", "acgn", "AC+GT", "A" * 63, "A-C-G", "", "-ACG", "C" * 62]
    _, _, shape, status = _encoded(umis)
    assert status.tolist() == [0, 0, 1, 2, 3, 4, 0, 0, 0]
    assert shape[[0, 1, 7, 8]].tolist() == [4 * 64, 2 * 64 + 2 + 4096, 3 + 4096, 31 * 64 + 31]


def test_messages() -> None:
    with pytest.raises(InputError, match="UMI ACGTA: not as long as ACGT; all UMIs must have one length"):
        cluster_texts([("ACGT", 1), ("ACGTA", 1)], "edit", 1)
    with pytest.raises(InputError, match=r"UMI AC\+T: allowed are A, C, G, T and one dash"):
        cluster_texts([("AC+T", 1)], "edit", 1)
    assert cluster_texts([], "edit", 1) == {}


def test_a_hundred_thousand_umis_at_one_place_come_apart_into_the_planted_ones() -> None:
    dice = np.random.default_rng(3)
    n, n_errors = 20_000, 5
    true = dice.integers(0, 4, (n, 24))
    read = np.repeat(true, n_errors + 1, axis=0)
    is_error = np.arange(len(read)) % (n_errors + 1) > 0
    rows = np.flatnonzero(is_error)
    at = dice.integers(0, 24, len(rows))
    read[rows, at] = (read[rows, at] + dice.integers(1, 4, len(rows))) % 4
    weights = 4 ** np.arange(11, -1, -1, dtype=np.int64)
    first, second = read[:, :12] @ weights, read[:, 12:] @ weights
    counts = np.where(is_error, 1, 3).astype(np.int64)
    origin = np.repeat(np.arange(n), n_errors + 1)
    _, distinct = np.unique(np.stack((first, second)), axis=1, return_index=True)
    order = distinct[np.lexsort((second[distinct], first[distinct], -counts[distinct]))]
    shape = np.full(len(order), 12 * 64 + 12 + 4096, dtype=np.int32)
    offsets = np.array([0, len(order)], dtype=np.int64)
    root = cluster_umis(
        np.ascontiguousarray(first[order]),
        np.ascontiguousarray(second[order]),
        shape,
        counts[order],
        offsets,
        1,
        ADJACENCY,
    )
    assert len(order) > 110_000
    assert np.array_equal(origin[order][root], origin[order])
    assert (root == np.arange(len(root))).sum() == n
