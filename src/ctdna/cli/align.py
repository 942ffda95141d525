"""`ctdna align`: reads onto the reference."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna import __version__
from ctdna.cli import aligner, options
from ctdna.model.errors import ProgramError

if TYPE_CHECKING:
    from ctdna.formats.bam import BamHeader
    from ctdna.formats.bwa import Bwa
    from ctdna.kit.load import LoadedKit
    from ctdna.model.columns import FastqColumns
    from ctdna.stages.align import AlignedCounts


class _Source:
    """The reads of the input files on their way to the aligner, counted."""

    def __init__(self, r1: Path, r2: Path | None) -> None:
        self._r1, self._r2 = r1, r2
        self.n_reads = 0
        self.n_dropped = 0

    def _single(self, path: Path) -> "Iterator[FastqColumns]":
        from ctdna.formats.fastq import iter_fastq
        from ctdna.stages.align import with_tag_comments

        n = 0
        for reads in iter_fastq(path):
            with options.located(path):
                kept, dropped = with_tag_comments(reads, n)
            n += len(reads)
            self._count(len(reads), dropped)
            yield kept

    def _pairs(self, r1: Path, r2: Path) -> "Iterator[FastqColumns]":
        from ctdna.formats.fastq import iter_pairs
        from ctdna.kernels.fastq import interleave
        from ctdna.stages.align import with_tag_comments

        n = 0
        for one, two in iter_pairs(r1, r2):
            with options.located(r1):
                one, dropped1 = with_tag_comments(one, n)
            with options.located(r2):
                two, dropped2 = with_tag_comments(two, n)
            n += len(one)
            self._count(2 * len(one), dropped1 + dropped2)
            yield interleave(one, two)

    def _count(self, n_reads: int, n_dropped: int) -> None:
        self.n_reads += n_reads
        self.n_dropped += n_dropped

    def reads(self) -> "Iterator[FastqColumns]":
        """Yield the reads; the two of a pair stand together."""
        return self._single(self._r1) if self._r2 is None else self._pairs(self._r1, self._r2)


def aligned_header(header: "BamHeader", bwa: "Bwa", sample: str) -> "BamHeader":
    """Return the aligner's header with the sample's read group and the programs that made the records."""
    group = f"@RG\tID:{sample}\tSM:{sample}\tLB:{sample}"
    ordered = header.with_order("unsorted", "query").with_read_groups((group,))
    return ordered.with_program("bwa", "bwa", bwa.version).with_program("ctdna-align", "ctdna", __version__)


def _align(
    bwa: "Bwa",
    words: tuple[str, ...],
    source: _Source,
    output: Path,
    sample: str,
    threads: int,
    level: int,
    kit: "LoadedKit | None",
) -> "AlignedCounts":
    from ctdna.formats.bam import BamWriter
    from ctdna.formats.bwa import align_stream
    from ctdna.stages.align import add_mate_tags, added, count_aligned, no_counts, whole_templates

    counts = no_counts()
    with align_stream(bwa, words, source.reads(), threads) as (header, batches):
        aligner.check_contigs(bwa.reference, header, kit)
        with BamWriter(output, aligned_header(header, bwa, sample), threads, level) as writer:
            for records in whole_templates(batches):
                counts = added(counts, count_aligned(records))
                writer.write(add_mate_tags(records))
            if counts.n_primary != source.n_reads:
                what = f"returned {counts.n_primary} of {source.n_reads} reads"
                raise ProgramError(None, "bwa mem", what, "run again; report it if it stays")
    return counts


@click.command("align")
@options.input_path("--r1", "FASTQ of the first reads: plain, gzipped or bgzipped.")
@options.input_path(
    "--r2", "FASTQ of the second reads, in the same order; without it the reads are single.", required=False
)
@options.input_path("--reference", "Reference FASTA with the index files of bwa beside it.")
@options.output_path("--output", "BAM to write, in the aligner's order: reads of one name stand together.")
@options.output_path(
    "--metrics", "Counts of reads, alignments, insert sizes and mapping qualities, as JSON.", required=False
)
@click.option("--sample", default="sample", show_default=True, help="Sample id for the read group and the metrics.")
@aligner.option
@options.kit()
@options.compression_level()
@options.threads()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    r1: Path,
    r2: Path | None,
    reference: Path,
    output: Path,
    metrics: Path | None,
    sample: str,
    kit_name: str | None,
    compression_level: int,
    threads: int,
    **_: object,
) -> None:
    """Align reads to the reference with bwa mem.

    Read comments that are SAM tags (RX:Z:..., as ctdna extract writes them) become tags; other comments are dropped
    and counted. Mates carry MC and MQ. Every read that comes in goes out, aligned or not.
    """
    aligner.check_sample(sample)
    kit = aligner.load(kit_name)
    params = aligner.settings(ctx, kit)
    bwa = aligner.find_bwa(reference)
    from ctdna.formats.documents import write_json
    from ctdna.stages.align import aligned_metrics

    source = _Source(r1, r2)
    group = f"@RG\\tID:{sample}\\tSM:{sample}\\tLB:{sample}"
    words = ("-C", "-R", group, *(("-p",) if r2 else ()), *params.options)
    counts = _align(bwa, words, source, output, sample, threads, compression_level, kit)
    if metrics:
        more = {"comments_dropped": source.n_dropped}
        write_json(metrics, aligned_metrics("align", sample, counts, source.n_reads, more))
