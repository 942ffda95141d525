"""Align: what is done to reads before the aligner and to its records afterwards."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.fastq import are_tags, keep_comments
from ctdna.kernels.mates import cigar_texts, primary_mates, template_bounds
from ctdna.kernels.record import record_fields, same_name_as_previous, tag_code, take_records
from ctdna.kernels.record_build import replace_tags
from ctdna.kernels.tags_build import TagsBuilder
from ctdna.model.columns import FastqColumns, RawRecords, RecordFields
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics

MAX_NAME = 254
_MATE_TAGS = np.array([tag_code("MC"), tag_code("MQ")], dtype=np.uint16)
_UNMAPPED, _REVERSE, _SECONDARY, _SUPPLEMENTARY, _PROPER, _READ1 = 0x4, 0x10, 0x100, 0x800, 0x2, 0x40
_NOT_PRIMARY = _SECONDARY | _SUPPLEMENTARY
_HISTOGRAM_MAX = 1000


def with_tag_comments(reads: FastqColumns, n_before: int) -> tuple[FastqColumns, int]:
    """Return the reads with comments that are no SAM tags (as `1:N:0:ACGT`) dropped, and how many were dropped.

    `n_before` is the number of reads before these, for messages.

    Raises:
        InputError: a read has no bases, or its name is longer than BAM can hold.
    """
    sizes = np.diff(reads.offsets)
    names = np.diff(reads.name_offsets)
    if len(reads) and int(sizes.min()) == 0:
        where = f"record {n_before + int(np.argmin(sizes)) + 1}"
        raise InputError(None, where, "the read has no bases", "leave such reads out")
    if len(reads) and int(names.max()) > MAX_NAME:
        where = f"record {n_before + int(np.argmax(names)) + 1}"
        raise InputError(None, where, f"a read name of {names.max()} bytes, at most {MAX_NAME}", "shorten the names")
    is_kept = are_tags(reads.comments, reads.comment_offsets)
    n_dropped = int(np.count_nonzero(~is_kept))
    return (keep_comments(reads, is_kept) if n_dropped else reads), n_dropped


def whole_templates(batches: Iterable[RawRecords]) -> Iterator[RawRecords]:
    """Yield the records of batches again, such that reads of one name that stand together come in one batch."""
    rest: RawRecords | None = None
    for batch in batches:
        if rest is not None:
            batch = joined(rest, batch)
        fields = record_fields(batch.data, batch.offsets)
        is_same = same_name_as_previous(batch.data, fields.name_at, fields.n_name)
        starts = np.flatnonzero(~is_same)
        last = int(starts[-1]) if len(starts) else 0
        if last:
            yield RawRecords(batch.data[: batch.offsets[last]], batch.offsets[: last + 1])
        rest = take_records(batch.data, batch.offsets, np.arange(last, len(batch), dtype=np.int64))
    if rest is not None and len(rest):
        yield rest


def joined(one: RawRecords, two: RawRecords) -> RawRecords:
    """Return the records of one, then those of two."""
    offsets = np.concatenate((one.offsets[:-1], two.offsets + one.offsets[-1]))
    return RawRecords(np.concatenate((one.data[: one.offsets[-1]], two.data)), offsets)


def add_mate_tags(records: RawRecords) -> RawRecords:
    """Return the records of whole templates with MC (the mate's CIGAR) and MQ (its mapping quality) set.

    The mate is the other end's primary record; supplementary and secondary records get the tags too. Where the mate is
    unmapped there is no MC, where there is none neither tag.
    """
    fields = record_fields(records.data, records.offsets)
    bounds = template_bounds(same_name_as_previous(records.data, fields.name_at, fields.n_name))
    mate = primary_mates(bounds, fields.flag)
    has_mate = mate >= 0
    of = np.where(has_mate, mate, 0)
    texts, offsets = cigar_texts(records.data, fields.cigar_at[of], fields.n_cigar[of])
    tags = TagsBuilder(len(records))
    tags.add_text("MC", texts, offsets, has_mate & (fields.flag[of] & _UNMAPPED == 0))
    tags.add_int("MQ", fields.mapq[of].astype(np.int32), has_mate)
    return replace_tags(records, fields.tags_at, _MATE_TAGS, *tags.build())


class AlignedCounts(NamedTuple):
    """What was counted in aligned records."""

    n_primary: int
    n_mapped: int
    """Primary records that are mapped."""
    n_proper_pairs: int
    n_secondary: int
    n_supplementary: int
    insert_sizes: NDArray[np.int64]
    """Proper pairs by template length, 0 to 1000; longer ones in the last cell."""
    mapqs: NDArray[np.int64]
    """Mapped primary records by mapping quality."""


def added(one: AlignedCounts, two: AlignedCounts) -> AlignedCounts:
    """Return the sums of two counts."""
    return AlignedCounts(
        n_primary=one.n_primary + two.n_primary,
        n_mapped=one.n_mapped + two.n_mapped,
        n_proper_pairs=one.n_proper_pairs + two.n_proper_pairs,
        n_secondary=one.n_secondary + two.n_secondary,
        n_supplementary=one.n_supplementary + two.n_supplementary,
        insert_sizes=one.insert_sizes + two.insert_sizes,
        mapqs=one.mapqs + two.mapqs,
    )


def no_counts() -> AlignedCounts:
    """Return the counts of no records."""
    return AlignedCounts(0, 0, 0, 0, 0, np.zeros(_HISTOGRAM_MAX + 1, dtype=np.int64), np.zeros(256, dtype=np.int64))


def count_aligned(records: RawRecords) -> AlignedCounts:
    """Return the counts of some records."""
    fields: RecordFields = record_fields(records.data, records.offsets)
    flag = fields.flag
    is_primary = flag & _NOT_PRIMARY == 0
    is_mapped = is_primary & (flag & _UNMAPPED == 0)
    is_proper = is_mapped & (flag & _PROPER != 0) & (flag & _READ1 != 0)
    sizes = np.minimum(np.abs(fields.insert_size[is_proper].astype(np.int64)), _HISTOGRAM_MAX)
    return AlignedCounts(
        n_primary=int(np.count_nonzero(is_primary)),
        n_mapped=int(np.count_nonzero(is_mapped)),
        n_proper_pairs=int(np.count_nonzero(is_proper)),
        n_secondary=int(np.count_nonzero(flag & _SECONDARY)),
        n_supplementary=int(np.count_nonzero(flag & _SUPPLEMENTARY)),
        insert_sizes=np.bincount(sizes, minlength=_HISTOGRAM_MAX + 1).astype(np.int64),
        mapqs=np.bincount(fields.mapq[is_mapped], minlength=256).astype(np.int64),
    )


def _histogram(cells: NDArray[np.int64]) -> dict[int, int]:
    return {int(value): int(cells[value]) for value in np.flatnonzero(cells)}


def aligned_metrics(stage: str, sample: str, found: AlignedCounts, n_in: int, counts: dict[str, int]) -> StageMetrics:
    """Return the stage's metrics: every read that went in comes out once as a primary record."""
    return StageMetrics(
        stage=stage,
        sample=sample,
        unit="reads",
        n_in=n_in,
        n_out=found.n_primary,
        rejected={},
        counts={
            "mapped": found.n_mapped,
            "proper_pairs": found.n_proper_pairs,
            "secondary": found.n_secondary,
            "supplementary": found.n_supplementary,
            **counts,
        },
        values={"mapped_fraction": found.n_mapped / found.n_primary} if found.n_primary else {},
        histograms={"insert_size": _histogram(found.insert_sizes), "mapq": _histogram(found.mapqs)},
    )
