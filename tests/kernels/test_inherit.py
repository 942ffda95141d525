"""Alignments that consensus reads inherit, against a slow twin on plain values."""

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels.inherit import (
    INHERITED,
    N_COLUMNS,
    inherited_places,
    inherited_records,
    note_cells,
    settle_pairs,
)
from ctdna.kernels.orient import COMPLEMENT
from ctdna.kernels.record import record_fields, tag_code
from ctdna.stages.inherit import REASONS
from tests import naive_collapse, naive_record
from tests.builders import Read, records
from tests.collapse_cases import spoiled
from tests.kernels.test_record import items
from tests.naive_collapse import turned

pytestmark = pytest.mark.timeout(120)
CONTIGS = ["".join(random.Random(5 + i).choices("ACGT", k=400)) for i in range(2)]
_TURNED = (
    np.array([tag_code(name) for name in ("cd", "ce", "ad", "ae", "bd", "be", "aq", "bq")], dtype=np.uint16),
    np.array([tag_code(name) for name in ("ac", "bc")], dtype=np.uint16),
    COMPLEMENT,
)


def raw_pair(source: random.Random, label: str, start: int, end: int, is_turned: bool, rate: float) -> list[Read]:
    """Return a raw pair of the fragment of contig 0, with something odd about it in `rate` of the cases."""
    made = []
    for is_reverse in (False, True):
        n = min(source.randint(20, 70), end - start)
        changes: dict[str, Any] = {}
        if source.random() < rate:
            odd = [{"flag": 1}, {"cigar": f"1S{n - 1}M"}, {"flag": 7}, {"contig": 1}, {"mapq": 20}, {"shift": 1}]
            changes = source.choice(odd)
        shift = changes.pop("shift", 0)
        flag = changes.pop("flag", 3) | (0x10 if is_reverse else 0x20) | (0x80 if is_reverse != is_turned else 0x40)
        read = Read(
            "x", flag, 0, (end - n if is_reverse else start) + shift, source.choice([60, 60, 59]), f"{n}M",
            bases="A" * n, tags={"MI": label},
        )  # fmt: skip
        made.append(read._replace(**changes))
    return made


def _consensus(
    source: random.Random, name: str, start: int, end: int, is_turned: bool, rate: float, edge: int
) -> list[Read]:
    made = []
    for is_reverse in (is_turned, not is_turned):
        n = min(source.randint(edge, 60), end - start)
        bases = CONTIGS[0][end - n : end] if is_reverse else CONTIGS[0][start : start + n]
        spoilt = bases[:10] + spoiled(source, bases[10:-10], rate) + bases[-10:] if n > 20 else bases
        if source.random() < 0.15:
            spoilt = spoiled(source, bases, rate, "ACGTNNN")
        tags = {"RX": "ACG-TT", "cd": list(range(n)), "ac": spoilt, "aq": "I" * (n - 1) + "5", "cM": 3, "cE": 0.5}
        made.append(
            Read(
                name, 141 if made else 77, bases=turned(spoilt) if is_reverse else spoilt,
                quals=[2 + k % 40 for k in range(n)], tags=tags,
            )
        )  # fmt: skip
    return made


