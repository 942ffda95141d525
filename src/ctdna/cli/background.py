"""`ctdna background`: the error model of a kit, trained on normal samples."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ctdna.cli import calling, options
from ctdna.model.errors import InputError
from ctdna.model.params.background import BackgroundParams

if TYPE_CHECKING:
    from ctdna.model.params.call import CallParams
    from ctdna.stages.background import Donor

F = TypeVar("F", bound=Callable[..., Any])
_SHARE = click.FloatRange(0, 1, min_open=True)
_SETTINGS: dict[str, tuple[click.ParamType[Any], str]] = {
    "donor_germline_vaf": (_SHARE, "A donor's allele from this VAF on is the donor's own."),
    "slippage_vaf": (_SHARE, "Indels of many donors below this VAF are slippage, not germline."),
    "clonal_p": (_SHARE, "An allele of few donors with a lower p-value is a clone's, no error."),
    "hotspot_clonal_p": (_SHARE, "The same at hotspots."),
    "max_clonal_share": (_SHARE, "Alleles clear in a greater share of the donors are errors of the place."),
    "donor_molecules": (click.IntRange(min=1), "A donor shows an allele from so many molecules on."),
    "min_covered_share": (click.FloatRange(0, 1), "Refuse a normal whose molecules cover less of the panel."),
    "min_donors": (click.IntRange(min=1), "Warn of fewer donors."),
}


def _training_settings() -> Callable[[F], F]:
    defaults = BackgroundParams()

    def decorate(function: F) -> F:
        for name, (kind, text) in reversed(_SETTINGS.items()):
            flag, default = "--" + name.replace("_", "-"), getattr(defaults, name)
            function = click.option(flag, name, type=kind, default=default, show_default=True, help=text)(function)
        return function

    return decorate


def _instrument(normals: Sequence[Path], named: str | None) -> str:
    """Return the sequencer's model: the one named, or what the read groups' PM say; empty where they say nothing.

    Raises:
        InputError: they say more than one.
    """
    from ctdna.formats.bam import read_header

    found: dict[str, Path] = {}
    for bam in normals:
        for group in read_header(bam).lines("RG"):
            if group.get("PM"):
                found.setdefault(group["PM"], bam)
    if named is None and len(found) > 1:
        first, second = sorted(found)[:2]
        what = f"its reads come from {second}, those of {found[first].name} from {first}"
        raise InputError(found[second], "header", what, "train on one model of sequencer, or name it by --instrument")
    return named if named is not None else next(iter(found), "")


def _donors(
    normals: Sequence[Path], ground: calling.Ground, params: "CallParams", training: BackgroundParams,
    hotspots: Path | None, threads: int,
) -> list["Donor"]:  # fmt: skip
    from ctdna.formats.kit_tables import read_hotspots
    from ctdna.stages.background import hotspot_mask, read_donor

    mask = hotspot_mask(ground.panel, read_hotspots(hotspots) if hotspots else ())
    donors: list[Donor] = []
    known: dict[str, Path] = {}
    for bam in normals:
        evidence = calling.gather_bam(bam, ground, params, threads)
        with options.located(bam):
            donor = read_donor(evidence, params, training, mask)
        if donor.digest in known:
            what = f"holds the same molecules as {known[donor.digest].name}"
            raise InputError(bam, "", what, "give each donor once")
        known[donor.digest] = bam
        donors.append(donor)
    return donors


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
@options.input_path(
    "--hotspots", "Table of reportable alleles, where clones of normal blood are common. Default: the kit's.",
    required=False,
)  # fmt: skip
@options.output_path("--output", "Background to write (gzipped text).")
@options.output_path(
    "--calibration", "Table to write: p-values of each donor under a background of the others.", required=False
)
@options.output_path("--calibration-plot", "The same as a plot of quantiles (SVG).", required=False)
@options.output_path("--metrics", "Counts of molecules and error rates, as JSON.", required=False)
@click.option("--instrument", help="Model of sequencer to record. Default: the read groups' PM, which must agree.")
@_training_settings()
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
    hotspots: Path | None,
    output: Path,
    calibration: Path | None,
    calibration_plot: Path | None,
    metrics: Path | None,
    instrument: str | None,
    kit_name: str | None,
    threads: int,
    **_: object,
) -> None:
    """Train the background error model of a kit on normal samples.

    Errors are counted by tier, fragment end, substitution, trinucleotide and site over all donors; each rate is shrunk
    towards the coarser one. Donors' germline alleles, and alleles clear in few donors, are left out. The file is bound
    to kit, panel and counting rules: `ctdna call` refuses it with others. Each donor is then held out in turn, to see
    whether its p-values are uniform. Use 20 donors or more: few donors cost power.
    """
    from ctdna.formats.atomic import write_text
    from ctdna.formats.background_file import write_background
    from ctdna.formats.documents import write_json
    from ctdna.formats.held_out import write_calibration
    from ctdna.kit.load import load_kit
    from ctdna.report.charts_held_out import qq_chart
    from ctdna.stages.background import Training, rules_of, train, training_metrics
    from ctdna.stages.held_out import calibrate

    kit = load_kit(kit_name) if kit_name else None
    params = calling.call_params(ctx, kit, kit_name)
    files = calling.find_files(kit, kit_name, {"panel": targets, "hotspots": hotspots})
    if len(set(normals)) < len(normals):
        raise InputError(None, "--normals", "a BAM is named twice", "name each donor once")
    facts = {"instrument": _instrument(normals, instrument)}
    settings = BackgroundParams(**{name: ctx.params[name] for name in _SETTINGS})
    ground = calling.lay_ground(normals[0], reference, files.panel)
    donors = _donors(normals, ground, params, settings, files.hotspots, threads)
    if not sum(donor.n_used for donor in donors):
        raise InputError(None, "--normals", "no molecule of the normals lies on a target", "check BAMs and panel")
    training = Training(ground.panel, rules_of(params), settings, kit_name or ".", facts)
    found = calibrate(donors, training, params, threads)
    trained = train(donors, training)._replace(calibration=found.summary())
    write_background(output, trained)
    if calibration:
        write_calibration(calibration, found)
    if calibration_plot:
        write_text(calibration_plot, qq_chart(found) + "\n")
    if metrics:
        write_json(metrics, training_metrics(donors, trained, settings))
    if len(donors) < settings.min_donors:
        what = f"{len(donors)} donors; {settings.min_donors} or more are advised, fewer cost power"
        click.echo(f"ctdna background: warning: {what}", err=True)
