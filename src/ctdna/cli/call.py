"""`ctdna call`: variants of a consensus BAM, and per locus what could have been seen."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ctdna import __version__
from ctdna.cli import calling, options
from ctdna.model.errors import InputError

if TYPE_CHECKING:
    from ctdna.model.background import TrainedBackground
    from ctdna.model.forced import ListedAllele
    from ctdna.model.params.call import CallParams
    from ctdna.stages.call import CallResult, Extras


def _facts(params: "CallParams", background: str, alpha: float, kit_name: str | None) -> dict[str, str]:
    facts = {f"param_{name}": f"{value:.6g}" for name, value in params.model_dump().items()}
    facts |= {"version": __version__, "background": background, "alpha": f"{alpha:.6g}"}
    return facts | ({"kit": kit_name} if kit_name else {})


def _default_loci(output: Path) -> Path:
    stem = output.name
    for suffix in (".vcf.gz", ".vcf.bgz", ".gz"):
        stem = stem.removesuffix(suffix)
    return output.with_name(f"{stem}.loci.tsv.gz")


class _Outputs(NamedTuple):
    vcf: Path
    loci: Path
    metrics: Path | None
    forced: Path | None


def _write(result: "CallResult", header: list[str], contigs: tuple[str, ...], outputs: _Outputs) -> None:
    from ctdna.formats.atomic import refuse_folder
    from ctdna.formats.documents import write_json
    from ctdna.formats.tables import write_loci
    from ctdna.formats.vcf import write_vcf

    refuse_folder(outputs.vcf)
    write_loci(outputs.loci, result.loci, contigs)
    write_vcf(outputs.vcf, header, result.variants)
    if outputs.metrics:
        write_json(outputs.metrics, result.metrics)
    if outputs.forced and result.forced:
        write_json(outputs.forced, result.forced)


def _listed(force: Path, ground: calling.Ground) -> "tuple[ListedAllele, ...]":
    from ctdna.formats.alleles import check_reference, read_alleles
    from ctdna.formats.fasta import Reference

    listed, repeats = read_alleles(force)
    if not listed:
        raise InputError(force, "", "lists no allele", "correct the list, or leave --force out")
    with Reference(ground.reference) as sequences:
        check_reference(force, listed, ground.contigs, sequences.fetch)
    for text in repeats:
        click.echo(f"ctdna call: warning: {force.name}: {text}", err=True)
    return tuple(one.allele for one in listed)


def _extras(
    white: Path | None, force: Path | None, ground: calling.Ground, params: "CallParams", threads: int
) -> "Extras":
    """Return what is given besides the sample: white cells and listed alleles; alleles listed twice are warned of."""
    from ctdna.stages.call import Extras

    alleles = _listed(force, ground) if force else ()
    cells = calling.gather_bam(white, ground, params, threads) if white else None
    return Extras(alleles, cells)


def _check_extras(bam: Path, white: Path | None, force: Path | None, summary: Path | None) -> None:
    if white is not None and white.resolve() == bam.resolve():
        raise InputError(white, "--matched-normal", "is the sample's own BAM", "give the BAM of the white cells")
    if summary is not None and force is None:
        raise InputError(None, "--forced-summary", "there is no list of alleles", "give --force, or leave it out")


def _warn_of_sequencer(bam: Path, trained: "TrainedBackground | None") -> None:
    """Warn where the reads' sequencer (PM of the read groups) is known and not the background's."""
    from ctdna.formats.bam import read_header

    wanted = trained.facts.get("instrument", "") if trained else ""
    found = sorted({group["PM"] for group in read_header(bam).lines("RG") if group.get("PM")})
    if wanted and found and found != [wanted]:
        what = f"its reads come from {', '.join(found)}, the background from {wanted}: error rates may differ"
        click.echo(f"ctdna call: warning: {bam.name}: {what}", err=True)


def _warn(result: "CallResult") -> None:
    n_unknown = result.metrics.counts["sites_without_reference"]
    if n_unknown:
        what = f"{n_unknown} panel position(s) whose reference base is none of A, C, G, T are not tested"
        click.echo(f"ctdna call: warning: {what}", err=True)


@click.command("call")
@options.input_path("--input", "Aligned consensus BAM, in any order, as `ctdna filter` writes it.")
@options.input_path("--reference", "FASTA that the reads were aligned to.")
@options.output_path("--output", "VCF to write (blocked gzip, with a tabix index beside).")
@options.output_path(
    "--loci",
    "Table of loci to write (blocked gzip, tabix index). Default: beside the VCF, `.loci.tsv.gz`.",
    required=False,
)
@calling.file_options()
@options.input_path(
    "--matched-normal",
    "Consensus BAM of the same subject's white cells, made with the same kit: tells tumour from blood and germline.",
    required=False,
)
@options.input_path(
    "--force",
    "VCF or table of alleles to be answered one by one, on the panel or not, whatever the reads show.",
    required=False,
)
@options.output_path("--forced-summary", "Answer for the whole list of --force, as JSON.", required=False)
@options.output_path("--metrics", "Counts of molecules in, used and rejected by reason, as JSON.", required=False)
@click.option("--sample", help="Sample name in the VCF; else the read groups' SM.")
@calling.call_settings()
@options.kit()
@options.threads()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input: Path,
    reference: Path,
    targets: Path | None,
    output: Path,
    loci: Path | None,
    background: Path | None,
    hotspots: Path | None,
    common_snps: Path | None,
    matched_normal: Path | None,
    force: Path | None,
    forced_summary: Path | None,
    metrics: Path | None,
    sample: str | None,
    kit_name: str | None,
    threads: int,
    **_: object,
) -> None:
    """Call variants, and say per locus what could have been seen.

    Molecules are counted once each, by tier (duplex; one strand of 3 or more reads; 2 reads; 1 read), and tested
    together against the background of their tier, substitution and place. Every candidate is written with the filters
    that hold. The table of loci gives each panel position and base, and each hotspot, one of three states: DETECTED,
    NOT_DETECTED (then lod95 is what could have been seen) or NO_CALL with the reason.

    With --matched-normal each candidate gets an origin. With --force each listed allele gets a record, and the whole
    list an answer at one VAF that all its alleles share.
    """
    from ctdna.formats.vcf import header_lines
    from ctdna.kit.load import load_kit
    from ctdna.stages.call import call
    from ctdna.stats.background import PRIOR_NAME

    _check_extras(input, matched_normal, force, forced_summary)
    kit = load_kit(kit_name) if kit_name else None
    params = calling.call_params(ctx, kit, kit_name)
    named = {"panel": targets, "hotspots": hotspots, "common_snps": common_snps, "background": background}
    files = calling.find_files(kit, kit_name, named)
    ground = calling.lay_ground(input, reference, files.panel)
    trained = calling.read_background(files.background, ground.panel, params, kit)
    listed, snps = calling.read_lists(files)
    extras = _extras(matched_normal, force, ground, params, threads)
    _warn_of_sequencer(input, trained)
    evidence = calling.gather_bam(input, ground, params, threads)
    name = calling.sample_name(input, sample)
    result = call(evidence, params, listed, snps, trained, name, threads, extras)
    label = PRIOR_NAME if trained is None else f"trained on {trained.n_donors} donors"
    facts = _facts(params, label, result.metrics.values["alpha"], kit_name)
    header = header_lines(ground.contigs, name, facts, reference.name)
    outputs = _Outputs(output, loci or _default_loci(output), metrics, forced_summary)
    _write(result, header, ground.panel.contigs, outputs)
    _warn(result)
