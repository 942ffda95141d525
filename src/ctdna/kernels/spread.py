"""The alignments of representatives, spread to the read pairs that they stand for."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.collapse import END_BASES, END_MASK
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.orient import NIBBLE_COMPLEMENT
from ctdna.kernels.record import FIXED_BYTES, Bytes, Int, Offsets, copy_bytes, tag_end, u16, u32
from ctdna.kernels.record_build import nibble_table, put16, put32
from ctdna.model.columns import RawRecords, RecordFields

_PAIRED, _UNMAPPED, _REVERSE, _READ1, _READ2, _NOT_PRIMARY = 0x1, 0x4, 0x10, 0x40, 0x80, 0x900
_RX, _MD = ord("R") | ord("X") << 8, ord("M") | ord("D") << 8
ROUGH = 1 << 4 * END_BASES
"""Mark of a read that is clipped, has an indel, or is not aligned."""

FORWARD = nibble_table()
"""BAM's 4-bit base of an ASCII letter."""
TURNED = NIBBLE_COMPLEMENT[FORWARD]
"""That of its complement."""


class Heads(NamedTuple):
    """What the reads of n representatives leave to others: records 2 * i and 2 * i + 1 are reads 1 and 2 of pair i."""

    data: Bytes
    """Each record's first 36 bytes and its CIGAR; the size field is not renewed."""
    offsets: Offsets
    marks: NDArray[np.int64]
    """Mismatches with the reference near the read's ends, as `kernels.collapse` marks them, and `ROUGH`."""


@lean_kernel
def _end_marks(data: Bytes, fields: RecordFields, i: Int) -> Int:
    """Return the marks of an aligned read, in sequencing direction; `ROUGH` unless it is aligned as a whole with MD."""
    n = np.int64(fields.n_bases[i])
    flag = np.int64(fields.flag[i])
    if flag & _UNMAPPED or fields.n_cigar[i] != 1 or u32(data, fields.cigar_at[i]) & 15 != 0:
        return np.int64(ROUGH)
    at = fields.tags_at[i]
    while at < fields.tags_end[i] and u16(data, at) != _MD:
        at = tag_end(data, at, fields.tags_end[i])
    if at >= fields.tags_end[i]:
        return np.int64(ROUGH)
    k, run, position, marks = at + 3, np.int64(0), np.int64(0), np.int64(0)
    while data[k] != 0:
        letter = np.int64(data[k])
        k += 1
        if 48 <= letter <= 57:
            run = run * 10 + letter - 48
            continue
        position += run
        place = n - 1 - position if flag & _REVERSE else position
        if place < END_BASES:
            marks |= np.int64(1) << 2 * place
        if place >= n - END_BASES:
            marks |= np.int64(1) << 2 * (place - n + 2 * END_BASES)
        run, position = np.int64(0), position + 1
    return marks


@kernel
def take_heads(data: Bytes, fields: RecordFields, bounds: Offsets) -> tuple[Heads, Int]:
    """Return the heads of each template's primary reads 1 and 2, and a faulty template.

    The faulty template is the first without exactly one primary read 1 and read 2; -1: none.
    """
    n = len(bounds) - 1
    chosen = np.full(2 * n, -1, dtype=np.int64)
    bad = np.int64(-1)
    for t in range(n):
        n_found = 0
        for i in range(bounds[t], bounds[t + 1]):
            flag = np.int64(fields.flag[i])
            if flag & _NOT_PRIMARY == 0 and flag & _PAIRED:
                chosen[2 * t + (0 if flag & _READ1 else 1)] = i
                n_found += 1
        if bad < 0 and (n_found != 2 or chosen[2 * t] < 0 or chosen[2 * t + 1] < 0):
            bad = np.int64(t)
    if bad >= 0:
        chosen = chosen[:0].copy()
    m = len(chosen)
    offsets = np.zeros(m + 1, dtype=np.int64)
    for j in range(m):
        offsets[j + 1] = offsets[j] + FIXED_BYTES + 4 * np.int64(fields.n_cigar[chosen[j]])
    out, marks = np.empty(offsets[m], dtype=np.uint8), np.zeros(m, dtype=np.int64)
    for j in range(m):
        i, to = chosen[j], offsets[j]
        copy_bytes(data, fields.name_at[i] - FIXED_BYTES, out, to, np.int64(FIXED_BYTES))
        copy_bytes(data, fields.cigar_at[i], out, to + FIXED_BYTES, 4 * np.int64(fields.n_cigar[i]))
        marks[j] = _end_marks(data, fields, i)
    return Heads(out, offsets, marks), bad


