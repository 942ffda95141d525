"""Reference sequences: the same bases as pysam gives, and every message."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pysam
import pytest

from ctdna.formats.fasta import Reference, index_fasta, scan_fasta
from ctdna.model.errors import InputError
from tests.builders import write_fasta

CONTIGS = {"chr1": "ACGTacgtNN" * 13, "chr2": "G", "chr3": "ACGTA" * 12}


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return write_fasta(tmp_path / "r.fa", CONTIGS)


def test_index_is_that_of_samtools(fasta: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.fa"
    copy.write_bytes(fasta.read_bytes())
    index_fasta(copy)
    found = Path(f"{copy}.fai").read_text()
    pysam.faidx(str(copy))
    assert found == Path(f"{copy}.fai").read_text()


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_interval_agrees_with_pysam(tmp_path: Path, line_end: str) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(f">a one{line_end}ACGTA{line_end}CC{line_end}>b{line_end}acgn".encode().replace(b"\r\r", b"\r"))
    index_fasta(path)
    with Reference(path) as reference:
        assert reference.contigs == (("a", 7), ("b", 4))
        for name, bases in (("a", "ACGTACC"), ("b", "ACGN")):
            for start in range(len(bases) + 1):
                for end in range(start, len(bases) + 1):
                    assert reference.fetch(name, start, end).tobytes().decode() == bases[start:end]


def test_sequence_and_digest(fasta: Path) -> None:
    with Reference(fasta) as reference, pysam.FastaFile(str(fasta)) as other:
        for name in CONTIGS:
            assert reference.sequence(name).tobytes().decode() == other.fetch(name).upper()
            assert reference.md5(name) == hashlib.md5(CONTIGS[name].upper().encode()).hexdigest()


def test_what_is_not_there_is_named(fasta: Path) -> None:
    with Reference(fasta) as reference:
        with pytest.raises(InputError, match=r"contig chrX: not in the reference; give the reference of this panel"):
            reference.sequence("chrX")
        with pytest.raises(InputError, match=r"contig chr2: bases 0 to 2 asked for, the contig has 1"):
            reference.fetch("chr2", 0, 2)
        with pytest.raises(InputError, match=r"bases -1 to 0 asked for"):
            reference.fetch("chr2", -1, 0)


def test_missing_files(fasta: Path, tmp_path: Path) -> None:
    Path(f"{fasta}.fai").unlink()
    with pytest.raises(InputError, match=r"r.fa: its index r.fa.fai is missing; make the index again"):
        Reference(fasta)
    with pytest.raises(InputError, match=r"none.fa: cannot be read"):
        Reference(tmp_path / "none.fa")


@pytest.mark.parametrize(
    "index, message",
    [
        ("chr1\t130\n", r"fai: line 1: not a line of a FASTA index"),
        ("chr1\tx\t6\t60\t61\n", r"fai: line 1: not a line of a FASTA index"),
        ("chr1\t130\t7\t60\t61\n", r"contig chr1: the .fai index is not of this file"),
        ("chr9\t130\t6\t60\t61\n", r"contig chr9: the .fai index is not of this file"),
        ("chr1\t130\t6\t0\t1\n", r"contig chr1: the .fai index is not of this file"),
    ],
)
def test_an_index_of_another_file(fasta: Path, index: str, message: str) -> None:
    Path(f"{fasta}.fai").write_text(index)
    with pytest.raises(InputError, match=message):
        Reference(fasta)


def test_a_file_cut_after_it_was_indexed(fasta: Path) -> None:
    fasta.write_bytes(fasta.read_bytes()[:30])
    Path(f"{fasta}.fai").write_text("chr1\t130\t6\t60\t61\n")
    with pytest.raises(InputError, match="contig chr1: the file ends before the contig's 130 bases; copy or make"):
        Reference(fasta)


@pytest.mark.parametrize(
    "column, number", [*((at, "-1") for at in (1, 2, 3, 4)), *((at, "9" * 30) for at in (1, 2, 3))]
)
def test_an_index_with_a_number_that_cannot_be(fasta: Path, column: int, number: str) -> None:
    index = Path(f"{index_fasta(fasta)}")
    lines = [line.split("\t") for line in index.read_text().splitlines()]
    lines[0][column] = number
    index.write_text("".join("\t".join(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=f"contig {lines[0][0]}: "):
        Reference(fasta)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "no sequence in the file"),
        (b"ACGT\n", "line 1: the file does not start with >"),
        (b">a\nAC\nACG\n", "line 3: lines of a sequence differ in length"),
        (b">a\nACG\nA\nACG\n", "line 4: lines of a sequence differ in length"),
        (b">a\nA\n>a\nA\n", "line 3: the name a comes twice"),
        (b">\nA\n", "line 1: a sequence without a name"),
        (b"\x1f\x8b\x08", "a compressed FASTA file; give it uncompressed"),
    ],
)
def test_malformed_fasta(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.fa"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        scan_fasta(path)


@pytest.mark.real_data
@pytest.mark.slow
def test_real_slices_agree_with_pysam(real_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.fa"
    path.write_bytes((real_data / "reference" / "panel_hg38_slices.fa").read_bytes())
    index_fasta(path)
    with Reference(path) as reference, pysam.FastaFile(str(path)) as other:
        assert [name for name, _ in reference.contigs] == list(other.references)
        for name, length in reference.contigs:
            assert reference.fetch(name, 7, length - 3).tobytes().decode() == other.fetch(name, 7, length - 3).upper()


def test_threads_fetch_side_by_side(tmp_path: Path) -> None:
    sequence = "".join("ACGT"[i * i % 7 % 4] for i in range(40_000))
    path = tmp_path / "long.fa"
    path.write_text(">one\n" + "\n".join(sequence[at : at + 70] for at in range(0, len(sequence), 70)) + "\n")
    index_fasta(path)
    with Reference(path) as reference, ThreadPoolExecutor(4) as pool:

        def wrong(first: int) -> int:
            places = [(first + 37 * k) % 39_000 for k in range(1500)]
            return sum(
                reference.fetch("one", at, at + 100).tobytes().decode() != sequence[at : at + 100] for at in places
            )

        assert list(pool.map(wrong, range(0, 8000, 1000))) == [0] * 8
