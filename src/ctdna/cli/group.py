"""`ctdna group`: aligned reads into UMI families."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import click

from ctdna import __version__
from ctdna.cli import options
from ctdna.model.errors import InputError
from ctdna.model.params.group import GroupParams, Strategy

if TYPE_CHECKING:
    from ctdna.formats.bam import BamHeader
    from ctdna.model.evidence import Targets
    from ctdna.model.metrics import StageMetrics
    from ctdna.model.qc import TargetYield
    from ctdna.stages.group import ReadGroups

SETTINGS = ("strategy", "edits", "min_mapq", "min_umi_length", "allow_inter_contig", "allow_mixed_umi_lengths")


def params_of(ctx: click.Context, kit_name: str | None) -> GroupParams:
    """Return the kit's parameters, or those of the options.

    Raises:
        InputError: the options contradict the kit or each other.
    """
    if kit_name:
        from ctdna.kit.load import load_kit

        settings = load_kit(kit_name).definition.group
        options.check_against_kit(kit_name, settings, options.given(ctx, *SETTINGS))
        return settings
    values = {name: ctx.params[name] for name in SETTINGS}
    strategy, edits = values["strategy"], values["edits"]
    if strategy is None:
        raise InputError(None, "--strategy", "no strategy is given", "give --strategy or --kit")
    if strategy == "identity":
        if edits and options.given(ctx, "edits"):
            raise InputError(None, "--edits", f"found {edits}; identity allows 0", "use --strategy edit or adjacency")
        values["edits"] = 0
    if strategy == "paired" and values["min_umi_length"] is not None:
        raise InputError(None, "--min-umi-length", "not with the paired strategy", "leave it out")
    if values["allow_mixed_umi_lengths"] and values["min_umi_length"] is not None:
        hint = "UMIs are cut to one length, or compared at their own: leave one out"
        raise InputError(None, "--allow-mixed-umi-lengths", "not with --min-umi-length", hint)
    return GroupParams(**values)


def _sample(header: "BamHeader", sample: str | None) -> str:
    names = [group["SM"] for group in header.lines("RG") if "SM" in group]
    return sample or (names[0] if names else "")


def histogram_text(sizes: dict[int, int]) -> str:
    """Return the table of family sizes, in fgbio's columns."""
    total = sum(sizes.values())
    lines = ["family_size\tcount\tfraction\tfraction_gt_or_eq_family_size"]
    left = total
    for size, count in sorted(sizes.items()):
        lines.append(f"{size}\t{count}\t{count / total:.6g}\t{left / total:.6g}")
        left -= count
    return "\n".join(lines) + "\n"


def _read_groups(header: "BamHeader") -> "ReadGroups":
    from ctdna.stages.group import ReadGroups

    lines = header.lines("RG")
    return ReadGroups(tuple(line.get("ID", "") for line in lines), tuple(line.get("LB", "") for line in lines))


def _is_in_order(header: "BamHeader") -> bool:
    """Return whether the header says that templates stand in the order of their places."""
    return any(line.get("SS", "").endswith("template-coordinate") for line in header.lines("HD"))


class _Job(NamedTuple):
    """What one run of the command works on."""

    source: Path
    target: Path
    params: GroupParams
    sample: str | None
    max_memory: int
    threads: int
    level: int
    panel: Path | None
    kit_name: str | None
    by_target: bool

    def run(self, in_order: bool) -> "tuple[StageMetrics, tuple[TargetYield, ...]]":
        """Write the grouped file; `in_order`: while reading, for input in the order of its places."""
        from ctdna.cli.grouping import Grouping
        from ctdna.formats.bam import BamWriter, iter_records
        from ctdna.stages.saturation import target_yields

        batch_bytes = options.batch_bytes(self.max_memory)
        header, batches = iter_records(self.source, self.threads, batch_bytes)
        memory = options.working_memory(self.max_memory, self.threads)
        has_panel = self.by_target or self.panel is not None or self.kit_name is not None
        targets = panel_targets(self.panel, self.kit_name, header) if has_panel else None
        new = header.with_order("unsorted", "query", "unsorted:template-coordinate")
        new = new.with_program("ctdna-group", "ctdna", __version__)
        with (
            Grouping(
                self.params, _read_groups(header), _sample(header, self.sample), memory, self.target.parent, targets
            ) as grouping,
            BamWriter(self.target, new, self.threads, self.level) as writer,
            options.located(self.source),
        ):
            for piece in grouping.stream(batches) if in_order else grouping.pieces(batches):
                writer.write(piece.records)
            yields = target_yields(grouping.sums(), targets, header.contigs) if targets else ()
            return grouping.metrics(), yields


