"""Assembly of raw BAM records from columns, and changes to records that exist.

Tags travel as ragged bytes: per record the tags as BAM stores them, one after the other. `TagsBuilder` makes them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import FIXED_BYTES, Bytes, Int, Offsets, i32, tag_end, u16, u32
from ctdna.model.columns import RawRecords


class NewRecords(NamedTuple):
    """Columns of n records to assemble."""

    names: NDArray[np.uint8]
    """Read names, one after the other, without NUL; 1 to 254 bytes each."""
    name_offsets: NDArray[np.int64]
    """n + 1 offsets into `names`."""
    flag: NDArray[np.uint16]
    """SAM flags."""
    ref_id: NDArray[np.int32]
    """Contig index; -1 unplaced."""
    pos0: NDArray[np.int32]
    """Leftmost position, 0-based; -1 unplaced."""
    mapq: NDArray[np.uint8]
    """Mapping quality."""
    cigar: NDArray[np.uint32]
    """CIGAR operations as BAM stores them (length << 4 | operation)."""
    cigar_offsets: NDArray[np.int64]
    """n + 1 offsets into `cigar`."""
    mate_ref_id: NDArray[np.int32]
    """The mate's contig index; -1 unplaced."""
    mate_pos0: NDArray[np.int32]
    """The mate's position, 0-based; -1 unplaced."""
    insert_size: NDArray[np.int32]
    """Signed template length."""
    bases: NDArray[np.uint8]
    """ASCII, one record after the other; a letter unknown to BAM becomes N."""
    quals: NDArray[np.uint8]
    """Phred qualities, parallel to `bases`; 255 throughout a record: missing."""
    base_offsets: NDArray[np.int64]
    """n + 1 offsets into `bases` and `quals`."""
    tags: NDArray[np.uint8]
    """Tags as BAM stores them."""
    tag_offsets: NDArray[np.int64]
    """n + 1 offsets into `tags`."""


def unmapped_records(
    names: tuple[Bytes, Offsets],
    flag: NDArray[np.uint16],
    reads: tuple[Bytes, Bytes, Offsets],
    tags: tuple[Bytes, Offsets],
) -> NewRecords:
    """Return the columns of unmapped records from names, flags, reads (bases, qualities, offsets) and tags."""
    n = len(flag)
    none = np.full(n, -1, dtype=np.int32)
    return NewRecords(
        names=names[0],
        name_offsets=names[1],
        flag=flag,
        ref_id=none,
        pos0=none,
        mapq=np.zeros(n, dtype=np.uint8),
        cigar=np.zeros(0, dtype=np.uint32),
        cigar_offsets=np.zeros(n + 1, dtype=np.int64),
        mate_ref_id=none,
        mate_pos0=none,
        insert_size=np.zeros(n, dtype=np.int32),
        bases=reads[0],
        quals=reads[1],
        base_offsets=reads[2],
        tags=tags[0],
        tag_offsets=tags[1],
    )


def nibble_table() -> NDArray[np.uint8]:
    """Return BAM's 4-bit base of every ASCII letter, either case; 15 (N) for what is none."""
    table = np.full(256, 15, dtype=np.uint8)
    for code, letter in enumerate("=ACMGRSVTWYHKDBN"):
        table[[ord(letter), ord(letter.lower())]] = code
    return table


_NIBBLE_OF = nibble_table()


@lean_kernel
def put32(data: Bytes, at: Int, value: Int) -> None:
    """Store a 4-byte number, signed or unsigned, at `at`."""
    data[at] = value & 255
    data[at + 1] = (value >> 8) & 255
    data[at + 2] = (value >> 16) & 255
    data[at + 3] = (value >> 24) & 255


@lean_kernel
def put16(data: Bytes, at: Int, value: Int) -> None:
    """Store a 2-byte number, signed or unsigned, at `at`."""
    data[at] = value & 255
    data[at + 1] = (value >> 8) & 255


