"""`ctdna simulate`: seeded run folders, FASTQ files and their truth."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli import options
from ctdna.model.errors import InputError

if TYPE_CHECKING:
    from ctdna.kit.load import LoadedKit
    from ctdna.model.params.simulate import SimulateDesign
    from ctdna.model.simulated import Genome
    from ctdna.stages.simulate import Simulated
    from ctdna.stages.simulation.alleles import Panel


def _read_panel(kit: "LoadedKit") -> "tuple[Panel, Genome]":
    """Return the kit's panel, hotspots and SNPs, and the reference they stand on."""
    from ctdna.formats.bed import read_bed
    from ctdna.formats.kit_tables import read_common_snps, read_hotspots
    from ctdna.formats.simulation import read_genome
    from ctdna.kit.reference import resolve_reference
    from ctdna.stages.simulation.alleles import Allele, Panel

    definition = kit.definition
    fasta = kit.path(definition.reference.fasta) if definition.reference.fasta else resolve_reference(kit)
    names, genome = read_genome(fasta)
    lengths = (genome.offsets[1:] - genome.offsets[:-1]).tolist()
    targets = read_bed(kit.path(definition.files.panel), list(zip(names, lengths, strict=True)))
    places = zip(targets.contig.tolist(), targets.start0.tolist(), targets.end0.tolist(), strict=True)
    hotspots: dict[str, Allele] = {}
    for hotspot in read_hotspots(kit.path(definition.files.hotspots)):
        hotspots.setdefault(hotspot.label, Allele(hotspot.contig, hotspot.pos1, hotspot.ref, hotspot.alt))
    snps = tuple(
        (Allele(snp.contig, snp.pos1, snp.ref, snp.alt), snp.frequency)
        for snp in read_common_snps(kit.path(definition.files.common_snps))
    )
    return Panel(names, tuple((names[i], start, end) for i, start, end in places), hotspots, snps), genome


def _check_read_structure(kit: "LoadedKit") -> None:
    """Refuse a kit whose reads are laid out otherwise than the simulator lays them out."""
    structures = kit.definition.extract.read_structures
    if structures != ("5M2S+T", "5M2S+T"):
        what = f"kit {kit.address} reads {', '.join(structures)}; the simulator makes 5M2S+T, 5M2S+T"
        raise InputError(None, "--kit", what, "choose a kit with duplex UMIs of 5 bases and a spacer of 2")


def _write(
    folder: Path,
    run: "Simulated",
    design: "SimulateDesign",
    kit: "LoadedKit",
    seed: int,
    fastq_only: bool,
    threads: int,
) -> None:
    """Fill the new folder: run folder or FASTQ files, truth, counts."""
    from ctdna.formats.documents import write_json
    from ctdna.formats.run_folder_write import write_run_folder
    from ctdna.formats.simulation import write_fastqs, write_truth
    from ctdna.stages.simulation.tables import expected_error_percent, sequencing_columns

    truth = folder / "truth"
    folder.mkdir()
    truth.mkdir()
    write_truth(truth, design, run.truth, seed, kit.address)
    for metrics in run.metrics:
        write_json(truth / f"{metrics.sample}.simulate.json", metrics)
    if fastq_only:
        write_fastqs(folder, run.clusters, design, threads)
    else:
        error_percent = expected_error_percent(sequencing_columns(design))
        write_run_folder(folder, run.clusters, design, kit.address, error_percent, threads)


@click.command("simulate")
@options.input_path("--design", "YAML file of the run: samples, planted variants, rates (docs/stages/simulate.md).")
@click.option(
    "--kit", "kit_name", metavar="NAME@VERSION", required=True, help="Kit version: reference, panel, alleles."
)
@options.output_path("--output", "Folder to make: the run folder itself, or FASTQ files; truth lies in truth/.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), required=True, help="Seed; the same seed, the same bytes.")
@click.option("--fastq-only", is_flag=True, help="Write FASTQ files per sample instead of a run folder.")
@options.threads()
def command(design: Path, kit_name: str, output: Path, seed: int, fastq_only: bool, threads: int) -> None:
    """Make a seeded run folder, or FASTQ files, with the truth of every sample.

    Simulated are cfDNA fragments of the kit's targets with duplex UMIs, planted and germline variants, damage of
    single strands, loss, amplification, sequencing errors, contamination and index hopping. The folder appears whole
    or not at all; a folder that exists and is not empty is left alone.
    """
    from ctdna.formats.atomic import atomic_path, writable_error
    from ctdna.formats.simulation import read_design
    from ctdna.kit.load import load_kit
    from ctdna.stages.simulate import simulate

    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(output, "", "exists and is not an empty folder", "remove it or choose another --output")
    plan = read_design(design)
    kit = load_kit(kit_name)
    _check_read_structure(kit)
    panel, genome = _read_panel(kit)
    with options.located(design):
        run = simulate(seed, genome, panel, plan, threads)
    try:
        with atomic_path(output) as folder:
            _write(folder, run, plan, kit, seed, fastq_only, threads)
    except OSError as error:
        raise writable_error(output, error) from error
