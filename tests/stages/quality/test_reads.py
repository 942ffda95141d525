"""Reads on target, tiers and fragment lengths, counted on records written by hand."""

import numpy as np

from ctdna.model.evidence import Targets
from ctdna.stages.quality.reads import count_on_target, molecule_figures
from tests.builders import Read, records

TARGETS = Targets(
    np.array([0, 0, 1], dtype=np.int32),
    np.array([100, 300, 50], dtype=np.int32),
    np.array([200, 400, 60], dtype=np.int32),
    ("A:1", "A:2", "B:1"),
)


def _at(contig: int, pos0: int, cigar: str = "10M", flag: int = 0, name: str = "r") -> Read:
    return Read(name, flag, contig, pos0, 60, cigar, bases="A" * 10)


def test_one_shared_base_is_on_target_and_none_is_not() -> None:
    inside = [_at(0, 91), _at(0, 199), _at(0, 350), _at(1, 55), _at(0, 195, "5M200D5M")]
    outside = [_at(0, 90), _at(0, 200), _at(1, 100), _at(0, 290), _at(0, 89, "10M5S")]
    assert count_on_target(records(inside), TARGETS) == (5, 5)
    assert count_on_target(records(outside), TARGETS) == (5, 0)


def test_unmapped_and_supplementary_reads_do_not_count() -> None:
    others = [_at(0, 150, flag=4), _at(0, 150, flag=2048), _at(0, 150, flag=256)]
    assert count_on_target(records(others), TARGETS) == (0, 0)


def _template(name: str, pos0: int, **depths: int) -> list[Read]:
    tags = dict(depths)
    first = Read(name, 99, 0, pos0, 60, "10M", 0, pos0 + 150, 160, "A" * 10, tags=tags)
    second = Read(name, 147, 0, pos0 + 150, 60, "10M", 0, pos0, -160, "A" * 10, tags=tags)
    return [first, second]


def test_each_molecule_counts_once_in_its_tier() -> None:
    reads = [
        *_template("m1", 100, aD=2, bD=1),
        *_template("m2", 100, aD=0, bD=3),
        *_template("m3", 100, aD=2, bD=0),
        *_template("m4", 100, aD=1, bD=0),
        *_template("m5", 240, cD=5),
        *_template("m6", 600, cD=1),
    ]
    found = molecule_figures(records(reads), TARGETS)
    assert found.tiers == {"duplex": 1, "simplex3": 2, "pair2": 1, "single": 2}
    assert found.n_on_target == 4 + 1
    assert found.insert_sizes == {160: 6}


def test_no_reads_at_all() -> None:
    found = molecule_figures(records([]), TARGETS)
    assert (found.n_on_target, found.insert_sizes) == (0, {})
    assert sum(found.tiers.values()) == 0
