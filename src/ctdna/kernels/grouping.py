"""Templates out of records in any order, their outer ends, order by name, and records with a molecule's id."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets, tag_end, u16
from ctdna.model.columns import RawRecords

Indices = NDArray[np.int64]
Flags = NDArray[np.uint16]
Status = NDArray[np.uint8]

PAIRED, UNMAPPED, REVERSE, FIRST, SECOND = 0x1, 0x4, 0x10, 0x40, 0x80
SECONDARY, NOT_PF, SUPPLEMENTARY = 0x100, 0x200, 0x800
UNKNOWN = (1 << 31) - 1
"""Contig and position of an end that is not mapped: after every other."""
MI_TAG = ord("M") | ord("I") << 8

REASONS = ("", "not_pf", "mate_missing", "unmapped", "inter_contig", "low_mapq", "n_in_umi", "short_umi")
"""Why a template is rejected, by its status; the first that holds counts."""
NO_UMI, BAD_UMI = 20, 30
"""Statuses of templates whose UMI is an error: missing; with `encode_umis`'s status added, not readable."""


class Ends(NamedTuple):
    """The two outer ends of n templates, the earlier first."""

    contigs: NDArray[np.int64]
    """Contig of the earlier end << 32 | that of the later; `UNKNOWN` where not mapped."""
    positions: NDArray[np.int64]
    """Unclipped 5' position (0-based, + 2^24) of the earlier end << 32 | that of the later; `UNKNOWN`."""
    strands: NDArray[np.int64]
    """2 * (earlier end reverse) + (later end reverse)."""
    orientation: NDArray[np.int64]
    """2 * (read 1 reverse) + (read 2 reverse); a read that is absent or not mapped counts as forward."""
    is_r1_lower: NDArray[np.bool_]
    """Whether read 1 has the earlier end; of two ends at one place the forward one is earlier."""


@lean_kernel
def same_name(data: Bytes, at: Int, n: Int, other_at: Int, n_other: Int) -> bool:
    """Return whether two names are equal."""
    if n != n_other:
        return False
    k = 0
    while k < n and data[at + k] == data[other_at + k]:
        k += 1
    return k == n


@lean_kernel
def name_hash(data: Bytes, at: Int, n: Int) -> Int:
    """Return FNV-1a over the name, in 32 bits."""
    value = np.int64(2166136261)
    for k in range(n):
        value = (value ^ np.int64(data[at + k])) * 16777619 & 0xFFFFFFFF
    return value ^ value >> 15


@kernel
def name_groups(data: Bytes, name_at: Offsets, n_name: NDArray[np.int32]) -> tuple[Indices, Int]:
    """Return for each record the number of its read name, counted by first occurrence, and the number of names."""
    n = len(name_at)
    size = np.int64(16)
    while size < 2 * n:
        size *= 2
    table = np.full(size, -1, dtype=np.int64)
    group = np.empty(n, dtype=np.int64)
    n_groups = np.int64(0)
    for i in range(n):
        if i > 0 and same_name(data, name_at[i], n_name[i], name_at[i - 1], n_name[i - 1]):
            group[i] = group[i - 1]
            continue
        slot = name_hash(data, name_at[i], n_name[i]) & (size - 1)
        while table[slot] >= 0:
            other = table[slot]
            if same_name(data, name_at[i], n_name[i], name_at[other], n_name[other]):
                break
            slot = slot + 1 & (size - 1)
        if table[slot] < 0:
            table[slot] = i
            group[i] = n_groups
            n_groups += 1
        else:
            group[i] = group[table[slot]]
    return group, n_groups


