"""Collapse: read pairs of one template found before the alignment, so that each distinct template is aligned once.

One pair of each cluster, the representative, goes to the aligner; the others get its alignment. Clusters only save the
aligner's work: which reads form a molecule is decided afterwards, by coordinates and UMI, as ever.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.collapse import (
    BASE_CODES,
    DIFFERENT,
    EXACT,
    N_REMEMBERED,
    N_REPRESENTATIVES,
    NEW,
    TOLERANT,
    Collapsed,
    collapse_pairs,
    new_clusters,
)
from ctdna.kernels.fastq import interleave
from ctdna.kernels.mates import template_bounds
from ctdna.kernels.record import ragged_offsets, read_bytes, record_fields, same_name_as_previous
from ctdna.kernels.spread import FORWARD, TURNED, Heads, are_doubtful, first_tags, spread_pairs, take_heads
from ctdna.model.columns import FastqColumns, RawRecords
from ctdna.model.errors import ProgramError
from ctdna.model.metrics import StageMetrics

MAX_REPRESENTATIVES = 1 << 21
"""Representatives that are remembered; read pairs that come later and are like none of them are aligned themselves."""
WORDS_PER_REPRESENTATIVE = 8
"""Room for packed bases: two reads of up to 124 bases. Longer ones leave room for fewer representatives."""
REPRESENTATIVE_BYTES = 260
"""Memory of one representative and its alignment, the packed bases included."""
_HEAD_BYTES = 44


class Waiting(NamedTuple):
    """Read pairs whose representatives are being aligned."""

    names: NDArray[np.uint8]
    name_offsets: NDArray[np.int64]
    umis: NDArray[np.uint8]
    umi_offsets: NDArray[np.int64]
    bases1: NDArray[np.uint8]
    quals1: NDArray[np.uint8]
    offsets1: NDArray[np.int64]
    bases2: NDArray[np.uint8]
    quals2: NDArray[np.uint8]
    offsets2: NDArray[np.int64]
    representative: NDArray[np.int64]
    """Number of each pair's representative, counted from the first of the run."""
    is_turned: NDArray[np.bool_]
    marks: NDArray[np.int64]
    """Pairs x 2: where the reads differ from their representative's near an end; see `kernels.collapse`."""
    first: int
    """Number that the next new representative had when these pairs came."""

    @property
    def n_pairs(self) -> int:
        """Return the number of pairs."""
        return len(self.representative)

    @property
    def n_needed(self) -> int:
        """Return how many representatives must be aligned before these pairs can be spread."""
        return int(self.representative.max()) + 1 if self.n_pairs else 0


class Collapser:
    """Finds representatives in a stream of read pairs; the result depends on the order of the pairs alone."""

    def __init__(self, max_representatives: int = MAX_REPRESENTATIVES) -> None:
        """Take the most representatives to remember."""
        self._clusters = new_clusters(max_representatives, WORDS_PER_REPRESENTATIVE * max_representatives)
        self._how = np.zeros(4, dtype=np.int64)

    @property
    def n_representatives(self) -> int:
        """Return the representatives found so far."""
        return int(self._clusters.state[N_REPRESENTATIVES])

    def collapse(self, one: FastqColumns, two: FastqColumns) -> tuple[Waiting, Waiting]:
        """Return the pairs with their representatives, and those of them that are new representatives.

        `one` and `two` are the two reads of each pair; their comments start with `RX:Z:`.
        """
        first = self.n_representatives
        found: Collapsed = collapse_pairs(
            self._clusters, (one.bases, two.bases), (one.offsets, two.offsets), one.comments, one.comment_offsets,
            BASE_CODES,
        )  # fmt: skip
        self._how += np.bincount(found.how, minlength=4)
        pairs = _waiting(one, two, found, first)
        return pairs, take_waiting(pairs, np.flatnonzero(found.how >= DIFFERENT))

    def metrics(self, sample: str) -> StageMetrics:
        """Return the stage's counts, in read pairs; none is lost."""
        n = int(self._how.sum())
        return StageMetrics(
            stage="collapse",
            sample=sample,
            unit="read pairs",
            n_in=n,
            n_out=n,
            rejected={},
            counts={
                "representatives": int(self._how[DIFFERENT] + self._how[NEW]),
                "members": int(self._how[EXACT] + self._how[TOLERANT]),
                "members_by_one_end": int(self._how[TOLERANT]),
                "representatives_too_different": int(self._how[DIFFERENT]),
                "representatives_not_remembered": self.n_representatives - int(self._clusters.state[N_REMEMBERED]),
            },
        )


