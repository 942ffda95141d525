"""`ctdna background`: the error model of a kit, trained on normal samples."""

from pathlib import Path

import click

from ctdna.cli import calling, options
from ctdna.model.errors import InputError


@click.command("background", cls=options.ManyValues)
@click.option(
    "--normals",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Consensus BAMs of normal samples, one a donor: several in a row, or the option again.",
)
@options.input_path("--reference", "FASTA that the reads were aligned to.")
@options.input_path("--targets", "BED of the panel: contig, start0, end0, name. Default: the kit's.", required=False)
@options.output_path("--output", "Background to write (gzipped text).")
@options.output_path("--metrics", "Counts of molecules and error rates, as JSON.", required=False)
@calling.call_settings()
@options.kit()
@options.threads()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    normals: tuple[Path, ...],
    reference: Path,
    targets: Path | None,
    output: Path,
    metrics: Path | None,
    kit_name: str | None,
    threads: int,
    **_: object,
) -> None:
    """Train the background error model of a kit on normal samples.

    Errors are counted by tier, fragment end, substitution, trinucleotide and site over all donors; each rate is shrunk
    towards the coarser one. Donors' germline alleles, and alleles clear in few donors, are left out. The file is bound
    to kit, panel and counting rules: `ctdna call` refuses it with others. Use 20 donors or more: few donors cost power.
    """
    from ctdna.formats.background_file import write_background
    from ctdna.formats.documents import write_json
    from ctdna.kit.load import load_kit
    from ctdna.stages.background import read_donor, train

    kit = load_kit(kit_name) if kit_name else None
    params = calling.call_params(ctx, kit, kit_name)
    own_panel = kit.definition.files.panel if kit else None
    panel_file = calling.kit_file(kit, kit_name, "--targets", targets, own_panel)
    if panel_file is None:
        raise InputError(None, "--targets", "no panel is given", "give --targets or --kit")
    if len(set(normals)) < len(normals):
        raise InputError(None, "--normals", "a BAM is named twice", "name each donor once")
    ground = calling.lay_ground(normals[0], reference, panel_file)
    donors = [read_donor(calling.gather_bam(bam, ground, params, threads), params) for bam in normals]
    trained, counts = train(donors, ground.panel, params, kit_name or ".")
    if counts.n_out == 0:
        raise InputError(None, "--normals", "no molecule of the normals lies on a target", "check BAMs and panel")
    write_background(output, trained)
    if metrics:
        write_json(metrics, counts)
