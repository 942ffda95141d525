"""Pairs and alignments brought together: the same records and the same order of doubtful pairs, whoever is faster."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.cli.short_way import names_apart
from ctdna.cli.spreading import Arrivals, PairQueue, Spreading, doubtful_reads
from ctdna.formats.overflow import OverflowQueue
from ctdna.kernels.fastq import parse_fastq
from ctdna.model.columns import FastqColumns, RawRecords
from ctdna.model.errors import InputError, ProgramError
from ctdna.stages.collapse import Collapser, Waiting
from tests.builders import Read, records
from tests.collapse_cases import pairs
from tests.kernels.test_record import items
from tests.naive_collapse import Pair
from tests.stages.test_collapse import as_text, collapsed

pytestmark = pytest.mark.timeout(120)
KEPT = 4
"""Representatives that are remembered."""


def names_of(waiting: Waiting) -> list[str]:
    return as_text(waiting.names, waiting.name_offsets)


def unaligned(waiting: Waiting) -> RawRecords:
    """Return what the aligner says of reads that it cannot place: all that differ from them are in doubt."""
    names = names_of(waiting)
    return records([Read(name, flag, bases="ACGT") for name in names for flag in (77, 141)])


def in_turn(batches: list[tuple[Waiting, Waiting]], lags: list[int]) -> Iterator[Waiting | RawRecords]:
    """Yield pairs, and the records of each batch's representatives so many batches later, in order."""
    due: list[tuple[int, Waiting]] = []
    for k, (waiting, new) in enumerate(batches):
        yield waiting
        due.append((k + (lags[k] if k < len(lags) else 0), new))
        while due and due[0][0] <= k:
            yield unaligned(due.pop(0)[1])
    yield from (unaligned(new) for _, new in due)


def spread(folder: Path, batches: list[tuple[Waiting, Waiting]], lags: list[int]) -> tuple[set[bytes], list[str], int]:
    """Return the records, the names of the doubtful pairs in their order, and how many records there are."""
    with OverflowQueue(folder, 100) as late, OverflowQueue(folder, 100) as doubtful:
        left = PairQueue(doubtful)
        spreading = Spreading(PairQueue(late), left, KEPT)
        found = [item for some in spreading.records(in_turn(batches, lags)) for item in items(some)]
        names: list[str] = []
        while (some := left.get()) is not None:
            names += names_of(some)
        assert len(names) == spreading.n_doubtful
        assert spreading.counts.n_primary == len(found)
        return set(found), names, len(found)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs(), st.lists(st.integers(0, 40), max_size=6), st.lists(st.integers(0, 4), max_size=8))
def test_a_slow_aligner_changes_nothing(tmp_path: Path, some: list[Pair], cuts: list[int], lags: list[int]) -> None:
    found = [spread(tmp_path, collapsed(Collapser(KEPT), some, cuts), each) for each in (lags, [])]
    assert found[0] == found[1]
    assert found[0][2] == len(found[0][0]) == 2 * (len(some) - len(found[0][1]))


def test_too_few_alignments_are_noticed(tmp_path: Path) -> None:
    (waiting, _), *_ = collapsed(Collapser(KEPT), [Pair("AC-GT", ("ACGTAC", "TTATTT"))])
    with OverflowQueue(tmp_path, 100) as late, OverflowQueue(tmp_path, 100) as doubtful:
        spreading = Spreading(PairQueue(late), PairQueue(doubtful), KEPT)
        with pytest.raises(ProgramError, match="returned 0 read pairs, 1 or more were given; run again"):
            list(spreading.records([waiting]))


def test_doubtful_pairs_come_in_as_their_own_representatives(tmp_path: Path) -> None:
    some = [
        Pair("AC-GT", ("ACGTAC", "TTATTT")),
        Pair("CC-GG", ("CCCCCC", "GGGGGG")),
        Pair("AC-GT", ("ACGTAC", "TTATTT")),
    ]
    arrivals = Arrivals(8)
    with OverflowQueue(tmp_path, 1000) as queue:
        doubtful = PairQueue(queue)
        for waiting, _ in collapsed(Collapser(KEPT), some, [2]):
            doubtful.put(waiting)
        reads = [as_text(few.names, few.name_offsets) for few in doubtful_reads(doubtful, arrivals)]
    assert reads == [["read0", "read0", "read1", "read1"], ["read2", "read2"]]
    with arrivals.with_all(iter(())) as come:
        numbers = [some.representative.tolist() for some in come if isinstance(some, Waiting)]
    assert numbers == [[0, 1], [2]]


@pytest.mark.parametrize(
    "names, bad",
    [
        ([["a", "b"], ["c"]], None),
        ([["a", "b", "b"]], "b"),
        ([["a"], ["b"], ["b", "c"]], "b"),
        ([["a", "b"], ["a"]], None),
    ],
)
def test_neighbours_of_one_name_are_refused(names: list[list[str]], bad: str | None) -> None:
    reads = [_reads([name for name in some for _ in range(2)]) for some in names]
    if bad is None:
        assert list(names_apart(iter(reads), Path("r1.fq"))) == reads
        return
    with pytest.raises(
        InputError, match=f"r1.fq: read {bad}: two read pairs have this name; give each a name of its own"
    ):
        list(names_apart(iter(reads), Path("r1.fq")))


def _reads(names: list[str]) -> FastqColumns:
    text = "".join(f"@{name}\nA\n+\nF\n" for name in names).encode()
    reads: FastqColumns = parse_fastq(np.frombuffer(text, dtype=np.uint8).copy(), len(names))[0]
    return reads
