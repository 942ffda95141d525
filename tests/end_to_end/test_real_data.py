"""The stages one after the other on public reads, and the GRCh38 kit on real sequence of the genome.

What is known of the reads comes from those who published them; `docs/real-data.md` explains every call that passes.
"""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pysam
import pytest

from ctdna.formats.fasta import index_fasta
from ctdna.formats.vcf import read_vcf
from ctdna.model.variants import CalledVariant
from tests.builders import write_fasta
from tests.end_to_end.conftest import REPOSITORY, ctdna

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("bwa") is None, reason="bwa is not on the PATH"),
]
STAGES = ("extract", "align", "group", "consensus", "realign", "filter", "call")
Allele = tuple[int, str, str]


class Chain(NamedTuple):
    """How the stages are called on one set of reads."""

    reads: tuple[Path, ...]
    structures: tuple[str, ...]
    strategy: str
    consensus: tuple[str, ...]
    target: str
    extract: tuple[str, ...] = ()


def run(*arguments: object) -> None:
    """Run a command that must end well."""
    done = ctdna(*arguments)
    assert done.returncode == 0, done.stderr


def indexed(path: Path, contigs: dict[str, str]) -> Path:
    """Write a reference with the indexes that the stages need."""
    write_fasta(path, contigs)
    index_fasta(path)
    subprocess.run(["bwa", "index", str(path)], check=True, capture_output=True)
    return path


def families(folder: Path, reference: Path, chain: Chain) -> None:
    """Run extract, align and group."""
    ends = range(1, len(chain.reads) + 1)
    raw = [part for end, path in zip(ends, chain.reads, strict=True) for part in (f"--r{end}", path)]
    made = [part for end in ends for part in (f"--output-r{end}", folder / f"{end}.fastq.gz")]
    run("extract", *raw, "--read-structures", *chain.structures, *made, *chain.extract, *metrics(folder, "extract"))
    reads = [part for end in ends for part in (f"--r{end}", folder / f"{end}.fastq.gz")]
    bam = folder / "align.bam"
    run("align", *reads, "--reference", reference, "--output", bam, "--sample", "S", *metrics(folder, "align"))
    grouped = ("--output", folder / "group.bam", "--strategy", chain.strategy)
    run("group", "--input", bam, *grouped, *metrics(folder, "group"))


def calls(folder: Path, reference: Path, chain: Chain, min_reads: Sequence[int]) -> None:
    """Run consensus, realign, filter and call."""
    (folder / "panel.bed").write_text(chain.target)
    known, least = ("--reference", reference), ("--min-reads", *min_reads)
    made = ("--output", folder / "consensus.bam", *chain.consensus, *least)
    run("consensus", "--input", folder / "group.bam", *made, *metrics(folder, "consensus"))
    made = (*known, "--output", folder / "realign.bam")
    run("realign", "--input", folder / "consensus.bam", *made, *metrics(folder, "realign"))
    made = (*known, "--output", folder / "filter.bam", *least)
    run("filter", "--input", folder / "realign.bam", *made, *metrics(folder, "filter"))
    made = (*known, "--targets", folder / "panel.bed", "--output", folder / "call.vcf.gz")
    run("call", "--input", folder / "filter.bam", *made, *metrics(folder, "call"))


def metrics(folder: Path, stage: str) -> tuple[str, Path]:
    """Return the option that has a stage write its counts."""
    return "--metrics", folder / f"{stage}.json"


