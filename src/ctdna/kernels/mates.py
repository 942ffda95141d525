"""Templates in a file that keeps reads of one name together: their bounds, mates and mate tags."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets, u32
from ctdna.model.columns import RecordFields

Flags = NDArray[np.uint16]
_READ1, _READ2, _NOT_PRIMARY, _UNMAPPED, _PAIRED = 0x40, 0x80, 0x900, 0x4, 0x1


@kernel
def template_bounds(is_same_name: NDArray[np.bool_]) -> Offsets:
    """Return the first record of each template and, last, the number of records."""
    n = len(is_same_name)
    bounds = np.empty(n + 1, dtype=np.int64)
    n_templates = np.int64(0)
    for i in range(n):
        if i == 0 or not is_same_name[i]:
            bounds[n_templates] = i
            n_templates += 1
    bounds[n_templates] = n
    return bounds[: n_templates + 1].copy()


@kernel
def primary_mates(bounds: Offsets, flag: Flags) -> Offsets:
    """Return for each record the primary record of the other end of its template; -1 where there is none."""
    mate = np.full(len(flag), -1, dtype=np.int64)
    for t in range(len(bounds) - 1):
        first, second = np.int64(-1), np.int64(-1)
        for i in range(bounds[t], bounds[t + 1]):
            value = np.int64(flag[i])
            if value & _NOT_PRIMARY == 0 and value & _READ1 != 0:
                first = np.int64(i)
            elif value & _NOT_PRIMARY == 0 and value & _READ2 != 0:
                second = np.int64(i)
        for i in range(bounds[t], bounds[t + 1]):
            value = np.int64(flag[i])
            if value & _PAIRED != 0:
                mate[i] = second if value & _READ1 != 0 else first
    return mate


@lean_kernel
def _n_digits(value: Int) -> Int:
    n, rest = np.int64(1), value
    while rest >= 10:
        rest //= 10
        n += 1
    return n


@kernel
def cigar_texts(data: Bytes, cigar_at: Offsets, n_cigar: NDArray[np.int32]) -> tuple[Bytes, Offsets]:
    """Return CIGARs as text, one after the other, and their offsets; empty without a CIGAR."""
    offsets = np.zeros(len(cigar_at) + 1, dtype=np.int64)
    for i in range(len(cigar_at)):
        size = np.int64(0)
        for k in range(n_cigar[i]):
            size += 1 + _n_digits(u32(data, cigar_at[i] + 4 * k) >> 4)
        offsets[i + 1] = offsets[i] + size
    out = np.empty(offsets[-1], dtype=np.uint8)
    letters = (77, 73, 68, 78, 83, 72, 80, 61, 88)
    for i in range(len(cigar_at)):
        to = offsets[i]
        for k in range(n_cigar[i]):
            operation = u32(data, cigar_at[i] + 4 * k)
            value, n = operation >> 4, _n_digits(operation >> 4)
            for d in range(n):
                out[to + n - 1 - d] = 48 + value % 10
                value //= 10
            out[to + n] = letters[operation & 15]
            to += n + 1
    return out, offsets


@kernel
def match_templates(
    data: Bytes, fields: RecordFields, source_data: Bytes, source: RecordFields
) -> tuple[Offsets, Int, Int]:
    """Return for each aligned record the record of the unaligned file that it came from.

    Both files hold the same templates in the same order. The second value is the number of source records used; the
    third is the first aligned record without a source, -1 if none.
    """
    n, n_source = len(fields.flag), len(source.flag)
    out = np.full(n, -1, dtype=np.int64)
    start, end = np.int64(0), np.int64(0)
    for i in range(n):
        if end == 0 or not _is_name(data, fields, i, source_data, source, start):
            start = end
            if start >= n_source or not _is_name(data, fields, i, source_data, source, start):
                return out, end, i
            while end < n_source and _is_name(data, fields, i, source_data, source, end):
                end += 1
        wanted = np.int64(fields.flag[i]) & (_READ1 | _READ2)
        for k in range(start, end):
            if np.int64(source.flag[k]) & (_READ1 | _READ2) == wanted:
                out[i] = k
        if out[i] < 0:
            return out, end, i
    return out, end, -1


@lean_kernel
def _is_name(data: Bytes, fields: RecordFields, i: Int, source_data: Bytes, source: RecordFields, k: Int) -> bool:
    n = np.int64(fields.n_name[i])
    is_equal = n == source.n_name[k]
    at, source_at = fields.name_at[i], source.name_at[k]
    j = np.int64(0)
    while j < n and is_equal:
        is_equal = data[at + j] == source_data[source_at + j]
        j += 1
    return bool(is_equal)


def warm() -> None:
    """Compile every kernel of this module on no records."""
    from ctdna.kernels.record import record_fields

    data, none = np.zeros(4, dtype=np.uint8), np.zeros(0, dtype=np.int64)
    bounds = template_bounds(np.zeros(0, dtype=np.bool_))
    primary_mates(bounds, np.zeros(0, dtype=np.uint16))
    cigar_texts(data, none, np.zeros(0, dtype=np.int32))
    fields = record_fields(data, np.zeros(1, dtype=np.int64))
    match_templates(data, fields, data, fields)
