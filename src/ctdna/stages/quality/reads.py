"""What quality control reads off BAM records: reads on target, tiers of molecules, fragment lengths."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import reference_lengths
from ctdna.kernels.grouping import name_groups
from ctdna.kernels.record import record_fields
from ctdna.model.columns import RawRecords, RecordFields
from ctdna.model.evidence import Targets
from ctdna.stages.tiers import consensus_tiers

_UNMAPPED, _SECONDARY, _SUPPLEMENTARY, _SECOND = 4, 256, 2048, 128


class MoleculeFigures(NamedTuple):
    """What the filtered consensus reads tell."""

    n_on_target: int
    """Templates of which a read overlaps a target."""
    tiers: dict[str, int]
    """Templates by tier: duplex, simplex3, pair2, single."""
    insert_sizes: dict[int, int]
    """Fragment length in bases -> templates."""


def _is_mapped_primary(fields: RecordFields) -> NDArray[np.bool_]:
    is_primary: NDArray[np.bool_] = (fields.flag & (_UNMAPPED | _SECONDARY | _SUPPLEMENTARY)) == 0
    return is_primary


def overlaps_target(records: RawRecords, fields: RecordFields, targets: Targets) -> NDArray[np.bool_]:
    """Return whether each record is mapped and primary and covers at least one base of a target."""
    lengths = reference_lengths(records.data, fields.cigar_at, fields.n_cigar)
    start0, end0 = fields.pos0.astype(np.int64), fields.pos0.astype(np.int64) + lengths
    hit = np.zeros(len(fields.flag), dtype=np.bool_)
    for contig in np.unique(targets.contig):
        mine = np.flatnonzero(targets.contig == contig)
        starts, ends = np.sort(targets.start0[mine]), np.sort(targets.end0[mine])
        here = fields.ref_id == contig
        # Targets that start before the read's end, less those that end at or before its start, overlap it.
        n_started = np.searchsorted(starts, end0[here], side="left")
        n_ended = np.searchsorted(ends, start0[here], side="right")
        hit[here] = n_started > n_ended
    return hit & _is_mapped_primary(fields)


def count_on_target(records: RawRecords, targets: Targets) -> tuple[int, int]:
    """Return the mapped primary reads and how many of them overlap a target."""
    fields = record_fields(records.data, records.offsets)
    return int(_is_mapped_primary(fields).sum()), int(overlaps_target(records, fields, targets).sum())


def _histogram(values: NDArray[np.int64]) -> dict[int, int]:
    sizes, counts = np.unique(values, return_counts=True)
    return {int(size): int(n) for size, n in zip(sizes, counts, strict=True)}


def molecule_figures(records: RawRecords, targets: Targets) -> MoleculeFigures:
    """Return the figures of consensus templates, each counted once (by its first read).

    The tier is that of the deepest base.
    """
    fields = record_fields(records.data, records.offsets)
    is_primary = _is_mapped_primary(fields)
    first = np.flatnonzero(is_primary & ((fields.flag & _SECOND) == 0))
    spans = np.abs(fields.insert_size[first].astype(np.int64))
    on_target = np.flatnonzero(overlaps_target(records, fields, targets))
    _, n_templates = name_groups(records.data, fields.name_at[on_target], fields.n_name[on_target])
    return MoleculeFigures(int(n_templates), consensus_tiers(records, fields, first), _histogram(spans[spans > 0]))
