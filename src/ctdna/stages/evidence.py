"""Consensus records to molecules per locus: the ground of `call` and `background`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels import evidence as kernels
from ctdna.kernels.cigar import clips
from ctdna.kernels.lesions import count_lesions
from ctdna.kernels.other_place import fits_elsewhere
from ctdna.kernels.record import find_tag, kind_code, record_fields, tag_code
from ctdna.kernels.tags import int_values
from ctdna.kernels.tally import empty_counts, tally
from ctdna.model.columns import RawRecords, RecordFields
from ctdna.model.errors import InputError
from ctdna.model.evidence import (
    BASES,
    HAS_OTHER_PLACE,
    Lesions,
    Panel,
    Regions,
    SiteCounts,
    Splits,
    StoredReads,
    Targets,
)
from ctdna.model.params.call import CallParams

PAD = 200
"""Bases kept beside targets, so that indels at their edges are seen whole."""
STRAND_QUALITY = 30
"""Bases of one strand below this Phred quality never show a lesion: one read alone does not reach it."""
MERGE = 600
"""Regions nearer than this are one, so that a read with a long deletion lies in one region."""
REASONS = ("no_usable_base", "low_mapq", "off_target", "secondary", "marked_duplicate_or_failed", "unmapped")
"""Why molecules are left out, from the nearest miss on."""
_REASON_OF_STATUS = {
    kernels.STORED: 0,
    kernels.LOW_MAPQ: 1,
    kernels.MARGIN: 2,
    kernels.OFF_TARGET: 2,
    kernels.NOT_PRIMARY: 3,
    kernels.MARKED: 4,
    kernels.UNMAPPED: 5,
}


NO_LESIONS = Lesions(np.zeros((2, 4, 4), np.int64), np.zeros(4, np.int64), 0)
"""Of samples mixed in memory, of which no strand is known."""


class Evidence(NamedTuple):
    """What a sample shows on a panel."""

    panel: Panel
    reads: StoredReads
    molecules: NDArray[np.int64]
    """n + 1 offsets of molecules into `reads`."""
    molecule_of: NDArray[np.int64]
    """Molecule of each read."""
    counts: SiteCounts
    n_molecules: int
    """All molecules of the input."""
    rejected: dict[str, int]
    """Molecules not counted on any target, by reason."""
    lesions: Lesions


def _merged(targets: Targets, lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    regions: list[tuple[int, int, int]] = []
    for contig, start0, end0 in zip(targets.contig, targets.start0, targets.end0, strict=True):
        low, high = max(0, int(start0) - PAD), min(lengths[contig], int(end0) + PAD)
        if regions and regions[-1][0] == contig and low <= regions[-1][2] + MERGE:
            regions[-1] = (int(contig), regions[-1][1], max(high, regions[-1][2]))
        else:
            regions.append((int(contig), low, high))
    return regions


def lay_panel(
    targets: Targets, contigs: Sequence[tuple[str, int]], fetch: Callable[[str, int, int], NDArray[np.uint8]]
) -> Panel:
    """Return the panel laid out as regions of slots, with the reference that `fetch(contig, start0, end0)` gives
    in ASCII."""
    spans = _merged(targets, [length for _, length in contigs])
    offsets = np.cumsum([0, *(end - start for _, start, end in spans)]).astype(np.int64)
    codes = np.full(256, 4, np.uint8)
    codes[list(b"ACGTacgt")] = [0, 1, 2, 3, 0, 1, 2, 3]
    names = [contigs[contig][0] for contig, _, _ in spans]
    texts = [fetch(name, start, end) for name, (_, start, end) in zip(names, spans, strict=True)]
    reference = codes[np.concatenate(texts)]
    contig_of = np.array([contig for contig, _, _ in spans], dtype=np.int32)
    first = np.searchsorted(contig_of, np.arange(len(contigs) + 1)).astype(np.int64)
    starts = np.array([start for _, start, _ in spans], dtype=np.int32)
    target = np.full(int(offsets[-1]), -1, np.int32)
    for i in range(len(targets.contig) - 1, -1, -1):
        for region, (contig, start, end) in enumerate(spans):
            if contig == targets.contig[i] and start <= targets.start0[i] < end:
                low = int(offsets[region]) + int(targets.start0[i]) - start
                target[low : low + int(targets.end0[i] - targets.start0[i])] = i
    regions = Regions(first, contig_of, starts, offsets, np.ascontiguousarray(reference), target)
    return Panel(regions, tuple(name for name, _ in contigs), targets)


def _empty_store(n: int, n_operations: int, n_cells: int) -> StoredReads:
    return StoredReads(
        np.empty(n, np.uint64), np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.int64),
        np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(n, np.uint8), np.empty(n, np.int64),
        np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n_operations, np.uint32),
        np.empty(n_cells, np.uint8),
    )  # fmt: skip


def _starts(sizes: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.cumsum(sizes, dtype=np.int64) - sizes


class _Placed(NamedTuple):
    """What `place_records` tells of each record."""

    key: NDArray[np.uint64]
    status: NDArray[np.uint8]
    region: NDArray[np.int32]
    n_splits: NDArray[np.int32]


def _fits_elsewhere(raw: RawRecords, fields: RecordFields, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which of the chosen records fit another place as well as their own, as places in `chosen`."""
    tags_at, tags_end = fields.tags_at[chosen], fields.tags_end[chosen]
    xa_at = find_tag(raw.data, tags_at, tags_end, tag_code("XA"), kind_code("Z"))
    some = np.flatnonzero(xa_at >= 0)
    edits_at = find_tag(raw.data, tags_at[some], tags_end[some], tag_code("NM"), kind_code("i"))
    edits = int_values(raw.data, edits_at, np.int64(-1))
    own = chosen[some]
    clipped = np.sum(clips(raw.data, fields.cigar_at[own], fields.n_cigar[own]), axis=0)
    misfits = np.where(edits < 0, -1, edits + clipped).astype(np.int64)
    return some[fits_elsewhere(raw.data, xa_at[some], misfits)]


