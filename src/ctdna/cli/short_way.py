"""From FASTQ to consensus reads with each distinct template aligned once: the flow of `ctdna consensus-from-fastq`.

A thread reads, extracts and collapses; it feeds the aligner with representatives and hands all pairs on. They are given
their representative's alignment, at once or when it comes back, and grouped; the few that might be aligned otherwise
are aligned themselves. Then the families are called, and the consensus reads inherit their alignment or are aligned
again.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ctdna import __version__
from ctdna.cli import aligner, options, realign
from ctdna.cli.ahead import ahead
from ctdna.cli.align import aligned_header
from ctdna.cli.consensus import consensus_header, name_prefix
from ctdna.cli.filtering import Arrived, Filtering, fetched
from ctdna.cli.grouping import Grouping
from ctdna.cli.spreading import ARRIVALS_AHEAD, Arrivals, PairQueue, Spreading, doubtful_reads
from ctdna.formats.atomic import work_folder
from ctdna.formats.bam import BamHeader, BamWriter
from ctdna.formats.bam_sort import CoordinateSorter
from ctdna.formats.bed import read_bed
from ctdna.formats.bwa import Bwa, align_stream
from ctdna.formats.fasta import Reference
from ctdna.formats.fastq import iter_pairs
from ctdna.formats.overflow import OverflowQueue
from ctdna.kernels.record import same_name_as_previous
from ctdna.kit.load import LoadedKit
from ctdna.model.columns import FastqColumns, RawRecords
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.align import AlignParams
from ctdna.model.params.consensus import ConsensusParams, FilterParams
from ctdna.model.params.extract import ExtractParams
from ctdna.model.params.group import GroupParams
from ctdna.model.qc import TargetYield
from ctdna.stages import extract
from ctdna.stages.align import added, aligned_metrics, count_aligned, no_counts, whole_templates
from ctdna.stages.collapse import (
    MAX_REPRESENTATIVES,
    REPRESENTATIVE_BYTES,
    Collapser,
    reads_of,
)
from ctdna.stages.consensus import ConsensusCaller, Naming
from ctdna.stages.group import ReadGroups
from ctdna.stages.inherit import REASONS, Cells, inherit
from ctdna.stages.saturation import target_yields

BATCH_PAIRS = 6_000
BATCHES_AHEAD = 4
"""Batches that are collapsed while the aligner is busy with those before."""
CHUNK_BASES = 500_000
"""Bases of representatives that the aligner takes at once: with fewer, fewer pairs wait for theirs."""


class Source(NamedTuple):
    """The reads and how their UMIs are taken out."""

    r1: Path
    r2: Path
    setup: extract.Plan


class Reads:
    """Pairs on their way from FASTQ: all are handed on, representatives go to the aligner as well."""

    def __init__(self, source: Source, arrivals: Arrivals, threads: int) -> None:
        self._source, self._arrivals, self._threads = source, arrivals, threads
        self._collapser = Collapser()
        self._tally = extract.no_reads(source.setup)

    def __iter__(self) -> Iterator[FastqColumns]:
        """Yield the reads to align."""
        with ahead(iter_pairs(self._source.r1, self._source.r2, 1, BATCH_PAIRS), self._threads) as read:
            for pair in read:
                with options.located(self._source.r1):
                    (one, two), some = extract.extract(pair, self._source.setup)
                self._tally = self._tally.plus(some)
                pairs, new = self._collapser.collapse(one, two)
                if not self._arrivals.put(pairs):
                    return
                if new.n_pairs:
                    yield reads_of(new)

    @property
    def n_representatives(self) -> int:
        """Return the representatives that are remembered."""
        return min(self._collapser.n_representatives, MAX_REPRESENTATIVES)

    def metrics(self, sample: str) -> tuple[StageMetrics, StageMetrics]:
        """Return the counts of extract and of collapse."""
        return extract.metrics(self._tally, self._source.setup, sample), self._collapser.metrics(sample)


def names_apart(reads: Iterator[FastqColumns], source: Path) -> Iterator[FastqColumns]:
    """Yield reads again, read 1 and read 2 of each pair in turn.

    Raises:
        InputError: two neighbours have one name: in what the aligner returns, they could not be told apart.
    """
    last = b""
    for some in reads:
        at, sizes = some.name_offsets[:-1:2], np.diff(some.name_offsets)[::2].astype(np.int32)
        ends = [some.names[at[i] : at[i] + sizes[i]].tobytes() for i in (0, -1)]
        is_same = same_name_as_previous(some.names, at.copy(), sizes)
        is_same[0] = ends[0] == last
        if is_same.any():
            i = int(is_same.argmax())
            name = some.names[at[i] : at[i] + sizes[i]].tobytes().decode(errors="replace")
            raise InputError(source, f"read {name}", "two read pairs have this name", "give each a name of its own")
        last = ends[1]
        yield some


class Inheritance:
    """Consensus reads divided into those that inherit an alignment and those to align again."""

    def __init__(self, reference: Reference, header: BamHeader, is_duplex: bool) -> None:
        self._reference, self._header, self._is_duplex = reference, header, is_duplex
        self._cells = Cells()
        self.by_reason = np.zeros(len(REASONS), dtype=np.int64)

    def noted(self, batches: Iterator[RawRecords]) -> Iterator[RawRecords]:
        """Yield grouped batches again, after noting their alignments."""
        for batch in batches:
            self._cells.add(batch)
            yield batch

    def divide(self, called: RawRecords) -> tuple[RawRecords, RawRecords]:
        """Return the aligned records of the pairs that inherit, and the records to align again."""
        found = self._cells.candidates(called, self._header.lengths, self._is_duplex)
        placed, rest, counts = inherit(found, fetched(self._reference, self._header, found.stretches))
        self.by_reason += counts
        return placed, rest


def filtered(called: Iterator[RawRecords], filtering: Filtering) -> Iterator[RawRecords]:
    """Yield the consensus reads that are good enough."""
    for records in called:
        arrived = Arrived(records, np.arange(len(records), dtype=np.int64))
        yield filtering.kept(arrived, is_reversed=False).records


class Settings(NamedTuple):
    """The parameters of every stage."""

    extract: ExtractParams
    umis: Path | None
    """List of fixed UMIs."""
    align: AlignParams
    group: GroupParams
    consensus: ConsensusParams
    filter: FilterParams


class Files(NamedTuple):
    """What is read and written."""

    r1: Path
    r2: Path
    output: Path


_LEAST_FOR_PAIRS = 64 << 20
"""Bytes that the grouping holds at least, however many representatives there are."""


class Run(NamedTuple):
    """What changes no base and no quality of the consensus reads."""

    sample: str
    has_loss_tags: bool
    max_memory: int
    """Bytes of the whole process."""
    threads: int
    level: int
    """Of deflating the output."""


class _Shares(NamedTuple):
    """How the memory for data is divided, in bytes."""

    queue: int
    """Of each of three; two fill at a time."""
    group: int
    pairs: int
    """Of the grouping and the representatives together, while pairs come."""
    sort: int
    """While consensus reads are sorted, there are neither representatives nor queues."""


def _shares(memory: int) -> _Shares:
    left = memory - MAX_REPRESENTATIVES * REPRESENTATIVE_BYTES
    pairs = max(left // 3, MAX_REPRESENTATIVES * REPRESENTATIVE_BYTES + _LEAST_FOR_PAIRS)
    return _Shares(left // 64, left * 6 // 5, pairs, memory // 4)


def _left_for_pairs(pairs: int, n_representatives: int) -> int:
    """Return the bytes that the grouping may hold beside so many representatives: together always as many."""
    return max(pairs - n_representatives * REPRESENTATIVE_BYTES, _LEAST_FOR_PAIRS)


def _plan(settings: Settings) -> extract.Plan:
    from ctdna.cli.extract import read_umis

    return extract.plan(settings.extract, read_umis(settings.umis) if settings.umis else None)


class _Job:
    """One run, from FASTQ to the filtered BAM."""

    def __init__(self, files: Files, bwa: Bwa, settings: Settings, kit: LoadedKit | None, run: Run) -> None:
        self._files, self._bwa, self._settings, self._kit = files, bwa, settings, kit
        self._run, self._sample, self._threads = run, run.sample, run.threads
        self._shares = _shares(options.working_memory(run.max_memory, run.threads))
        self._folder, self._header = Path(), BamHeader.of_contigs(())
        self.metrics: list[StageMetrics] = []

    def run(self) -> tuple[TargetYield, ...]:
        """Write the output; return the molecules by target, where there is a kit."""
        settings = self._settings
        with work_folder(self._files.output) as self._folder, ExitStack() as stack:
            reference = stack.enter_context(Reference(self._bwa.reference))
            panel = self._kit.path(self._kit.definition.files.panel) if self._kit else None
            targets = read_bed(panel, reference.contigs) if panel else None
            groups, shares = ReadGroups((), ()), self._shares
            grouping = stack.enter_context(
                Grouping(settings.group, groups, self._sample, shares.group, self._folder, targets, self._threads)
            )
            header = self.group(grouping)
            new = realign.realigned_header(header, consensus_header(header, "A"), self._bwa)
            filtering = Filtering(self._files.output, new, reference, settings.filter, self._sample)
            last = new.with_program("ctdna-filter", "ctdna", __version__)
            sorter = CoordinateSorter(self._files.output, last, self._shares.sort, self._threads, self._run.level)
            stack.enter_context(sorter)
            called = stack.enter_context(ahead(self.call(grouping, header, reference), self._threads))
            for records in stack.enter_context(ahead(filtered(called, filtering), self._threads)):
                sorter.write(records)
            self.metrics.append(filtering.metrics())
            return target_yields(grouping.sums(), targets, header.contigs) if targets else ()

    def group(self, grouping: Grouping) -> BamHeader:
        """Fill the grouping with all pairs, aligned; return the header of the aligned reads."""
        source = Source(self._files.r1, self._files.r2, _plan(self._settings))
        with ExitStack() as stack:
            late, doubtful, own = (
                PairQueue(stack.enter_context(OverflowQueue(self._folder, self._shares.queue))) for _ in range(3)
            )
            arrivals, again = (Arrivals(ARRIVALS_AHEAD) for _ in range(2))
            reads = Reads(source, arrivals, self._threads)
            first, second = Spreading(late, doubtful, MAX_REPRESENTATIVES), Spreading(own, doubtful, 0)
            self._spread(iter(reads), arrivals, first, grouping, reads)
            if first.n_doubtful:
                grouping.pause()
                self._spread(doubtful_reads(doubtful, again), again, second, grouping, reads)
        extracted, collapsed = reads.metrics(self._sample)
        n_reads, n_aligned = 2 * extracted.n_out, collapsed.counts["representatives"] + first.n_doubtful
        more = {"comments_dropped": 0, "aligned_pairs": n_aligned, "doubtful_pairs": first.n_doubtful}
        counts = added(first.counts, second.counts)
        self.metrics += [extracted, collapsed, aligned_metrics("align", self._sample, counts, n_reads, more)]
        return aligned_header(self._header, self._bwa, self._sample)

    def _spread(
        self,
        reads: Iterator[FastqColumns],
        arrivals: Arrivals,
        spreading: Spreading,
        grouping: Grouping,
        source: Reads,
    ) -> None:
        """Align reads, and give the pairs that they stand for to the grouping."""
        with (
            ahead(names_apart(reads, self._files.r1), self._threads, BATCHES_AHEAD) as made,
            arrivals.with_all(self._aligned(made)) as come,
        ):
            for records in spreading.records(come):
                grouping.hold(_left_for_pairs(self._shares.pairs, source.n_representatives))
                grouping.add(records)

    def _aligned(self, reads: Iterator[FastqColumns]) -> Iterator[RawRecords]:
        """Yield the aligner's records of whole templates; note its header."""
        words = ("-p", *self._settings.align.options)
        with align_stream(self._bwa, words, reads, self._threads, CHUNK_BASES) as (self._header, batches):
            aligner.check_contigs(self._bwa.reference, self._header, self._kit)
            yield from whole_templates(batches)

    def call(self, grouping: Grouping, header: BamHeader, reference: Reference) -> Iterator[RawRecords]:
        """Yield the aligned consensus reads: those that inherit, then those aligned again."""
        settings, rest = self._settings.consensus, self._folder / "rest.bam"
        naming = Naming(name_prefix(header), "A")
        caller = ConsensusCaller(settings, naming, self._threads, self._run.has_loss_tags)
        counts = no_counts()
        own = consensus_header(header, "A")
        with BamWriter(rest, own, self._threads, 1) as writer, ahead(grouping.batches(), self._threads) as grouped:
            inheritance = Inheritance(reference, header, settings.mode == "duplex")
            for called in caller.call(inheritance.noted(grouped)):
                placed, again = inheritance.divide(called)
                writer.write(again)
                counts = added(counts, count_aligned(placed))
                if len(placed):
                    yield placed
        words = ("-p", *self._settings.align.options)
        n_inherited = counts.n_primary
        source = realign.Source(rest)
        with realign.realign_stream(self._bwa, words, source, self._threads, self._kit) as (_, batches):
            for records, found in batches:
                counts = added(counts, found)
                yield records
        self.metrics += [grouping.metrics(), caller.metrics(self._sample)]
        by_reason = zip(REASONS[1:], inheritance.by_reason[1:].tolist(), strict=True)
        more = {"inherited": n_inherited} | {f"aligned_again_{reason}": n for reason, n in by_reason}
        n_reads = n_inherited + source.n_reads
        self.metrics.append(aligned_metrics("realign", self._sample, counts, n_reads, more))


def run(
    files: Files, bwa: Bwa, settings: Settings, kit: LoadedKit | None, how: Run
) -> tuple[list[StageMetrics], tuple[TargetYield, ...]]:
    """Write the filtered consensus reads of a sample; return the counts of every stage, and molecules by target.

    Raises:
        InputError: an input cannot be read or does not suit the settings, or an output cannot be written.
        ProgramError: the aligner failed.
    """
    job = _Job(files, bwa, settings, kit, how)
    yields = job.run()
    return job.metrics, yields
