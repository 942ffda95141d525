"""The GRCh38 kit on real slices of the genome: from simulated FASTQ files to named variants in genome coordinates."""

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner

from ctdna.cli.main import command

KIT = "ctdna-core-slices@1.0.0"
DESIGN = """run: {flow_cell: HTINYDSX1, n_tiles: 1}
samples:
  - sample_id: P1
    role: patient
    index: TGAACCTC
    index2: CAGTTGAC
    subject: one
    molecules_per_target: 60
    reads_per_molecule: 4.0
    variants:
      - {allele: "EGFR p.(Glu746_Ala750del)", vaf: 0.3}
      - {allele: "KRAS p.(Gly12Asp)", vaf: 0.3}
      - {allele: "BRAF p.(Val600Lys)", vaf: 0.3}
"""


def ctdna(*args: str | Path) -> str:
    result = CliRunner().invoke(command, [str(arg) for arg in args], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


@pytest.mark.req("REQ-CAL-009")
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_planted_variants_come_out_in_genome_coordinates(
    real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    monkeypatch.chdir(tmp_path)
    Path("design.yaml").write_text(DESIGN)
    ctdna("kit", "slice", "ctdna-core@1.0.0", "--output", "kits")
    ctdna("reference", "add", real_data / "reference" / "panel_hg38_slices.fa", "--kit", KIT)
    fasta, kit = ctdna("reference", "path", "--kit", KIT).strip(), ("--kit", KIT)
    ctdna("simulate", "--design", "design.yaml", *kit, "--output", "run", "--seed", "1", "--fastq-only")
    reads = ("--r1", "run/P1_R1.fastq.gz", "--r2", "run/P1_R2.fastq.gz")
    ctdna("extract", *reads, "--output-r1", "1.fastq.gz", "--output-r2", "2.fastq.gz", *kit)
    reads = ("--r1", "1.fastq.gz", "--r2", "2.fastq.gz")
    ctdna("align", *reads, "--reference", fasta, "--output", "align.bam", "--sample", "P1", *kit)
    ctdna("group", "--input", "align.bam", "--output", "group.bam", *kit)
    ctdna("consensus", "--input", "group.bam", "--output", "consensus.bam", *kit)
    ctdna("realign", "--input", "consensus.bam", "--reference", fasta, "--output", "realign.bam", *kit)
    ctdna("filter", "--input", "realign.bam", "--reference", fasta, "--output", "filter.bam", *kit)
    ctdna("call", "--input", "filter.bam", "--reference", fasta, "--output", "call.vcf.gz", *kit)
    ctdna("annotate", "--input", "call.vcf.gz", "--reference", fasta, "--output", "annotate.vcf.gz", *kit)
    with gzip.open("annotate.vcf.gz", "rt") as stream:
        rows = [line.split("\t") for line in stream if not line.startswith("#")]
    infos = [dict(part.partition("=")[::2] for part in row[7].split(";")) for row in rows]
    found = {(info["GENOME_POS"], row[3], row[4]): info for row, info in zip(rows, infos, strict=True)}
    expected = {
        ("chr7:55174771", "AGGAATTAAGAGAAGC", "A"): ("EGFR", "p.(Glu746_Ala750del)"),
        ("chr7:140753336", "AC", "TT"): ("BRAF", "p.(Val600Lys)"),
        ("chr12:25245350", "C", "T"): ("KRAS", "p.(Gly12Asp)"),
    }
    assert {key: (found[key]["GENE"], found[key]["HGVSP"]) for key in expected} == expected
    assert all("HOTSPOT" in found[key] for key in expected)