def _grouped(job: _Job) -> "tuple[StageMetrics, tuple[TargetYield, ...]]":
    from ctdna.formats.bam import read_header
    from ctdna.formats.external_sort import OutOfOrderError

    if _is_in_order(read_header(job.source)):
        with suppress(OutOfOrderError):
            return job.run(in_order=True)
    return job.run(in_order=False)


def panel_targets(path: Path | None, kit_name: str | None, header: "BamHeader") -> "Targets":
    """Return the targets of the BED file, or those of the kit.

    Raises:
        InputError: there is neither, or the file does not fit the BAM's contigs.
    """
    from ctdna.formats.bed import read_bed

    if path is None:
        if kit_name is None:
            raise InputError(None, "--loci", "no targets are given", "give --panel or --kit")
        from ctdna.kit.load import load_kit

        kit = load_kit(kit_name)
        path = kit.path(kit.definition.files.panel)
    return read_bed(path, header.contigs)


def _warn(metrics: "StageMetrics") -> None:
    if metrics.n_out == 0:
        why = (
            ", ".join(f"{reason} {count}" for reason, count in metrics.rejected.items() if count) or "no reads came in"
        )
        click.echo(f"ctdna group: warning: no read is left ({why})", err=True)


@click.command("group")
@options.input_path("--input", "Aligned BAM with the UMIs in RX tags, in any order.")
@options.output_path("--output", "Grouped BAM to write: MI set, template-coordinate order.")
@click.option(
    "--strategy",
    type=click.Choice(get_args(Strategy)),
    help="identity: equal UMIs; edit: chains of UMIs within --edits; adjacency: such chains along falling counts; "
    "paired: adjacency for duplex UMIs, A-B and B-A being the two strands of one molecule.",
)
@click.option(
    "--edits",
    type=click.IntRange(0, 31),
    default=1,
    show_default=True,
    help="Most mismatches between two UMIs of one step; 0 with identity.",
)
@click.option(
    "--min-mapq",
    type=click.IntRange(0, 255),
    default=1,
    show_default=True,
    help="Reject templates with a mapped read of lower mapping quality.",
)
@click.option(
    "--min-umi-length",
    type=click.IntRange(1),
    help="Reject shorter UMIs, and compare those of one place over the shortest one's length. "
    "Without it all UMIs must have one length. Not with paired.",
)
@click.option(
    "--allow-inter-contig/--no-allow-inter-contig",
    default=True,
    show_default=True,
    help="Keep templates whose ends lie on two contigs.",
)
@click.option(
    "--allow-mixed-umi-lengths/--no-allow-mixed-umi-lengths",
    default=False,
    show_default=True,
    help="Take UMIs of any lengths, for kits whose UMIs differ in length; UMIs of which a half differs in length never "
    "match. Not with --min-umi-length.",
)
@options.output_path("--metrics", "Counts of reads in, out and rejected by reason, as JSON.", required=False)
@options.output_path("--histogram", "Table of family sizes, in fgbio's columns.", required=False)
@options.output_path("--loci", "Table of molecules, saturation and UMI collisions by target.", required=False)
@options.input_path("--panel", "BED file of the targets of --loci; without it the kit's.", required=False)
@click.option("--sample", help="Sample id for the metrics; else the first read group's SM.")
@options.kit()
@options.threads()
@options.max_memory()
@options.compression_level()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input: Path,
    output: Path,
    metrics: Path | None,
    histogram: Path | None,
    loci: Path | None,
    panel: Path | None,
    sample: str | None,
    kit_name: str | None,
    threads: int,
    max_memory: int,
    compression_level: int,
    **_: object,
) -> None:
    """Group aligned reads into UMI families.

    Reads come from one molecule if their templates have the same two unclipped outer ends and their UMIs agree as
    the strategy says. Every kept read gets the molecule's number in MI (12; 12/A and 12/B with paired). Secondary and
    supplementary records are left out; so are templates that are unmapped, of low mapping quality, not passing the
    filter, without their mate, or whose UMI holds an N; each is counted.
    """
    params = params_of(ctx, kit_name)
    from ctdna.formats.atomic import write_text
    from ctdna.formats.documents import write_json
    from ctdna.formats.yields import write_yields

    job = _Job(input, output, params, sample, max_memory, threads, compression_level, panel, kit_name, bool(loci))
    counts, yields = _grouped(job)
    if histogram:
        write_text(histogram, histogram_text(counts.histograms["family_size"]))
    if loci:
        write_yields(loci, yields)
    if metrics:
        write_json(metrics, counts)
    _warn(counts)
