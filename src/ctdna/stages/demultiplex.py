"""The demultiplex stage: clusters to samples, and each sample's reads as FASTQ text."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.barcode import UNDETERMINED, barcode_codes, match_index, match_samples
from ctdna.kernels.bcl import name_offsets, spell, to_clusters, write_fastq, write_names
from ctdna.model.clusters import ClusterColumns, TileColumns
from ctdna.model.run import RunLayout
from ctdna.stages.demultiplex_plan import LanePlan, ReadPlan

CHUNK_CLUSTERS = 1 << 17
_MIN_CHECKED = 100
_FEW, _MOST = 0.1, 0.5


class Assignment(NamedTuple):
    """Which sample each cluster belongs to."""

    i_sample: NDArray[np.int64]
    """Index into the lane's samples; -1 undetermined, -2 fits more than one."""
    mismatches: NDArray[np.int64]
    """(n, 2): mismatches in index 1 and index 2; 0 where there is no sample."""


class FastqText(NamedTuple):
    """Records of one sample from one chunk of clusters."""

    texts: tuple[NDArray[np.uint8], ...]
    """One a FASTQ file."""
    n_bases: tuple[int, ...]
    n_q30: tuple[int, ...]


class IndexPairs(NamedTuple):
    """The distinct barcodes of a lane, index by index, and which sample has which."""

    expected1: NDArray[np.uint8]
    expected2: NDArray[np.uint8]
    budgets1: NDArray[np.int64]
    budgets2: NDArray[np.int64]
    of_sample: NDArray[np.int64]
    """(samples, 2): indices into the two tables."""


def chunks_of(tile: TileColumns) -> list[tuple[int, int]]:
    """Return the ranges of clusters in which a tile is worked on, in order."""
    n_clusters = len(tile.is_passing)
    return [(start, min(start + CHUNK_CLUSTERS, n_clusters)) for start in range(0, n_clusters, CHUNK_CLUSTERS)]


def take_clusters(tile: TileColumns, start: int, stop: int) -> ClusterColumns:
    """Return the clusters from `start` up to `stop` (exclusive) of a tile, cluster by cluster."""
    calls = np.empty((stop - start, len(tile.planes)), dtype=np.uint8)
    to_clusters(tile.planes, start, calls)
    part = slice(start, stop)
    x, y = np.ascontiguousarray(tile.x[part]), np.ascontiguousarray(tile.y[part])
    return ClusterColumns(tile.lane, tile.tile, calls, np.ascontiguousarray(tile.is_passing[part]), x, y)


def assign_samples(clusters: ClusterColumns, plan: LanePlan) -> Assignment:
    """Return each cluster's sample: the one whose barcodes fit within their mismatches; a no call is a mismatch."""
    i_sample = np.empty(len(clusters), dtype=np.int64)
    mismatches = np.zeros((len(clusters), 2), dtype=np.int64)
    match_samples(
        clusters.calls,
        plan.cycles1,
        plan.cycles2,
        plan.expected1,
        plan.expected2,
        plan.budgets,
        i_sample,
        mismatches,
    )
    return Assignment(i_sample, mismatches)


def is_other_orientation(clusters: ClusterColumns, plan: LanePlan, flipped: LanePlan) -> bool:
    """Return whether index 2 fits the sheet the other way round: few clusters match as planned, most match flipped."""
    if not len(plan.cycles2) or not len(plan.expected2) or int(clusters.is_passing.sum()) < _MIN_CHECKED:
        return False
    passing = clusters.is_passing == 1
    as_planned = float((assign_samples(clusters, plan).i_sample[passing] >= 0).mean())
    as_flipped = float((assign_samples(clusters, flipped).i_sample[passing] >= 0).mean())
    return as_planned < _FEW and as_flipped > _MOST


def rows_by_sample(assignment: Assignment, is_kept: NDArray[np.bool_], n_samples: int) -> list[NDArray[np.int64]]:
    """Return the kept clusters of each sample, in order, and last those of none."""
    place = np.where(assignment.i_sample < 0, n_samples, assignment.i_sample)
    kept = np.flatnonzero(is_kept).astype(np.int64)
    order = kept[np.argsort(place[kept], kind="stable")]
    bounds = np.searchsorted(place[order], np.arange(n_samples + 2))
    return [order[bounds[i] : bounds[i + 1]] for i in range(n_samples + 1)]