@kernel
def pair_templates(group: Indices, n_groups: Int, records: Indices, flag: Flags) -> tuple[Indices, Indices, Int, Int]:
    """Return each template's read 1 (or its only read) and read 2 as record indices, -1 where absent.

    `group[i]` is the template of `records[i]`. Third and fourth: the first record at fault, -1 where none is, and
    whether its template has another such read (1) or it is paired, but neither first nor second (2).
    """
    reads = np.full((2, n_groups), -1, dtype=np.int64)
    for i in range(len(group)):
        bits = np.int64(flag[records[i]])
        end = 1 if bits & PAIRED and bits & SECOND else 0
        if bits & PAIRED and bits & (FIRST | SECOND) != FIRST and bits & (FIRST | SECOND) != SECOND:
            return reads[0].copy(), reads[1].copy(), records[i], 2
        if reads[end, group[i]] >= 0:
            return reads[0].copy(), reads[1].copy(), records[i], 1
        reads[end, group[i]] = records[i]
    return reads[0].copy(), reads[1].copy(), -1, 0


@lean_kernel
def _is_before(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    """Return whether an end (contig, position, reverse) is the earlier; of equal ones a forward end is."""
    if a[0] != b[0]:
        return bool(a[0] < b[0])
    if a[1] != b[1]:
        return bool(a[1] < b[1])
    return bool(a[2] == 0)


@kernel
def template_ends(r1: Indices, r2: Indices, ref_id: NDArray[np.int32], five0: NDArray[np.int32], flag: Flags) -> Ends:
    """Return the outer ends of templates from the unclipped 5' positions of their reads."""
    n = len(r1)
    out = Ends(
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64),
        np.empty(n, np.bool_),
    )  # fmt: skip
    ends = np.empty((2, 3), dtype=np.int64)
    for i in range(n):
        for end in range(2):
            record = r1[i] if end == 0 else r2[i]
            ends[end, :2], ends[end, 2] = UNKNOWN, 0
            if record >= 0 and np.int64(flag[record]) & UNMAPPED == 0 and ref_id[record] >= 0:
                ends[end, 0] = ref_id[record]
                ends[end, 1] = np.int64(five0[record]) + (1 << 24)
                ends[end, 2] = 1 if np.int64(flag[record]) & REVERSE else 0
        lower = 0 if _is_before(ends[0], ends[1]) else 1
        out.contigs[i] = ends[lower, 0] << 32 | ends[1 - lower, 0]
        out.positions[i] = ends[lower, 1] << 32 | ends[1 - lower, 1]
        out.strands[i] = 2 * ends[lower, 2] + ends[1 - lower, 2]
        out.orientation[i] = 2 * ends[0, 2] + ends[1, 2]
        out.is_r1_lower[i] = lower == 0
    return out


@lean_kernel
def _alignment_status(
    r1: Int, r2: Int, ref_id: NDArray[np.int32], mapq: NDArray[np.uint8], flag: Flags, limits: Indices
) -> Int:
    """Return the status of a template by its alignment; `limits`: least mapping quality, 1 if inter-contig is fine."""
    n_mapped, worst = 0, np.int64(255)
    for record in (r1, r2):
        if record < 0:
            continue
        bits = np.int64(flag[record])
        if bits & NOT_PF:
            return 1
        if bits & PAIRED and (r1 < 0 or r2 < 0):
            return 2
        if bits & UNMAPPED == 0:
            n_mapped += 1
            worst = min(worst, np.int64(mapq[record]))
    if n_mapped == 0:
        return 3
    if n_mapped == 2 and limits[1] == 0 and ref_id[r1] != ref_id[r2]:
        return 4
    return 5 if worst < limits[0] else 0


