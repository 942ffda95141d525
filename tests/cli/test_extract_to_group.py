"""From real FASTQ through the aligner to families, beside fgbio's families of the same reads."""

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pysam
import pytest
from click.testing import CliRunner

from ctdna.cli import extract, group


def _run(command: object, *args: object) -> None:
    result = CliRunner().invoke(command, [str(arg) for arg in args])  # type: ignore[arg-type]
    assert result.exit_code == 0, result.output


def _families(path: Path) -> set[frozenset[str]]:
    found = defaultdict(set)
    for read in pysam.AlignmentFile(str(path), check_sq=False):
        found[read.get_tag("MI")].add(read.query_name)
    return {frozenset(members) for members in found.values()}


@pytest.mark.req("REQ-GRP-001")
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_families_from_fastq_are_fgbios(real_data: Path, tmp_path: Path) -> None:
    if shutil.which("bwa") is None:
        pytest.skip("bwa is not on the PATH")
    folder = real_data / "nfcore-umi"
    ends = [tmp_path / f"R{end}.fastq.gz" for end in (1, 2)]
    _run(extract.command, "--r1", folder / "test.umi_1.fastq.gz", "--r2", folder / "test.umi_2.fastq.gz",
         "--read-structures", "7M1S+T", "7M1S+T", "--output-r1", ends[0], "--output-r2", ends[1])  # fmt: skip
    reference = tmp_path / "genome.fasta"
    reference.write_bytes((folder / "genome.fasta").read_bytes())
    subprocess.run(["bwa", "index", reference], check=True, capture_output=True)
    sam = tmp_path / "aligned.sam"
    with sam.open("wb") as out:
        subprocess.run(["bwa", "mem", "-C", "-Y", reference, *ends], check=True, stdout=out, stderr=subprocess.DEVNULL)
    with (
        pysam.AlignmentFile(str(sam)) as aligned,
        pysam.AlignmentFile(str(tmp_path / "aligned.bam"), "wb", template=aligned) as bam,
    ):
        for read in aligned:
            bam.write(read)
    _run(group.command, "--input", tmp_path / "aligned.bam", "--output", tmp_path / "group.bam",
         "--strategy", "adjacency", "--min-mapq", "30")  # fmt: skip
    ours, theirs = _families(tmp_path / "group.bam"), _families(folder / "test.paired_end.umi_grouped.bam")
    assert theirs - ours == {frozenset({"922386", "922407"}), frozenset({"922426", "922428"})}
    assert ours - theirs == {frozenset({"922386", "922407", "922426", "922428"}), frozenset({"922467"})}
