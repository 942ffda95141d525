"""The short way's middle: pairs and the alignments of their representatives, brought together as both come."""

from collections.abc import Iterable, Iterator

import numpy as np

from ctdna.cli.ahead import Inbox
from ctdna.formats.overflow import OverflowQueue
from ctdna.model.columns import FastqColumns, RawRecords
from ctdna.model.errors import ProgramError
from ctdna.stages.align import added, count_aligned, no_counts
from ctdna.stages.collapse import Alignments, Waiting, own_representatives, reads_of

Arrivals = Inbox[Waiting | RawRecords]
"""Where pairs come in from FASTQ, and records from the aligner."""
ARRIVALS_AHEAD = 8


class PairQueue:
    """Pairs that wait, in the order of their coming."""

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


def doubtful_reads(doubtful: PairQueue, arrivals: Arrivals) -> Iterator[FastqColumns]:
    """Yield the reads of doubtful pairs, to be aligned themselves; the pairs come in as their own representatives."""
    n = 0
    while (pairs := doubtful.get()) is not None and arrivals.put(own_representatives(pairs, n)):
        n += pairs.n_pairs
        yield reads_of(pairs)


class Spreading:
    """Pairs that get the alignments of their representatives."""

    def __init__(self, late: PairQueue, doubtful: PairQueue, n_kept: int) -> None:
        """Take the queue of pairs that must wait, that of doubtful pairs, and how many representatives are kept."""
        self._late, self._doubtful = late, doubtful
        self._alignments = Alignments(n_kept)
        self.counts = no_counts()
        self.n_doubtful = 0

    def records(self, arrivals: Iterable[Waiting | RawRecords]) -> Iterator[RawRecords]:
        """Yield the records of pairs as they and the aligner's batches come; read 1 and read 2 stand together.

        Which pairs come first depends on how fast the aligner is; the order of the doubtful pairs does not.

        Raises:
            ProgramError: the aligner returned fewer reads than it got.
        """
        for some in arrivals:
            if isinstance(some, RawRecords):
                self._alignments.add(some)
                yield from self._come_true()
            else:
                yield self._counted(self._first_look(some))
        if (pairs := self._late.peek()) is not None:
            what = f"returned {self._alignments.n_aligned} read pairs, {pairs.n_needed} or more were given"
            raise ProgramError(None, "bwa mem", what, "run again; report it if it stays")

    def _first_look(self, pairs: Waiting) -> RawRecords:
        """Return the records of the pairs that need not wait.

        While pairs wait that came before, the doubtful ones wait as well, to keep their order.
        """
        if self._late.peek() is None and pairs.n_needed <= self._alignments.n_aligned:
            return self._spread(pairs)
        records, left = self._alignments.spread_ready(pairs)
        self._late.put(left)
        return records

    def _come_true(self) -> Iterator[RawRecords]:
        while (pairs := self._late.peek()) is not None and pairs.n_needed <= self._alignments.n_aligned:
            self._late.get()
            yield self._counted(self._spread(pairs))

    def _spread(self, pairs: Waiting) -> RawRecords:
        records, doubtful = self._alignments.spread(pairs)
        self._doubtful.put(doubtful)
        self.n_doubtful += doubtful.n_pairs
        return records

    def _counted(self, records: RawRecords) -> RawRecords:
        self.counts = added(self.counts, count_aligned(records))
        return records
