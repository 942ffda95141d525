"""The aligner as a stream: its program, its index, its failures."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctdna.formats.bwa import Bwa, align_stream, open_bwa, pinned_version
from ctdna.formats.fastq import iter_fastq
from ctdna.kit.resources import shipped
from ctdna.model.columns import FastqColumns
from ctdna.model.errors import DefinitionError, InputError, ProgramError
from tests import naive_record
from tests.aligner import false_program, random_contigs
from tests.builders import write_fasta, write_fastq
from tests.kernels.test_record import items

pytestmark = pytest.mark.timeout(60)
PINNED = "0.7.17-r1188"
SAM = "@SQ\\tSN:chr1\\tLN:6000\\n@PG\\tID:bwa\\n"
LINE = "r\\t4\\t*\\t0\\t0\\t*\\t*\\t0\\t0\\tACGT\\tIIII"


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """Return a reference with empty index files: enough for a false program."""
    path = write_fasta(tmp_path / "r.fa", random_contigs())
    for suffix in (".amb", ".ann", ".bwt", ".pac", ".sa"):
        Path(f"{path}{suffix}").touch()
    return path


def reads(tmp_path: Path, n: int = 1) -> Iterator[FastqColumns]:
    yield from iter_fastq(write_fastq(tmp_path / "r.fq", [(f"r{i}", "ACGT", "IIII") for i in range(n)]))


def run(tmp_path: Path, script: str, source: Iterator[FastqColumns] | None = None) -> list[naive_record.Plain]:
    program = str(false_program(tmp_path / "bin", script) / "bwa")
    bwa = Bwa(program, PINNED, tmp_path / "r.fa")
    with align_stream(bwa, (), source or reads(tmp_path)) as (header, batches):
        assert header.contigs == (("chr1", 6_000),)
        return [naive_record.parse(item) for batch in batches for item in items(batch)]


def test_the_shipped_version_is_read() -> None:
    assert pinned_version(shipped("pipeline") / "bwa") == PINNED


def test_the_aligner_is_told_threads_and_bases_at_once(tmp_path: Path, reference: Path) -> None:
    bwa = Bwa(str(false_program(tmp_path / "bin", 'echo "told $*" >&2; exit 3') / "bwa"), PINNED, reference)
    message = f"failed with code 3: told mem -t 2 -K 500 -v 1 -p {reference} -; see"
    with (
        pytest.raises(ProgramError, match=message),
        align_stream(bwa, ("-p",), reads(tmp_path), 2, 500) as (_, batches),
    ):
        list(batches)


@pytest.mark.parametrize(
    "content, message",
    [(None, "cannot be read: "), ("program: bwa\n", "the version of bwa is not named"), ("[: ]]", "cannot be read")],
)
def test_a_damaged_version_file(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "versions.yaml").write_text(content)
    with pytest.raises(DefinitionError, match=f"versions.yaml: .*{message}"):
        pinned_version(tmp_path)


def test_missing_program_reference_or_index(tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(ProgramError, match=r"bwa: not found on the PATH; install bwa 0.7.17-r1188"):
        open_bwa(reference, PINNED)
    with pytest.raises(InputError, match=r"none.fa: the reference is not found; check the path"):
        open_bwa(tmp_path / "none.fa", PINNED)
    Path(f"{reference}.bwt").unlink()
    with pytest.raises(InputError, match=r"r.fa: the aligner's index r.fa.bwt is missing; run ctdna reference add"):
        open_bwa(reference, PINNED)


@pytest.mark.req("REQ-ALN-002")
def test_another_version(tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = false_program(tmp_path / "bin", "exit 1")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert open_bwa(reference, PINNED).program == str(folder / "bwa")
    with pytest.raises(ProgramError, match=r"bwa: found 0.7.17-r1188, allowed 0.7.18; install bwa 0.7.18"):
        open_bwa(reference, "0.7.18")
    (folder / "bwa").write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(ProgramError, match="bwa: found an unknown version, allowed"):
        open_bwa(reference, PINNED)
    (folder / "bwa").write_bytes(b"\x7fELF\0")
    with pytest.raises(ProgramError, match="bwa: does not start: "):
        open_bwa(reference, PINNED)


def test_records_come_through(tmp_path: Path) -> None:
    found = run(tmp_path, f"cat > /dev/null; printf '{SAM}{LINE}\\n{LINE}\\tXS:i:3\\n'")
    assert [item.tags for item in found] == [[], [("XS", "i", 3)]]


def test_no_records(tmp_path: Path) -> None:
    assert run(tmp_path, f"cat > /dev/null; printf '{SAM}'") == []


def test_reads_arrive_as_fastq(tmp_path: Path) -> None:
    kept = tmp_path / "kept.fq"
    run(tmp_path, f"cat > {kept}; printf '{SAM}'", reads(tmp_path, 3))
    assert kept.read_text() == "".join(f"@r{i}\nACGT\n+\nIIII\n" for i in range(3))


@pytest.mark.parametrize(
    "script, message",
    [
        ("echo 'first' >&2; echo '[E::bwa] broken' >&2; exit 3", r"bwa mem: failed with code 3: \[E::bwa\] broken"),
        ("exit 1", "bwa mem: failed with code 1: no message"),
        ("kill -9 $$", "bwa mem: ended by signal 9: no message; free memory or give fewer threads"),
        (f"printf '{SAM}{LINE}\\n'; cat > /dev/null; exit 2", "bwa mem: failed with code 2"),
        (
            f"cat > /dev/null; printf '{SAM}{LINE}\\nr\\t4\\n'",
            "bwa mem: wrote a line that is not SAM: r\t4; check that",
        ),
        (f"cat > /dev/null; printf '{SAM}{LINE}\\n{LINE}'", "bwa mem: its output ends within a line"),
        (
            f"cat > /dev/null; printf '{SAM}r\\t0\\tchr1\\t7000\\t0\\t*\\t*\\t0\\t0\\tA\\tI\\n'",
            "bwa mem: wrote a malformed record .its position is impossible.: r",
        ),
    ],
)
def test_failures_are_one_line(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message.replace("\t", " ")):
        run(tmp_path, script)


def test_a_program_that_is_gone_before_it_read_everything(tmp_path: Path) -> None:
    def endless() -> Iterator[FastqColumns]:
        while True:
            yield from reads(tmp_path, 1_000)

    with pytest.raises(ProgramError, match="failed with code 7: gone"):
        run(tmp_path, "head -c 100 > /dev/null; echo gone >&2; exit 7", endless())


def test_an_error_of_the_reads_stops_the_program(tmp_path: Path) -> None:
    def failing() -> Iterator[FastqColumns]:
        yield from reads(tmp_path)
        raise InputError("r.fq", "record 2", "is bad", "mend it")

    with pytest.raises(InputError, match=r"r.fq: record 2: is bad; mend it"):
        run(tmp_path, f"printf '{SAM}'; cat > /dev/null", failing())


def test_a_reader_that_gives_up_stops_the_program(tmp_path: Path) -> None:
    script = f"printf '{SAM}'; while true; do printf '{LINE}\\n'; done"
    bwa = Bwa(str(false_program(tmp_path / "bin", script) / "bwa"), PINNED, tmp_path / "r.fa")

    def give_up() -> None:
        with align_stream(bwa, (), reads(tmp_path)) as (_, batches):
            raise KeyError(len(next(batches)))

    with pytest.raises(KeyError):
        give_up()
