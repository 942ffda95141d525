"""Collapse: representatives in batches, their alignments given to the other pairs, and bwa's own word on them."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.model.errors import ProgramError
from ctdna.stages.collapse import Alignments, Collapser, Waiting, own_representatives, reads_of, take_waiting
from tests import naive_collapse, naive_record
from tests.builders import Read, records
from tests.collapse_cases import columns, pairs, quals_of
from tests.formats.test_fastq import plain as plain_reads
from tests.kernels.test_record import items
from tests.naive_collapse import Pair, turned

pytestmark = pytest.mark.timeout(120)
QUICK = settings(max_examples=30, deadline=None)


def cuts_of(n: int, cuts: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(sorted({0, n, *(min(cut, n) for cut in cuts)})))


def collapsed(collapser: Collapser, some: Sequence[Pair], cuts: Sequence[int] = ()) -> list[tuple[Waiting, Waiting]]:
    return [collapser.collapse(columns(some[a:b], 0, a), columns(some[a:b], 1, a)) for a, b in cuts_of(len(some), cuts)]


def as_text(data: np.ndarray, offsets: np.ndarray) -> list[str]:  # type: ignore[type-arg]
    return [data[a:b].tobytes().decode() for a, b in itertools.pairwise(offsets)]


def as_pairs(waiting: Waiting) -> list[Pair]:
    umis = as_text(waiting.umis, waiting.umi_offsets)
    ends = as_text(waiting.bases1, waiting.offsets1), as_text(waiting.bases2, waiting.offsets2)
    return [Pair(umi, reads) for umi, reads in zip(umis, zip(*ends, strict=True), strict=True)]


@QUICK
@given(pairs(), st.lists(st.integers(0, 40), max_size=4))
def test_batches_change_nothing(some: list[Pair], cuts: list[int]) -> None:
    found = naive_collapse.collapse(some)
    chosen = [i for i, one in enumerate(found) if one.representative == i]
    collapser = Collapser(1000)
    batches = collapsed(collapser, some, cuts)
    numbers = [int(r) for waiting, _ in batches for r in waiting.representative]
    assert numbers == [chosen.index(one.representative) for one in found]
    turns = [bool(turn) for waiting, _ in batches for turn in waiting.is_turned]
    assert turns == [one.is_turned for one in found]
    assert [pair for waiting, _ in batches for pair in as_pairs(waiting)] == some
    new = [pair for _, waiting in batches for pair in as_pairs(waiting)]
    assert new == [some[i] for i in chosen]
    assert [int(r) for _, waiting in batches for r in waiting.representative] == list(range(len(chosen)))
    metrics = collapser.metrics("s")
    counts = metrics.counts
    assert (metrics.stage, metrics.unit, metrics.n_in, metrics.n_out) == (
        "collapse",
        "read pairs",
        len(some),
        len(some),
    )
    assert counts["representatives"] + counts["members"] == len(some)
    hows = [one.how for one in found]
    assert counts["representatives"] == collapser.n_representatives == hows.count("new") + hows.count("different")
    assert counts["members_by_one_end"] == hows.count("tolerant")
    assert (counts["representatives_too_different"], counts["representatives_not_remembered"]) == (
        hows.count("different"),
        0,
    )


@QUICK
@given(pairs(), st.lists(st.integers(0, 40), max_size=6), st.integers(1, 12))
def test_at_the_limit_no_more_are_remembered(some: list[Pair], cuts: list[int], limit: int) -> None:
    collapser = Collapser(limit)
    batches = collapsed(collapser, some, cuts)
    new = [pair for _, waiting in batches for pair in as_pairs(waiting)]
    assert collapser.n_representatives == len(new)
    n_before = 0
    for waiting, more in batches:
        assert waiting.first == more.first == n_before
        n_before += more.n_pairs
        assert waiting.n_needed <= n_before
        for pair, r, turn in zip(as_pairs(waiting), waiting.representative, waiting.is_turned, strict=True):
            assert r < limit or waiting.first <= r < n_before
            assert naive_collapse.alike(pair, new[r], bool(turn)) is not None
    counts = collapser.metrics("s").counts
    assert counts["representatives_not_remembered"] >= max(len(new) - limit, 0)
    assert counts["representatives"] + counts["members"] == len(some)


def test_reads_for_the_aligner_have_no_comments() -> None:
    some = [Pair("AC-GT", ("ACGT", "TTA")), Pair("AC-GG", ("NCGTA", "T"))]
    (waiting, new), *_ = collapsed(Collapser(10), some)
    reads = reads_of(new)
    quals = ["".join(chr(q + 33) for q in quals_of(bases)) for pair in some for bases in pair.reads]
    expected = zip(
        ["read0", "read0", "read1", "read1"], [base for pair in some for base in pair.reads], quals, strict=True
    )
    assert plain_reads(reads) == list(expected)
    own = own_representatives(take_waiting(waiting, np.array([1], dtype=np.int64)), 7)
    assert (own.representative.tolist(), own.first, own.n_needed) == ([7], 7, 8)
    assert as_pairs(own) == [some[1]]
    none = take_waiting(waiting, np.zeros(0, dtype=np.int64))
    assert (none.n_pairs, none.n_needed) == (0, 0)


def false_alignments(waiting: Waiting) -> list[Read]:
    """Return made-up alignments of representatives: each one at a position of its own, read 2 on the reverse strand."""
    made = []
    names = as_text(waiting.names, waiting.name_offsets)
    for name, pair, r in zip(names, as_pairs(waiting), waiting.representative, strict=True):
        for flag, bases in ((99, pair.reads[0]), (147, pair.reads[1])):
            own = turned(bases) if flag & 16 else bases
            made.append(
                Read(name, flag, 0, int(r), 60, f"{len(own)}M", 0, int(r), 9, own, tags=naive_collapse.edits(own, own))
            )
    return made


@QUICK
@given(pairs(), st.lists(st.integers(0, 40), max_size=6), st.integers(1, 12))
def test_alignments_are_spread_and_forgotten(some: list[Pair], cuts: list[int], limit: int) -> None:
    collapser, alignments = Collapser(limit), Alignments(limit)
    batches = collapsed(collapser, some, cuts)
    reads = [false_alignments(new) for _, new in batches]
    seen: list[naive_record.Plain] = []
    n_left = n_aligned = 0
    for (waiting, new), of_batch in zip(batches, reads, strict=True):
        half = len(of_batch) // 4 * 2
        for part in (of_batch[:half], of_batch[half:]):
            alignments.add(records(part))
        n_aligned += new.n_pairs
        assert alignments.n_aligned == n_aligned
        spread, left = alignments.spread(waiting)
        n_left += left.n_pairs
        seen += [naive_record.parse(item) for item in items(spread)]
    assert len(seen) + 2 * n_left == 2 * len(some)
    number = {read.name: read.pos0 for of_batch in reads for read in of_batch}
    of = {
        name: int(r)
        for waiting, _ in batches
        for name, r in zip(as_text(waiting.names, waiting.name_offsets), waiting.representative, strict=True)
    }
    assert all(record.pos0 == of[record.name.decode()] for record in seen)
    assert all(of[name] == r for name, r in number.items())
    doubtful = {f"read{i}" for i in range(len(some))} - {record.name.decode() for record in seen}
    assert len(doubtful) == n_left
    assert not doubtful & set(number)


def test_forgetting_keeps_what_is_not_aligned_yet() -> None:
    some = [
        Pair("AC-GT", ("ACGTAC", "TTATTT")),
        Pair("CC-GG", ("CCCCCC", "GGGGGG")),
        Pair("TT-AA", ("GGTTGG", "AACCAA")),
    ]
    (waiting, new), *_ = collapsed(Collapser(10), some)
    reads = false_alignments(new)
    alignments = Alignments(0)
    alignments.add(records(reads[:2]))
    none = take_waiting(waiting, np.zeros(0, dtype=np.int64))._replace(first=2)
    assert len(alignments.spread(none)[0]) == 0
    alignments.add(records(reads[2:]))
    assert alignments.n_aligned == 3
    last = take_waiting(waiting, np.array([2], dtype=np.int64))._replace(first=2)
    spread, _ = alignments.spread(last)
    assert [naive_record.parse(item).pos0 for item in items(spread)] == [2, 2]


def test_an_empty_batch_is_fine() -> None:
    collapser = Collapser(1)
    collapsed(collapser, [Pair("AC-GT", ("ACGTAC", "TTATTT")), Pair("CC-GG", ("CCCCCC", "GGGGGG"))])
    waiting, new = collapser.collapse(columns([], 0), columns([], 1))
    assert (waiting.n_pairs, new.n_pairs, waiting.first) == (0, 0, 2)
    assert collapser.metrics("s").counts["representatives_not_remembered"] == 1


@pytest.mark.parametrize("flags", [[77], [77, 77], [77, 141, 141], [0]])
def test_reads_without_their_mate(flags: list[int]) -> None:
    reads = [Read("good", 77), Read("good", 141), *(Read("odd", flag) for flag in flags)]
    with pytest.raises(ProgramError, match="bwa mem: returned read odd without its mate, or twice; report this"):
        Alignments(1).add(records(reads))