def counted(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the counts of every stage; each must balance by itself and with the stage before."""
    found = {stage: json.loads((folder / f"{stage}.json").read_text()) for stage in STAGES}
    for stage, counts in found.items():
        assert counts["n_in"] == counts["n_out"] + sum(counts["rejected"].values()), stage
    n_mates = 2 if found["extract"]["unit"] == "read pairs" else 1
    assert found["align"]["n_in"] == n_mates * found["extract"]["n_out"]
    assert found["group"]["n_in"] == records(found["align"])
    assert found["consensus"]["n_in"] == found["group"]["n_out"]
    assert found["realign"]["n_in"] == found["consensus"]["counts"]["consensus_reads"]
    assert found["filter"]["n_in"] == records(found["realign"])
    assert found["call"]["n_in"] == found["filter"]["counts"]["templates_out"]
    return found


def records(counts: dict[str, Any]) -> int:
    """Return the records of an aligned BAM: reads, and their other alignments."""
    return int(counts["n_out"]) + int(counts["counts"]["secondary"]) + int(counts["counts"]["supplementary"])


def by_filter(folder: Path) -> tuple[dict[Allele, CalledVariant], dict[Allele, CalledVariant]]:
    """Return the called alleles without a filter, and the others."""
    found = {(v.pos1, v.ref, v.alt): v for v in read_vcf(folder / "call.vcf.gz")}
    passing = {allele: variant for allele, variant in found.items() if not variant.filters}
    return passing, {allele: variant for allele, variant in found.items() if variant.filters}


PIK3CA = "chr3_179233853_179234738"
PIK3CA_START1 = 179233853
H1047R = (179234297 - PIK3CA_START1 + 1, "A", "G")


@pytest.fixture(scope="module")
def simsen(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Chain]:
    """Return folder, reference and chain of the SiMSen-Seq reads, grouped."""
    folder = tmp_path_factory.mktemp("simsen")
    with pysam.FastaFile(str(real_data / "reference" / "panel_hg38_slices.fa")) as slices:
        reference = indexed(folder / "ref.fa", {PIK3CA: slices.fetch(PIK3CA)})
    name, start0, end0, gene = (real_data / "simsen-pik3ca" / "target_regions_hg38.bed").read_text().split()
    assert name == "chr3"
    target = f"{PIK3CA}\t{int(start0) - PIK3CA_START1 + 1}\t{int(end0) - PIK3CA_START1 + 1}\t{gene}\n"
    reads = (real_data / "simsen-pik3ca" / "test_R1.fastq.gz",)
    adapter = ("--adapters", "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA")
    chain = Chain(reads, ("12M16S+T",), "adjacency", ("--simplex",), target, adapter)
    families(folder, reference, chain)
    return folder, reference, chain


def test_simsen_h1047r_alone_passes_in_families_of_three(simsen: tuple[Path, Path, Chain]) -> None:
    # Published of these reads: H1047R in 6 of 275 families of 3 or more reads.
    folder, reference, chain = simsen
    calls(folder, reference, chain, [3])
    counts = counted(folder)
    assert (counts["extract"]["n_in"], counts["group"]["rejected"]["n_in_umi"]) == (1938, 1)
    assert abs(counts["consensus"]["counts"]["molecules_out"] - 275) <= 3
    passing, _ = by_filter(folder)
    assert list(passing) == [H1047R]
    found = passing[H1047R]
    assert found.n_alt == 6
    assert found.vaf == pytest.approx(6 / 275, rel=0.02)
    assert found.vaf_low < 6 / 275 < found.vaf_high
    assert [alt for _, alt in found.tiers] == [0, 6, 0, 0]
    kit = REPOSITORY / "config" / "kits" / "ctdna-core" / "1.0.0"
    tables = ("--transcripts", kit / "transcripts.tsv", "--contigs", kit / "slices.tsv")
    made = ("--output", folder / "annotate.vcf.gz", *tables)
    run("annotate", "--input", folder / "call.vcf.gz", "--reference", reference, *made)
    with pysam.VariantFile(str(folder / "annotate.vcf.gz")) as named:
        (info,) = [record.info for record in named if "PASS" in record.filter]
        assert (info["HGVSG"], info["GENOME_POS"]) == ("chr3:g.179234297A>G", "chr3:179234297")
        assert (info["GENE"], info["HGVSC"], info["HGVSP"]) == ("PIK3CA", "c.3140A>G", "p.(His1047Arg)")


def test_simsen_with_single_reads_a_deletion_of_one_base_passes_too(simsen: tuple[Path, Path, Chain]) -> None:
    # H1047R is published in 53 of 1,911 raw reads: 2.8 %.
    folder, reference, chain = simsen
    calls(folder, reference, chain, [1])
    counted(folder)
    passing, others = by_filter(folder)
    deletion = (460, "CA", "C")
    assert set(passing) == {H1047R, deletion}
    assert passing[H1047R].n_alt == 16
    assert passing[H1047R].vaf_low < 53 / 1911 < passing[H1047R].vaf_high
    assert passing[deletion].n_alt == 2
    assert {allele: variant.filters for allele, variant in others.items()} == {(463, "CA", "C"): ("not_significant",)}


PLANTED = {(31, "T", "C"), (88, "T", "C"), (89, "T", "C")}
OF_ONE_MOLECULE = (110, "A", "G")


@pytest.fixture(scope="module")
def mageri(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Chain]:
    """Return folder, reference and chain of the MAGERI spike, grouped; T where the template says Y."""
    folder = tmp_path_factory.mktemp("mageri")
    template = (real_data / "mageri" / "pipeline" / "refs.fa").read_text().split()[1].upper()
    assert [place for place, base in enumerate(template) if base == "Y"] == [30, 87, 88]
    reference = indexed(folder / "ref.fa", {"SPIKE1": template.replace("Y", "T")})
    reads = tuple(real_data / "mageri" / "sample" / f"R{end}.fastq.gz" for end in (1, 2))
    target = f"SPIKE1\t0\t{len(template)}\tSPIKE1\n"
    chain = Chain(reads, ("14M+T", "+T"), "adjacency", ("--simplex",), target)
    families(folder, reference, chain)
    return folder, reference, chain


@pytest.mark.parametrize("min_reads", [1, 3])
def test_mageri_planted_changes_are_detected(mageri: tuple[Path, Path, Chain], min_reads: int) -> None:
    folder, reference, chain = mageri
    calls(folder, reference, chain, [min_reads])
    counts = counted(folder)
    assert counts["extract"]["n_in"] == counts["extract"]["n_out"] == 21953
    passing, others = by_filter(folder)
    assert set(passing) | set(others) == PLANTED | {OF_ONE_MOLECULE}
    filters = {allele: variant.filters for allele, variant in others.items()}
    if min_reads == 1:
        assert filters == {OF_ONE_MOLECULE: ("cluster",)}
    else:
        assert filters == dict.fromkeys(PLANTED | {OF_ONE_MOLECULE}, ("germline",))
    found = passing | others
    assert [found[allele].n_alt for allele in sorted(PLANTED)] == ([10, 11, 5] if min_reads == 1 else [5, 4, 4])


def test_mageri_the_fourth_call_is_of_one_umi(mageri: tuple[Path, Path, Chain]) -> None:
    umis: Counter[str] = Counter()
    with pysam.AlignmentFile(str(mageri[0] / "group.bam")) as reads:
        for read in reads:
            for at, pos0 in read.get_aligned_pairs(matches_only=True):
                assert read.query_sequence is not None
                assert read.query_qualities is not None
                if pos0 == 109 and read.query_sequence[at] == "G" and read.query_qualities[at] >= 30:
                    umis[str(read.get_tag("RX"))] += 1
    (umi, n), *_ = umis.most_common(1)
    assert umi == "TGGCGGGTATCTAC"
    near = sum(count for other, count in umis.items() if sum(a != b for a, b in zip(umi, other, strict=True)) <= 1)
    assert n > 3900
    assert near / umis.total() > 0.98


@pytest.fixture(scope="module")
def nfcore(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the whole chain on the nf-core duplex reads."""
    folder, source = tmp_path_factory.mktemp("nfcore"), real_data / "nfcore-umi"
    with pysam.FastaFile(str(source / "genome.fasta")) as genome:
        reference = indexed(folder / "ref.fa", {"chr22": genome.fetch("chr22")})
    reads = tuple(source / f"test.umi_{end}.fastq.gz" for end in (1, 2))
    chain = Chain(reads, ("7M1S+T", "7M1S+T"), "paired", ("--duplex",), "chr22\t0\t40001\tchr22\n")
    families(folder, reference, chain)
    calls(folder, reference, chain, [1, 1, 0])
    return folder


def test_nfcore_every_molecule_is_accounted_for(nfcore: Path) -> None:
    counts = counted(nfcore)
    assert counts["extract"]["n_in"] == 7890
    assert counts["align"]["values"]["mapped_fraction"] > 0.999
    group = counts["group"]["counts"]
    # fgbio's own grouping of the single strands, by adjacency, has 2,822 families.
    assert abs(group["families"] - 2822) <= 2
    assert group["molecules"] + group["duplex_molecules"] == group["families"]
    assert counts["consensus"]["counts"]["molecules_with_both_strands"] == group["duplex_molecules"] == 802


def test_nfcore_calls(nfcore: Path) -> None:
    passing, others = by_filter(nfcore)
    assert set(passing) == {(1982, "A", "G")}
    assert passing[1982, "A", "G"].tiers[0][1] == 8
    marked = {allele: variant.filters for allele, variant in others.items() if "germline" in variant.filters}
    assert marked == {
        (3266, "T", "C"): ("germline",), (3396, "A", "C"): ("germline",), (3413, "T", "G"): ("germline",),
        (3406, "T", "G"): ("misaligned", "germline"),
    }  # fmt: skip
    assert max(others[allele].n_ref + others[allele].n_alt for allele in marked) <= 11


def sliced(folder: Path) -> dict[str, str]:
    """Return the environment in which the GRCh38 kit stands on the slices that are there."""
    env = {"CTDNA_HOME": str(folder / "home"), "CTDNA_KITS": str(folder / "kits")}
    done = ctdna("kit", "slice", "ctdna-core@1.0.0", "--output", folder / "kits", env=env)
    assert done.returncode == 0, done.stderr
    return env


def added(real_data: Path, kit: str, env: dict[str, str]) -> None:
    """Add the slices as the reference of a kit."""
    fasta = real_data / "reference" / "panel_hg38_slices.fa"
    done = ctdna("reference", "add", fasta, "--kit", kit, env=env)
    assert done.returncode == 0, done.stderr


def test_capture_reads_through_the_whole_job(real_data: Path, tmp_path: Path) -> None:
    env, kits = sliced(tmp_path), tmp_path / "kits"
    folder = kits / "largemid" / "1.0.0"
    shutil.copytree(kits / "ctdna-core-slices" / "1.0.0", folder)
    text = (folder / "kit.yaml").read_text()
    (folder / "kit.yaml").write_text(text.replace("ctdna-core-slices", "largemid").replace("5M2S+T", "2M1S+T"))
    added(real_data, "largemid@1.0.0", env)
    run_folder, output = tmp_path / "fastq", tmp_path / "out"
    run_folder.mkdir()
    for path in (real_data / "capture-cfdna-largemid").glob("LargeMid_56_L005_R?.fastq.gz"):
        shutil.copy(path, run_folder)
    done = ctdna("run", run_folder, "--kit", "largemid@1.0.0", "--output", output, "--threads", 1, env=env)
    assert done.returncode == 4, done.stderr
    counts = counted(output / "samples" / "LargeMid_56")
    assert counts["extract"]["n_in"] == counts["extract"]["n_out"] == 10000
    assert counts["extract"]["counts"]["reads_trimmed"] == 1100
    assert 0.02 < counts["align"]["values"]["mapped_fraction"] < 0.03
    assert counts["group"]["values"]["reads_per_molecule"] == 1.0
    qc = json.loads((output / "qc" / "LargeMid_56.json").read_text())
    status = {figure["metric"]: figure["status"] for figure in qc["figures"]}
    assert status["q30_fraction"] == status["insert_size_median"] == "pass"
    assert status["raw_read_pairs"] == status["mapped_fraction"] == status["median_unique_depth"] == "fail"
    result = json.loads((output / "reports" / "LargeMid_56" / "result.json").read_text())
    assert result["verdict"] == "fail"
    assert result["findings"] == []
    assert {row["state"] for row in result["hotspots"]} == {"NO_CALL"}


SLICES = "ctdna-core-slices@1.0.0"
DESIGN = """run: {flow_cell: HTINYDSX1, n_tiles: 1}
samples:
  - sample_id: P1
    role: patient
    index: TGAACCTC
    index2: CAGTTGAC
    subject: one
    molecules_per_target: 1600
    reads_per_molecule: 3.4
    variants:
      - {allele: "EGFR p.(Leu858Arg)", vaf: 0.02}
      - {allele: "KRAS p.(Gly12Asp)", vaf: 0.02}
      - {allele: "BRAF p.(Val600Glu)", vaf: 0.03}
      - {allele: "chr7_55014000_55217000:160773:GGAATTAAGAGAAGCA>G", vaf: 0.03}
"""
TRUTH = {
    "chr7:55191822": ("EGFR", "chr7:g.55191822T>G", "c.2573T>G", "p.(Leu858Arg)", 0.02),
    "chr12:25245350": ("KRAS", "chr12:g.25245350C>T", "c.35G>A", "p.(Gly12Asp)", 0.02),
    "chr7:140753336": ("BRAF", "chr7:g.140753336A>T", "c.1799T>A", "p.(Val600Glu)", 0.03),
    "chr7:55174772": ("EGFR", "chr7:g.55174773_55174787del", "c.2236_2250del", "p.(Glu746_Ala750del)", 0.03),
}


def test_grch38_run_reports_in_genome_coordinates(real_data: Path, tmp_path: Path) -> None:
    env, design = sliced(tmp_path), tmp_path / "design.yaml"
    added(real_data, SLICES, env)
    design.write_text(DESIGN)
    made = ("--kit", SLICES, "--output", tmp_path / "run", "--seed", 1)
    done = ctdna("simulate", "--design", design, *made, env=env)
    assert done.returncode == 0, done.stderr
    output = tmp_path / "out"
    done = ctdna("run", tmp_path / "run", "--kit", SLICES, "--output", output, "--threads", 1, env=env)
    assert done.returncode == 0, done.stderr
    counted(output / "samples" / "P1")
    result = json.loads((output / "reports" / "P1" / "result.json").read_text())
    assert result["verdict"] == "pass"
    found = {row["genome_pos"]: row for row in result["findings"] if row["state"] == "reported"}
    assert set(found) == set(TRUTH)
    common = [row["genome_pos"] for row in result["findings"] if row["state"] == "possible_germline"]
    assert common == ["chr7:55181370"]
    assert all(not row["hotspot"] for row in result["findings"] if row["state"] == "filtered")
    for place, (gene, hgvs_g, hgvs_c, hgvs_p, vaf) in TRUTH.items():
        row = found[place]
        assert (row["gene"], row["hgvs_g"], row["hgvs_c"], row["hgvs_p"]) == (gene, hgvs_g, hgvs_c, hgvs_p)
        assert row["vaf_low"] < vaf < row["vaf_high"]
        assert (row["hotspot"], row["tier"]) == (True, "I")
    truth = [line.split("\t") for line in (tmp_path / "run/truth/P1.truth.tsv").read_text().splitlines()[1:]]
    sequenced = {(row[0], int(row[1])): int(row[10]) for row in truth if row[4] == "planted"}
    for row in found.values():
        n_true = sequenced[row["contig"], row["pos1"]]
        assert 0.8 * n_true <= row["alt_molecules"] <= n_true
    detected = {(row["gene"], row["label"]) for row in result["hotspots"] if row["state"] == "DETECTED"}
    assert detected == {(gene, f"{gene} {hgvs_p}") for gene, _, _, hgvs_p, _ in TRUTH.values()}
    assert sum(row["state"] == "DETECTED" for row in result["hotspots"]) == len(TRUTH)