Case = tuple[list[Read], list[Read], bool]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Return grouped reads of a few molecules, their consensus reads, and whether these are duplex."""
    source = random.Random(draw(st.integers(0, 1 << 32)))
    is_duplex, has_strands = draw(st.sampled_from([(True, True), (False, True), (False, False)]))
    rate, spoil = draw(st.sampled_from([0.0, 0.02, 0.3])), draw(st.sampled_from([0.0, 0.03, 0.2, 1.0]))
    edge, prefix = draw(st.sampled_from([1, 20, 55])), draw(st.sampled_from(["p", "", "lib:7", "A/B", "12", "/A"]))
    grouped: list[Read] = []
    called: list[Read] = []
    for molecule in range(draw(st.integers(1, 12))):
        start = source.randrange(0, 330)
        end = min(398, start + source.randint(1, 120))
        is_turned = source.random() < 0.5
        strands = source.choice([("A",), ("A", "B"), ("B",)]) if has_strands else ("",)
        for strand in strands:
            label = f"{molecule}/{strand}" if strand else str(molecule)
            is_other = is_turned != (strand == "B")
            for _ in range(source.randint(1, 3)):
                grouped += raw_pair(source, label, start, end, is_other, rate)
            if not is_duplex:
                called += _consensus(source, f"{prefix}:{label}", start, end, is_other, spoil, edge)
        if is_duplex:
            is_other = is_turned != (strands[0] == "B")
            called += _consensus(source, f"{prefix}:{molecule}", start, end, is_other, spoil, edge)
        if source.random() < 0.2:
            called.append(Read(f"{prefix}:{molecule}", 4, bases="ACGT"))
    extra = [read._replace(flag=read.flag | source.choice([0x100, 0x800]), cigar="1M") for read in grouped[:2]]
    return grouped + [read._replace(bases="A") for read in extra], called, is_duplex


def inherited(case: Case) -> tuple[list[naive_record.Plain], list[str]]:
    grouped, called, is_duplex = records(case[0]), records(case[1]), case[2]
    cells = note_cells(grouped.data, record_fields(grouped.data, grouped.offsets), 0)
    assert cells.shape[1] == N_COLUMNS
    fields = record_fields(called.data, called.offsets)
    found = inherited_places(called.data, fields, cells, 0, int(is_duplex))
    reference = np.frombuffer("".join(["#", *CONTIGS]).encode(), dtype=np.uint8).copy()
    at = np.where(found.contig >= 0, 1 + 400 * found.contig + found.pos0, -1)
    settle_pairs(called.data, fields, found, reference, at)
    made = inherited_records(called, fields, found, reference, at, _TURNED)
    return [naive_record.parse(item) for item in items(made)], [REASONS[code] for code in found.why]


@settings(max_examples=100, deadline=None)
@given(cases())
def test_consensus_reads_inherit_as_the_slow_twin_says(case: Case) -> None:
    placed, why = naive_collapse.inherit(*case[:2], CONTIGS, case[2])
    found, reasons = inherited(case)
    assert reasons == why
    assert found == [naive_record.parse(item) for item in items(records(placed))]


def test_the_cases_hold_every_reason() -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=60, deadline=None)
    @given(cases())
    def look(case: Case) -> None:
        seen.update(naive_collapse.inherit(*case[:2], CONTIGS, case[2])[1])

    look()
    assert set(seen) == set(REASONS)
    assert seen[REASONS[INHERITED]] > 50


def _case(grouped: dict[str, Any], one: str, two: str) -> Case:
    raw = Read("x", 99, 0, 100, 60, "40M", bases="A" * 40, tags={"MI": "0"})
    mate = raw._replace(flag=147, pos0=150)
    called = [Read("p:0", 77, bases=one, tags={"MI": "0"}), Read("p:0", 141, bases=turned(two), tags={"MI": "0"})]
    return [raw._replace(**grouped), mate], called, False


def _with(text: str, *places: int) -> str:
    letters = list(text)
    for k in places:
        letters[k] = {"A": "C", "C": "G", "G": "T", "T": "A"}[letters[k]]
    return "".join(letters)


ONE, TWO = CONTIGS[0][100:140], CONTIGS[0][150:190]


@pytest.mark.parametrize(
    "grouped, one, two, expected",
    [
        ({}, ONE, TWO, "inherited"),
        ({}, _with(ONE, 10, 12, 20, 29), TWO, "inherited"),
        ({}, _with(ONE, 10, 12, 20, 25, 29), TWO, "mismatches"),
        ({}, _with(ONE, 9), TWO, "inherited"),
        ({}, _with(ONE, 0, 9), TWO, "mismatches"),
        ({}, _with(ONE, 9, 10), _with(TWO, 29, 30), "inherited"),
        ({}, ONE, _with(TWO, 30, 39), "mismatches"),
        ({}, ONE, "N" + _with(TWO, 4)[1:], "mismatches"),
        ({}, ONE, "NN" + TWO[2:], "inherited"),
        ({}, "N" * 40, TWO, "inherited"),
        ({}, ONE[:39], TWO[1:], "inherited"),
        ({}, ONE + "A", TWO, "not_plain"),
        ({"mapq": 59}, ONE, TWO, "low_mapq"),
        ({"flag": 97}, ONE, TWO, "not_plain"),
        ({"flag": 99 | 0x400}, ONE, TWO, "inherited"),
        ({"pos0": 151}, CONTIGS[0][151:191], TWO, "not_plain"),
        ({"tags": {"MI": "1"}}, ONE, TWO, "no_place"),
    ],
)
def test_what_a_pair_inherits(grouped: dict[str, Any], one: str, two: str, expected: str) -> None:
    case = _case(grouped, one, two)
    assert naive_collapse.inherit(*case[:2], CONTIGS, False)[1] == [expected, expected]
    found, reasons = inherited(case)
    assert reasons == [expected, expected]
    assert len(found) == (2 if expected == "inherited" else 0)


def test_a_score_is_that_of_the_best_stretch() -> None:
    one = _with(ONE, 10, 13, 16, 19)
    found, _ = inherited(_case({}, one[:30] + "NNN" + one[33:], TWO))
    tags = {name: value for name, _, value in found[0].tags}
    letters = "".join(f"{'10' if k == 10 else '2'}{ONE[k]}" for k in (10, 13, 16, 19))
    assert tags["MD"].decode() == f"{letters}10{ONE[30]}0{ONE[31]}0{ONE[32]}7"
    assert (tags["NM"], tags["AS"]) == (7, 14)


def test_a_failed_read_stays_failed() -> None:
    grouped, called, _ = _case({}, ONE, TWO)
    found, _ = inherited((grouped, [read._replace(flag=read.flag | 0x200) for read in called], False))
    assert [read.flag for read in found] == [99 | 0x200, 147 | 0x200]
