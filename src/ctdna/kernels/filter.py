"""Which consensus reads, and which of their bases, are good enough; masks are made in place."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import record_fields, tag_end, u16, u32, value_bytes
from ctdna.kernels.tags import whole_number
from ctdna.model.columns import RecordFields

Int = int | np.int64
Bytes = NDArray[np.uint8]
CD, CE, AD, AE, BD, BE, CD_BASES, CE_BASES, AD_BASES, AE_BASES, BD_BASES, BE_BASES, AC, BC, AQ, BQ = range(16)
"""Columns of the tags cD cE aD aE bD bE, cd ce ad ae bd be, ac bc aq bq."""
TAG_NAMES = ("cD", "cE", "aD", "aE", "bD", "bE", "cd", "ce", "ad", "ae", "bd", "be", "ac", "bc", "aq", "bq")
_TAG_CODES = np.array([ord(name[0]) | ord(name[1]) << 8 for name in TAG_NAMES], dtype=np.int64)
PASS, LOW_DEPTH, ERROR_RATE, MEAN_QUALITY, NO_CALLS, MATE_FAILED, NO_PRIMARY = range(7)
"""What became of a record."""
NOT_CONSENSUS, WRONG_LENGTH = 7, 8
"""Flaws of a record: no cD or cE, or strand tags without per-base ones; per-base tags of another length than it."""
_MASK_QUALITY = 2
_COMPLEMENT = np.arange(256, dtype=np.uint8)
for _a, _b in zip(b"ACGTacgt", b"TGCAtgca", strict=True):
    _COMPLEMENT[_a] = _b


class Limits(NamedTuple):
    """The filter's parameters; rows of three: both strands together, better strand, worse strand."""

    min_reads: NDArray[np.int64]
    max_read_error_rate: NDArray[np.float64]
    max_base_error_rate: NDArray[np.float64]
    max_no_calls: float
    """Up to 1: fraction of the read; above: number of bases."""
    min_base_quality: Int
    """0: no limit."""
    min_mean_base_quality: float
    """0: no limit."""
    needs_agreement: Int


@kernel
def find_consensus_tags(data: Bytes, fields: RecordFields) -> NDArray[np.int64]:
    """Return for each record and column the place of the tag's value past its type byte, -1 where absent."""
    n = len(fields.flag)
    out = np.full((n, 16), -1, dtype=np.int64)
    for i in range(n):
        at = fields.tags_at[i]
        while at < fields.tags_end[i]:
            code = u16(data, at)
            for column in range(16):
                if code == _TAG_CODES[column]:
                    out[i, column] = at + 3
            at = tag_end(data, at, fields.tags_end[i])
    return out


@lean_kernel
def _number(data: Bytes, at: Int) -> float:
    """Return a tag's number, whatever its type."""
    kind = np.int64(data[at - 1])
    if kind != 102:
        return float(whole_number(data, kind, at))
    bits = u32(data, at)
    fraction, exponent = bits & 0x7FFFFF, (bits >> 23) & 255
    if exponent == 255:
        return np.inf if fraction == 0 else np.nan
    size = fraction / 8388608.0 * 2.0**-126 if exponent == 0 else (1.0 + fraction / 8388608.0) * 2.0 ** (exponent - 127)
    return -size if bits >> 31 else size


@lean_kernel
def _entry(data: Bytes, at: Int, k: Int) -> Int:
    """Return entry k of an array tag of whole numbers."""
    kind = np.int64(data[at])
    return whole_number(data, kind, at + 5 + value_bytes(kind) * k)


@lean_kernel
def _has_length(data: Bytes, at: Int, n: Int) -> bool:
    """Return whether a per-base tag, array or text, has n entries."""
    if data[at - 1] == 66:
        return bool(u32(data, at + 1) == n and data[at] != 102)
    if data[at - 1] != 90:
        return False
    for k in range(n):
        if data[at + k] == 0:
            return False
    return bool(data[at + n] == 0)


@lean_kernel
def tags_flaw(data: Bytes, tags: NDArray[np.int64], n_bases: Int) -> Int:
    """Return 0, or the flaw of a record's consensus tags (one row of places)."""
    if tags[CD] < 0 or tags[CE] < 0:
        return np.int64(NOT_CONSENSUS)
    if tags[AD] >= 0 and (tags[BD] < 0 or tags[AE] < 0 or tags[BE] < 0):
        return np.int64(NOT_CONSENSUS)
    for column in range(CD_BASES, 16):
        if tags[column] >= 0 and not _has_length(data, tags[column], n_bases):
            return np.int64(WRONG_LENGTH)
    return np.int64(0)


