"""BAM files: what pysam reads, we read; what we write, pysam reads; damage is named and never crashes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.formats.bam import BamHeader, BamWriter, iter_records, read_header, read_records
from ctdna.formats.bgzf import BgzfWriter
from ctdna.kernels.record import NIBBLES, ragged_offsets, read_bases, read_bytes, record_fields
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError
from tests.builders import CONTIGS, Read, Tag, record_bytes, records, sam_records, write_bam

pytestmark = pytest.mark.timeout(60)
SAM = """
r1 99 chr1 101 60 5S10M2D3M2H = 201 100 ACGTNACGTACGTACGTA IIIIIIIIIIIIIIIIII RX:Z:ACG-TTT NM:i:2 cE:f:0.5 cd:B:s,1,-3
r1 147 chr1 201 60 4M = 101 -100 ACGT !~I5
r2 4 * 0 0 * * 0 0 ACG *
r3 0 chr2 5000 1 * * 0 0 * *
"""


@pytest.fixture
def bam(tmp_path: Path) -> Path:
    return write_bam(tmp_path / "a.bam", sam_records(SAM))


def sam_lines(path: Path) -> list[str]:
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        return [read.to_string() for read in file.fetch(until_eof=True)]


def test_pysam_reads_what_is_written(bam: Path) -> None:
    assert sam_lines(bam) == ["\t".join(line.split()) for line in SAM.strip().splitlines()]
    with pysam.AlignmentFile(str(bam)) as file:
        assert list(zip(file.references, file.lengths, strict=True)) == list(CONTIGS)


def test_what_pysam_writes_is_read(bam: Path, tmp_path: Path) -> None:
    with pysam.AlignmentFile(str(bam)) as source, pysam.AlignmentFile(str(tmp_path / "p.bam"), "wb", source) as target:
        for read in source.fetch(until_eof=True):
            target.write(read)
    header, found = read_records(tmp_path / "p.bam")
    assert header.contigs == CONTIGS
    fields = record_fields(found.data, found.offsets)
    assert fields.pos0.tolist() == [100, 200, -1, 4999]
    with BamWriter(tmp_path / "q.bam", header) as writer:
        writer.write(found)
    assert sam_lines(tmp_path / "q.bam") == sam_lines(bam)


def test_order_and_threads(bam: Path, tmp_path: Path) -> None:
    header, found = read_records(bam, threads=2)
    for threads in (1, 3):
        with BamWriter(tmp_path / f"{threads}.bam", header, threads) as writer:
            writer.write(found, np.array([2, 0, 3, 1], dtype=np.int64))
    assert (tmp_path / "1.bam").read_bytes() == (tmp_path / "3.bam").read_bytes()
    lines = sam_lines(bam)
    assert sam_lines(tmp_path / "1.bam") == [lines[i] for i in (2, 0, 3, 1)]


def test_batches_end_between_records(tmp_path: Path) -> None:
    many = records(Read(f"r{i}", bases="ACGT" * (i % 50)) for i in range(3_000))
    path = write_bam(tmp_path / "m.bam", many)
    _, batches = iter_records(path, threads=2, batch_bytes=65_536)
    parts = list(batches)
    assert len(parts) > 2
    assert b"".join(part.data.tobytes() for part in parts) == many.data.tobytes()
    assert sum(map(len, parts)) == 3_000
    _, whole = read_records(path)
    assert whole.data.tobytes() == many.data.tobytes()
    assert whole.offsets.tolist() == many.offsets.tolist()


def test_an_empty_bam(tmp_path: Path) -> None:
    header, found = read_records(write_bam(tmp_path / "e.bam", []))
    assert (len(found), header.contigs) == (0, CONTIGS)


def test_header_lines() -> None:
    text = "@SQ\tSN:c\tLN:5\n@RG\tID:x\tSM:s\n@PG\tID:bwa\tPN:bwa\tVN:1\tCL:bwa mem /somewhere\n@CO\tfree: text\n"
    header = BamHeader(text, (("c", 5),)).with_order("unsorted", "query", "unsorted:template-coordinate")
    assert header.text.startswith("@HD\tVN:1.6\tSO:unsorted\tGO:query\tSS:unsorted:template-coordinate\n@SQ")
    header = header.with_program("bwa", "ctdna", "2").with_program("ctdna", "ctdna", "2")
    assert header.lines("PG") == [
        {"ID": "bwa", "PN": "bwa", "VN": "1"},
        {"ID": "bwa.1", "PN": "ctdna", "VN": "2", "PP": "bwa"},
        {"ID": "ctdna", "PN": "ctdna", "VN": "2", "PP": "bwa.1"},
    ]
    assert header.with_order("coordinate").lines("HD") == [{"VN": "1.6", "SO": "coordinate"}]
    assert header.with_read_groups(("@RG\tID:y\tSM:t",)).lines("RG") == [{"ID": "y", "SM": "t"}]


def _bgzf(path: Path, content: bytes) -> Path:
    with BgzfWriter(path, level=1) as writer:
        writer.write(content)
    return path


def _bad_headers() -> Iterator[tuple[bytes, str]]:
    good = BamHeader.of_contigs(CONTIGS).encode()
    yield b"SAM\1" + good[4:], "no BAM magic"
    yield good[:4] + b"\xff\xff\xff\xff" + good[8:], "negative length"
    yield good[:-20], "the BAM header is incomplete"
    yield good[:4], "the BAM header is incomplete"
    n_text = int.from_bytes(good[4:8], "little")
    yield good[: 8 + n_text] + b"\xff\xff\xff\xff", "negative number of contigs"
    yield good[:-4] + b"\xff\xff\xff\xff", "negative length of contig chr2"
    yield good[:8] + b"\xff" * n_text + good[8 + n_text :], "not a BAM header: .*decode"


@pytest.mark.parametrize("content, message", list(_bad_headers()))
def test_bad_headers_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = _bgzf(tmp_path / "h.bam", content)
    with pytest.raises(InputError, match=f"header: .*{message}"):
        read_header(path)


def test_not_bam(tmp_path: Path) -> None:
    path = tmp_path / "x.bam"
    path.write_text("@HD\tVN:1.6\n")
    with pytest.raises(InputError, match=r"x.bam: not a BAM file .*; give a BAM file"):
        read_header(path)


def _bad_records() -> Iterator[tuple[bytes, str]]:
    good = record_bytes(Read("a"))
    yield good[:-3], "record 2: the file ends within a record"
    yield good[:2], "record 2: the file ends within a record"
    yield b"\x01\0\0\0" + good[4:], "record 2: malformed: its size is impossible"
    yield good[:12] + b"\0" + good[13:], "record 2: malformed: its name is not closed by NUL"
    yield record_bytes(Read("a", contig=2)), "record 2: malformed: its contig is not in the header"
    yield record_bytes(Read("a", contig=1, pos0=5_000)), "record 2: malformed: its position is impossible"
    yield record_bytes(Read("a", cigar="3M")), "record 2: malformed: its CIGAR does not fit the length"
    yield record_bytes(Read("a", quals=94)), "record 2: malformed: a quality is above 93"
    yield record_bytes(Read("a", tags={"cd": Tag("B:s", [1])}))[:-1] + b"", "record 2"


@pytest.mark.parametrize("content, message", list(_bad_records()))
def test_bad_records_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    header = BamHeader.of_contigs(CONTIGS).encode()
    path = _bgzf(tmp_path / "r.bam", header + record_bytes(Read("first")) + content)
    with pytest.raises(InputError, match=message):
        read_records(path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_and_truncated_content_never_crashes(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(BamHeader.of_contigs(CONTIGS).encode() + sam_records(SAM).data.tobytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        _, found = read_records(_bgzf(tmp_path / "f.bam", bytes(content)))
    except InputError:
        return
    fields = record_fields(found.data, found.offsets)
    assert (fields.tags_end <= len(found.data)).all()


def _compare(path: Path, found: RawRecords) -> None:
    fields = record_fields(found.data, found.offsets)
    ends, names = ragged_offsets(fields.n_bases), ragged_offsets(fields.n_name)
    bases = read_bases(found.data, fields.bases_at, ends, NIBBLES).tobytes().decode()
    quals = read_bytes(found.data, fields.quals_at, ends).tobytes()
    texts = read_bytes(found.data, fields.name_at, names).tobytes().decode()
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        for i, read in enumerate(file.fetch(until_eof=True)):
            assert read.query_name == texts[names[i] : names[i + 1]]
            assert (read.query_sequence or "") == bases[ends[i] : ends[i + 1]]
            assert bytes(read.query_qualities or b"") == quals[ends[i] : ends[i + 1]]
            assert (read.flag, read.mapping_quality) == (fields.flag[i], fields.mapq[i])
            assert (read.reference_id, read.reference_start) == (fields.ref_id[i], fields.pos0[i])
            assert (read.next_reference_id, read.template_length) == (fields.mate_ref_id[i], fields.insert_size[i])
        assert i + 1 == len(found)


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["umi_grouped", "umi_consensus", "duplex_umi_duplex_consensus", "umi_unsorted"])
def test_real_files_agree_with_pysam_and_survive_a_round_trip(real_data: Path, tmp_path: Path, name: str) -> None:
    path = real_data / "nfcore-umi" / f"test.paired_end.{name}.bam"
    header, found = read_records(path, threads=2)
    _compare(path, found)
    with BamWriter(tmp_path / "o.bam", header, level=1) as writer:
        writer.write(found)
    assert sam_lines(tmp_path / "o.bam") == sam_lines(path)
