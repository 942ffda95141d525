"""Reads before the aligner, records after it."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ctdna.formats.fastq import iter_fastq
from ctdna.kernels.record import take_records
from ctdna.model.columns import FastqColumns, RawRecords
from ctdna.model.errors import InputError
from ctdna.stages.align import (
    add_mate_tags,
    added,
    aligned_metrics,
    count_aligned,
    no_counts,
    whole_templates,
    with_tag_comments,
)
from tests import naive_record
from tests.builders import Read, records, sam_records, write_fastq
from tests.kernels.test_record import items

pytestmark = pytest.mark.timeout(60)
PAIR = """
a 99 chr1 101 60 5S10M = 201 110 ACGTACGTACGTACG IIIIIIIIIIIIIII MC:Z:1M MQ:i:1 RX:Z:AC-GT
a 2147 chr1 401 30 5M10H = 201 0 ACGTA IIIII
a 147 chr1 201 50 4M1D6M = 101 -110 ACGTACGTAC IIIIIIIIII MQ:i:0
b 73 chr1 101 60 4M = 101 0 ACGT IIII
b 133 chr1 101 0 * = 101 0 ACGT IIII MC:Z:9M
c 16 chr2 11 7 4M * 0 0 ACGT IIII MC:Z:9M MQ:i:9
d 77 * 0 0 * * 0 0 ACGT IIII
d 141 * 0 0 * * 0 0 ACGT IIII
"""


def fastq(tmp_path: Path, reads: list[tuple[str, str, str]]) -> FastqColumns:
    return next(iter_fastq(write_fastq(tmp_path / "a.fq", reads)))


def mate_tags(raw: RawRecords) -> list[dict[str, object]]:
    tags = [{name: value for name, _, value in naive_record.parse(item).tags} for item in items(raw)]
    return [{name: tag[name] for name in ("MC", "MQ") if name in tag} for tag in tags]


def test_mates_know_each_other() -> None:
    raw = sam_records(PAIR)
    found = add_mate_tags(raw)
    assert mate_tags(found) == [
        {"MC": b"4M1D6M", "MQ": 50},
        {"MC": b"4M1D6M", "MQ": 50},
        {"MC": b"5S10M", "MQ": 60},
        {"MQ": 0},
        {"MC": b"4M", "MQ": 60},
        {},
        {"MQ": 0},
        {"MQ": 0},
    ]
    assert naive_record.parse(items(found)[0]).tags[0] == ("RX", "Z", b"AC-GT")


def test_counts_balance_and_add_up() -> None:
    raw = sam_records(PAIR)
    found = count_aligned(raw)
    assert (found.n_primary, found.n_mapped, found.n_proper_pairs) == (7, 4, 1)
    assert (found.n_secondary, found.n_supplementary) == (0, 1)
    metrics = aligned_metrics("align", "s", added(found, no_counts()), 7, {"comments_dropped": 2})
    assert metrics.histograms == {"insert_size": {110: 1}, "mapq": {7: 1, 50: 1, 60: 2}}
    assert metrics.counts["comments_dropped"] == 2
    assert metrics.values == {"mapped_fraction": 4 / 7}
    twice = added(found, found)
    assert twice.n_primary == 14
    assert int(twice.mapqs.sum()) == 8
    with pytest.raises(ValueError, match="8 in, but 7 out"):
        aligned_metrics("align", "s", found, 8, {})


def test_no_reads_have_no_fraction() -> None:
    assert aligned_metrics("align", "s", no_counts(), 0, {}).values == {}


@pytest.mark.parametrize("cuts", [[1], [2, 5], [3, 4], [1, 2, 3, 4, 5, 6, 7]])
def test_batches_are_cut_between_templates(cuts: list[int]) -> None:
    raw = sam_records(PAIR)
    bounds = [0, *cuts, len(raw)]
    parts = [
        take_records(raw.data, raw.offsets, np.arange(a, b, dtype=np.int64)) for a, b in itertools.pairwise(bounds)
    ]
    found = list(whole_templates(parts))
    assert b"".join(part.data.tobytes() for part in found) == raw.data.tobytes()
    names = [{naive_record.parse(item).name for item in items(part)} for part in found]
    assert sum(len(some) for some in names) == len(set().union(*names)) == 4


def test_no_batches() -> None:
    assert list(whole_templates([])) == []
    assert [len(part) for part in whole_templates([records([]), records([Read("x")])])] == [1]


def test_comments_are_dropped_and_counted(tmp_path: Path) -> None:
    reads = fastq(tmp_path, [("a 1:N:0:AC", "A", "I"), ("b RX:Z:AC", "C", "I")])
    kept, n_dropped = with_tag_comments(reads, 0)
    assert (n_dropped, kept.comments.tobytes()) == (1, b"RX:Z:AC")


def test_reads_that_cannot_be_aligned(tmp_path: Path) -> None:
    reads = fastq(tmp_path, [("a", "A", "I"), ("b", "", "")])
    with pytest.raises(InputError, match="record 12: the read has no bases; leave such reads out"):
        with_tag_comments(reads, 10)
    reads = fastq(tmp_path, [("a", "A", "I"), ("b" * 255, "C", "I")])
    with pytest.raises(InputError, match="record 2: a read name of 255 bytes, at most 254"):
        with_tag_comments(reads, 0)
