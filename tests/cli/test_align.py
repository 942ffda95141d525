"""`ctdna align` as a user runs it."""

import json
import os
import subprocess
from pathlib import Path

import click
import pysam
import pytest

from ctdna.cli.align import command
from ctdna.cli.main import COMMANDS
from ctdna.model.errors import CtdnaError, DefinitionError, InputError, ProgramError
from tests.aligner import false_program, fragment_pairs, indexed_reference
from tests.builders import write_fastq

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return indexed_reference(tmp_path)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    one, two = fragment_pairs(40)
    return write_fastq(tmp_path / "R1.fastq.gz", one), write_fastq(tmp_path / "R2.fastq.gz", two)


def align(*words: str | Path) -> None:
    command.main([str(word) for word in words], prog_name="ctdna align", standalone_mode=False)


def sam(path: Path) -> list[pysam.AlignedSegment]:
    with pysam.AlignmentFile(str(path)) as file:
        return list(file.fetch(until_eof=True))


def arguments(tmp_path: Path, pair: tuple[Path, Path], reference: Path) -> list[str | Path]:
    return ["--r1", pair[0], "--r2", pair[1], "--reference", reference, "--output", tmp_path / "o.bam"]


@pytest.mark.req("REQ-ALN-001")
def test_pairs_are_aligned_as_bwa_alone_aligns_them(tmp_path: Path, pair: tuple[Path, Path], reference: Path) -> None:
    metrics = tmp_path / "align.json"
    align(*arguments(tmp_path, pair, reference), "--sample", "S1", "--metrics", metrics)
    found = sam(tmp_path / "o.bam")
    plain = subprocess.run(
        ["bwa", "mem", "-Y", "-C", "-K", "10000000", str(reference), *map(str, pair)], capture_output=True, check=True
    )
    lines = [line for line in plain.stdout.decode().splitlines() if not line.startswith("@")]
    assert [read.to_string().split("\t")[:11] for read in found] == [line.split("\t")[:11] for line in lines]
    for read in found:
        tags = dict(read.get_tags())
        assert tags["RG"] == "S1"
        assert str(tags["RX"]).startswith("ACG-TT")
        assert tags["QX"] == "III III"
        assert "MQ" in tags
        assert ("MC" in tags) == (not read.mate_is_unmapped)
    counts = json.loads(metrics.read_text())
    assert (counts["n_in"], counts["n_out"], counts["counts"]["mapped"]) == (80, 80, 64)
    assert sum(counts["histograms"]["insert_size"].values()) == counts["counts"]["proper_pairs"]


def test_header_and_bytes(tmp_path: Path, pair: tuple[Path, Path], reference: Path) -> None:
    words = arguments(tmp_path, pair, reference)
    align(*words)
    first = (tmp_path / "o.bam").read_bytes()
    align(*words, "--threads", "2")
    assert (tmp_path / "o.bam").read_bytes() == first
    with pysam.AlignmentFile(str(tmp_path / "o.bam")) as file:
        text = str(file.header)
    assert "@HD\tVN:1.6\tSO:unsorted\tGO:query" in text
    assert "@RG\tID:sample\tSM:sample\tLB:sample" in text
    assert "@PG\tID:bwa\tPN:bwa\tVN:0.7.17-r1188\n@PG\tID:ctdna-align\tPN:ctdna\tVN:" in text
    assert "CL:" not in text
    assert str(tmp_path) not in text


def test_single_reads_and_dropped_comments(tmp_path: Path, reference: Path) -> None:
    one, _ = fragment_pairs(6)
    reads = [(name.split()[0] + " 1:N:0:ACGT", bases, quals) for name, bases, quals in one]
    source = write_fastq(tmp_path / "s.fastq", [reads[0], *reads])
    align("--r1", source, "--reference", reference, "--output", tmp_path / "o.bam", "--metrics", tmp_path / "m.json")
    found = sam(tmp_path / "o.bam")
    assert len(found) == 7
    assert not any(read.is_paired for read in found)
    counts = json.loads((tmp_path / "m.json").read_text())["counts"]
    assert counts["comments_dropped"] == 7


