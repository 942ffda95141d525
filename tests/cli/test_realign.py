"""`ctdna realign` as a user runs it."""

import json
from pathlib import Path

import pysam
import pytest

from ctdna.cli.realign import command
from ctdna.formats.bam import BamHeader, read_records
from ctdna.formats.bam_sort import name_order
from ctdna.model.errors import CtdnaError
from tests.aligner import fragment_pairs, indexed_reference, random_contigs, turned
from tests.builders import Read, write_bam

pytestmark = pytest.mark.timeout(60)
HEADER = BamHeader("@HD\tVN:1.6\tSO:coordinate\n@RG\tID:A\tSM:patient\n@PG\tID:old\tPN:old\tCL:x /y\n@CO\tnote\n", ())
REVERSED = ("cd", "ce", "ad", "ae", "bd", "be", "aq", "bq")


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return indexed_reference(tmp_path)


def consensus_reads(n: int) -> list[Read]:
    one, two = fragment_pairs(n)
    reads: list[Read] = []
    for i, (first, second) in enumerate(zip(one, two, strict=True)):
        for flag, (header, bases, _) in ((77, first), (141, second)):
            depths = [(i + k) % 7 for k in range(len(bases))]
            tags = {"MI": str(i), "cd": depths, "ac": bases, "aq": "I" * 99 + "#", "RG": "A", "cE": 0.25, "RX": "AC-GT"}
            reads.append(Read(header.split()[0], flag, bases=bases, quals=[30 + k % 9 for k in range(100)], tags=tags))
        if i % 4 == 0:
            start = 40 * i
            bases = random_contigs()["chr1"][start : start + 80]
            reads.append(Read(f"single{i}", 4 | (512 if i else 0), bases=turned(bases), tags={"MI": f"s{i}"}))
    return reads


def realign(*words: str | Path) -> None:
    command.main([str(word) for word in words], prog_name="ctdna realign", standalone_mode=False)


def by_read(path: Path) -> dict[tuple[str | None, bool], pysam.AlignedSegment]:
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        reads = [read for read in file.fetch(until_eof=True) if not read.is_secondary and not read.is_supplementary]
    found = {(read.query_name, read.is_read2): read for read in reads}
    assert len(found) == len(reads)
    return found


def as_stored(read: pysam.AlignedSegment, name: str) -> object:
    """Return a tag as it stood on the unaligned read."""
    value = read.get_tag(name)
    if read.is_reverse and name in REVERSED:
        return value[::-1]  # type: ignore[index]
    return turned(str(value)) if read.is_reverse and name in ("ac", "bc") else value


def check_carried(source: Path, target: Path) -> None:
    before, after = by_read(source), by_read(target)
    assert before.keys() == after.keys()
    assert any(read.is_reverse for read in after.values())
    for key, read in after.items():
        old = before[key]
        assert read.get_forward_sequence() == old.query_sequence
        assert list(read.get_forward_qualities() or []) == list(old.query_qualities or [])
        assert read.is_qcfail == old.is_qcfail
        for name, value in old.get_tags():
            assert as_stored(read, name) == value
        own = {name for name, _ in read.get_tags()} - {name for name, _ in old.get_tags()}
        assert own <= {"NM", "MD", "AS", "XS", "SA", "XA", "MC", "MQ"}


def test_tags_are_carried_and_counts_balance(tmp_path: Path, reference: Path) -> None:
    source = write_bam(tmp_path / "c.bam", consensus_reads(30), HEADER)
    target, metrics = tmp_path / "o.bam", tmp_path / "m.json"
    realign("--input", source, "--reference", reference, "--output", target, "--metrics", metrics)
    first = target.read_bytes()
    check_carried(source, target)
    counts = json.loads(metrics.read_text())
    assert (counts["n_in"], counts["n_out"], counts["sample"]) == (68, 68, "patient")
    realign("--input", source, "--reference", reference, "--output", target, "--threads", "2")
    assert target.read_bytes() == first
    with pysam.AlignmentFile(str(target)) as file:
        text = str(file.header)
        found = [read for read in file.fetch(until_eof=True) if read.is_paired and not read.is_unmapped]
    assert "@HD\tVN:1.6\tSO:unsorted\tGO:query" in text
    assert "@RG\tID:A\tSM:patient" in text
    assert "@PG\tID:old\tPN:old\n@CO\tnote\n@PG\tID:bwa\tPN:bwa\tVN:0.7.17-r1188\tPP:old\n" in text
    assert "@PG\tID:ctdna-realign\tPN:ctdna\tVN:" in text
    assert all(read.get_tag("MQ") >= 0 for read in found)


def test_an_empty_input(tmp_path: Path, reference: Path) -> None:
    source = write_bam(tmp_path / "c.bam", [], HEADER)
    realign("--input", source, "--reference", reference, "--output", tmp_path / "o.bam")
    assert by_read(tmp_path / "o.bam") == {}


def test_fragments_alone(tmp_path: Path, reference: Path) -> None:
    reads = [read for read in consensus_reads(12) if not read.flag & 1]
    source = write_bam(tmp_path / "c.bam", reads, HEADER)
    realign("--input", source, "--reference", reference, "--output", tmp_path / "o.bam")
    check_carried(source, tmp_path / "o.bam")


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path, reference: Path) -> None:
    pair = consensus_reads(1)[:2]
    whole = write_bam(tmp_path / "w.bam", pair, HEADER).read_bytes()
    (tmp_path / "cut.bam").write_bytes(whole[:-20])
    write_bam(tmp_path / "odd.bam", pair[:1], HEADER)
    write_bam(tmp_path / "empty.bam", [pair[0]._replace(bases="", quals=[], flag=4)], HEADER)
    for name, message in (
        ("none.bam", "none.bam: cannot be read: No such file"),
        ("cut.bam", "cut.bam: byte .*: the file is truncated"),
        ("odd.bam", "odd.bam: record 1: flag 77 where an R1 followed by its R2"),
        ("empty.bam", "empty.bam: read read0: the read has no bases"),
    ):
        with pytest.raises(CtdnaError, match=message):
            realign("--input", tmp_path / name, "--reference", reference, "--output", tmp_path / "o.bam")
        assert not (tmp_path / "o.bam").exists()


@pytest.mark.real_data
@pytest.mark.slow
def test_real_consensus_reads(real_data: Path, tmp_path: Path) -> None:
    from ctdna.formats.bam import BamWriter

    reference = tmp_path / "g" / "genome.fasta"
    reference.parent.mkdir()
    indexed_reference(reference.parent)
    reference.write_bytes((real_data / "nfcore-umi" / "genome.fasta").read_bytes())
    pysam.faidx(str(reference))
    import subprocess

    subprocess.run(["bwa", "index", str(reference)], check=True, capture_output=True)
    header, records = read_records(real_data / "nfcore-umi" / "test.paired_end.umi_consensus.bam")
    with BamWriter(tmp_path / "c.bam", header) as writer:
        writer.write(records, name_order(records))
    realign("--input", tmp_path / "c.bam", "--reference", reference, "--output", tmp_path / "o.bam")
    check_carried(tmp_path / "c.bam", tmp_path / "o.bam")
