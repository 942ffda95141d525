import shutil
import subprocess
from pathlib import Path

import click
import pysam
import pytest
from click.testing import CliRunner

from ctdna.cli import align, call, consensus, extract, group, realign
from ctdna.formats.fasta import index_fasta
from ctdna.formats.vcf import read_vcf
from tests.builders import write_fasta

pytestmark = [pytest.mark.slow, pytest.mark.real_data, pytest.mark.timeout(300)]
SLICE, START1 = "chr3_179233853_179234738", 179233853


def run(command: click.Command, *args: object) -> None:
    result = CliRunner().invoke(command, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.skipif(shutil.which("bwa") is None, reason="bwa is not on the PATH")
def test_pik3ca_h1047r_of_simsen_reads(real_data: Path, tmp_path: Path) -> None:
    # Known of these reads: H1047R in 6 of 275 families of 3 or more reads.
    reference = tmp_path / "ref.fa"
    with pysam.FastaFile(str(real_data / "reference" / "panel_hg38_slices.fa")) as fasta:
        write_fasta(reference, {SLICE: fasta.fetch(SLICE)})
    index_fasta(reference)
    index_for_bwa(reference)
    (tmp_path / "panel.bed").write_text(f"{SLICE}\t{179234277 - START1 + 1}\t{179234328 - START1 + 1}\tPIK3CA:exon21\n")
    reads = real_data / "simsen-pik3ca" / "test_R1.fastq.gz"
    run(extract.command, "--r1", reads, "--read-structures", "12M16S+T", "--output-r1", tmp_path / "e.fastq.gz")
    run(
        align.command, "--r1", tmp_path / "e.fastq.gz", "--reference", reference, "--output", tmp_path / "a.bam",
        "--sample", "S",
    )  # fmt: skip
    run(group.command, "--input", tmp_path / "a.bam", "--output", tmp_path / "g.bam", "--strategy", "adjacency")
    run(
        consensus.command,
        "--input",
        tmp_path / "g.bam",
        "--output",
        tmp_path / "c.bam",
        "--simplex",
        "--min-reads",
        "1",
    )
    run(realign.command, "--input", tmp_path / "c.bam", "--reference", reference, "--output", tmp_path / "r.bam")
    run(
        call.command, "--input", tmp_path / "r.bam", "--reference", reference, "--targets", tmp_path / "panel.bed",
        "--output", tmp_path / "o.vcf.gz",
    )  # fmt: skip
    (variant,) = [v for v in read_vcf(tmp_path / "o.vcf.gz") if not v.filters]
    assert (variant.pos1 + START1 - 1, variant.ref, variant.alt) == (179234297, "A", "G")
    ref, alt = variant.tiers[1]
    assert alt == 6
    assert 260 <= ref + alt <= 290


def index_for_bwa(reference: Path) -> None:
    subprocess.run(["bwa", "index", str(reference)], check=True, capture_output=True)
