"""`ctdna realign`: consensus reads onto the reference, with all their tags."""

from collections.abc import Iterator
from contextlib import contextmanager
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
    from ctdna.model.columns import FastqColumns, RawRecords
    from ctdna.stages.align import AlignedCounts


class Source:
    """The consensus reads, pairs first, then fragments; read once for the aligner and once for the tags."""

    def __init__(self, path: Path) -> None:
        from ctdna.formats.bam import read_header

        self._path = path
        self.header = read_header(path)
        self.n_reads = 0

    def _templates(self) -> "Iterator[tuple[RawRecords, RawRecords]]":
        from ctdna.formats.bam import iter_records
        from ctdna.stages.align import whole_templates
        from ctdna.stages.realign import pairs_and_fragments

        _, batches = iter_records(self._path)
        for records in whole_templates(batches):
            with options.located(self._path):
                templates = pairs_and_fragments(records)
            yield templates

    def records(self) -> "Iterator[RawRecords]":
        """Yield all pairs, then all fragments: bwa pairs neighbours within a chunk of an even number of reads."""
        has_fragments = False
        for pairs, fragments in self._templates():
            has_fragments = has_fragments or len(fragments) > 0
            if len(pairs):
                yield pairs
        if has_fragments:
            yield from (fragments for _, fragments in self._templates() if len(fragments))

    def reads(self) -> "Iterator[FastqColumns]":
        """Yield the reads, counted."""
        from ctdna.stages.realign import to_reads

        for records in self.records():
            self.n_reads += len(records)
            with options.located(self._path):
                reads = to_reads(records)
            yield reads


class _Tags:
    """The consensus records whose aligned ones are still to come."""

    def __init__(self, source: Source) -> None:
        self._source = source.records()
        self._waiting: RawRecords | None = None

    def onto(self, aligned: "RawRecords", n_primary: int) -> "RawRecords":
        """Return the aligned records of whole templates with the tags of their reads."""
        from ctdna.stages.align import joined
        from ctdna.stages.realign import carry_tags, without_first

        while self._waiting is None or len(self._waiting) < n_primary:
            more = next(self._source, None)
            if more is None:
                break
            self._waiting = more if self._waiting is None else joined(self._waiting, more)
        assert self._waiting is not None
        records, n_used = carry_tags(aligned, self._waiting)
        self._waiting = without_first(self._waiting, n_used)
        return records


def realigned_header(aligned: "BamHeader", source: "BamHeader", bwa: "Bwa") -> "BamHeader":
    """Return the source's header with the contigs of the aligner."""
    from ctdna.formats.bam import BamHeader

    kept = [line for line in source.text.splitlines() if not line.startswith(("@SQ", "@HD"))]
    contigs = [line for line in aligned.text.splitlines() if line.startswith("@SQ")]
    header = BamHeader("\n".join([*contigs, *kept]) + "\n", aligned.contigs).with_order("unsorted", "query")
    return header.with_program("bwa", "bwa", bwa.version).with_program("ctdna-realign", "ctdna", __version__)


@contextmanager
def realign_stream(
    bwa: "Bwa", words: tuple[str, ...], source: Source, threads: int, kit: "LoadedKit | None"
) -> "Iterator[tuple[BamHeader, Iterator[tuple[RawRecords, AlignedCounts]]]]":
    """Yield the header of the aligned reads, and their records with all tags, batch by batch with their counts."""
    from ctdna.formats.bwa import align_stream

    with align_stream(bwa, words, source.reads(), threads) as (header, batches):
        aligner.check_contigs(bwa.reference, header, kit)
        yield realigned_header(header, source.header, bwa), _tagged(batches, source)


def _tagged(batches: "Iterator[RawRecords]", source: Source) -> "Iterator[tuple[RawRecords, AlignedCounts]]":
    from ctdna.stages.align import add_mate_tags, count_aligned, whole_templates

    n_primary, tags = 0, _Tags(source)
    for records in whole_templates(batches):
        found = count_aligned(records)
        n_primary += found.n_primary
        yield add_mate_tags(tags.onto(records, found.n_primary)), found
    if n_primary != source.n_reads:
        what = f"returned {n_primary} of {source.n_reads} reads"
        raise ProgramError(None, "bwa mem", what, "run again; report it if it stays")


def _realign(
    bwa: "Bwa",
    words: tuple[str, ...],
    source: Source,
    output: Path,
    threads: int,
    level: int,
    kit: "LoadedKit | None",
) -> "AlignedCounts":
    from ctdna.formats.bam import BamWriter
    from ctdna.stages.align import added, no_counts

    counts = no_counts()
    with (
        realign_stream(bwa, words, source, threads, kit) as (header, batches),
        BamWriter(output, header, threads, level) as writer,
    ):
        for records, found in batches:
            counts = added(counts, found)
            writer.write(records)
    return counts


@click.command("realign")
@options.input_path("--input", "Unaligned consensus BAM: R1 then R2 of each molecule, or unpaired reads.")
@options.input_path("--reference", "Reference FASTA with the index files of bwa beside it.")
@options.output_path("--output", "BAM to write, in the aligner's order: reads of one name stand together.")
@options.output_path(
    "--metrics", "Counts of reads, alignments, insert sizes and mapping qualities, as JSON.", required=False
)
@click.option("--sample", help="Sample id for the metrics; else the first read group's SM.")
@aligner.option
@options.kit()
@options.compression_level()
@options.threads()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input: Path,
    reference: Path,
    output: Path,
    metrics: Path | None,
    sample: str | None,
    kit_name: str | None,
    compression_level: int,
    threads: int,
    **_: object,
) -> None:
    """Align consensus reads and carry their tags over.

    Every tag of the unaligned read stands on each of its alignments. On reverse-strand alignments the per-base tags
    (cd ce ad ae bd be aq bq) are reversed, ac and bc reverse-complemented. Mates carry MC and MQ. Pairs come first,
    then unpaired reads; every read that comes in goes out.
    """
    kit = aligner.load(kit_name)
    params = aligner.settings(ctx, kit)
    bwa = aligner.find_bwa(reference)
    from ctdna.formats.documents import write_json
    from ctdna.stages.align import aligned_metrics

    source = Source(input)
    counts = _realign(bwa, ("-p", *params.options), source, output, threads, compression_level, kit)
    if metrics:
        names = [group["SM"] for group in source.header.lines("RG") if "SM" in group]
        name = sample or (names[0] if names else "")
        write_json(metrics, aligned_metrics("realign", name, counts, source.n_reads, {}))