def _waiting(one: FastqColumns, two: FastqColumns, found: Collapsed, first: int) -> Waiting:
    umis, umi_offsets = first_tags(one.comments, one.comment_offsets)
    return Waiting(
        one.names, one.name_offsets, umis, umi_offsets, one.bases, one.quals, one.offsets, two.bases, two.quals,
        two.offsets, found.representative, found.is_turned, found.marks, first,
    )  # fmt: skip


def reads_of(pairs: Waiting) -> FastqColumns:
    """Return both reads of each pair in turn, without comments, as the aligner takes them."""
    none = (np.zeros(0, dtype=np.uint8), np.zeros(pairs.n_pairs + 1, dtype=np.int64))
    one = FastqColumns(pairs.names, pairs.name_offsets, *none, pairs.bases1, pairs.quals1, pairs.offsets1)
    two = FastqColumns(pairs.names, pairs.name_offsets, *none, pairs.bases2, pairs.quals2, pairs.offsets2)
    return interleave(one, two)


def _take(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], chosen: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    ends = ragged_offsets((offsets[chosen + 1] - offsets[chosen]).astype(np.int32))
    return read_bytes(data, offsets[chosen], ends), ends


class Alignments:
    """The alignments of representatives, in their order; those that are not remembered go when they have been used."""

    def __init__(self, n_kept: int = MAX_REPRESENTATIVES) -> None:
        """Take the representatives to keep: as many as the `Collapser` remembers."""
        self._n_kept = n_kept
        self._n_gone = 0
        self._n = 0
        self._data = np.empty(max(2 * _HEAD_BYTES * n_kept, 1 << 16), dtype=np.uint8)
        self._offsets = np.zeros(max(2 * n_kept + 1, 1 << 10), dtype=np.int64)
        self._marks = np.zeros(max(2 * n_kept, 1 << 10), dtype=np.int64)

    @property
    def n_aligned(self) -> int:
        """Return the representatives aligned so far."""
        return self._n + self._n_gone

    def add(self, records: RawRecords) -> None:
        """Add the aligner's records of whole pairs.

        Raises:
            ProgramError: a pair does not have one primary record of each read.
        """
        fields = record_fields(records.data, records.offsets)
        bounds = template_bounds(same_name_as_previous(records.data, fields.name_at, fields.n_name))
        heads, bad = take_heads(records.data, fields, bounds)
        if bad >= 0:
            at, n = fields.name_at[bounds[bad]], fields.n_name[bounds[bad]]
            name = records.data[at : at + n].tobytes().decode("ascii", "replace")
            raise ProgramError(None, "bwa mem", f"returned read {name} without its mate, or twice", "report this")
        n_before, end = 2 * self._n, int(self._offsets[2 * self._n])
        self._data = _with_room(self._data, end, len(heads.data))
        self._offsets = _with_room(self._offsets, n_before + 1, len(heads.marks))
        self._marks = _with_room(self._marks, n_before, len(heads.marks))
        self._data[end : end + len(heads.data)] = heads.data
        self._offsets[n_before : n_before + len(heads.marks) + 1] = heads.offsets + end
        self._marks[n_before : n_before + len(heads.marks)] = heads.marks
        self._n += len(heads.marks) // 2

    def _forget(self, first: int) -> None:
        """Forget the representatives before number `first` that are not kept."""
        n_gone = min(first - self._n_kept - self._n_gone, self._n - self._n_kept)
        if n_gone <= 0:
            return
        low, high, n = 2 * self._n_kept, 2 * (self._n_kept + n_gone), 2 * self._n
        to, start, end = (int(self._offsets[k]) for k in (low, high, n))
        self._data[to : to + end - start] = self._data[start:end].copy()
        self._offsets[low : low + n - high + 1] = self._offsets[high : n + 1] - (start - to)
        self._marks[low : low + n - high] = self._marks[high:n].copy()
        self._n_gone, self._n = self._n_gone + n_gone, self._n - n_gone

    def _indices(self, representative: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where representatives stand among those still here."""
        return np.where(representative < self._n_kept, representative, representative - self._n_gone)

    def spread(self, pairs: Waiting) -> tuple[RawRecords, Waiting]:
        """Return the records of pairs whose representatives are all aligned, and the pairs to be aligned themselves.

        Records are read 1, then read 2 of each pair; they carry RX and no other tag. The second value are the pairs
        left out: those that might be aligned otherwise than their representative. Pairs come in the order in which
        `Collapser` returned them.
        """
        self._forget(pairs.first)
        return self.spread_ready(pairs)

    def spread_ready(self, pairs: Waiting) -> tuple[RawRecords, Waiting]:
        """Return the records of pairs whose representatives are aligned already and that are in no doubt; the others.

        All representatives are kept that pairs to come may need.
        """
        heads = Heads(self._data, self._offsets[: 2 * self._n + 1], self._marks[: 2 * self._n])
        known = np.flatnonzero(pairs.representative < self.n_aligned)
        own = self._indices(pairs.representative)
        doubtful = are_doubtful(heads, own[known], pairs.is_turned[known], pairs.marks[known])
        is_left = np.ones(pairs.n_pairs, dtype=np.bool_)
        is_left[known] = doubtful
        records: RawRecords = spread_pairs(
            heads,
            np.flatnonzero(~is_left),
            own,
            pairs.is_turned,
            (pairs.names, pairs.name_offsets),
            (pairs.umis, pairs.umi_offsets),
            ((pairs.bases1, pairs.quals1, pairs.offsets1), (pairs.bases2, pairs.quals2, pairs.offsets2)),
            (FORWARD, TURNED),
        )
        return records, pairs if is_left.all() else take_waiting(pairs, np.flatnonzero(is_left))


def take_waiting(pairs: Waiting, chosen: NDArray[np.int64]) -> Waiting:
    """Return these of the pairs."""
    names, name_offsets = _take(pairs.names, pairs.name_offsets, chosen)
    umis, umi_offsets = _take(pairs.umis, pairs.umi_offsets, chosen)
    bases1, offsets1 = _take(pairs.bases1, pairs.offsets1, chosen)
    quals1, _ = _take(pairs.quals1, pairs.offsets1, chosen)
    bases2, offsets2 = _take(pairs.bases2, pairs.offsets2, chosen)
    quals2, _ = _take(pairs.quals2, pairs.offsets2, chosen)
    return Waiting(
        names, name_offsets, umis, umi_offsets, bases1, quals1, offsets1, bases2, quals2, offsets2,
        pairs.representative[chosen], pairs.is_turned[chosen], pairs.marks[chosen], pairs.first,
    )  # fmt: skip


def own_representatives(pairs: Waiting, first: int) -> Waiting:
    """Return the pairs as representatives of themselves, numbered from `first` on."""
    n = pairs.n_pairs
    return pairs._replace(
        representative=np.arange(first, first + n, dtype=np.int64),
        is_turned=np.zeros(n, dtype=np.bool_),
        marks=np.zeros((n, 2), dtype=np.int64),
        first=first,
    )


def _with_room(array: NDArray[Any], n_used: int, n_more: int) -> NDArray[Any]:
    """Return the array, or a larger one with the same first items, that has room for more."""
    if n_used + n_more <= len(array):
        return array
    larger = np.empty(max(n_used + n_more, 2 * len(array)), dtype=array.dtype)
    larger[:n_used] = array[:n_used]
    return larger