@kernel
def template_status(
    r1: Indices,
    r2: Indices,
    ref_id: NDArray[np.int32],
    mapq: NDArray[np.uint8],
    flag: Flags,
    n_umi_bases: NDArray[np.int32],
    umi_status: Status,
    limits: Indices,
) -> Status:
    """Return 0 for templates to group, else why not: an index into `REASONS`, `NO_UMI`, or `BAD_UMI` + what is wrong.

    `n_umi_bases` (0: no UMI) and `umi_status` (`encode_umis`'s) are per record. `limits`: least mapping quality, 1 if
    templates on two contigs are fine, least bases of a UMI.
    """
    out = np.zeros(len(r1), dtype=np.uint8)
    for i in range(len(r1)):
        status = _alignment_status(r1[i], r2[i], ref_id, mapq, flag, limits)
        for record in (r1[i], r2[i]):
            if record < 0 or status in (1, 2, 3, 4, 5) or status >= NO_UMI:
                continue
            if n_umi_bases[record] <= 0:
                status = NO_UMI
            elif umi_status[record] == 1:
                status = 6
            elif umi_status[record] > 1:
                status = BAD_UMI + np.int64(umi_status[record])
            elif status == 0 and n_umi_bases[record] < limits[2]:
                status = 7
        out[i] = status
    return out


@kernel
def match_texts(
    data: Bytes, at: Offsets, n_chars: NDArray[np.int32], texts: Bytes, offsets: Offsets
) -> NDArray[np.int64]:
    """Return which of the known texts each tag value is; -1 where the tag is absent (`at` negative) or unknown."""
    out = np.full(len(at), -1, dtype=np.int64)
    for i in range(len(at)):
        if at[i] < 0:
            continue
        for j in range(len(offsets) - 1):
            n = offsets[j + 1] - offsets[j]
            k = 0
            while k < n and k < n_chars[i] and data[at[i] + k] == texts[offsets[j] + k]:
                k += 1
            if k == n and k == n_chars[i]:
                out[i] = j
                break
    return out


@kernel
def padded_texts(data: Bytes, at: Offsets, n_chars: NDArray[np.int32], width: Int) -> NDArray[np.uint8]:
    """Return tag values as rows: the length, then the text, then NULs; sorted as bytes, shorter texts come first."""
    out = np.zeros((len(at), width + 1), dtype=np.uint8)
    for i in range(len(at)):
        if at[i] >= 0:
            out[i, 0] = n_chars[i]
            out[i, 1 : 1 + n_chars[i]] = data[at[i] : at[i] + n_chars[i]]
    return out


@kernel
def runs(values: NDArray[np.int64]) -> Offsets:
    """Return the n + 1 offsets of the runs of equal columns of `values` (keys, items)."""
    n = values.shape[1]
    starts = np.empty(n + 1, dtype=np.int64)
    n_runs = 0
    for i in range(n):
        is_new = i == 0
        for key in range(values.shape[0]):
            if i > 0 and values[key, i] != values[key, i - 1]:
                is_new = True
        if is_new:
            starts[n_runs] = i
            n_runs += 1
    starts[n_runs] = n
    return starts[: n_runs + 1].copy()


@lean_kernel
def _is_name_after(data: Bytes, at: Int, n: Int, other_at: Int, n_other: Int) -> bool:
    """Return whether the first name sorts after the second, byte by byte, the shorter of equal ones first."""
    for k in range(min(np.int64(n), np.int64(n_other))):
        if data[at + k] != data[other_at + k]:
            return bool(data[at + k] > data[other_at + k])
    return bool(n > n_other)


@kernel
def sort_by_name(
    items: Indices, offsets: Offsets, record: Indices, data: Bytes, name_at: Offsets, n_name: NDArray[np.int32]
) -> None:
    """Sort the items of each run in place by the name of the record of each (bottom-up merge sort)."""
    scratch = np.empty(len(items), dtype=np.int64)
    for run in range(len(offsets) - 1):
        start, end = offsets[run], offsets[run + 1]
        width = np.int64(1)
        while width < end - start:
            at = start
            while at < end:
                middle, stop = min(at + width, end), min(at + 2 * width, end)
                i, j = at, middle
                for to in range(at, stop):
                    take_right = i >= middle
                    if i < middle and j < stop:
                        a, b = record[items[i]], record[items[j]]
                        take_right = _is_name_after(data, name_at[a], n_name[a], name_at[b], n_name[b])
                    if take_right:
                        scratch[to] = items[j]
                        j += 1
                    else:
                        scratch[to] = items[i]
                        i += 1
                at = stop
            items[start:end] = scratch[start:end]
            width *= 2


