"""`ctdna qc`: the quality control of a sample, and of a run."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli import options
from ctdna.model.errors import InputError

if TYPE_CHECKING:
    from ctdna.kit.load import LoadedKit
    from ctdna.model.evidence import Targets
    from ctdna.model.kit import Controls
    from ctdna.model.manifest import RunManifest
    from ctdna.model.metrics import StageMetrics
    from ctdna.model.qc import SnpCount
    from ctdna.stages.qc import SampleEvidence

STAGES = ("extract", "collapse", "align", "group", "consensus", "realign", "filter", "call")
_OPTIONAL = ("collapse", "realign")
"""Stages that not every way from reads to calls has."""
YIELDS = "group.loci.tsv"
_NO_RUN = "give the output folder of `ctdna run`"


def _manifest(run_dir: Path) -> "RunManifest":
    from ctdna.formats.documents import read_json
    from ctdna.model.manifest import RunManifest

    path = run_dir / "run.json"
    if not path.is_file():
        raise InputError(path, "", "found no manifest of a run", _NO_RUN)
    return read_json(path, RunManifest)


def _stage_metrics(run_dir: Path, sample: str) -> "dict[str, StageMetrics]":
    from ctdna.formats.documents import read_json
    from ctdna.model.metrics import StageMetrics

    files = {stage: run_dir / "samples" / sample / f"{stage}.json" for stage in STAGES}
    metrics = {
        stage: read_json(path, StageMetrics)
        for stage, path in files.items()
        if stage not in _OPTIONAL or path.is_file()
    }
    return {"demultiplex": read_json(run_dir / "fastq" / "demultiplex.json", StageMetrics), **metrics}


def _depths(path: Path) -> dict[tuple[str, int], tuple[int, int]]:
    """Return (contig, position) -> (depth, duplex) from the rows of single bases."""
    from ctdna.formats.tables import read_loci

    depths: dict[tuple[str, int], tuple[int, int]] = {}
    for number, row in enumerate(read_loci(path), 2):
        try:
            if len(row["ref"]) == len(row["alt"]) == 1:
                depths[row["contig"], int(row["pos1"])] = int(row["depth"]), int(row["duplex"])
        except (TypeError, ValueError) as error:
            raise InputError(path, f"line {number}", "is no row of a locus table", "call the sample again") from error
    return depths


def _snp_counts(bam: Path, reference: Path, kit: "LoadedKit", threads: int) -> "tuple[SnpCount, ...]":
    """Return the molecules of each allele at the kit's common SNPs that lie on the reference's contigs."""
    import numpy as np

    from ctdna.formats.bam import iter_records
    from ctdna.formats.fasta import Reference
    from ctdna.formats.kit_tables import read_common_snps
    from ctdna.model.evidence import BASES, Targets
    from ctdna.model.qc import SnpCount
    from ctdna.stages.evidence import gather, lay_panel

    header, batches = iter_records(bam, threads)
    order = {name: i for i, (name, _) in enumerate(header.contigs)}
    snps = [snp for snp in read_common_snps(kit.path(kit.definition.files.common_snps)) if snp.contig in order]
    snps.sort(key=lambda snp: (order[snp.contig], snp.pos1))
    places = [(order[snp.contig], snp.pos1 - 1) for snp in snps]
    targets = Targets(
        np.array([contig for contig, _ in places], dtype=np.int32),
        np.array([pos0 for _, pos0 in places], dtype=np.int32),
        np.array([pos0 + 1 for _, pos0 in places], dtype=np.int32),
        tuple(f"{snp.contig}:{snp.pos1}" for snp in snps),
    )
    sequence = Reference(reference)
    panel = lay_panel(targets, header.contigs, sequence.fetch)
    counts = gather(batches, panel, kit.definition.call).counts
    found = []
    for snp in snps:
        by_base = counts.classes[panel.slot(snp.contig, snp.pos1 - 1)].sum(axis=1)
        n_ref, n_alt = int(by_base[BASES.index(snp.ref)]), int(by_base[BASES.index(snp.alt)])
        found.append(
            SnpCount(
                contig=snp.contig,
                pos1=snp.pos1,
                frequency=snp.frequency,
                n_ref=n_ref,
                n_alt=n_alt,
                n_other=int(by_base.sum()) - n_ref - n_alt,
            )
        )
    return tuple(found)


def _sample_evidence(run_dir: Path, sample: str, reference: Path, kit: "LoadedKit", threads: int) -> "SampleEvidence":
    from ctdna.formats.bam import read_header, read_records
    from ctdna.formats.bed import read_bed
    from ctdna.formats.vcf import read_vcf
    from ctdna.formats.yields import read_yields
    from ctdna.stages.qc import SampleEvidence
    from ctdna.stages.quality.controls import Seen
    from ctdna.stages.quality.coverage import PanelTarget, panel_depth
    from ctdna.stages.quality.reads import molecule_figures

    folder = run_dir / "samples" / sample
    metrics = _stage_metrics(run_dir, sample)
    contigs = read_header(folder / "filter.bam").contigs
    targets: Targets = read_bed(kit.path(kit.definition.files.panel), contigs)
    panel = tuple(
        PanelTarget(name, contigs[contig][0], int(start0), int(end0))
        for name, contig, start0, end0 in zip(targets.names, targets.contig, targets.start0, targets.end0, strict=True)
    )
    grouped = metrics["group"].counts
    if "reads_on_target" not in grouped:
        what = "the counts of reads on target are missing"
        raise InputError(folder / "group.json", "", what, "group with --kit, as ctdna run does")
    molecules = molecule_figures(read_records(folder / "filter.bam", threads)[1], targets)
    alleles = {
        (variant.contig, variant.pos1, variant.ref, variant.alt): Seen(
            variant.vaf, variant.n_alt, variant.depth, not variant.filters
        )
        for variant in read_vcf(folder / "call.vcf.gz")
    }
    return SampleEvidence(
        metrics=metrics,
        panel=panel,
        depth=panel_depth(panel, _depths(folder / "call.loci.tsv.gz")),
        n_reads=grouped["mapped_reads"],
        n_on_target=grouped["reads_on_target"],
        n_molecules_on_target=molecules.n_on_target,
        family_sizes=metrics["group"].histograms["family_size"],
        tiers=molecules.tiers,
        insert_sizes=molecules.insert_sizes,
        alleles=alleles,
        snps=_snp_counts(folder / "filter.bam", reference, kit, threads),
        yields=read_yields(folder / YIELDS) if (folder / YIELDS).is_file() else (),
    )


def _controls(run_dir: Path, manifest: "RunManifest", kit: "LoadedKit") -> "Controls":
    """Return what the run's controls must show: the kit's expectations, with those of a lot that is the kit's own."""
    from ctdna.kit.lots import controls_of, lot_of_run

    trace, own = manifest.trace, kit.definition.controls
    if trace is None or trace.lot is None or trace.lot.digest is None:
        return own
    lot = lot_of_run(run_dir, trace.lot.digest)
    return controls_of(own, lot) if (lot.kit, lot.kit_digest) == (kit.address, kit.digest) else own


