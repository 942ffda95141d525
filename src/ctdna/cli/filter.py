"""`ctdna filter`: consensus reads and bases good enough to call from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctdna import __version__
from ctdna.cli import options
from ctdna.cli.checked import checked
from ctdna.model.errors import InputError
from ctdna.model.params.consensus import FilterParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ctdna.formats.bam import BamHeader
    from ctdna.model.columns import RawRecords
    from ctdna.stages.filter import Filtered

_SETTINGS = (
    "min_reads",
    "max_read_error_rate",
    "max_base_error_rate",
    "max_no_call_fraction",
    "min_base_quality",
    "min_mean_base_quality",
    "require_single_strand_agreement",
)


def _params(ctx: click.Context, kit_name: str | None) -> FilterParams:
    """Return the kit's parameters, or those of the options.

    Raises:
        InputError: the options contradict the kit, or a value is not allowed.
    """
    if kit_name:
        from ctdna.kit.load import load_kit

        settings = load_kit(kit_name).definition.filter
        options.check_against_kit(kit_name, settings, options.given(ctx, *_SETTINGS))
        return settings
    values: dict[str, Any] = {name: ctx.params[name] for name in _SETTINGS}
    return checked(FilterParams, values)


def _fetch(
    reference: Path, header: "BamHeader", records: "RawRecords", filtered: "Filtered", source: Path
) -> "RawRecords":
    """Return the kept records, their tags renewed against the reference.

    Raises:
        InputError: the reference is not the one that the records were aligned to.
    """
    from ctdna.formats.fasta import Reference
    from ctdna.stages.filter import kept_records, stretches

    with options.located(source):
        found = stretches(records, filtered, header.lengths)
    with Reference(reference) as opened:
        known = dict(opened.contigs)
        for name, length in header.contigs:
            if known.get(name) != length:
                what = f"found {known.get(name, 'none')}, the BAM's header says {length} bases"
                raise InputError(reference, f"contig {name}", what, "give the reference the reads were aligned to")
        bases: list[NDArray[np.uint8]] = [
            opened.fetch(header.contigs[contig][0], start0, end0)
            for contig, start0, end0 in zip(
                found.contig.tolist(), found.start0.tolist(), found.end0.tolist(), strict=True
            )
        ]
    with options.located(reference):
        return kept_records(records, filtered, found, bases)


def _write(path: Path, header: "BamHeader", kept: "RawRecords", is_mapped: bool, threads: int) -> None:
    from ctdna.formats.bam import BamWriter
    from ctdna.formats.bam_sort import write_sorted

    header = header.with_program("ctdna-filter", "ctdna", __version__)
    if is_mapped:
        write_sorted(path, header, kept, threads)
        return
    with BamWriter(path, header, threads) as writer:
        writer.write(kept)


@click.command("filter", cls=options.ManyValues)
@options.input_path("--input", "BAM of consensus reads, unmapped or aligned, in any order.")
@options.output_path(
    "--output", "BAM to write. Aligned: in coordinate order, with .bai. Unmapped: in the input's order."
)
@options.input_path(
    "--reference", "FASTA that the reads are aligned to, with .fai; not needed for unmapped reads.", False
)
@click.option(
    "--min-reads",
    type=click.IntRange(0),
    multiple=True,
    default=(1,),
    show_default=True,
    help="Least raw reads of a read and of each base. Duplex: 1 to 3 numbers, for both strands together, the better "
    "strand, the worse strand.",
)
@click.option(
    "--max-read-error-rate",
    type=click.FloatRange(0, 1),
    multiple=True,
    default=(0.025,),
    show_default=True,
    help="Greatest rate of raw bases that differ from the consensus, over the read; 1 to 3 numbers.",
)
@click.option(
    "--max-base-error-rate",
    type=click.FloatRange(0, 1),
    multiple=True,
    default=(0.1,),
    show_default=True,
    help="The same for each base; 1 to 3 numbers.",
)
@click.option(
    "--max-no-call-fraction",
    type=click.FloatRange(0),
    default=0.2,
    show_default=True,
    help="Most N after masking: up to 1 a fraction of the read, above 1 a number of bases.",
)
@click.option("--min-base-quality", type=click.IntRange(0, 93), help="Bases below it become N; else none do.")
@click.option("--min-mean-base-quality", type=click.FloatRange(0, 93), help="Least mean quality, before masking.")
@click.option(
    "--require-single-strand-agreement", is_flag=True, help="Duplex: bases on which the strands differ become N."
)
@click.option(
    "--reverse-per-base-tags",
    is_flag=True,
    help="Turn round the per-base tags of reverse-strand reads first. Not after ctdna realign, which has done it.",
)
@options.output_path("--metrics", "Counts of reads in, out and rejected by reason, as JSON.", required=False)
@click.option("--sample", help="Sample id for the metrics; else the first read group's SM.")
@options.kit()
@options.threads()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input: Path,
    output: Path,
    reference: Path | None,
    reverse_per_base_tags: bool,
    metrics: Path | None,
    sample: str | None,
    kit_name: str | None,
    threads: int,
    **_: object,
) -> None:
    """Filter consensus reads; sort and index them.

    Bases with too few or too many differing raw reads become N; reads with too few raw reads, too many errors or too
    many N go, and with a primary read its whole template. NM, MD and UQ of aligned reads are renewed where bases were
    masked. The rules are those of fgbio's FilterConsensusReads.
    """
    params = _params(ctx, kit_name)
    from ctdna.formats.bam import read_records
    from ctdna.formats.documents import write_json
    from ctdna.stages.filter import filter_records, is_aligned

    header, records = read_records(input, threads)
    aligned = is_aligned(records)
    if aligned and reference is None:
        raise InputError(None, "--reference", "none is given, but the reads are aligned", "give their reference")
    name = sample or next((group["SM"] for group in header.lines("RG") if "SM" in group), "")
    with options.located(input):
        filtered, counts = filter_records(records, params, reverse_per_base_tags, name)
    if aligned and reference is not None:
        kept = _fetch(reference, header, records, filtered, input)
    else:
        from ctdna.stages.filter import kept_unaligned

        kept = kept_unaligned(records, filtered)
    _write(output, header, kept, aligned or bool(header.contigs), threads)
    if metrics:
        write_json(metrics, counts)
    if counts.n_out == 0:
        why = ", ".join(f"{reason} {count}" for reason, count in counts.rejected.items() if count)
        click.echo(f"ctdna filter: warning: no read is left ({why or 'no reads came in'})", err=True)
