"""Orders that do not depend on arrival, and the index."""

from pathlib import Path

import numpy as np
import pysam
import pytest

from ctdna.formats.bam import BamHeader, read_header, read_records
from ctdna.formats.bam_sort import (
    CoordinateSorter,
    coordinate_order,
    index_bam,
    name_order,
    sort_and_index,
    write_sorted,
)
from ctdna.kernels.record import take_records
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError
from tests.builders import CONTIGS, Read, records, write_bam

pytestmark = pytest.mark.timeout(60)


def many() -> list[Read]:
    draw = np.random.default_rng(3)
    placed = [
        Read(f"r{i % 40}", int(draw.choice([0, 16, 256, 2048])), int(draw.integers(0, 2)), int(draw.integers(0, 30)),
             cigar="4M")
        for i in range(150)
    ]  # fmt: skip
    return [*placed, *(Read(f"u{i}", 4) for i in range(5)), Read("m", 4, 0, 7)]


def key(read: Read) -> tuple[int, int, bool, str, int]:
    return (read.contig if read.contig >= 0 else 99, read.pos0, bool(read.flag & 16), read.name, read.flag)


def test_coordinate_order() -> None:
    reads = many()
    found = [reads[i] for i in coordinate_order(records(reads))]
    assert [key(read) for read in found] == sorted(key(read) for read in reads)


def test_name_order_puts_r1_and_primary_first() -> None:
    flags = [147, 2147, 99, 2195, 4]
    names = ["a", "a", "a", "a", "A"]
    raw = records([Read(name, flag) for name, flag in zip(names, flags, strict=True)])
    assert name_order(raw).tolist() == [4, 2, 1, 0, 3]


def test_files_do_not_depend_on_arrival_and_are_indexed(tmp_path: Path) -> None:
    raw = records(many())
    write_sorted(tmp_path / "a.bam", BamHeader.of_contigs(CONTIGS), raw)
    shuffled = np.random.default_rng(5).permutation(len(raw)).astype(np.int64)
    write_bam(tmp_path / "s.bam", take_records(raw.data, raw.offsets, shuffled))
    sort_and_index(tmp_path / "s.bam", tmp_path / "b.bam", threads=2)
    assert (tmp_path / "a.bam").read_bytes() == (tmp_path / "b.bam").read_bytes()
    assert (tmp_path / "a.bam.bai").read_bytes() == (tmp_path / "b.bam.bai").read_bytes()
    assert read_header(tmp_path / "a.bam").lines("HD") == [{"VN": "1.6", "SO": "coordinate"}]
    with pysam.AlignmentFile(str(tmp_path / "a.bam")) as file:
        expected = sum(read.contig == 1 and 10 - 4 < read.pos0 < 20 for read in many())
        assert file.count("chr2", 10, 20) == expected


@pytest.mark.parametrize("memory", [1, 20_000, 1 << 20])
def test_a_file_does_not_depend_on_the_memory(tmp_path: Path, memory: int) -> None:
    some = [*many(), *(Read(f"h{i % 50:02}", 16 * (i // 50), 1, 3, cigar="4M") for i in range(100))]
    raw = records(some)
    wanted = take_records(raw.data, raw.offsets, coordinate_order(raw))
    with CoordinateSorter(tmp_path / "a.bam", BamHeader.of_contigs(CONTIGS), memory) as sorter:
        for start in range(0, len(raw), 70):
            sorter.write(RawRecords(raw.data, raw.offsets[start : start + 71]))
    assert read_records(tmp_path / "a.bam")[1].data.tobytes() == wanted.data.tobytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bam", "a.bam.bai"]


def _break_off(path: Path) -> None:
    with CoordinateSorter(path, BamHeader.of_contigs(CONTIGS), 1) as sorter:
        sorter.write(records(many()))
        raise KeyboardInterrupt


def test_no_file_where_sorting_is_broken_off(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _break_off(tmp_path / "a.bam")
    assert list(tmp_path.iterdir()) == []


def test_a_contig_too_long_for_the_index(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"contig long: 536870913 bases, .* at most 536870912; use a reference"):
        index_bam(tmp_path / "x.bam", BamHeader("", (("long", (1 << 29) + 1),)))


@pytest.mark.real_data
@pytest.mark.slow
def test_real_file_holds_the_same_records(real_data: Path, tmp_path: Path) -> None:
    source = real_data / "nfcore-umi" / "test.paired_end.umi_grouped.bam"
    sort_and_index(source, tmp_path / "o.bam", threads=2)
    _, one = read_records(source)
    _, two = read_records(tmp_path / "o.bam")
    assert (take_records(one.data, one.offsets, coordinate_order(one)).data == two.data).all()
    with pysam.AlignmentFile(str(tmp_path / "o.bam")) as file:
        places = [(read.reference_id, read.reference_start) for read in file]
        assert places == sorted(places)
        assert file.mapped + file.unmapped == len(one)
