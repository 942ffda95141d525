"""Inherit: consensus reads with the alignments of their molecules, beside the way of `realign`."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.model.columns import RawRecords
from ctdna.stages.align import add_mate_tags
from ctdna.stages.inherit import REASONS, Candidates, Cells, inherit, molecule_number
from ctdna.stages.realign import carry_tags
from tests import naive_collapse, naive_record
from tests.builders import Read, Tag, records
from tests.kernels.test_inherit import CONTIGS, Case, cases
from tests.kernels.test_record import items
from tests.naive_collapse import turned

pytestmark = pytest.mark.timeout(120)
LENGTHS = np.array([len(text) for text in CONTIGS], dtype=np.int64)
QUICK = settings(max_examples=40, deadline=None)


def bases_of(found: Candidates, contigs: list[str]) -> list[np.ndarray]:  # type: ignore[type-arg]
    rows = zip(*(column.tolist() for column in found.stretches), strict=True)
    return [np.frombuffer(contigs[c][start:end].encode(), dtype=np.uint8).copy() for c, start, end in rows]


def plain(raw: RawRecords) -> list[naive_record.Plain]:
    return [naive_record.parse(item) for item in items(raw)]


def _label(read: Read) -> int:
    return int(str(read.tags["MI"]).split("/")[0])


def _molecule(read: Read) -> int:
    return molecule_number(read.name.encode())


@QUICK
@given(cases(), st.lists(st.integers(1, 12), max_size=3))
def test_batches_of_molecules_change_nothing(case: Case, cuts: list[int]) -> None:
    grouped, called, is_duplex = case
    grouped = sorted(grouped, key=_label)
    expected, why = naive_collapse.inherit(grouped, called, CONTIGS, is_duplex)
    cells, placed, rest = Cells(), [], []
    total = np.zeros(len(REASONS), dtype=np.int64)
    for first, end in itertools.pairwise(sorted({0, 12, *cuts})):
        cells.add(records(read for read in grouped if first <= _label(read) < end))
        some = [read for read in called if first <= _molecule(read) < end]
        found = cells.candidates(records(some), LENGTHS, is_duplex)
        one, other, counts = inherit(found, bases_of(found, CONTIGS))
        placed += plain(one)
        rest += plain(other)
        total += counts
    assert placed == plain(records(expected))
    left = [read for read, reason in zip(called, why, strict=True) if reason != "inherited"]
    assert rest == plain(records(left))
    assert total.tolist() == [why.count(reason) for reason in REASONS]
    assert len(placed) + len(rest) == len(called)


@QUICK
@given(cases())
def test_tags_are_those_that_realign_would_carry(case: Case) -> None:
    grouped, called, is_duplex = case
    expected, _ = naive_collapse.inherit(grouped, called, CONTIGS, is_duplex)
    own = ("NM", "MD", "AS")
    bare = [read._replace(tags={name: read.tags[name] for name in own}) for read in expected]
    names = {read.name for read in expected}
    source = records(read for read in called if read.name in names and read.flag & 1)
    cells = Cells()
    cells.add(records(grouped))
    found = cells.candidates(records(called), LENGTHS, is_duplex)
    placed, _, _ = inherit(found, bases_of(found, CONTIGS))
    if expected:
        oracle, n_used = carry_tags(records(bare), source)
        assert n_used == len(source)
        assert plain(placed) == plain(add_mate_tags(oracle))
    assert len(placed) == len(expected)


def test_every_kind_of_tag_is_carried() -> None:
    tags: dict[str, Any] = {
        "RG": "A", "MI": "0", "cd": [1, 2, *range(38)], "ce": Tag("B:C", [7] * 39 + [9]), "aq": "!" * 39 + "I",
        "ac": "A" * 39 + "N", "bc": "", "ad": [], "cM": Tag("c", 3), "cE": 0.5, "XX": Tag("A", "q"),
    }  # fmt: skip
    start = 100
    grouped = [
        Read("x", 99, 0, start, 60, "40M", bases="A" * 40, tags={"MI": "0"}),
        Read("x", 147, 0, start + 30, 60, "40M", bases="A" * 40, tags={"MI": "0"}),
    ]
    one, two = CONTIGS[0][start : start + 40], turned(CONTIGS[0][start + 30 : start + 70])
    called = [Read("lib:0", 77, bases=one, tags=tags), Read("lib:0", 141, bases=two, tags=tags)]
    cells = Cells()
    cells.add(records(grouped))
    found = cells.candidates(records(called), LENGTHS, False)
    placed, rest, counts = inherit(found, bases_of(found, CONTIGS))
    assert (len(rest), counts.tolist()) == (0, [2, 0, 0, 0, 0])
    edits = {"NM": 0, "MD": "40", "AS": 40}
    bare = [
        Read("lib:0", 99, 0, start, 60, "40M", 0, start + 30, 70, one, tags=edits),
        Read("lib:0", 147, 0, start + 30, 60, "40M", 0, start, -70, turned(two), tags=edits),
    ]
    oracle, _ = carry_tags(records(bare), records(called))
    assert plain(placed) == plain(add_mate_tags(oracle))


def _at(start: int, size: int, contigs: list[str]) -> tuple[list[Read], list[Read]]:
    """Return a molecule of one raw pair over a whole fragment, and its consensus."""
    grouped, called = [], []
    text = (contigs[0] + "ACGTACGT")[start : start + size]
    for flag, raw in ((77, 99), (141, 147)):
        grouped.append(Read("x", raw, 0, start, 60, f"{size}M", bases="A" * size, tags={"MI": "0"}))
        called.append(Read("lib:0", flag, bases=turned(text) if raw & 16 else text, tags={"MI": "0"}))
    return grouped, called


def inherited_at(start: int, size: int) -> tuple[RawRecords, RawRecords, np.ndarray]:  # type: ignore[type-arg]
    """Return what becomes of a molecule of so many bases: reads that inherit, others, and both by reason."""
    grouped, called = _at(start, size, CONTIGS)
    cells = Cells()
    cells.add(records(grouped))
    found = cells.candidates(records(called), LENGTHS, False)
    return inherit(found, bases_of(found, CONTIGS))


@pytest.mark.parametrize(
    "start, size, expected",
    [
        (0, 50, "inherited"),
        (350, 50, "inherited"),
        (0, 400, "inherited"),
        (351, 50, "not_plain"),
        (399, 3, "not_plain"),
    ],
)
def test_reads_at_the_ends_of_a_contig(start: int, size: int, expected: str) -> None:
    placed, rest, counts = inherited_at(start, size)
    assert counts[REASONS.index(expected)] == 2
    assert len(placed) == (2 if expected == "inherited" else 0)
    assert len(placed) + len(rest) == 2


def test_stretches_are_apart_and_in_order() -> None:
    grouped: list[Read] = []
    called: list[Read] = []
    for molecule, (contig, start) in enumerate([(1, 300), (0, 100), (0, 150), (1, 10), (0, 201), (1, 350)]):
        for flag, raw in ((77, 99), (141, 147)):
            label = {"MI": str(molecule)}
            text = CONTIGS[contig][start : start + 50]
            grouped.append(Read("x", raw, contig, start, 60, "50M", bases="A" * 50, tags=label))
            called.append(Read(f"lib:{molecule}", flag, bases=turned(text) if raw & 16 else text, tags=label))
    cells = Cells()
    cells.add(records(grouped))
    found = cells.candidates(records(called), LENGTHS, False)
    places = list(zip(*(column.tolist() for column in found.stretches), strict=True))
    assert places == [(0, 100, 200), (0, 201, 251), (1, 10, 60), (1, 300, 400)]
    placed, _, _ = inherit(found, bases_of(found, CONTIGS))
    assert len(placed) == 2 * 6


def test_nothing_comes_of_nothing() -> None:
    cells = Cells()
    cells.add(records([]))
    found = cells.candidates(records([]), LENGTHS, True)
    placed, rest, counts = inherit(found, [])
    assert (len(placed), len(rest), counts.tolist()) == (0, 0, [0] * len(REASONS))


def test_molecules_called_already_are_forgotten() -> None:
    grouped, called = _at(100, 50, CONTIGS)
    cells = Cells()
    for molecule in (0, 1, 1500):
        cells.add(records(read._replace(tags={"MI": f"{molecule}/A"}) for read in grouped))
        some = records(read._replace(name=f"7:A/B:{molecule}/A") for read in called)
        found = cells.candidates(some, LENGTHS, False)
        placed, _, _ = inherit(found, bases_of(found, CONTIGS))
        assert [one.name for one in plain(placed)] == [f"7:A/B:{molecule}/A".encode()] * 2


@pytest.mark.parametrize("name, number", [(b"lib:12", 12), (b"lib:12/A", 12), (b":0", 0), (b"a:7/B:3/B", 3)])
def test_a_molecule_s_number_in_a_name(name: bytes, number: int) -> None:
    assert molecule_number(name) == number
