"""`ctdna calibrate`: known alleles diluted in memory, to show whether LoD95 and false positives are as stated."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctdna.cli import calling, options
from ctdna.model.errors import InputError
from ctdna.model.params.calibrate import CalibrateParams

if TYPE_CHECKING:
    from ctdna.kit.load import LoadedKit
    from ctdna.model.calibration import Calibration
    from ctdna.model.evidence import Allele
    from ctdna.model.params.call import CallParams
    from ctdna.stages.calibrate import Calibrated, Source
    from ctdna.stages.calibration.rules import Rules

_MULTIPLES = (0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.4, 2.0)
_EDGES = (0.25, 0.5, 0.7, 0.85, 1.0, 1.25, 1.6, 2.2)
_LEVELS = (1e-2, 1e-3, 1e-4, 1e-5)


class _Numbers(click.ParamType[tuple[float, ...]]):
    """Numbers above 0 with commas between."""

    name = "numbers"

    def __init__(self, most: float = float("inf")) -> None:
        self._most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(float(text) for text in str(value).split(","))
        except ValueError:
            self.fail(f"'{value}' is no list of numbers such as 0.001,0.002", param, ctx)
        if any(not 0 < number <= self._most for number in found):
            limit = f" and at most {self._most:g}" if self._most != float("inf") else ""
            self.fail(f"'{value}': each must be above 0{limit}", param, ctx)
        return found


def _alleles(path: Path, ground: calling.Ground) -> "list[Allele]":
    """Return the alleles of a file by slot; -1 where they lie off the panel.

    Raises:
        InputError: the list is bad; the reference bases of an allele on the panel are not those of the reference.
    """
    from ctdna.formats.alleles import check_reference, read_alleles
    from ctdna.formats.fasta import Reference
    from ctdna.model.evidence import Allele
    from ctdna.stages.candidates import region_bounds

    listed, slots = read_alleles(path).listed, []
    for _, allele in listed:
        slot = ground.panel.slot(allele.contig, allele.pos1 - 1)
        is_within = slot >= 0 and slot + len(allele.ref) <= region_bounds(ground.panel, slot)[1]
        slots.append(slot if is_within else -1)
    with Reference(ground.reference) as sequences:
        on_panel = (one for one, slot in zip(listed, slots, strict=True) if slot >= 0)
        check_reference(path, on_panel, ground.contigs, sequences.fetch)
    return [Allele(slot, one.allele.ref, one.allele.alt) for one, slot in zip(listed, slots, strict=True)]


def _check_spike(spike: Path | None, truth: Path | None, from_germline: bool) -> None:
    if spike is None and (truth is not None or from_germline):
        raise InputError(None, "--spike", "is not given, but its alleles are", "name the sample to dilute by --spike")
    if spike is not None and (truth is None) == (not from_germline):
        raise InputError(None, "--spike", "its alleles must be known", "give either --truth or --from-germline")


def _rules(
    ground: "calling.Ground", params: "CallParams", kit: "LoadedKit | None", files: calling.Files, threads: int
) -> "Rules":
    from ctdna.stages.calibration.rules import Rules

    trained = calling.read_background(files.background, ground.panel, params, kit)
    return Rules(params, *calling.read_lists(files), trained, threads)


def _sources(bams: Sequence[Path], ground: "calling.Ground", params: "CallParams", threads: int) -> "list[Source]":
    from ctdna.stages.calibrate import Source

    found: list[Source] = []
    for bam in bams:
        name = calling.sample_name(bam)
        n = sum(one.name.partition("#")[0] == name for one in found)
        evidence = calling.gather_bam(bam, ground, params, threads)
        found.append(Source(f"{name}#{n + 1}" if n else name, evidence))
    return found


def _write(done: "Calibrated", output: Path, table: Path | None, trials: Path | None, plot: Path | None) -> None:
    from ctdna.formats.atomic import write_text
    from ctdna.formats.calibration import bin_lines, trial_lines, write_lines
    from ctdna.formats.documents import write_json
    from ctdna.report.charts_calibration import detection_chart

    write_json(output, done.report)
    if table:
        write_lines(table, bin_lines(done.report))
    if trials:
        write_lines(trials, trial_lines(done.trials))
    if plot:
        write_text(plot, detection_chart(done.report) + "\n")


def _verdict(report: "Calibration") -> str:
    blanks, parts = report.blanks, []
    if report.limit_judgement is not None:
        at = report.at_limit
        share = f"{at.observed:.1%}" if at.observed is not None else "none"
        inside = "." if report.share_within is None else f"{report.share_within:.0%}"
        parts.append(
            f"LoD95 {report.limit_judgement}: {share} of {at.trials} trials at 1 to {at.high:g} times LoD95 called "
            f"({at.observed_low:.1%} to {at.observed_high:.1%}); {inside} of the bins within"
        )
    parts.append(
        f"false positives {blanks.per_mb:.3g} per Mb ({blanks.per_mb_low:.3g} to {blanks.per_mb_high:.3g}; stated "
        f"{blanks.stated_per_mb:.3g}) {report.blank_judgement}"
    )
    return f"{report.judgement} | " + " | ".join(parts)


@click.command("calibrate", cls=options.ManyValues)
@click.option(
    "--base", "bases", type=click.Path(path_type=Path), multiple=True, required=True,
    help="Consensus BAM to dilute into, and to look for false positives in; several may follow.",
)  # fmt: skip
@options.input_path("--spike", "Consensus BAM of another donor, whose molecules are mixed in.", required=False)
@options.input_path("--truth", "VCF or table (contig, pos1, ref, alt) of the spike's alleles.", required=False)
@click.option("--from-germline", is_flag=True, help="Follow the spike's own germline alleles.")
@options.input_path(
    "--known", "VCF or table of alleles that the bases hold: calls of them are not false.", required=False
)
@options.input_path("--reference", "FASTA that the reads were aligned to.")
@calling.file_options()
@options.output_path("--output", "Report to write, as JSON.")
@options.output_path("--table", "Bins of VAF over LoD95 to write, tab-separated.", required=False)
@options.output_path("--trials", "Every trial to write, tab-separated.", required=False)
@options.output_path("--plot", "Chart to write, as SVG.", required=False)
@click.option(
    "--fractions", type=_Numbers(0.5),
    help="Shares of the molecules that come from the spike, as 0.001,0.002. Default: see --multiples.",
)  # fmt: skip
@click.option(
    "--multiples", type=_Numbers(), default=_MULTIPLES,
    help="Without --fractions: lay the median allele at so many times its LoD95. Default: 0.3 to 2.",
)  # fmt: skip
@click.option(
    "--depths", type=_Numbers(), help="Mean molecules per site to thin to, as 1000,2000. Default: no thinning."
)
@click.option(
    "--replicates", type=click.IntRange(min=1), default=10, show_default=True,
    help="Mixes of each base, depth and fraction; unmixed samples per base and depth, as far as none share a molecule.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Seed of the draws.")
@click.option("--ratio-edges", type=_Numbers(), default=_EDGES, help="Edges of the bins of VAF over LoD95, rising.")
@click.option(
    "--at-limit", type=click.FloatRange(1, min_open=True), default=1.25, show_default=True,
    help="Trials at 1 to so many times their LoD95 show whether it catches 95 in 100.",
)  # fmt: skip
@click.option(
    "--min-trials", type=click.IntRange(min=1), default=50, show_default=True, help="Judge no bin of fewer trials."
)
@click.option(
    "--confidence", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95, show_default=True,
    help="Level of all intervals.",
)  # fmt: skip
@click.option(
    "--max-drawn-share", type=click.FloatRange(0, 1, min_open=True), default=0.25, show_default=True,
    help="Refuse mixes that take more of the spike's molecules.",
)  # fmt: skip
@click.option(
    "--p-levels", type=_Numbers(1.0), default=_LEVELS, help="Levels at which p-values of unmixed samples are counted."
)
@calling.call_settings()
@options.kit()
@options.threads()
@click.pass_context
def command(ctx: click.Context, /, **given: object) -> None:
    """Check by dilution that the stated LoD95 catches 95 in 100, and that false positives stay under the stated rate.

    Molecules of the spike are mixed into each base in memory: each stands in for a base molecule of the same place and
    tier, drawn by a hash of its name, the replicate and the seed. Every mix is called as `ctdna call` calls. Without a
    spike only the bases are called. The last line of the output says: holds, does not hold, or too few data to say.
    """
    values = ctx.params
    _check_spike(values["spike"], values["truth"], values["from_germline"])
    _run(ctx)


def _calibrate_params(ctx: click.Context) -> CalibrateParams:
    values: dict[str, Any] = {name: ctx.params[name] for name in CalibrateParams.model_fields}
    values |= {name: () for name in ("fractions", "depths") if values[name] is None}
    edges = values["ratio_edges"]
    if list(edges) != sorted(set(edges)):
        raise InputError(None, "--ratio-edges", f"found {','.join(map(str, edges))}", "give rising numbers")
    return CalibrateParams(**values)


def _run(ctx: click.Context) -> None:
    from ctdna.kit.load import load_kit
    from ctdna.stages.calibrate import calibrate

    values = ctx.params
    kit_name: str | None = values["kit_name"]
    kit = load_kit(kit_name) if kit_name else None
    params, plan = calling.call_params(ctx, kit, kit_name), _calibrate_params(ctx)
    named = {field: values["targets" if field == "panel" else field] for field in calling.Files._fields}
    files = calling.find_files(kit, kit_name, named)
    bams: list[Path] = [*values["bases"], *([values["spike"]] if values["spike"] else [])]
    if len(set(bams)) < len(bams):
        raise InputError(None, "--base", "a BAM is named twice", "name each sample once")
    ground = calling.lay_ground(bams[0], values["reference"], files.panel)
    rules = _rules(ground, params, kit, files, values["threads"])
    truth = _alleles(values["truth"], ground) if values["truth"] else None
    known = _alleles(values["known"], ground) if values["known"] else []
    sources = _sources(bams, ground, params, values["threads"])
    spike = sources.pop() if values["spike"] else None
    done = calibrate(sources, spike, truth, known, rules, plan)
    _write(done, values["output"], values["table"], values["trials"], values["plot"])
    click.echo(_verdict(done.report))
