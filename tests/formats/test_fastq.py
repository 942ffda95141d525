"""FASTQ: content, compressions, and every message."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.formats.bgzf import EOF_BLOCK, BgzfWriter
from ctdna.formats.fastq import FastqWriter, iter_fastq, iter_pairs
from ctdna.kernels.fastq import are_tags, interleave, keep_comments
from ctdna.model.columns import FastqColumns
from ctdna.model.errors import InputError
from tests.builders import fastq_text, write_fastq

pytestmark = pytest.mark.timeout(60)
Plain = tuple[str, str, str]
LINES = "".join(chr(code) for code in range(33, 127))
READS: list[Plain] = [("r1 1:N:0:AC", "ACGTN", "!~I#5"), ("r2", "A", "@"), ("r3\tRX:Z:A-C", "GGG", "+@+")]


def plain(reads: FastqColumns) -> list[Plain]:
    """Return reads as (header line, bases, qualities)."""
    found = []
    for i in range(len(reads)):
        name = reads.names[reads.name_offsets[i] : reads.name_offsets[i + 1]].tobytes().decode()
        comment = reads.comments[reads.comment_offsets[i] : reads.comment_offsets[i + 1]].tobytes().decode()
        span = slice(reads.offsets[i], reads.offsets[i + 1])
        quals = (reads.quals[span] + 33).tobytes().decode()
        found.append((f"{name} {comment}" if comment else name, reads.bases[span].tobytes().decode(), quals))
    return found


def read(path: Path, batch_reads: int = 2) -> list[Plain]:
    return [item for reads in iter_fastq(path, batch_reads=batch_reads) for item in plain(reads)]


def spaced(reads: list[Plain]) -> list[Plain]:
    return [(name.replace("\t", " ", 1), bases, quals) for name, bases, quals in reads]


@pytest.mark.parametrize("name", ["a.fastq", "a.fastq.gz"])
def test_plain_and_gzip(tmp_path: Path, name: str) -> None:
    assert read(write_fastq(tmp_path / name, READS)) == spaced(READS)


def test_bgzf_with_and_without_its_end_block(tmp_path: Path) -> None:
    with BgzfWriter(tmp_path / "a.gz") as writer:
        writer.write(fastq_text(READS).encode())
    assert read(tmp_path / "a.gz") == spaced(READS)
    content = (tmp_path / "a.gz").read_bytes()
    (tmp_path / "b.gz").write_bytes(content[: -len(EOF_BLOCK)])
    assert read(tmp_path / "b.gz") == spaced(READS)


def test_members_of_gzip_one_after_the_other(tmp_path: Path) -> None:
    parts = [gzip.compress(fastq_text(READS[:1]).encode()), gzip.compress(fastq_text(READS[1:]).encode())]
    (tmp_path / "a.gz").write_bytes(b"".join(parts))
    assert read(tmp_path / "a.gz") == spaced(READS)


@pytest.mark.parametrize(
    "content, expected",
    [
        ("", []),
        ("\n\n", []),
        ("@r\r\nAC\r\n+\r\nII\r\n", [("r", "AC", "II")]),
        ("@r\nac.n\n+r\nIIII", [("r", "ACNN", "IIII")]),
        ("@r\n\n+\n\n@s\nA\n+\nI\n\n", [("r", "", ""), ("s", "A", "I")]),
    ],
)
def test_forms_that_are_accepted(tmp_path: Path, content: str, expected: list[Plain]) -> None:
    (tmp_path / "a.fq").write_bytes(content.encode())
    assert read(tmp_path / "a.fq") == expected


@pytest.mark.parametrize(
    "content, message",
    [
        ("r3\nA\n+\nI\n", "record 3: the first line of a record must start with @"),
        ("@r3\nAC\nGT\n+\n", r"record 3: the third line of a record must start with \+ .one line of bases"),
        ("@r3\nAC\n+\nI\n", "record 3: the bases and the qualities differ in length"),
        ("@r3\nAC\n+\nI \n", "record 3: a quality letter is outside"),
        ("@r3\nAX\n+\nII\n", "record 3: a base is none of A C G T N"),
        ("@\nA\n+\nI\n", "record 3: the read has no name"),
        ("@ c\nA\n+\nI\n", "record 3: the read has no name"),
        ("@r3\nA\n+\n", "record 3: the file ends after 3 of the record's 4 lines"),
        ("@r3\nA", "record 3: the file ends after 2 of the record's 4 lines"),
        ("@r3\nA\n+\n\n", "record 3: the bases and the qualities differ in length"),
    ],
)
@pytest.mark.parametrize("batch_reads", [1, 2, 100])
def test_malformed_records_are_named(tmp_path: Path, content: str, message: str, batch_reads: int) -> None:
    (tmp_path / "a.fq").write_text(fastq_text(READS[:2]) + content)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.fq", batch_reads)


def test_truncated_and_damaged_gzip(tmp_path: Path) -> None:
    whole = write_fastq(
        tmp_path / "w.gz", [(f"r{i}", "ACGT" * 30, LINES + LINES[:26]) for i in range(500)]
    ).read_bytes()
    for cut in (1, 8, len(whole) // 2, len(whole) - 12):
        (tmp_path / "t.gz").write_bytes(whole[:-cut])
        with pytest.raises(InputError, match=r"t.gz: the file is truncated .gzip ends too early."):
            read(tmp_path / "t.gz")
    damaged = bytearray(whole)
    damaged[-6] ^= 255
    (tmp_path / "d.gz").write_bytes(damaged)
    with pytest.raises(InputError, match=r"d.gz: gzip does not inflate: .*; the file is damaged"):
        read(tmp_path / "d.gz")
    (tmp_path / "d.gz").write_bytes(whole[:200] + bytes(200) + whole[400:])
    with pytest.raises(InputError, match=r"d.gz: gzip does not inflate|ends too early"):
        read(tmp_path / "d.gz")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.fq: cannot be read: No such file"):
        read(tmp_path / "none.fq")


def test_pairs(tmp_path: Path) -> None:
    one = write_fastq(tmp_path / "1.fq", [("a/1 x", "A", "I"), ("b", "C", "I"), ("c/1", "G", "I")])
    two = write_fastq(tmp_path / "2.fq", [("a/2 y", "AA", "II"), ("b", "CC", "II"), ("c/2", "GG", "II")])
    found = [(plain(a), plain(b)) for a, b in iter_pairs(one, two, batch_reads=2)]
    assert [(len(a), len(b)) for a, b in found] == [(2, 2), (1, 1)]
    assert found[1][1] == [("c/2", "GG", "II")]


@pytest.mark.req("REQ-DMX-010")
@pytest.mark.parametrize(
    "names, message",
    [
        (["a", "b"], r"2.fq: ends after 2 reads, but .*1.fq goes on; give the R1 and R2 of one run, both whole"),
        (["a", "b", "c", "d"], r"1.fq: ends after 3 reads, but .*2.fq goes on"),
        (["a", "x", "c"], r"1.fq: record 2: read b stands beside x of .*2.fq; R1 and R2 must hold the same reads"),
        (["a", "b", "c/1"], "record 3: read c stands beside c/1"),
        (["a", "b", "cc"], "record 3: read c stands beside cc"),
    ],
)
@pytest.mark.parametrize("batch_reads", [1, 2, 100])
def test_pairs_that_do_not_fit(tmp_path: Path, names: list[str], message: str, batch_reads: int) -> None:
    one = write_fastq(tmp_path / "1.fq", [(name, "A", "I") for name in "abc"])
    two = write_fastq(tmp_path / "2.fq", [(name, "A", "I") for name in names])
    with pytest.raises(InputError, match=message):
        list(iter_pairs(one, two, batch_reads=batch_reads))


fastq_reads = st.lists(
    st.tuples(
        st.from_regex(r"[a-z:0-9]{1,8}( [A-Z:=]{1,5})?", fullmatch=True),
        st.text(alphabet="ACGTN", max_size=9).flatmap(
            lambda bases: st.tuples(st.just(bases), st.text(alphabet=LINES, min_size=len(bases), max_size=len(bases)))
        ),
    ).map(lambda item: (item[0], *item[1])),
    max_size=7,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fastq_reads, st.integers(1, 8))
def test_write_and_read(tmp_path: Path, reads: list[Plain], batch_reads: int) -> None:
    source = write_fastq(tmp_path / "a.fq", reads)
    with FastqWriter(tmp_path / "b.fq.gz", level=1) as writer:
        for some in iter_fastq(source, batch_reads=batch_reads):
            writer.write(some)
    assert gzip.decompress((tmp_path / "b.fq.gz").read_bytes()) == source.read_bytes()
    assert read(tmp_path / "b.fq.gz", batch_reads) == reads


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_never_crashes(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(fastq_text(READS).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.fq").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = read(tmp_path / "a.fq", 1)
    except (InputError, UnicodeDecodeError):
        return
    assert all(len(bases) == len(quals) for _, bases, quals in found)


def test_comments_that_are_no_tags_are_told_apart(tmp_path: Path) -> None:
    comments = ["RX:Z:A-C\tQX:Z:II II", "1:N:0:ACGT", "RX:Z:A\tx", "", "RX:Z:"]
    reads = next(iter_fastq(write_fastq(tmp_path / "a.fq", [(f"r {text}", "A", "I") for text in comments])))
    is_kept = are_tags(reads.comments, reads.comment_offsets)
    assert is_kept.tolist() == [True, False, False, True, True]
    kept = keep_comments(reads, is_kept)
    assert [item[0] for item in plain(kept)] == ["r RX:Z:A-C\tQX:Z:II II", "r", "r", "r", "r RX:Z:"]


def test_interleave(tmp_path: Path) -> None:
    one = write_fastq(tmp_path / "1.fq", [("a x", "A", "I"), ("b", "CC", "II")])
    two = write_fastq(tmp_path / "2.fq", [("a", "GGG", "III"), ("b y", "", "")])
    first, second = next(iter_pairs(one, two))
    assert plain(interleave(first, second)) == [
        ("a x", "A", "I"),
        ("a", "GGG", "III"),
        ("b", "CC", "II"),
        ("b y", "", ""),
    ]


def test_qualities_are_numbers(tmp_path: Path) -> None:
    reads = next(iter_fastq(write_fastq(tmp_path / "a.fq", [("r", "ACG", "!I~")])))
    assert reads.quals.tolist() == [0, 40, 93]
    assert reads.quals.dtype == np.uint8