@click.group("qc")
def command() -> None:
    """Judge a sample or a run against the kit's thresholds.

    Every figure is held against the kit's limits for the sample's role. A missed limit fails the variant classes that
    it names and no others, with a reason and the next step.
    """


@command.command("sample")
@options.input_path("--run-dir", "Output folder of the run.")
@click.option("--sample", "sample_id", required=True, help="Sample id.")
@options.input_path("--reference", "Reference FASTA, indexed.")
@options.output_path("--output", "Document of the sample's quality control to write.")
@click.option("--kit", "kit_name", metavar="NAME@VERSION", required=True, help="The kit version of the run.")
@options.threads()
def sample_command(run_dir: Path, sample_id: str, reference: Path, output: Path, kit_name: str, threads: int) -> None:
    """Judge one sample, from the files that the stages left in the run's output folder."""
    from ctdna.formats.documents import write_json
    from ctdna.kit.load import load_kit
    from ctdna.stages.qc import sample_qc

    manifest, kit = _manifest(run_dir), load_kit(kit_name)
    known = [sample.sample_id for sample in manifest.samples]
    if sample_id not in known:
        raise InputError(run_dir / "run.json", "--sample", f"no sample `{sample_id}`", f"known: {', '.join(known)}")
    evidence = _sample_evidence(run_dir, sample_id, reference, kit, threads)
    definition = kit.definition.model_copy(update={"controls": _controls(run_dir, manifest, kit)})
    document = sample_qc(manifest.sample(sample_id), evidence, definition, kit.digest)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, document)


@command.command("run")
@options.input_path("--run-dir", "Output folder of the run, with qc/<sample>.json of every sample.")
@options.output_path("--output", "Document of the run's quality control to write.")
@options.output_path("--multiqc", "Folder for MultiQC's custom content.", required=False)
@click.option("--kit", "kit_name", metavar="NAME@VERSION", required=True, help="The kit version of the run.")
def run_command(run_dir: Path, output: Path, multiqc: Path | None, kit_name: str) -> None:
    """Judge the run: its figures, its controls, and whether samples are who they should be."""
    from ctdna.formats.documents import read_json, write_json
    from ctdna.formats.multiqc import write_multiqc
    from ctdna.kit.load import load_kit
    from ctdna.model.metrics import StageMetrics
    from ctdna.model.qc import SampleQc
    from ctdna.stages.qc import run_qc

    manifest, kit = _manifest(run_dir), load_kit(kit_name)
    names = [sample.sample_id for sample in manifest.samples]
    documents = {name: read_json(run_dir / "qc" / f"{name}.json", SampleQc) for name in names}
    demultiplex = read_json(run_dir / "fastq" / "demultiplex.json", StageMetrics)
    document = run_qc(manifest, documents, demultiplex, kit.definition, kit.digest)
    if multiqc is not None:
        multiqc.mkdir(parents=True, exist_ok=True)
        write_multiqc(multiqc, documents)
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, document)