@lean_kernel
def bin_of(start0: Int, end0: Int) -> Int:
    """Return the index bin of an interval (half-open), as the SAM specification computes it; -1, 0 gives 4680."""
    last = end0 - 1
    for level in range(5):
        shift = 14 + 3 * level
        if start0 >> shift == last >> shift:
            return ((np.int64(1) << (3 * (5 - level))) - 1) // 7 + (start0 >> shift)
    return np.int64(0)


@lean_kernel
def _record_bin(data: Bytes, at: Int) -> Int:
    start0 = i32(data, at + 8)
    span = np.int64(0)
    cigar_at = at + FIXED_BYTES + np.int64(data[at + 12])
    for k in range(u16(data, at + 16)):
        operation = u32(data, cigar_at + 4 * k)
        code = operation & 15
        if code == 0 or code == 2 or code == 3 or code == 7 or code == 8:
            span += operation >> 4
    return bin_of(start0, start0 + max(span, np.int64(1)))


@lean_kernel
def _put_fixed(data: Bytes, at: Int, size: Int, columns: NewRecords, i: Int) -> None:
    put32(data, at, size - 4)
    put32(data, at + 4, np.int64(columns.ref_id[i]))
    put32(data, at + 8, np.int64(columns.pos0[i]))
    data[at + 12] = columns.name_offsets[i + 1] - columns.name_offsets[i] + 1
    data[at + 13] = columns.mapq[i]
    put16(data, at + 16, columns.cigar_offsets[i + 1] - columns.cigar_offsets[i])
    put16(data, at + 18, np.int64(columns.flag[i]))
    put32(data, at + 20, columns.base_offsets[i + 1] - columns.base_offsets[i])
    put32(data, at + 24, np.int64(columns.mate_ref_id[i]))
    put32(data, at + 28, np.int64(columns.mate_pos0[i]))
    put32(data, at + 32, np.int64(columns.insert_size[i]))


@kernel
def _put_variable(data: Bytes, at: Int, columns: NewRecords, i: Int, nibble_of: Bytes) -> None:
    to = at + FIXED_BYTES
    for k in range(columns.name_offsets[i], columns.name_offsets[i + 1]):
        data[to] = columns.names[k]
        to += 1
    data[to] = 0
    to += 1
    for k in range(columns.cigar_offsets[i], columns.cigar_offsets[i + 1]):
        put32(data, to, np.int64(columns.cigar[k]))
        to += 4
    start, end = columns.base_offsets[i], columns.base_offsets[i + 1]
    for k in range(start, end, 2):
        low = np.int64(nibble_of[columns.bases[k + 1]]) if k + 1 < end else np.int64(0)
        data[to] = np.int64(nibble_of[columns.bases[k]]) << 4 | low
        to += 1
    data[to : to + end - start] = columns.quals[start:end]
    to += end - start
    tags = columns.tags[columns.tag_offsets[i] : columns.tag_offsets[i + 1]]
    data[to : to + len(tags)] = tags


@kernel
def _assemble(columns: NewRecords, nibble_of: Bytes) -> RawRecords:
    n = len(columns.flag)
    offsets = np.empty(n + 1, dtype=np.int64)
    offsets[0] = 0
    for i in range(n):
        n_bases = columns.base_offsets[i + 1] - columns.base_offsets[i]
        size = FIXED_BYTES + 1 + columns.name_offsets[i + 1] - columns.name_offsets[i]
        size += 4 * (columns.cigar_offsets[i + 1] - columns.cigar_offsets[i])
        size += (n_bases + 1) // 2 + n_bases + columns.tag_offsets[i + 1] - columns.tag_offsets[i]
        offsets[i + 1] = offsets[i] + size
    data = np.zeros(offsets[n], dtype=np.uint8)
    for i in range(n):
        _put_fixed(data, offsets[i], offsets[i + 1] - offsets[i], columns, i)
        _put_variable(data, offsets[i], columns, i, nibble_of)
        put16(data, offsets[i] + 14, _record_bin(data, offsets[i]))
    return RawRecords(data, offsets)


