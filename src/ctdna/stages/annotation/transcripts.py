"""A transcript's own coordinates.

Oriented positions run in the transcript's direction: `o = pos0` on the plus strand and `o = -pos0` on the minus
strand. Base n of the spliced transcript is counted from 0.
"""

from bisect import bisect_right
from typing import NamedTuple

from ctdna.model.annotation import Transcript
from ctdna.stages.annotation.genome import Genome
from ctdna.stages.annotation.sequence import reverse_complement


class Coordinate(NamedTuple):
    """A base by the nearest base of the spliced transcript."""

    n: int
    """Negative before the transcript; from its length on behind it."""
    offset: int
    """0 in an exon; bases into the intron, behind (+) or before (-) base n."""


class MappedTranscript:
    """A transcript with its exons in its own direction."""

    def __init__(self, transcript: Transcript, genome: Genome) -> None:
        """Take the pinned transcript and the genome that it lies on."""
        self.transcript = transcript
        self.is_minus = transcript.strand == "-"
        self._genome = genome
        ordered = sorted((self.oriented(start0), self.oriented(end0 - 1)) for start0, end0 in transcript.exons)
        self.exons = [(min(pair), max(pair)) for pair in ordered]
        self.exons.sort()
        self._firsts = [first for first, _ in self.exons]
        self.n_starts = [0]
        for first, last in self.exons:
            self.n_starts.append(self.n_starts[-1] + last - first + 1)
        ends = (self.oriented(transcript.cds_start0), self.oriented(transcript.cds_end0 - 1))
        self.cds_start_n = self.coordinate(min(ends)).n
        self.cds_end_n = self.coordinate(max(ends)).n + 1
        self._spliced = ""

    def oriented(self, pos0: int) -> int:
        """Return the oriented position of a genomic one; the same function turns back."""
        return -pos0 if self.is_minus else pos0

    def exon_of(self, o: int) -> int:
        """Return the index of the exon that holds the position; -1 for none."""
        i = bisect_right(self._firsts, o) - 1
        return i if i >= 0 and o <= self.exons[i][1] else -1

    def coordinate(self, o: int) -> Coordinate:
        """Return the nearest base of the transcript; in the middle of an intron the one before it."""
        i = bisect_right(self._firsts, o) - 1
        if i < 0:
            return Coordinate(o - self._firsts[0], 0)
        first, last = self.exons[i]
        if o <= last or i + 1 == len(self.exons):
            return Coordinate(self.n_starts[i] + o - first, 0)
        behind, ahead = o - last, self._firsts[i + 1] - o
        if behind <= ahead:
            return Coordinate(self.n_starts[i + 1] - 1, behind)
        return Coordinate(self.n_starts[i + 1], -ahead)

    def label(self, o: int) -> str:
        """Return the position as HGVS writes it after `c.`: `123`, `-5`, `*3`, `123+1`."""
        n, offset = self.coordinate(o)
        if n < self.cds_start_n:
            base = f"-{self.cds_start_n - n}"
        elif n >= self.cds_end_n:
            base = f"*{n - self.cds_end_n + 1}"
        else:
            base = str(n - self.cds_start_n + 1)
        return f"{base}{offset:+d}" if offset else base

    @property
    def spliced(self) -> str:
        """Return the bases of all exons in the transcript's direction; `N` where the genome lacks them."""
        if not self._spliced:
            self._spliced = "".join(self._exon_bases(first, last) for first, last in self.exons)
        return self._spliced

    @property
    def coding(self) -> str:
        """Return the spliced bases from the start codon to the transcript's end."""
        return self.spliced[self.cds_start_n :]

    @property
    def n_coding(self) -> int:
        """Return the length of the CDS in bases."""
        return self.cds_end_n - self.cds_start_n

    def _exon_bases(self, first: int, last: int) -> str:
        chrom = self.transcript.contig
        if self.is_minus:
            return reverse_complement(self._genome.bases(chrom, -last, -first + 1))
        return self._genome.bases(chrom, first, last + 1)