@kernel
def are_doubtful(
    heads: Heads, representative: NDArray[np.int64], is_turned: NDArray[np.bool_], marks: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which pairs might be aligned otherwise than their representatives.

    So it is where a read differs from its representative near an end and would have two mismatches with the reference
    there, or differs at all and the representative is not aligned as a whole. `marks` are the pairs' (n x 2).
    """
    out = np.zeros(len(representative), dtype=np.bool_)
    for i in range(len(representative)):
        for end in range(2):
            own = marks[i, end]
            if own == 0:
                continue
            its = heads.marks[2 * representative[i] + (1 - end if is_turned[i] else end)]
            out[i] = out[i] or its & ROUGH != 0
            for zone in range(2):
                here = own >> 2 * END_BASES * zone & END_MASK
                both = here ^ (its >> 2 * END_BASES * zone & END_MASK)
                if here != 0 and both & (both - 1):
                    out[i] = True
    return out


@lean_kernel
def _put_bases(out: Bytes, bases: Bytes, nibble_of: Bytes) -> None:
    """Fill `out` with packed bases. Slices, counted from 0, take the fewest steps."""
    n = len(bases)
    for k in range(n >> 1):
        high, low = np.int64(nibble_of[bases[2 * k]]), np.int64(nibble_of[bases[2 * k + 1]])
        out[k] = high << 4 | low
    if n & 1:
        out[n >> 1] = np.int64(nibble_of[bases[n - 1]]) << 4


@lean_kernel
def _put_bases_turned(out: Bytes, bases: Bytes, nibble_of: Bytes) -> None:
    """Fill `out` with packed bases from the last to the first."""
    n = len(bases)
    for k in range(n >> 1):
        high, low = np.int64(nibble_of[bases[n - 1 - 2 * k]]), np.int64(nibble_of[bases[n - 2 - 2 * k]])
        out[k] = high << 4 | low
    if n & 1:
        out[n >> 1] = np.int64(nibble_of[bases[0]]) << 4


@lean_kernel
def _put_turned(out: Bytes, quals: Bytes) -> None:
    n = len(quals)
    for k in range(n):
        out[k] = quals[n - 1 - k]


@lean_kernel
def _put_read(
    out: Bytes, to: Int, reads: tuple[Bytes, Bytes, Offsets], i: Int, is_reverse: Int, tables: tuple[Bytes, Bytes]
) -> Int:
    """Write bases and qualities of read i as a record holds them; return where they end."""
    bases, quals, offsets = reads
    start, stop = offsets[i], offsets[i + 1]
    quals_at = to + (stop - start + 1) // 2
    end = quals_at + stop - start
    if is_reverse:
        _put_bases_turned(out[to:quals_at], bases[start:stop], tables[1])
        _put_turned(out[quals_at:end], quals[start:stop])
    else:
        _put_bases(out[to:quals_at], bases[start:stop], tables[0])
        copy_bytes(quals, start, out, quals_at, stop - start)
    return np.int64(end)


@kernel
def spread_pairs(
    heads: Heads,
    chosen: Offsets,
    representative: NDArray[np.int64],
    is_turned: NDArray[np.bool_],
    names: tuple[Bytes, Offsets],
    umis: tuple[Bytes, Offsets],
    reads: tuple[tuple[Bytes, Bytes, Offsets], tuple[Bytes, Bytes, Offsets]],
    tables: tuple[Bytes, Bytes],
) -> RawRecords:
    """Return the records of the chosen read pairs, read 1 then read 2 of each, aligned as their representatives are.

    `heads` are `take_heads` of the representatives. A turned pair's read 1 is aligned as its representative's read 2.
    `umis` become RX; `reads` are bases, qualities and offsets of both ends; `tables` are `FORWARD` and `TURNED`.
    """
    n = len(chosen)
    offsets = np.zeros(2 * n + 1, dtype=np.int64)
    for k in range(n):
        i = chosen[k]
        fixed = FIXED_BYTES + 1 + names[1][i + 1] - names[1][i] + 4 + umis[1][i + 1] - umis[1][i]
        for end in range(2):
            head = 2 * representative[i] + (1 - end if is_turned[i] else end)
            n_bases = reads[end][2][i + 1] - reads[end][2][i]
            size = fixed + heads.offsets[head + 1] - heads.offsets[head] - FIXED_BYTES + (n_bases + 1) // 2 + n_bases
            offsets[2 * k + end + 1] = offsets[2 * k + end] + size
    out = np.empty(offsets[-1], dtype=np.uint8)
    for k in range(n):
        i = chosen[k]
        for end in range(2):
            head = 2 * representative[i] + (1 - end if is_turned[i] else end)
            at, start = offsets[2 * k + end], heads.offsets[head]
            n_name = names[1][i + 1] - names[1][i]
            copy_bytes(heads.data, start, out, at, np.int64(FIXED_BYTES))
            flag = u16(out, at + 18) & ~(_READ1 | _READ2) | (_READ1 if end == 0 else _READ2)
            put32(out, at, offsets[2 * k + end + 1] - at - 4)
            out[at + 12] = n_name + 1
            put16(out, at + 18, flag)
            put32(out, at + 20, reads[end][2][i + 1] - reads[end][2][i])
            to = copy_bytes(names[0], names[1][i], out, at + FIXED_BYTES, n_name)
            out[to] = 0
            to = copy_bytes(heads.data, start + FIXED_BYTES, out, to + 1, heads.offsets[head + 1] - start - FIXED_BYTES)
            to = _put_read(out, to, reads[end], i, flag & _REVERSE, tables)
            put16(out, to, np.int64(_RX))
            out[to + 2] = 90
            to = copy_bytes(umis[0], umis[1][i], out, to + 3, umis[1][i + 1] - umis[1][i])
            out[to] = 0
    return RawRecords(out, offsets)


@kernel
def first_tags(comments: Bytes, offsets: Offsets) -> tuple[Bytes, Offsets]:
    """Return the text of the first tag of each comment (`RX:Z:ACG\tQX:Z:...` gives `ACG`)."""
    n = len(offsets) - 1
    ends = np.empty(n, dtype=np.int64)
    out_offsets = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        k = offsets[i] + 5
        while k < offsets[i + 1] and comments[k] != 9:
            k += 1
        ends[i] = k
        out_offsets[i + 1] = out_offsets[i] + k - offsets[i] - 5
    out = np.empty(out_offsets[n], dtype=np.uint8)
    for i in range(n):
        copy_bytes(comments, offsets[i] + 5, out, out_offsets[i], ends[i] - offsets[i] - 5)
    return out, out_offsets


def warm() -> None:
    """Compile every kernel of this module on one pair."""
    from ctdna.kernels.record import record_fields

    data = np.zeros(2 * 38, dtype=np.uint8)
    data[[0, 12, 18, 38, 50, 56]] = [34, 2, _PAIRED | _READ1, 34, 2, _PAIRED | _READ2]
    bounds = np.array([0, 2], dtype=np.int64)
    heads, _ = take_heads(data, record_fields(data, np.array([0, 38, 76], dtype=np.int64)), bounds)
    text, ends = np.full(7, 65, dtype=np.uint8), np.array([0, 7], dtype=np.int64)
    umis = first_tags(text, ends)
    reads = (text, text, ends)
    zero = np.zeros(1, dtype=np.int64)
    are_doubtful(heads, zero, zero.astype(np.bool_), np.zeros((1, 2), dtype=np.int64))
    spread_pairs(heads, zero, zero, zero.astype(np.bool_), (text, ends), umis, (reads, reads), (FORWARD, TURNED))
