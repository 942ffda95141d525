"""Alignments of representatives given to the pairs they stand for, and which pairs are in doubt, against slow twins."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels.mates import template_bounds
from ctdna.kernels.record import record_fields, same_name_as_previous
from ctdna.kernels.spread import (
    FORWARD,
    ROUGH,
    TURNED,
    Heads,
    are_doubtful,
    first_tags,
    spread_pairs,
    take_heads,
)
from ctdna.model.columns import RawRecords
from tests import naive_collapse, naive_record
from tests.builders import Read, records
from tests.collapse_cases import columns, pairs, quals_of, ragged, spoiled
from tests.kernels.test_collapse import places
from tests.kernels.test_record import items
from tests.naive_collapse import Pair, near_ends, turned

pytestmark = pytest.mark.timeout(120)
QUICK = settings(max_examples=60, deadline=None)


def heads_of(reads: list[Read]) -> tuple[Heads, int]:
    raw = records(reads)
    fields = record_fields(raw.data, raw.offsets)
    bounds = template_bounds(same_name_as_previous(raw.data, fields.name_at, fields.n_name))
    heads, bad = take_heads(raw.data, fields, bounds)
    return heads, int(bad)


def plain(raw: RawRecords) -> list[naive_record.Plain]:
    return [naive_record.parse(item) for item in items(raw)]


def _cigar(source: random.Random, n: int) -> str:
    clip = source.randrange(n) if source.random() < 0.5 else 0
    return f"{clip}S{n - clip}M" if clip else f"{n}M"


def aligned(source: random.Random, name: str, sizes: tuple[int, int]) -> list[Read]:
    """Return a pair's records as an aligner might write them, sometimes with records that are not primary."""
    made = []
    for end, n in enumerate(sizes):
        flag = source.choice([1, 3, 5, 9, 17, 35, 51]) | (0x80 if end else 0x40)
        is_lost = bool(flag & 4)
        place = {} if is_lost else {"contig": source.randrange(2), "pos0": source.randrange(4000)}
        made.append(
            Read(
                name, flag, mapq=source.randrange(61), cigar="*" if is_lost else _cigar(source, n),
                mate_contig=source.randrange(-1, 2), mate_pos0=source.randrange(-1, 4000),
                insert_size=source.randrange(-900, 900), bases="C" * n, tags={"NM": 1, "MD": str(n)}, **place,
            )
        )  # fmt: skip
        if source.random() < 0.3:
            made.append(made[-1]._replace(flag=flag | source.choice([0x100, 0x800])))
    if source.random() < 0.3:
        made.reverse()
    return made


def spread(heads: Heads, some: list[Pair], of: list[int], turns: list[bool], chosen: list[int]) -> RawRecords:
    one, two = columns(some, 0), columns(some, 1)
    umis = first_tags(one.comments, one.comment_offsets)
    return spread_pairs(  # type: ignore[no-any-return]
        heads, np.array(chosen, dtype=np.int64), np.array(of, dtype=np.int64), np.array(turns, dtype=np.bool_),
        (one.names, one.name_offsets), umis,
        ((one.bases, one.quals, one.offsets), (two.bases, two.quals, two.offsets)), (FORWARD, TURNED),
    )  # fmt: skip


@QUICK
@given(pairs(), st.integers(0, 1 << 32))
def test_members_are_aligned_as_the_slow_twin_says(some: list[Pair], seed: int) -> None:
    source = random.Random(seed)
    found = naive_collapse.collapse(some)
    chosen = [i for i, one in enumerate(found) if one.representative == i]
    sizes = [(len(some[i].reads[0]), len(some[i].reads[1])) for i in chosen]
    given_reads = [aligned(source, f"r{i}", size) for i, size in zip(chosen, sizes, strict=True)]
    heads, bad = heads_of([read for of_pair in given_reads for read in of_pair])
    assert bad == -1
    of, turns = [chosen.index(one.representative) for one in found], [one.is_turned for one in found]
    expected: list[Read] = []
    for i, (pair, r, turn) in enumerate(zip(some, of, turns, strict=True)):
        primary = [read for read in given_reads[r] if not read.flag & 0x900]
        one, two = (next(read for read in primary if read.flag & bit) for bit in (0x40, 0x80))
        quals = quals_of(pair.reads[0]), quals_of(pair.reads[1])
        expected += naive_collapse.member(f"read{i}", pair, quals, (two, one) if turn else (one, two))
    few = sorted(source.sample(range(len(some)), source.randrange(len(some) + 1)))
    for which in (range(len(some)), few):
        of_chosen = [expected[2 * i + end] for i in which for end in range(2)]
        assert plain(spread(heads, some, of, turns, list(which))) == plain(records(of_chosen))


@pytest.mark.parametrize(
    "flags, bad",
    [
        ([0x41, 0x81], -1),
        ([0x41], 0),
        ([0x41, 0x41], 0),
        ([0x41, 0x81, 0x81], 0),
        ([0x40, 0x81], 0),
        ([0x41, 0x881], 0),
        ([0x841, 0x41, 0x181, 0x81], -1),
    ],
)
def test_templates_without_one_primary_read_of_each_end(flags: list[int], bad: int) -> None:
    heads, found = heads_of([Read("a", flag) for flag in flags])
    assert found == bad
    assert len(heads.marks) == (2 if bad < 0 else 0)
    good = [Read("b", 0x41), Read("b", 0x81)]
    assert heads_of(good + [Read("a", flag) for flag in flags])[1] == (1 if bad == 0 else -1)


