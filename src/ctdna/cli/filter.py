"""`ctdna filter`: consensus reads and bases good enough to call from."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ctdna import __version__
from ctdna.cli import options
from ctdna.cli.checked import checked
from ctdna.model.params.consensus import FilterParams

if TYPE_CHECKING:
    from ctdna.cli.filtering import ArrivalWriter
    from ctdna.formats.bam import BamHeader
    from ctdna.formats.bam_sort import CoordinateSorter
    from ctdna.model.metrics import StageMetrics

SETTINGS = (
    "min_reads",
    "max_read_error_rate",
    "max_base_error_rate",
    "max_no_call_fraction",
    "min_base_quality",
    "min_mean_base_quality",
    "require_single_strand_agreement",
)


def params_of(ctx: click.Context, kit_name: str | None) -> FilterParams:
    """Return the kit's parameters, or those of the options.

    Raises:
        InputError: the options contradict the kit, or a value is not allowed.
    """
    if kit_name:
        from ctdna.kit.load import load_kit

        settings = load_kit(kit_name).definition.filter
        options.check_against_kit(kit_name, settings, options.given(ctx, *SETTINGS))
        return settings
    values: dict[str, Any] = {name: ctx.params[name] for name in SETTINGS}
    return checked(FilterParams, values)


class _Job(NamedTuple):
    """What one run of the command works on."""

    source: Path
    target: Path
    reference: Path | None
    params: FilterParams
    is_reversed: bool
    sample: str | None
    max_memory: int
    threads: int
    level: int

    def run(self, are_names_together: bool) -> "StageMetrics":
        """Write the filtered file.

        Raises:
            NamesApartError: `are_names_together`, but they are not.
        """
        from ctdna.cli.filtering import Filtering, arrivals
        from ctdna.formats.bam import iter_records
        from ctdna.formats.bam_sort import CoordinateSorter
        from ctdna.formats.fasta import Reference

        header, batches = iter_records(self.source, self.threads, options.batch_bytes(self.max_memory))
        name = self.sample or next((group["SM"] for group in header.lines("RG") if "SM" in group), "")
        memory = options.working_memory(self.max_memory, self.threads) // 2
        new = header.with_program("ctdna-filter", "ctdna", __version__)
        with ExitStack() as stack:
            opened = stack.enter_context(Reference(self.reference)) if self.reference else None
            arrived = stack.enter_context(arrivals(batches, self.target.parent, memory, are_names_together))
            writer = _writer(self.target, new, memory, self.threads, self.level)
            stack.enter_context(writer)
            filtering = Filtering(self.source, header, opened, self.params, name)
            for some in arrived:
                kept = filtering.kept(some, self.is_reversed)
                if isinstance(writer, CoordinateSorter):
                    writer.write(kept.records)
                else:
                    writer.write(kept.records, kept.numbers)
            return filtering.metrics()


def _writer(
    path: Path, header: "BamHeader", memory: int, threads: int, level: int
) -> "CoordinateSorter | ArrivalWriter":
    from ctdna.cli.filtering import ArrivalWriter
    from ctdna.formats.bam_sort import CoordinateSorter

    kind = CoordinateSorter if header.contigs else ArrivalWriter
    return kind(path, header, memory, threads, level)


def _filtered(job: _Job) -> "StageMetrics":
    from ctdna.cli.filtering import NamesApartError

    with suppress(NamesApartError):
        return job.run(are_names_together=True)
    return job.run(are_names_together=False)


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
@options.max_memory()
@options.compression_level()
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
    max_memory: int,
    compression_level: int,
    **_: object,
) -> None:
    """Filter consensus reads; sort and index them.

    Bases with too few or too many differing raw reads become N; reads with too few raw reads, too many errors or too
    many N go, and with a primary read its whole template. NM, MD and UQ of aligned reads are renewed where bases were
    masked. The rules are those of fgbio's FilterConsensusReads.
    """
    params = params_of(ctx, kit_name)
    from ctdna.formats.documents import write_json

    how = (max_memory, threads, compression_level)
    job = _Job(input, output, reference, params, reverse_per_base_tags, sample, *how)
    counts = _filtered(job)
    if metrics:
        write_json(metrics, counts)
    if counts.n_out == 0:
        why = ", ".join(f"{reason} {count}" for reason, count in counts.rejected.items() if count)
        click.echo(f"ctdna filter: warning: no read is left ({why or 'no reads came in'})", err=True)
