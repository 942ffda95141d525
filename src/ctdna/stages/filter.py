"""Consensus reads good enough to call from: weak bases masked, weak templates dropped."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import reference_lengths
from ctdna.kernels.filter import (
    ERROR_RATE,
    LOW_DEPTH,
    MATE_FAILED,
    MEAN_QUALITY,
    NO_CALLS,
    NO_PRIMARY,
    NOT_CONSENSUS,
    PASS,
    Limits,
    filter_all,
    find_consensus_tags,
    settle_templates,
)
from ctdna.kernels.order import sort_runs
from ctdna.kernels.record import record_fields, same_name_as_previous, take_records
from ctdna.kernels.retag import take_retagged
from ctdna.model.columns import RawRecords, RecordFields
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.consensus import FilterParams
from ctdna.stages.reference_fit import ReadsFit
from ctdna.stages.stretches import Laid, Stretches, joined
from ctdna.stages.tiers import consensus_tiers

REASONS = {
    LOW_DEPTH: "low_depth",
    ERROR_RATE: "high_error_rate",
    MEAN_QUALITY: "low_mean_base_quality",
    NO_CALLS: "too_many_no_calls",
    MATE_FAILED: "other_read_of_template_failed",
    NO_PRIMARY: "no_primary_read",
}
_NOT_PRIMARY, _UNMAPPED, _SECOND = 0x900, 0x4, 0x80


class Filtered(NamedTuple):
    """What became of n records; weak bases are masked in the records themselves."""

    fields: RecordFields
    status: NDArray[np.uint8]
    """A key of `REASONS`, or 0: kept."""
    masked: NDArray[np.int32]
    """Bases newly masked."""


def limits_of(params: FilterParams) -> Limits:
    """Return the parameters as the kernels take them; a short list repeats its last value."""
    return Limits(
        min_reads=np.array(_three(params.min_reads), dtype=np.int64),
        max_read_error_rate=np.array(_three(params.max_read_error_rate), dtype=np.float64),
        max_base_error_rate=np.array(_three(params.max_base_error_rate), dtype=np.float64),
        max_no_calls=float(params.max_no_call_fraction),
        min_base_quality=params.min_base_quality or 0,
        min_mean_base_quality=float(params.min_mean_base_quality or 0),
        needs_agreement=int(params.require_single_strand_agreement),
    )


def _three(values: tuple[int, ...] | tuple[float, ...]) -> list[float]:
    return [values[0], values[min(1, len(values) - 1)], values[-1]]


def _name(records: RawRecords, fields: RecordFields, i: int) -> str:
    at = int(fields.name_at[i])
    return bytes(records.data[at : at + int(fields.n_name[i])]).decode(errors="replace")


def _templates(records: RawRecords, fields: RecordFields) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the records in the order of their names, and where each template begins there (n at the end)."""
    n = len(records)
    everything = np.arange(n, dtype=np.int64)
    order = sort_runs(
        records.data, fields.name_at, fields.n_name, everything, everything, np.array([0, n], dtype=np.int64)
    )
    is_same = same_name_as_previous(records.data, fields.name_at[order], fields.n_name[order])
    return order, np.append(np.flatnonzero(~is_same), n).astype(np.int64)


def filter_records(
    records: RawRecords, params: FilterParams, is_reversed: bool, sample: str
) -> tuple[Filtered, StageMetrics]:
    """Return which consensus reads are good enough; their weak bases are made N in place.

    A template stays only if all its primary reads pass; a secondary or supplementary one may go alone.
    `is_reversed`: per-base tags of reverse-strand reads are turned round first, in place.

    Raises:
        InputError: a read has no consensus tags, or per-base tags of another length than its bases.
    """
    fields = record_fields(records.data, records.offsets)
    tags = find_consensus_tags(records.data, fields)
    n_bases = fields.n_bases > 0
    if (records.data[fields.quals_at[n_bases]] == 255).any():
        i = int(np.flatnonzero(n_bases)[np.argmax(records.data[fields.quals_at[n_bases]] == 255)])
        raise InputError(None, f"read {_name(records, fields, i)}", "bases without qualities", "give consensus reads")
    status, masked, bad = filter_all(records.data, fields, tags, limits_of(params), int(is_reversed))
    if bad >= 0:
        where = f"read {_name(records, fields, int(bad))}"
        if status[bad] == NOT_CONSENSUS:
            raise InputError(
                None, where, "no consensus tags (cD and cE, for duplex also aD aE bD bE)",
                "give the output of ctdna consensus or ctdna realign",
            )  # fmt: skip
        raise InputError(
            None, where, f"a per-base tag does not have the read's {int(fields.n_bases[bad])} entries",
            "align without hard clips (bwa mem -Y) and carry the tags over with ctdna realign",
        )  # fmt: skip
    order, starts = _templates(records, fields)
    n_templates = int(settle_templates(fields.flag, order, starts, status))
    counts = {"templates_in": len(starts) - 1, "templates_out": n_templates, **_tiers(records, fields, status)}
    return Filtered(fields, status, masked), _metrics(fields, status, masked, counts, sample)


