"""From FASTQ to consensus reads with each distinct template aligned once: the flow of `ctdna consensus-from-fastq`.

A thread reads, extracts and collapses; it feeds the aligner with representatives and leaves all pairs in a queue. As
the alignments come back, the pairs are taken from the queue, given their representative's alignment, and grouped; the
few that might be aligned otherwise are aligned themselves. Then the families are called, and the consensus reads
inherit their alignment or are aligned again.
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
from ctdna.cli.filtering import Arrived, Filtering
from ctdna.cli.grouping import Grouping
from ctdna.formats.atomic import work_folder
from ctdna.formats.bam import BamHeader, BamWriter
from ctdna.formats.bam_sort import CoordinateSorter
from ctdna.formats.bed import read_bed
from ctdna.formats.bwa import Bwa, align_stream
from ctdna.formats.fasta import Reference
from ctdna.formats.fastq import iter_pairs
from ctdna.formats.overflow import OverflowQueue
from ctdna.kit.load import LoadedKit
from ctdna.model.columns import FastqColumns, RawRecords
from ctdna.model.errors import ProgramError
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
    Alignments,
    Collapser,
    Waiting,
    own_representatives,
    reads_of,
)
from ctdna.stages.consensus import ConsensusCaller, Naming
from ctdna.stages.group import ReadGroups
from ctdna.stages.inherit import REASONS, Cells, inherit
from ctdna.stages.saturation import target_yields

BATCH_PAIRS = 25_000
BATCHES_AHEAD = 4
"""Batches that are collapsed while the aligner is busy with those before."""
CHUNK_BASES = 500_000
"""Bases of representatives that the aligner takes at once: with fewer, fewer pairs wait for theirs."""


class Source(NamedTuple):
    """The reads and how their UMIs are taken out."""

    r1: Path
    r2: Path
    setup: extract.Plan


class PairQueue:
    """Pairs that wait for their representatives to be aligned, in the order of their coming."""

    def __init__(self, queue: OverflowQueue) -> None:
        self._queue = queue
        self._next: Waiting | None = None

    def put(self, pairs: Waiting) -> None:
        """Add pairs at the end."""
        if pairs.n_pairs:
            self._queue.put((*pairs[:-1], np.array([pairs.first], dtype=np.int64)))

    def peek(self) -> Waiting | None:
        """Return the pairs that come next, None where none wait."""
        if self._next is None:
            arrays = self._queue.get()
            self._next = None if arrays is None else Waiting._make((*arrays[:-1], int(arrays[-1][0])))
        return self._next

    def get(self) -> Waiting | None:
        """Return the pairs that come next and take them off, None where none wait."""
        pairs, self._next = self.peek(), None
        return pairs


class Reads:
    """Pairs on their way from FASTQ: representatives go to the aligner, all wait in a queue."""

    def __init__(self, source: Source, waiting: PairQueue, threads: int) -> None:
        self._source, self._waiting, self._threads = source, waiting, threads
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
                self._waiting.put(pairs)
                if new.n_pairs:
                    yield reads_of(new)

    @property
    def n_representatives(self) -> int:
        """Return the representatives that are remembered."""
        return min(self._collapser.n_representatives, MAX_REPRESENTATIVES)

    def metrics(self, sample: str) -> tuple[StageMetrics, StageMetrics]:
        """Return the counts of extract and of collapse."""
        return extract.metrics(self._tally, self._source.setup, sample), self._collapser.metrics(sample)


def doubtful_reads(doubtful: PairQueue, waiting: PairQueue) -> Iterator[FastqColumns]:
    """Yield the reads of doubtful pairs, to be aligned themselves; the pairs wait as their own representatives."""
    n = 0
    while (pairs := doubtful.get()) is not None:
        waiting.put(own_representatives(pairs, n))
        n += pairs.n_pairs
        yield reads_of(pairs)


class Spreading:
    """Waiting pairs with the alignments of their representatives."""

    def __init__(self, waiting: PairQueue, doubtful: PairQueue, n_kept: int) -> None:
        """Take how many representatives may be needed again."""
        self._waiting, self._doubtful = waiting, doubtful
        self._alignments = Alignments(n_kept)
        self.counts = no_counts()
        self.n_doubtful = 0

    def records(self, batches: Iterator[RawRecords]) -> Iterator[RawRecords]:
        """Yield the records of the pairs as the aligner's batches come; read 1 and read 2 stand together.

        Raises:
            ProgramError: the aligner returned fewer reads than it got.
        """
        for aligned in whole_templates(batches):
            self._alignments.add(aligned)
            yield from self._ready()
        yield from self._ready()
        if (pairs := self._waiting.peek()) is not None:
            what = f"returned {self._alignments.n_aligned} read pairs, {pairs.n_needed} or more were given"
            raise ProgramError(None, "bwa mem", what, "run again; report it if it stays")

    def _ready(self) -> Iterator[RawRecords]:
        while (pairs := self._waiting.peek()) is not None and pairs.n_needed <= self._alignments.n_aligned:
            self._waiting.get()
            records, doubtful = self._alignments.spread(pairs)
            self._doubtful.put(doubtful)
            self.n_doubtful += doubtful.n_pairs
            self.counts = added(self.counts, count_aligned(records))
            yield records


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
        names = [name for name, _ in self._header.contigs]
        places = zip(*(column.tolist() for column in found.stretches), strict=True)
        bases = [self._reference.fetch(names[contig], start0, end0) for contig, start0, end0 in places]
        placed, rest, counts = inherit(found, bases)
        self.by_reason += counts
        return placed, rest


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


_SPARE_REPRESENTATIVES = 250_000
"""So many do not make the grouping hold less."""
_LEAST_FOR_PAIRS = 64 << 20


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
    """Of the grouping's, what it holds while pairs come; less, the more representatives there are."""
    sort: int
    """While consensus reads are sorted, there are neither representatives nor queues."""


