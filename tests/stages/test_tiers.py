"""Molecules by tier: from reads before the vote, and from the tags of consensus reads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctdna.kernels.record import record_fields
from ctdna.model.params.consensus import FilterParams
from ctdna.stages.filter import filter_records
from ctdna.stages.tiers import consensus_tiers, tier_counts
from tests.builders import Read, records
from tests.consensus_cases import call, params


def _tier(first: int, second: int) -> str:
    if first and second:
        return "duplex"
    reads = first + second
    return "simplex3" if reads >= 3 else "pair2" if reads == 2 else "single"


@pytest.mark.req("REQ-FLT-002")
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40))
def test_tiers_are_those_of_the_architecture_and_add_up(pairs: list[tuple[int, int]]) -> None:
    first, second = (np.array([pair[k] for pair in pairs], dtype=np.int64) for k in range(2))
    found = tier_counts(first, second)
    assert sum(found.values()) == len(pairs)
    for tier, n in found.items():
        assert n == sum(_tier(*pair) == tier for pair in pairs)


def _pair(name: str, molecule: str) -> list[Read]:
    tags = {"MI": molecule, "RX": "ACG-TTT"}
    flags = (99, 147) if molecule.endswith("A") else (83, 163)
    places = (100, 160) if molecule.endswith("A") else (160, 100)
    return [
        Read(name, flag, 0, pos0, 60, "30M", 0, mate, 0, "A" * 30, 30, {**tags, "MC": "30M"})
        for flag, pos0, mate in zip(flags, places, places[::-1], strict=True)
    ]


def test_one_duplex_pass_gives_duplex_and_simplex_tiers() -> None:
    """Molecule 0 has both strands, 1 three reads of one, 2 two, 3 one: with min-reads 1 1 0 all come out."""
    families = {0: "AABB", 1: "AAA", 2: "BB", 3: "A"}
    reads = [
        read
        for molecule, strands in families.items()
        for k, strand in enumerate(strands)
        for read in _pair(f"m{molecule}r{k}", f"{molecule}/{strand}")
    ]
    found, metrics = call(reads, params("duplex", min_reads=(1, 1, 0)))
    assert len(found) == 8
    assert {name: n for name, n in metrics.counts.items() if name.startswith("molecules_in_")} == dict.fromkeys(
        ("molecules_in_duplex", "molecules_in_simplex3", "molecules_in_pair2", "molecules_in_single"), 1
    )
    assert metrics.counts["molecules_with_both_strands"] == 1


def _consensus(name: str, flag: int, **tags: int) -> Read:
    n = 10
    more = {"cD": tags.get("aD", 0) + tags.get("bD", 0) or tags["cD"], "cM": 1, "cE": 0.0}
    if "aD" in tags:
        more |= {"aE": 0.0, "bE": 0.0, "aM": 1, "bM": 0, "ad": [tags["aD"]] * n, "ae": [0] * n}
        more |= {"bd": [tags["bD"]] * n, "be": [0] * n} if tags["bD"] else {}
    else:
        more |= {"cd": [tags["cD"]] * n, "ce": [0] * n}
    return Read(name, flag, bases="A" * n, quals=40, tags={**more, **tags})


@pytest.fixture
def duplex_reads() -> list[Read]:
    depths = {"a": (2, 1), "b": (5, 0), "c": (2, 0), "d": (1, 0)}
    return [_consensus(name, flag, aD=a, bD=b) for name, (a, b) in depths.items() for flag in (77, 141)]


@pytest.mark.req("REQ-FLT-002")
def test_kept_templates_are_counted_once_by_their_tags(duplex_reads: list[Read]) -> None:
    some = records(duplex_reads)
    fields = record_fields(some.data, some.offsets)
    firsts = np.flatnonzero((fields.flag & 128) == 0)
    assert consensus_tiers(some, fields, firsts) == {"duplex": 1, "simplex3": 1, "pair2": 1, "single": 1}
    simplex = records([_consensus(f"s{n}", 4, cD=n) for n in (1, 2, 3, 9)])
    fields = record_fields(simplex.data, simplex.offsets)
    assert consensus_tiers(simplex, fields, np.arange(4)) == {"duplex": 0, "simplex3": 2, "pair2": 1, "single": 1}


def test_the_filter_counts_the_tiers_that_it_keeps(duplex_reads: list[Read]) -> None:
    wanted = FilterParams(
        min_reads=(2, 1, 0),
        max_read_error_rate=(0.1,),
        max_base_error_rate=(0.1,),
        max_no_call_fraction=0.2,
        min_base_quality=None,
        min_mean_base_quality=None,
        require_single_strand_agreement=False,
    )
    _, metrics = filter_records(records(duplex_reads), wanted, False, "s")
    kept = {name: n for name, n in metrics.counts.items() if name.startswith("templates_out_")}
    assert kept == {
        "templates_out_duplex": 1, "templates_out_simplex3": 1, "templates_out_pair2": 1, "templates_out_single": 0,
    }  # fmt: skip
    assert sum(kept.values()) == metrics.counts["templates_out"] == 3