def _tiers(records: RawRecords, fields: RecordFields, status: NDArray[np.uint8]) -> dict[str, int]:
    """Return the kept templates by tier, told by their first read."""
    firsts = np.flatnonzero((status == PASS) & (fields.flag & (_NOT_PRIMARY | _SECOND) == 0))
    return {f"templates_out_{tier}": n for tier, n in consensus_tiers(records, fields, firsts).items()}


def _metrics(
    fields: RecordFields,
    status: NDArray[np.uint8],
    masked: NDArray[np.int32],
    counts: dict[str, int],
    sample: str,
) -> StageMetrics:
    is_counted = (status == PASS) & (fields.flag & _NOT_PRIMARY == 0)
    return StageMetrics(
        stage="filter",
        sample=sample,
        unit="reads",
        n_in=len(status),
        n_out=int((status == PASS).sum()),
        rejected={name: int((status == reason).sum()) for reason, name in REASONS.items()},
        counts={
            **counts,
            "bases_in_kept_primary_reads": int(fields.n_bases[is_counted].sum()),
            "bases_masked_in_kept_primary_reads": int(masked[is_counted].sum()),
        },
    )


def add_metrics(one: StageMetrics | None, other: StageMetrics) -> StageMetrics:
    """Return the counts of two batches together."""
    if one is None:
        return other
    return StageMetrics(
        stage=one.stage,
        sample=one.sample,
        unit=one.unit,
        n_in=one.n_in + other.n_in,
        n_out=one.n_out + other.n_out,
        rejected={name: n + other.rejected[name] for name, n in one.rejected.items()},
        counts={name: n + other.counts[name] for name, n in one.counts.items()},
    )


def stretches(
    records: RawRecords, filtered: Filtered, lengths: NDArray[np.int64]
) -> tuple[Stretches, NDArray[np.int64]]:
    """Return the stretches of reference under the kept mapped records with masked bases, and each record's stretch.

    The latter is an index; -1: the record's tags stay.

    Raises:
        InputError: an alignment hangs over the end of its contig.
    """
    fields = filtered.fields
    is_mapped = (fields.flag & _UNMAPPED == 0) & (fields.ref_id >= 0)
    chosen = np.flatnonzero((filtered.status == PASS) & (filtered.masked > 0) & is_mapped)
    spans = reference_lengths(records.data, fields.cigar_at[chosen], fields.n_cigar[chosen]).astype(np.int64)
    contig, start0 = fields.ref_id[chosen].astype(np.int64), fields.pos0[chosen].astype(np.int64)
    end0 = start0 + spans
    over = np.flatnonzero(end0 > lengths[contig]) if len(chosen) else chosen
    if len(over):
        where = f"read {_name(records, fields, int(chosen[over[0]]))}"
        raise InputError(None, where, "its alignment ends behind its contig's end", "align against this reference")
    found, of_chosen = joined(contig, start0, end0)
    of_record = np.full(len(records), -1, dtype=np.int64)
    of_record[chosen] = of_chosen
    return found, of_record


def kept_records(records: RawRecords, filtered: Filtered, reference: Laid, fit: ReadsFit) -> RawRecords:
    """Return the kept records in their order, NM, MD and UQ renewed where bases were masked.

    `reference` are the stretches' bases; `fit` learns how well they suit the reads.
    """
    letters, starts, start0 = reference
    fit.add(records, filtered.fields, np.where(starts >= 0, starts + filtered.fields.pos0 - start0, -1), letters)
    return take_retagged(records, filtered.fields, kept_indices(filtered), starts, start0, letters)


def kept_indices(filtered: Filtered) -> NDArray[np.int64]:
    """Return the indices of the kept records."""
    return np.flatnonzero(filtered.status == PASS).astype(np.int64)


def kept_unaligned(records: RawRecords, filtered: Filtered) -> RawRecords:
    """Return the kept records in their order as they are."""
    return take_records(records.data, records.offsets, kept_indices(filtered))


def is_aligned(records: RawRecords) -> bool:
    """Return whether any record is mapped."""
    return bool((record_fields(records.data, records.offsets).flag & _UNMAPPED == 0).any())