def _shares(memory: int) -> _Shares:
    left = memory - MAX_REPRESENTATIVES * REPRESENTATIVE_BYTES
    return _Shares(left // 16, left * 6 // 5, left // 3, memory // 4)


def _left_for_pairs(pairs: int, n_representatives: int) -> int:
    """Return the bytes that the grouping may hold beside so many representatives: together always as many."""
    together = pairs + _SPARE_REPRESENTATIVES * REPRESENTATIVE_BYTES
    return max(together - n_representatives * REPRESENTATIVE_BYTES, _LEAST_FOR_PAIRS)


def _plan(settings: Settings) -> extract.Plan:
    from ctdna.cli.extract import read_umis

    return extract.plan(settings.extract, read_umis(settings.umis) if settings.umis else None)


class _Job:
    """One run, from FASTQ to the filtered BAM."""

    def __init__(self, files: Files, bwa: Bwa, settings: Settings, kit: LoadedKit | None, run: Run) -> None:
        self._files, self._bwa, self._settings, self._kit = files, bwa, settings, kit
        self._run, self._sample, self._threads = run, run.sample, run.threads
        self._shares = _shares(options.working_memory(run.max_memory, run.threads))
        self._folder = Path()
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
                Grouping(settings.group, groups, self._sample, shares.group, self._folder, targets)
            )
            header = self.group(grouping)
            new = realign.realigned_header(header, consensus_header(header, "A"), self._bwa)
            filtering = Filtering(self._files.output, new, reference, settings.filter, self._sample)
            last = new.with_program("ctdna-filter", "ctdna", __version__)
            sorter = CoordinateSorter(self._files.output, last, self._shares.sort, self._threads, self._run.level)
            stack.enter_context(sorter)
            for records in stack.enter_context(ahead(self.call(grouping, header, reference), self._threads)):
                arrived = Arrived(records, np.arange(len(records), dtype=np.int64))
                sorter.write(filtering.kept(arrived, is_reversed=False).records)
            self.metrics.append(filtering.metrics())
            return target_yields(grouping.sums(), targets, header.contigs) if targets else ()

    def group(self, grouping: Grouping) -> BamHeader:
        """Fill the grouping with all pairs, aligned; return the header of the aligned reads."""
        source = Source(self._files.r1, self._files.r2, _plan(self._settings))
        with ExitStack() as stack:
            queues = [PairQueue(stack.enter_context(OverflowQueue(self._folder, self._shares.queue))) for _ in range(3)]
            reads = Reads(source, queues[0], self._threads)
            first = Spreading(queues[0], queues[1], MAX_REPRESENTATIVES)
            second = Spreading(queues[2], queues[1], 0)
            header = self._spread(iter(reads), first, grouping, reads)
            if first.n_doubtful:
                self._spread(doubtful_reads(queues[1], queues[2]), second, grouping, reads)
        extracted, collapsed = reads.metrics(self._sample)
        n_reads, n_aligned = 2 * extracted.n_out, collapsed.counts["representatives"] + first.n_doubtful
        more = {"comments_dropped": 0, "aligned_pairs": n_aligned, "doubtful_pairs": first.n_doubtful}
        counts = added(first.counts, second.counts)
        self.metrics += [extracted, collapsed, aligned_metrics("align", self._sample, counts, n_reads, more)]
        return aligned_header(header, self._bwa, self._sample)

    def _spread(
        self, aligned: Iterator[FastqColumns], spreading: Spreading, grouping: Grouping, reads: Reads
    ) -> BamHeader:
        """Align reads, and give the pairs that they stand for to the grouping; return the aligner's header."""
        words = ("-p", *self._settings.align.options)
        with (
            ahead(aligned, self._threads, BATCHES_AHEAD) as made,
            align_stream(self._bwa, words, made, self._threads, CHUNK_BASES) as (header, batches),
        ):
            aligner.check_contigs(self._bwa.reference, header, self._kit)
            for records in spreading.records(batches):
                grouping.hold(_left_for_pairs(self._shares.pairs, reads.n_representatives))
                grouping.add(records)
        return header

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