def _store(
    raw: RawRecords, fields: RecordFields, panel: Panel, placed: _Placed, min_quality: int
) -> tuple[StoredReads, Splits]:
    chosen = np.flatnonzero(placed.region >= 0)
    n_cigar, n_cells = fields.n_cigar[chosen], fields.n_bases[chosen]
    store = _empty_store(len(chosen), int(n_cigar.sum()), int(n_cells.sum()))
    store.key[:], store.region[:] = placed.key[chosen], placed.region[chosen]
    store.flags[placed.status[chosen] == kernels.LOW_MAPQ] = kernels.IS_LOW_MAPQ
    store.flags[_fits_elsewhere(raw, fields, chosen)] |= HAS_OTHER_PLACE
    store.n_cigar[:], store.n_cells[:] = n_cigar, n_cells
    store.cigar_at[:], store.cell_at[:] = _starts(n_cigar), _starts(n_cells)
    splits = kernels.empty_splits(int(placed.n_splits[chosen].sum()))
    kernels.store_records(raw.data, fields, panel.regions, chosen, store, min_quality, STRAND_QUALITY, splits)
    return store, splits


def stack_reads(parts: Sequence[StoredReads]) -> StoredReads:
    """Return the reads of all stores one after the other."""
    if not parts:
        return _empty_store(0, 0, 0)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    store = StoredReads(*columns)
    for sizes, column in (([len(p.cigars) for p in parts], "cigar_at"), ([len(p.cells) for p in parts], "cell_at")):
        shift = np.repeat(np.cumsum([0, *sizes[:-1]]), [len(p.key) for p in parts])
        store = store._replace(**{column: getattr(store, column) + shift})
    return store