@lean_kernel
def n_digits(value: Int) -> Int:
    """Return the decimal digits of a number that is not negative."""
    n = 1
    while value >= 10:
        value = value // 10
        n += 1
    return n


@kernel
def copy_without_mi(data: Bytes, at: Int, tags_at: Int, end: Int, out: Bytes, to: Int) -> Int:
    """Copy a record but for its MI tags; return where the copy ends."""
    n = tags_at - at
    out[to : to + n] = data[at:tags_at]
    to += n
    tag_at: Int = np.int64(tags_at)
    while tag_at < end:
        tag_stop = tag_end(data, tag_at, end)
        if u16(data, tag_at) != MI_TAG:
            out[to : to + tag_stop - tag_at] = data[tag_at:tag_stop]
            to += tag_stop - tag_at
        tag_at = tag_stop
    return to


@lean_kernel
def put_mi(out: Bytes, to: Int, molecule: Int, strand: Int) -> Int:
    """Write the MI tag of a molecule: its number, then /A (`strand` 1), /B (2) or nothing (0); return where it ends."""
    out[to], out[to + 1], out[to + 2] = MI_TAG & 255, MI_TAG >> 8, 90
    value = np.int64(molecule)
    n = n_digits(value)
    to += 3 + n
    for k in range(n):
        out[to - 1 - k] = 48 + value % 10
        value = value // 10
    if strand > 0:
        out[to], out[to + 1] = 47, 64 + strand
        to += 2
    out[to] = 0
    return to + 1


@kernel
def with_molecules(
    data: Bytes,
    offsets: Offsets,
    tags_at: Offsets,
    order: Indices,
    molecule: Indices,
    strand: NDArray[np.uint8],
) -> RawRecords:
    """Return the records `order` with MI as their last tag: `molecule`, then /A (`strand` 1), /B (2) or nothing (0).

    `tags_at`, `molecule` and `strand` are parallel to `order`.
    """
    n = len(order)
    room = np.int64(0)
    for i in range(n):
        room += offsets[order[i] + 1] - offsets[order[i]] + 6 + n_digits(molecule[i])
    out = np.empty(room, dtype=np.uint8)
    new_offsets = np.empty(n + 1, dtype=np.int64)
    new_offsets[0] = 0
    for i in range(n):
        record = order[i]
        to = copy_without_mi(data, offsets[record], tags_at[i], offsets[record + 1], out, new_offsets[i])
        to = put_mi(out, to, molecule[i], np.int64(strand[i]))
        size = to - new_offsets[i] - 4
        for k in range(4):
            out[new_offsets[i] + k] = size >> 8 * k & 255
        new_offsets[i + 1] = to
    return RawRecords(out[: new_offsets[n]].copy(), new_offsets)


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    data, at = np.frombuffer(b"\0" * 40 + b"r\0RXZA\0", dtype=np.uint8).copy(), np.array([40], dtype=np.int64)
    ints, flag, bytes_ = np.ones(1, dtype=np.int32), np.zeros(1, dtype=np.uint16), np.zeros(1, dtype=np.uint8)
    group, n_groups = name_groups(data, at, ints)
    r1, r2, _, _ = pair_templates(group, n_groups, np.zeros(1, dtype=np.int64), flag)
    template_ends(r1, r2, ints, ints, flag)
    template_status(r1, r2, ints, bytes_, flag, ints, bytes_, np.zeros(3, dtype=np.int64))
    both = np.array([0, 1], dtype=np.int64)
    match_texts(data, at, ints, data[40:41].copy(), both)
    padded_texts(data, at, ints, 1)
    sort_by_name(np.zeros(1, dtype=np.int64), runs(np.zeros((2, 1), dtype=np.int64)), r1, data, at, ints)
    with_molecules(data, np.array([0, 47], dtype=np.int64), at + 2, r1, r1, bytes_)
