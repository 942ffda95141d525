"""`ctdna group`: aligned reads into UMI families."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from ctdna import __version__
from ctdna.cli import options
from ctdna.model.errors import InputError
from ctdna.model.params.group import GroupParams, Strategy

if TYPE_CHECKING:
    from ctdna.formats.bam import BamHeader
    from ctdna.model.columns import RawRecords
    from ctdna.model.evidence import Targets
    from ctdna.model.metrics import StageMetrics
    from ctdna.stages.group import Grouped

RECORDS_AT_ONCE = 200_000
_SETTINGS = ("strategy", "edits", "min_mapq", "min_umi_length", "allow_inter_contig")


def _params(ctx: click.Context, kit_name: str | None) -> GroupParams:
    """Return the kit's parameters, or those of the options.

    Raises:
        InputError: the options contradict the kit or each other.
    """
    if kit_name:
        from ctdna.kit.load import load_kit

        settings = load_kit(kit_name).definition.group
        options.check_against_kit(kit_name, settings, options.given(ctx, *_SETTINGS))
        return settings
    values = {name: ctx.params[name] for name in _SETTINGS}
    strategy, edits = values["strategy"], values["edits"]
    if strategy is None:
        raise InputError(None, "--strategy", "no strategy is given", "give --strategy or --kit")
    if strategy == "identity":
        if edits and options.given(ctx, "edits"):
            raise InputError(None, "--edits", f"found {edits}; identity allows 0", "use --strategy edit or adjacency")
        values["edits"] = 0
    if strategy == "paired" and values["min_umi_length"] is not None:
        raise InputError(None, "--min-umi-length", "not with the paired strategy", "leave it out")
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


def _write(path: Path, header: "BamHeader", records: "RawRecords", grouped: "Grouped", threads: int) -> None:
    from ctdna.formats.bam import BamWriter
    from ctdna.stages.group import tag_records

    header = header.with_order("unsorted", "query", "unsorted:template-coordinate")
    with BamWriter(path, header.with_program("ctdna-group", "ctdna", __version__), threads) as writer:
        for start in range(0, len(grouped.records), RECORDS_AT_ONCE):
            writer.write(tag_records(records, grouped, start, start + RECORDS_AT_ONCE))


def _panel(path: Path | None, kit_name: str | None, header: "BamHeader") -> "Targets":
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
@options.output_path("--metrics", "Counts of reads in, out and rejected by reason, as JSON.", required=False)
@options.output_path("--histogram", "Table of family sizes, in fgbio's columns.", required=False)
@options.output_path("--loci", "Table of molecules, saturation and UMI collisions by target.", required=False)
@options.input_path("--panel", "BED file of the targets of --loci; without it the kit's.", required=False)
@click.option("--sample", help="Sample id for the metrics; else the first read group's SM.")
@options.kit()
@options.threads()
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
    **_: object,
) -> None:
    """Group aligned reads into UMI families.

    Reads come from one molecule if their templates have the same two unclipped outer ends and their UMIs agree as
    the strategy says. Every kept read gets the molecule's number in MI (12; 12/A and 12/B with paired). Secondary and
    supplementary records are left out; so are templates that are unmapped, of low mapping quality, not passing the
    filter, without their mate, or whose UMI holds an N; each is counted.
    """
    params = _params(ctx, kit_name)
    from ctdna.formats.atomic import write_text
    from ctdna.formats.bam import read_records
    from ctdna.formats.documents import write_json
    from ctdna.formats.yields import write_yields
    from ctdna.stages.group import ReadGroups, group
    from ctdna.stages.saturation import target_yields

    header, records = read_records(input, threads)
    lines = header.lines("RG")
    groups = ReadGroups(tuple(line.get("ID", "") for line in lines), tuple(line.get("LB", "") for line in lines))
    targets = _panel(panel, kit_name, header) if loci else None
    with options.located(input):
        grouped, counts = group(records, groups, params, _sample(header, sample), targets)
    _write(output, header, records, grouped, threads)
    if histogram:
        write_text(histogram, histogram_text(counts.histograms["family_size"]))
    if loci and targets:
        write_yields(loci, target_yields(grouped.sums, targets, header.contigs))
    if metrics:
        write_json(metrics, counts)
    _warn(counts)