def test_no_reads_at_all(tmp_path: Path, reference: Path) -> None:
    source = write_fastq(tmp_path / "s.fastq", [])
    align("--r1", source, "--reference", reference, "--output", tmp_path / "o.bam")
    assert sam(tmp_path / "o.bam") == []


def test_a_kit_sets_the_options(tmp_path: Path, pair: tuple[Path, Path], reference: Path) -> None:
    words = [*arguments(tmp_path, pair, reference), "--kit", "ctdna-demo@1.0.0"]
    with pytest.raises(InputError, match=r"--options: found \('-a',\), but kit ctdna-demo@1.0.0 sets \('-Y',\)"):
        align(*words, "--options", "-a")
    with pytest.raises(DefinitionError, match=r"contig .*: found .*, kit ctdna-demo@1.0.0 needs \d+ bases; give the"):
        align(*words)
    assert not (tmp_path / "o.bam").exists()


def _bad_input(tmp_path: Path, pair: tuple[Path, Path], reference: Path) -> list[tuple[list[str | Path], type, str]]:
    words = arguments(tmp_path, pair, reference)
    cut = tmp_path / "cut.fastq.gz"
    cut.write_bytes(pair[1].read_bytes()[:-40])
    shorter = write_fastq(tmp_path / "short.fastq", fragment_pairs(30)[1])
    return [
        ([*words, "--r1", tmp_path / "none.fq"], InputError, "none.fq: cannot be read"),
        ([*words, "--r2", cut], InputError, "cut.fastq.gz: the file is truncated"),
        ([*words, "--r2", shorter], InputError, "short.fastq: ends after 30 reads, but .*R1.fastq.gz goes on"),
        ([*words, "--reference", tmp_path / "none.fa"], InputError, "none.fa: the reference is not found"),
        ([*words, "--sample", "a b"], InputError, "--sample: found 'a b', allowed letters"),
        ([*words, "--options", "-t 3"], InputError, "--options: found -t, which ctdna sets itself; leave it out"),
        ([*words, "--options", "-W"], ProgramError, "bwa mem: failed with code 1: "),
        ([*words, "--output", tmp_path / "no" / "o.bam"], InputError, "o.bam: the folder does not exist"),
        ([*words, "--kit", "none@1.0.0"], InputError, "none@1.0.0"),
    ]


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path, pair: tuple[Path, Path], reference: Path) -> None:
    for words, kind, message in _bad_input(tmp_path, pair, reference):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(CtdnaError, match=message) as raised:
            align(*words)
        assert raised.type is kind
        assert "\n" not in str(raised.value)
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.req("REQ-ALN-004")
def test_an_index_of_another_reference(tmp_path: Path, pair: tuple[Path, Path], reference: Path) -> None:
    index = Path(f"{reference}.fai")
    index.write_text(index.read_text().splitlines()[0] + "\n")
    with pytest.raises(InputError, match="the aligner's index holds other contigs than the FASTA; run bwa index"):
        align(*arguments(tmp_path, pair, reference))
    assert not (tmp_path / "o.bam").exists()


@pytest.mark.req("REQ-ALN-003")
def test_an_aligner_that_loses_reads(
    tmp_path: Path, pair: tuple[Path, Path], reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = "".join(f"@SQ\\tSN:{name}\\tLN:{size}\\n" for name, size in (("chr1", 6_000), ("chr2", 3_000)))
    folder = false_program(
        tmp_path / "bin", f"cat > /dev/null; printf '{head}r\\t4\\t*\\t0\\t0\\t*\\t*\\t0\\t0\\tA\\tI\\n'"
    )
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ProgramError, match="bwa mem: returned 1 of 80 reads; run again"):
        align(*arguments(tmp_path, pair, reference))
    assert not (tmp_path / "o.bam").exists()


def test_help_is_complete() -> None:
    assert "align" in COMMANDS
    for param in command.params:
        assert isinstance(param, click.Option)
        assert param.help
