"""Sequencer and flow cell, as the names of the first reads of FASTQ files tell them."""

import gzip
from pathlib import Path

import pytest

from ctdna.formats.bgzf import BgzfWriter
from ctdna.formats.fastq import first_name
from ctdna.formats.fastq_folder import FastqSample
from ctdna.formats.fastq_origin import FastqOrigin, read_origin
from ctdna.model.errors import InputError
from tests.builders import fastq_text, write_fastq

pytestmark = pytest.mark.timeout(60)

ILLUMINA = "EAS139:136:FC706VJ:2:2104:15343:197393 1:Y:18:ATCACG"
"""The example of Illumina's manual of CASAVA 1.8."""


def folder(path: Path, **names: str | None) -> tuple[FastqSample, ...]:
    """Write a gzipped FASTQ file for each name of a first read (None: no read), and return them as samples."""
    for stem, name in names.items():
        other = ("another:1:X:1:1:1:1", "AC", "II")
        write_fastq(path / f"{stem}.fastq.gz", [] if name is None else [(name, "ACGT", "IIII"), other])
    return tuple(FastqSample(stem, (), (path / f"{stem}.fastq.gz",), ()) for stem in names)


@pytest.mark.req("REQ-RUN-013")
@pytest.mark.parametrize(
    ("name", "instrument", "flow_cell"),
    [
        (ILLUMINA, "EAS139", "FC706VJ"),
        ("A00001:7:HVYC2DSX5:1:1101:1000:2000", "A00001", "HVYC2DSX5"),
        ("M01234:5:000000000-A1B2C:1:1101:1:2 1:N:0:1", "M01234", "000000000-A1B2C"),
        ("VH00123:7:AAAC:1:1101:1:2:ACGTN+rTTGCA 1:N:0:AC+GT", "VH00123", "AAAC"),
        ("HWI-ST1276:71:C1162ACXX:1:1101:-12:2", "HWI-ST1276", "C1162ACXX"),
    ],
)
def test_the_names_of_illumina_tell_both(tmp_path: Path, name: str, instrument: str, flow_cell: str) -> None:
    assert read_origin(folder(tmp_path, a_R1=name)) == FastqOrigin(instrument, flow_cell, ())


@pytest.mark.req("REQ-RUN-013")
@pytest.mark.parametrize(
    "name",
    [
        "HWUSI-EAS100R:6:73:941:1973#0/1",
        "SRR001666.1 071112_SLXA-EAS1_s_7:5:1:817:345",
        "V350012345L1C001R00100000001/1",
        "A:1:F:1:1:1",
        "A:1:F:1:1:1:1:1",
        ":1:F:1:1:1:1",
        "A:x:F:1:1:1:1",
    ],
)
def test_other_names_tell_none(tmp_path: Path, name: str) -> None:
    first = name.split()[0]
    warning = f"read names tell no instrument: a_R1.fastq.gz begins with {first}"
    assert read_origin(folder(tmp_path, a_R1=name)) == FastqOrigin(None, None, (warning,))
    assert read_origin(folder(tmp_path, a_R1=name, A_R1=ILLUMINA)).instrument is None


@pytest.mark.req("REQ-RUN-013")
def test_files_that_disagree_tell_none(tmp_path: Path) -> None:
    one, two = "A1:1:F1:1:1:1:1", "A2:1:F1:1:1:1:1"
    assert read_origin(folder(tmp_path, a=one, b=one, c=two)) == FastqOrigin(
        None, "F1", ("read names tell several instruments: A1 (a.fastq.gz), A2 (c.fastq.gz)",)
    )
    assert read_origin(folder(tmp_path, a=one, b="A1:2:F2:1:1:1:1")) == FastqOrigin(
        "A1", None, ("read names tell several flow cells: F1 (a.fastq.gz), F2 (b.fastq.gz)",)
    )


@pytest.mark.req("REQ-RUN-013")
def test_the_mates_and_every_lane_count(tmp_path: Path) -> None:
    a, b, c = (
        sample.r1[0] for sample in folder(tmp_path, a=ILLUMINA, b=ILLUMINA, c=ILLUMINA.replace("EAS139", "EAS140"))
    )
    assert read_origin([FastqSample("s", (), (a,), (b,))]).instrument == "EAS139"
    assert read_origin([FastqSample("s", (), (a,), (c,))]).instrument is None
    assert read_origin([FastqSample("s", (), (a, c), ())]).instrument is None


def test_a_file_without_reads_does_not_count(tmp_path: Path) -> None:
    assert read_origin(folder(tmp_path, a=None, b=ILLUMINA)).instrument == "EAS139"
    nothing = FastqOrigin(None, None, ("read names tell no instrument: no file holds a read",))
    assert read_origin(folder(tmp_path, a=None)) == nothing == read_origin(())


def test_the_first_name_of_every_kind_of_file(tmp_path: Path) -> None:
    text = fastq_text([(ILLUMINA, "A", "I"), ("two", "A", "I")]).encode()
    (tmp_path / "plain.fastq").write_bytes(text)
    (tmp_path / "two.fastq.gz").write_bytes(gzip.compress(text) + gzip.compress(text))
    with BgzfWriter(tmp_path / "blocks.fastq.gz") as blocks:
        blocks.write(text)
    for path in tmp_path.iterdir():
        assert first_name(path) == ILLUMINA.split()[0], path.name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no record\n", "the file ends after 1 of the record's 4 lines"),
        (b"x\nA\n+\nI\n", "record 1: the first line of a record must start with @"),
        (gzip.compress(fastq_text([(ILLUMINA, "A", "I")]).encode(), mtime=0)[:-9], "the file is truncated"),
    ],
)
def test_a_file_that_is_no_fastq_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.fastq.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_origin([FastqSample("a", (), (path,), ())])