def build_records(columns: NewRecords) -> RawRecords:
    """Return the records of these columns, with their bins computed.

    Names are 1 to 254 bytes and CIGARs at most 65,535 operations long, as BAM can store.
    """
    assert not len(columns.flag) or (
        np.diff(columns.name_offsets).min() >= 1 and np.diff(columns.name_offsets).max() < 255
    )
    assert not len(columns.flag) or np.diff(columns.cigar_offsets).max() < 65536
    return _assemble(columns, _NIBBLE_OF)


@kernel
def set_flags(data: Bytes, offsets: Offsets, flag: NDArray[np.uint16]) -> None:
    """Store new flags into records, in place."""
    for i in range(len(offsets) - 1):
        put16(data, offsets[i] + 18, np.int64(flag[i]))


@kernel
def set_mapqs(data: Bytes, offsets: Offsets, mapq: NDArray[np.uint8]) -> None:
    """Store new mapping qualities into records, in place."""
    for i in range(len(offsets) - 1):
        data[offsets[i] + 13] = mapq[i]


@kernel
def set_bins(data: Bytes, offsets: Offsets) -> None:
    """Compute every record's bin again, in place, after positions or CIGARs changed."""
    for i in range(len(offsets) - 1):
        put16(data, offsets[i] + 14, _record_bin(data, offsets[i]))


@lean_kernel
def _is_listed(wanted: NDArray[np.uint16], tag: Int) -> bool:
    found = False
    for k in range(len(wanted)):
        if np.int64(wanted[k]) == tag:
            found = True
    return found


@kernel
def replace_tags(
    raw: RawRecords, tags_at: Offsets, drop: NDArray[np.uint16], tags: Bytes, tag_offsets: Offsets
) -> RawRecords:
    """Return the records without the tags of these codes, and with other tags put at the end.

    `tags_at` is the records' field; `drop` may be empty; item i of `tags` goes to record i.
    """
    n = len(tags_at)
    offsets = np.empty(n + 1, dtype=np.int64)
    offsets[0] = 0
    for i in range(n):
        size = raw.offsets[i + 1] - raw.offsets[i] + tag_offsets[i + 1] - tag_offsets[i]
        at = tags_at[i]
        while at < raw.offsets[i + 1]:
            after = tag_end(raw.data, at, raw.offsets[i + 1])
            if _is_listed(drop, u16(raw.data, at)):
                size -= after - at
            at = after
        offsets[i + 1] = offsets[i] + size
    data = np.empty(offsets[n], dtype=np.uint8)
    for i in range(n):
        at, to = tags_at[i], offsets[i] + tags_at[i] - raw.offsets[i]
        data[offsets[i] : to] = raw.data[raw.offsets[i] : at]
        while at < raw.offsets[i + 1]:
            after = tag_end(raw.data, at, raw.offsets[i + 1])
            if not _is_listed(drop, u16(raw.data, at)):
                data[to : to + after - at] = raw.data[at:after]
                to += after - at
            at = after
        data[to : offsets[i + 1]] = tags[tag_offsets[i] : tag_offsets[i + 1]]
        put32(data, offsets[i], offsets[i + 1] - offsets[i] - 4)
    return RawRecords(data, offsets)


def warm() -> None:
    """Compile every kernel of this module, and of what it calls, on one tiny record."""
    text = np.array([65], dtype=np.uint8)
    ends = np.array([0, 1], dtype=np.int64)
    none = (np.zeros(0, dtype=np.uint8), np.zeros(2, dtype=np.int64))
    raw = build_records(unmapped_records((text, ends), np.full(1, 4, dtype=np.uint16), (text, text, ends), none))
    put32(raw.data, 4, -1)
    put16(raw.data, 14, int(bin_of(-1, 0)))
    set_flags(raw.data, raw.offsets, np.full(1, 4, dtype=np.uint16))
    set_mapqs(raw.data, raw.offsets, np.zeros(1, dtype=np.uint8))
    set_bins(raw.data, raw.offsets)
    replace_tags(raw, raw.offsets[1:].copy(), np.zeros(0, dtype=np.uint16), *none)