def test_no_templates() -> None:
    heads, bad = heads_of([])
    assert (bad, len(heads.offsets), len(heads.data)) == (-1, 1, 0)
    assert len(spread(heads, [], [], [], [])) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"cigar": "1S3M"}, {"cigar": "3M1S"}, {"cigar": "2M1I1M"}, {"cigar": "4="},
        {"flag": 0x45, "cigar": "*"}, {"flag": 0x45}, {"tags": {}}, {"tags": {"NM": 1, "XA": "MD"}},
    ],
)  # fmt: skip
def test_reads_not_aligned_as_a_whole_are_rough(change: dict[str, Any]) -> None:
    one = Read("a", 0x41, 0, 9, cigar="4M", tags={"NM": 0, "MD": "4"})
    heads, _ = heads_of([one._replace(**change), one._replace(flag=0x81)])
    assert heads.marks.tolist() == [ROUGH, 0]


@QUICK
@given(st.integers(1, 100), st.integers(0, 1 << 32), st.booleans(), st.sampled_from([0.0, 0.02, 0.2, 1.0]))
def test_mismatches_near_the_ends_are_marked(n: int, seed: int, is_reverse: bool, rate: float) -> None:
    source = random.Random(seed)
    reference = "".join(source.choice("ACGTN") for _ in range(n))
    bases = spoiled(source, reference, rate)
    text = naive_collapse.edits(bases, reference)["MD"]
    wrong = [k for k in range(n) if not bases[k] == reference[k] != "N"]
    read = Read(
        "a", 0x51 if is_reverse else 0x41, 0, 9, cigar=f"{n}M", bases=bases, tags={"NM": 1, "MD": text, "AS": 3}
    )
    heads, _ = heads_of([read, Read("a", 0x81)])
    assert places(int(heads.marks[0])) == near_ends([n - 1 - k for k in wrong] if is_reverse else wrong, n)


@QUICK
@given(pairs(), st.integers(0, 1 << 32))
def test_pairs_in_doubt_are_those_of_the_slow_twin(some: list[Pair], seed: int) -> None:
    source = random.Random(seed)
    found = naive_collapse.collapse(some)
    reads, references = [], {}
    chosen = [i for i, one in enumerate(found) if one.representative == i]
    for i in chosen:
        for end, bases in enumerate(some[i].reads):
            is_reverse, is_rough = source.random() < 0.5, source.random() < 0.2
            reference = spoiled(source, bases, source.choice([0.0, 0.05, 0.3]))
            references[i, end] = None if is_rough else reference
            flag = (0x51 if is_reverse else 0x41) ^ (0xC0 if end else 0)
            both = (turned(bases), turned(reference)) if is_reverse else (bases, reference)
            n = len(bases)
            cigar = f"1S{n - 1}M" if is_rough and n > 1 else f"{n}I" if is_rough else f"{n}M"
            reads.append(Read(f"r{i}", flag, 0, 9, cigar=cigar, bases=both[0], tags=naive_collapse.edits(*both)))
    heads, _ = heads_of(reads)
    expected = []
    for pair, one in zip(some, found, strict=True):
        its = [(end, 1 - end if one.is_turned else end) for end in (0, 1)]
        r = one.representative
        expected.append(
            any(naive_collapse.is_doubtful(pair.reads[a], some[r].reads[b], references[r, b]) for a, b in its)
        )
    of = np.array([chosen.index(one.representative) for one in found], dtype=np.int64)
    marks = np.array([[_marks(one.marks[0]), _marks(one.marks[1])] for one in found], dtype=np.int64)
    turns = np.array([one.is_turned for one in found], dtype=np.bool_)
    assert are_doubtful(heads, of, turns, marks).tolist() == expected


def _marks(near: naive_collapse.Marks) -> int:
    return sum(1 << 2 * k for k in near[0]) + sum(1 << 2 * (19 - k) for k in near[1])


def test_one_difference_more_near_an_end_is_in_doubt() -> None:
    n, reference = 60, "ACGT" * 15
    its = "C" + reference[1:]
    read = Read("a", 0x41, 0, 9, cigar=f"{n}M", bases=its, tags=naive_collapse.edits(its, reference))
    heads, _ = heads_of([read, Read("a", 0x81)])
    zero = np.zeros(1, dtype=np.int64)
    cases = [
        ({0: "A"}, False),
        ({3: "A"}, True),
        ({0: "A", 3: "A"}, False),
        ({9: "A"}, True),
        ({10: "A"}, False),
        ({59: "A"}, False),
    ]
    for changes, is_doubtful in cases:
        own = "".join(changes.get(k, base) for k, base in enumerate(its))
        near = near_ends([k for k in range(n) if own[k] != its[k]], n)
        marks = np.array([[_marks(near), 0]], dtype=np.int64)
        assert are_doubtful(heads, zero, zero.astype(np.bool_), marks).tolist() == [is_doubtful]
        assert naive_collapse.is_doubtful(own, its, reference) == is_doubtful


def test_the_first_tag_of_each_comment() -> None:
    texts = ["RX:Z:ACG-TT\tQX:Z:III II", "RX:Z:", "RX:Z:A", "RX:Z:\tQX:Z:", "RX:Z:TTTT"]
    data, offsets = first_tags(*ragged(texts))
    assert data.tobytes() == b"ACG-TTATTTT"
    assert offsets.tolist() == [0, 6, 6, 7, 7, 11]
