"""Consensus reads to FASTQ, tags back onto their alignments."""

import pytest

from ctdna.model.errors import InputError, ProgramError
from ctdna.stages.realign import carry_tags, pairs_and_fragments, to_reads, without_first
from tests import naive_record
from tests.builders import Read, records, sam_records
from tests.formats.test_fastq import plain
from tests.kernels.test_record import items

pytestmark = pytest.mark.timeout(60)


def names(raw: object) -> list[str]:
    return [naive_record.parse(item).name.decode() for item in items(raw)]  # type: ignore[arg-type]


def test_reads_of_unaligned_records() -> None:
    raw = records([Read("a", 77, bases="ACN", quals=[2, 40, 93], tags={"RX": "A"}), Read("b", 4, bases="G")])
    assert plain(to_reads(raw)) == [("a", "ACN", "#I~"), ("b", "G", "?")]


@pytest.mark.parametrize(
    "read, message",
    [
        (Read("x", 0, 0, 1, cigar="4M"), "read x: the read is aligned; give the unaligned output of ctdna consensus"),
        (Read("x", 4, bases=""), "read x: the read has no bases"),
        (Read("x", 4, quals=[255] * 4), "read x: the read has no qualities"),
    ],
)
def test_records_that_are_no_reads(read: Read, message: str) -> None:
    with pytest.raises(InputError, match=message):
        to_reads(records([Read("a"), read]))


def test_pairs_and_fragments_come_apart_in_order() -> None:
    raw = records([Read("f", 4), Read("a", 77), Read("a", 141), Read("g", 4), Read("b", 77), Read("b", 141)])
    pairs, fragments = pairs_and_fragments(raw)
    assert names(pairs) == ["a", "a", "b", "b"]
    assert names(fragments) == ["f", "g"]
    pairs, fragments = pairs_and_fragments(records([Read("a", 77), Read("a", 141)]))
    assert (len(pairs), len(fragments)) == (2, 0)


@pytest.mark.parametrize(
    "reads, record",
    [
        ([Read("a", 77)], 1),
        ([Read("f", 4), Read("a", 141), Read("a", 77)], 2),
        ([Read("a", 77), Read("b", 141)], 1),
        ([Read("a", 77), Read("a", 141), Read("a", 141)], 3),
        ([Read("a", 4), Read("a", 4)], 2),
        ([Read("a", 260)], 1),
    ],
)
def test_templates_that_are_not_whole(reads: list[Read], record: int) -> None:
    with pytest.raises(InputError, match=f"record {record}: flag .* where an R1 followed by its R2, or an unpaired"):
        pairs_and_fragments(records(reads))


@pytest.mark.req("REQ-ALN-005")
def test_tags_are_carried_and_turned() -> None:
    source = records(
        [
            Read("a", 77, tags={"MI": "1", "cd": [1, 2, 3, 4], "ac": "AACG", "aq": "!I~5", "NM": 9}),
            Read("a", 141 | 512, tags={"MI": "1", "cd": [5, 6, 7, 8], "bc": "TTTA"}),
            Read("b", 4, tags={"MI": "2"}),
        ]
    )
    aligned = sam_records(
        """
        a 113 chr1 101 60 4M = 101 0 ACGT IIII NM:i:0 AS:i:4
        a 2129 chr1 401 60 4M = 101 0 ACGT IIII NM:i:1
        a 161 chr1 101 60 4M = 101 0 ACGT IIII NM:i:2
        """
    )
    found, n_used = carry_tags(aligned, source)
    assert n_used == 2
    plain_records = [naive_record.parse(item) for item in items(found)]
    tags = [{name: value for name, _, value in item.tags} for item in plain_records]
    turned = {"MI": b"1", "cd": [4, 3, 2, 1], "ac": b"CGTT", "aq": b"5~I!"}
    assert tags == [
        {"NM": 0, "AS": 4, **turned},
        {"NM": 1, **turned},
        {"NM": 2, "MI": b"1", "cd": [5, 6, 7, 8], "bc": b"TTTA"},
    ]
    assert [item.flag for item in plain_records] == [113, 2129, 161 | 512]
    assert names(without_first(source, n_used)) == ["b"]


def test_an_aligned_read_that_never_went_in() -> None:
    with pytest.raises(ProgramError, match="bwa mem: returned read x out of the input's order"):
        carry_tags(sam_records("x 4 * 0 0 * * 0 0 ACGT IIII"), records([Read("a", 4)]))