@lean_kernel
def _swap(data: Bytes, a: Int, b: Int, size: Int) -> None:
    for k in range(size):
        data[a + k], data[b + k] = data[b + k], data[a + k]


@lean_kernel
def reverse_tags(data: Bytes, tags: NDArray[np.int64], n_bases: Int) -> None:
    """Turn round the per-base tags of a record in place; the strands' bases are complemented too."""
    for column in range(CD_BASES, 16):
        at = tags[column]
        if at < 0:
            continue
        is_array = data[at - 1] == 66
        size = value_bytes(np.int64(data[at])) if is_array else np.int64(1)
        start = at + 5 if is_array else at
        for k in range(n_bases // 2):
            _swap(data, start + k * size, start + (n_bases - 1 - k) * size, size)
        if column in (AC, BC):
            for k in range(n_bases):
                data[at + k] = _COMPLEMENT[data[at + k]]


@lean_kernel
def _fails_strands(data: Bytes, tags: NDArray[np.int64], limits: Limits) -> Int:
    """Return why a duplex read fails by its strands' depths or error rates, 0 where it does not."""
    a, b = _number(data, tags[AD]), _number(data, tags[BD])
    if max(a, b) < limits.min_reads[1] or min(a, b) < limits.min_reads[2]:
        return np.int64(LOW_DEPTH)
    a, b = _number(data, tags[AE]), _number(data, tags[BE])
    if min(a, b) > limits.max_read_error_rate[1] or max(a, b) > limits.max_read_error_rate[2]:
        return np.int64(ERROR_RATE)
    return np.int64(PASS)


@lean_kernel
def _read_reason(data: Bytes, fields: RecordFields, i: Int, tags: NDArray[np.int64], limits: Limits) -> Int:
    """Return why a read fails as a whole before its bases are looked at, 0 where it does not."""
    if _number(data, tags[CD]) < limits.min_reads[0]:
        return np.int64(LOW_DEPTH)
    if _number(data, tags[CE]) > limits.max_read_error_rate[0]:
        return np.int64(ERROR_RATE)
    if limits.min_mean_base_quality > 0:
        total = np.int64(0)
        for k in range(fields.n_bases[i]):
            total += np.int64(data[fields.quals_at[i] + k])
        if fields.n_bases[i] == 0 or total / fields.n_bases[i] < limits.min_mean_base_quality:
            return np.int64(MEAN_QUALITY)
    return _fails_strands(data, tags, limits) if tags[AD] >= 0 else np.int64(PASS)


@lean_kernel
def _is_weak_simplex(data: Bytes, tags: NDArray[np.int64], k: Int, limits: Limits) -> bool:
    """Return whether base k of a simplex read lies below the depth or above the error limit."""
    if tags[CD_BASES] < 0 or tags[CE_BASES] < 0:
        return False
    depth, errors = _entry(data, tags[CD_BASES], k), _entry(data, tags[CE_BASES], k)
    return bool(depth < limits.min_reads[0] or (depth > 0 and errors / depth > limits.max_base_error_rate[0]))


@lean_kernel
def _is_weak_duplex(data: Bytes, tags: NDArray[np.int64], k: Int, limits: Limits) -> bool:
    """Return whether base k of a duplex read is weak by depth, error rate or disagreement of its strands.

    Strands are better and worse by each figure apart. Where a strand has no depth there is no rate to compare.
    """
    if tags[AD_BASES] < 0 or tags[AE_BASES] < 0:
        return False
    has_b = tags[BD_BASES] >= 0 and tags[BE_BASES] >= 0
    depth_a, errors_a = _entry(data, tags[AD_BASES], k), _entry(data, tags[AE_BASES], k)
    depth_b = _entry(data, tags[BD_BASES], k) if has_b else np.int64(0)
    errors_b = _entry(data, tags[BE_BASES], k) if has_b else np.int64(0)
    total, better, worse = depth_a + depth_b, max(depth_a, depth_b), min(depth_a, depth_b)
    if total < limits.min_reads[0] or better < limits.min_reads[1] or worse < limits.min_reads[2]:
        return True
    if total > 0 and (errors_a + errors_b) / total > limits.max_base_error_rate[0]:
        return True
    if worse == 0:
        return False
    rate_a, rate_b = errors_a / depth_a, errors_b / depth_b
    if min(rate_a, rate_b) > limits.max_base_error_rate[1] or max(rate_a, rate_b) > limits.max_base_error_rate[2]:
        return True
    has_bases = tags[AC] >= 0 and tags[BC] >= 0
    return bool(limits.needs_agreement and has_bases and data[tags[AC] + k] != data[tags[BC] + k])


@lean_kernel
def _is_no_call(data: Bytes, bases_at: Int, k: Int) -> bool:
    pair = np.int64(data[bases_at + (k >> 1)])
    return bool((pair & 15 if k & 1 else pair >> 4) == 15)


@lean_kernel
def mask_bases(data: Bytes, fields: RecordFields, i: Int, tags: NDArray[np.int64], limits: Limits) -> tuple[Int, Int]:
    """Make the weak bases of a record N of quality 2 in place; return how many were masked and how many N there are."""
    masked, no_calls = np.int64(0), np.int64(0)
    is_duplex = tags[AD] >= 0
    bases_at, quals_at = fields.bases_at[i], fields.quals_at[i]
    for k in range(fields.n_bases[i]):
        is_n = _is_no_call(data, bases_at, k)
        no_calls += is_n
        if is_n and is_duplex:
            continue
        is_weak = bool(np.int64(data[quals_at + k]) < limits.min_base_quality)
        if not is_weak:
            is_weak = _is_weak_duplex(data, tags, k, limits) if is_duplex else _is_weak_simplex(data, tags, k, limits)
        if is_weak:
            at = bases_at + (k >> 1)
            data[at] = np.int64(data[at]) | (15 if k & 1 else 240)
            data[quals_at + k] = _MASK_QUALITY
            masked += not is_n
            no_calls += not is_n
    return masked, no_calls


@lean_kernel
def filter_record(
    data: Bytes, fields: RecordFields, i: Int, tags: NDArray[np.int64], limits: Limits
) -> tuple[Int, Int]:
    """Mask record i's weak bases in place unless it fails as a whole; return its status and the bases masked."""
    reason = _read_reason(data, fields, i, tags, limits)
    if reason != PASS:
        return reason, np.int64(0)
    masked, no_calls = mask_bases(data, fields, i, tags, limits)
    n_bases = np.int64(fields.n_bases[i])
    most = limits.max_no_calls if limits.max_no_calls > 1 else limits.max_no_calls * n_bases
    is_fraction = limits.max_no_calls <= 1 and n_bases > 0
    is_over = no_calls / n_bases > limits.max_no_calls if is_fraction else no_calls > most
    return np.int64(NO_CALLS if is_over else PASS), masked


@kernel
def filter_all(
    data: Bytes, fields: RecordFields, tags: NDArray[np.int64], limits: Limits, is_reversed: Int
) -> tuple[NDArray[np.uint8], NDArray[np.int32], Int]:
    """Filter every record on its own; return statuses, bases masked, and the first record with flawed tags (-1).

    Nothing is changed from a flawed record on.
    """
    n = len(fields.flag)
    status, masked = np.zeros(n, np.uint8), np.zeros(n, np.int32)
    for i in range(n):
        n_bases = np.int64(fields.n_bases[i])
        flaw = tags_flaw(data, tags[i], n_bases)
        if flaw:
            status[i] = flaw
            return status, masked, np.int64(i)
        if is_reversed and np.int64(fields.flag[i]) & 16:
            reverse_tags(data, tags[i], n_bases)
        status[i], masked[i] = filter_record(data, fields, i, tags[i], limits)
    return status, masked, np.int64(-1)


@kernel
def settle_templates(
    flag: NDArray[np.uint16], order: NDArray[np.int64], starts: NDArray[np.int64], status: NDArray[np.uint8]
) -> Int:
    """Reject all records of a template whose primary reads do not all pass; return the templates kept.

    `order[starts[t]:starts[t + 1]]` are the records of template t.
    """
    n_kept = np.int64(0)
    for t in range(len(starts) - 1):
        n_primary, n_failed = np.int64(0), np.int64(0)
        for j in range(starts[t], starts[t + 1]):
            if np.int64(flag[order[j]]) & 2304 == 0:
                n_primary += 1
                n_failed += status[order[j]] != PASS
        if n_primary > 0 and n_failed == 0:
            n_kept += 1
            continue
        for j in range(starts[t], starts[t + 1]):
            if status[order[j]] == PASS:
                status[order[j]] = NO_PRIMARY if n_primary == 0 else MATE_FAILED
    return n_kept


def warm() -> None:
    """Compile every kernel of this module on one unmapped record without tags."""
    head = np.zeros(36, dtype=np.uint8)
    head[0], head[12] = 33, 1
    data = np.append(head, np.zeros(1, dtype=np.uint8))
    fields = record_fields(data, np.array([0, 37], dtype=np.int64))
    limits = Limits(np.zeros(3, dtype=np.int64), np.zeros(3), np.zeros(3), 0.0, 0, 0.0, 0)
    status, _, _ = filter_all(data, fields, find_consensus_tags(data, fields), limits, 0)
    zeros = np.zeros(1, dtype=np.int64)
    settle_templates(fields.flag, zeros, np.array([0, 1], dtype=np.int64), status)