def _names(
    clusters: ClusterColumns, rows: NDArray[np.int64], plan: ReadPlan, layout: RunLayout
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    umis = np.empty((len(rows), len(plan.umi)), dtype=np.uint8)
    spell(clusters.calls, rows, plan.umi, umis)
    text = f"{layout.instrument}:{layout.run_number}:{layout.flow_cell}:{clusters.lane}:{clusters.tile}:"
    head = np.frombuffer(bytearray(text.encode()), dtype=np.uint8)
    offsets = np.empty(len(rows) + 1, dtype=np.int64)
    n_umi = len(plan.umi) + 1 if len(plan.umi) else 0
    name_offsets(rows, clusters.x, clusters.y, len(head) + n_umi, offsets)
    names = np.empty(offsets[-1], dtype=np.uint8)
    write_names(rows, clusters.x, clusters.y, head, umis, offsets, names)
    return names, offsets


def format_reads(clusters: ClusterColumns, rows: NDArray[np.int64], plan: ReadPlan, layout: RunLayout) -> FastqText:
    """Return the FASTQ records of some clusters, in their order.

    The header is `@instrument:run:flow cell:lane:tile:x:y[:UMI] read:filtered:0:barcodes`.
    """
    names, offsets = _names(clusters, rows, plan, layout)
    tails = np.empty((len(rows), 7 + len(plan.barcode)), dtype=np.uint8)
    letters = np.empty((len(rows), len(plan.barcode)), dtype=np.uint8)
    spell(clusters.calls, rows, plan.barcode, letters)
    tails[:, 7:] = letters
    texts, n_bases, n_q30 = [], [], []
    for i_read, cycles in enumerate(plan.reads):
        tails[:, :7] = np.frombuffer(f" {i_read + 1}:N:0:".encode(), dtype=np.uint8)
        tails[clusters.is_passing[rows] == 0, 3] = ord("Y")
        out = np.empty(len(names) + len(rows) * (tails.shape[1] + 2 * len(cycles) + 6), dtype=np.uint8)
        n_q30.append(int(write_fastq(clusters.calls, rows, cycles, names, offsets, tails, out)))
        n_bases.append(len(rows) * len(cycles))
        texts.append(out)
    return FastqText(tuple(texts), tuple(n_bases), tuple(n_q30))


def index_pairs(plan: LanePlan) -> IndexPairs | None:
    """Return the lane's distinct barcodes by index, or None where not every sample has two."""
    if not plan.placements or not all(row.index and row.index2 for row in plan.placements):
        return None
    tables, limits, places = [], [], []
    for i_index, expected in enumerate((plan.expected1, plan.expected2)):
        table, first, place = np.unique(expected, axis=0, return_index=True, return_inverse=True)
        tables.append(np.ascontiguousarray(table))
        limits.append(np.ascontiguousarray(plan.budgets[first, i_index]))
        places.append(place.reshape(-1).astype(np.int64))
    return IndexPairs(tables[0], tables[1], limits[0], limits[1], np.stack(places, axis=1))


def count_pairs(
    clusters: ClusterColumns, rows: NDArray[np.int64], plan: LanePlan, pairs: IndexPairs
) -> NDArray[np.int64]:
    """Return how many of these clusters carry each pair of known barcodes, as (index 1, index 2)."""
    found = np.empty((2, len(rows)), dtype=np.int64)
    match_index(clusters.calls, rows, plan.cycles1, pairs.expected1, pairs.budgets1, found[0])
    match_index(clusters.calls, rows, plan.cycles2, pairs.expected2, pairs.budgets2, found[1])
    known = (found != UNDETERMINED).all(axis=0)
    counts = np.zeros((len(pairs.expected1), len(pairs.expected2)), dtype=np.int64)
    np.add.at(counts, (found[0, known], found[1, known]), 1)
    return counts


def count_barcodes(
    clusters: ClusterColumns, rows: NDArray[np.int64], plan: LanePlan
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct barcodes of these clusters, as (n, 2) codes of index 1 and 2, and how often each occurs."""
    codes = np.empty((2, len(rows)), dtype=np.int64)
    barcode_codes(clusters.calls, rows, plan.counted1, codes[0])
    barcode_codes(clusters.calls, rows, plan.counted2, codes[1])
    if not len(rows):
        return codes.T, np.empty(0, dtype=np.int64)
    order = np.lexsort((codes[1], codes[0]))
    sorted_codes = codes.T[order]
    is_new = np.concatenate([[True], (sorted_codes[1:] != sorted_codes[:-1]).any(axis=1)])
    starts = np.flatnonzero(is_new)
    return sorted_codes[starts], np.diff(np.append(starts, len(rows)))


def decode_barcode(code: int, n_bases: int) -> str:
    """Return the letters of a code of `kernels.barcode.barcode_codes`."""
    letters = []
    for _ in range(n_bases):
        letters.append("NACGT"[code % 5])
        code //= 5
    return "".join(reversed(letters))