def take_reads(store: StoredReads, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> StoredReads:
    """Return the chosen reads, in that order; they share the bases of the store."""
    columns = [np.ascontiguousarray(column[chosen]) for column in store[:-2]]
    return StoredReads._make([*columns, store.cigars, store.cells])


def _joined(parts: list[StoredReads], splits: list[Splits]) -> tuple[StoredReads, Splits]:
    """Return the stores as one, reads of one molecule together, in an order that the input's order cannot change."""
    store = stack_reads(parts)
    place_in_region = store.slot << 29 | np.minimum(store.end_slot - store.slot, kernels.MAX_SPAN) << 8 | store.flags
    order = np.lexsort((place_in_region, store.region, store.key))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    first = np.cumsum([0, *(len(part.key) for part in parts)])[:-1]
    read = [place[one.read + at] for one, at in zip(splits, first, strict=True)]
    columns = [np.concatenate(column) for column in zip(*splits, strict=True)] if splits else kernels.empty_splits(0)
    found = Splits(np.concatenate(read) if read else columns[0], columns[1], columns[2])
    sorted_by_read = np.lexsort((found.base, found.read))
    return take_reads(store, order), Splits._make(np.ascontiguousarray(column[sorted_by_read]) for column in found)


def _outcomes(keys: NDArray[np.uint64], reasons: NDArray[np.uint8], counted: NDArray[np.uint64]) -> dict[str, int]:
    order = np.lexsort((reasons, keys))
    keys, reasons = keys[order], reasons[order]
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = keys[1:] != keys[:-1]
    is_out = is_first & ~np.isin(keys, counted)
    tally = np.bincount(reasons[is_out], minlength=len(REASONS))
    return {name: int(n) for name, n in zip(REASONS, tally, strict=True)}


def lesions_of(
    reads: StoredReads, molecules: NDArray[np.int64], molecule_of: NDArray[np.int64], splits: Splits, regions: Regions,
    counts: SiteCounts,
) -> Lesions:  # fmt: skip
    """Return the single-strand changes of the molecules on target, and the strands' bases that could show one."""
    found = np.zeros(33, np.int64)
    count_lesions(reads, molecules, molecule_of, splits, regions, found)
    seen = found[:32].reshape(2, 4, 4)
    is_site = (regions.target >= 0) & (regions.reference < len(BASES))
    agreed = np.bincount(regions.reference[is_site], counts.read_twice[is_site], minlength=4)
    # A changed strand's partner is unchanged; agreeing molecules offer the base of either strand.
    bases = (agreed + agreed[::-1]).astype(np.int64) + seen.sum(axis=(0, 2)) + seen.sum(axis=(0, 2))[::-1]
    return Lesions(seen, bases, int(found[32]))


class _Batch(NamedTuple):
    """What one batch of records gives."""

    n: int
    wrong: int
    """First record with a tag of wrong length, -1 for none."""
    key: NDArray[np.uint64]
    reason: NDArray[np.uint8]
    store: StoredReads
    splits: Splits


def _read_batch(raw: RawRecords, panel: Panel, params: CallParams) -> _Batch:
    reason_of = np.array([_REASON_OF_STATUS[status] for status in range(len(_REASON_OF_STATUS))], dtype=np.uint8)
    fields = record_fields(raw.data, raw.offsets)
    found = kernels.place_records(raw.data, fields, panel.regions, params.min_mapq, STRAND_QUALITY)
    placed, wrong = _Placed(*found[:4]), int(found[4])
    if wrong >= 0:
        return _Batch(len(raw), wrong, placed.key, placed.status, _empty_store(0, 0, 0), kernels.empty_splits(0))
    stored = _store(raw, fields, panel, placed, params.min_base_quality)
    return _Batch(len(raw), wrong, placed.key, reason_of[placed.status], *stored)


def _in_turn(work: Callable[[RawRecords], _Batch], batches: Iterable[RawRecords], threads: int) -> Iterator[_Batch]:
    """Yield the batches' results in order; a batch more than there are threads is under way."""
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[_Batch]] = deque()
        for raw in batches:
            pending.append(pool.submit(work, raw))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def count_molecules(
    reads: StoredReads, molecules: NDArray[np.int64], regions: Regions, end_bases: int, threads: int
) -> SiteCounts:
    """Return the molecules per slot; `molecules` are n + 1 offsets of molecules into the reads."""
    n = len(molecules) - 1
    edges = [n * i // threads for i in range(threads + 1)]

    def work(span: tuple[int, int]) -> SiteCounts:
        part = empty_counts(len(regions.reference), span[1] - span[0])
        tally(reads, molecules[span[0] : span[1] + 1], regions, end_bases, part)
        return part

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(work, pairwise(edges)))
    is_counted = np.concatenate([part.is_counted for part in parts])
    alike = [part._replace(is_counted=is_counted[:0]) for part in parts]
    sums = SiteCounts._make(np.sum(column, axis=0, dtype=np.int32) for column in zip(*alike, strict=True))
    return sums._replace(is_counted=is_counted)


def gather(batches: Iterable[RawRecords], panel: Panel, params: CallParams, threads: int = 1) -> Evidence:
    """Return what the records of a sample show on the panel; their order and `threads` do not matter.

    Raises:
        InputError: a record's depth tags do not fit its bases.
    """
    parts: list[_Batch] = []
    for batch in _in_turn(partial(_read_batch, panel=panel, params=params), batches, threads):
        if batch.wrong >= 0:
            what = "a per-base tag is not as long as the bases: ad, bd, cd (numbers) or ac, bc, aq, bq (text)"
            where = f"record {sum(part.n for part in parts) + batch.wrong + 1}"
            raise InputError(None, where, what, "make the consensus again")
        parts.append(batch)
    reads, splits = _joined([part.store for part in parts], [part.splits for part in parts])
    keys = np.concatenate([np.empty(0, np.uint64), *(part.key for part in parts)])
    reasons = np.concatenate([np.empty(0, np.uint8), *(part.reason for part in parts)])
    del parts
    changes = np.flatnonzero(reads.key[1:] != reads.key[:-1]) + 1 if len(reads.key) else np.empty(0, np.int64)
    molecules = np.concatenate([[0], changes, [len(reads.key)] if len(reads.key) else []]).astype(np.int64)
    molecule_of = np.repeat(np.arange(len(molecules) - 1), np.diff(molecules))
    counts = count_molecules(reads, molecules, panel.regions, params.fragment_end_bases, threads)
    counted = reads.key[molecules[:-1]][counts.is_counted == 1]
    rejected = _outcomes(keys, reasons, counted)
    n_all = len(counted) + sum(rejected.values())
    lesions = lesions_of(reads, molecules, molecule_of, splits, panel.regions, counts)
    return Evidence(panel, reads, molecules, molecule_of, counts, n_all, rejected, lesions)


def target_sites(panel: Panel) -> NDArray[np.int64]:
    """Return the slots on target whose reference base is known."""
    regions = panel.regions
    return np.flatnonzero((regions.target >= 0) & (regions.reference < len(BASES)))
