"""Raw BAM records: where they begin, whether they are sound, their fixed fields, bases, qualities and read names.

`data` is always the byte array of `RawRecords`: record i stands at `data[offsets[i]:offsets[i + 1]]` and starts with
its 4-byte size. Kernels trust records that `check_records` has passed; `formats.bam` passes every record it reads.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.model.columns import RawRecords, RecordFields

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]
Int = int | np.int64

FIXED_BYTES = 36
"""Bytes of a record before its name, the size included."""
MAX_RECORD_BYTES = 1 << 28
MAX_QUALITY = 93

FLAWS = (
    "",
    "its size is impossible",
    "its name is not closed by NUL",
    "name, CIGAR, bases and qualities do not fit into its size",
    "its contig is not in the header",
    "its position is impossible",
    "its CIGAR holds an unknown operation",
    "its CIGAR does not fit the length of its bases",
    "a quality is above 93",
    "a tag is malformed",
)
"""What is wrong with a record, by the code that `check_records` returns."""

NIBBLES = np.frombuffer(b"=ACMGRSVTWYHKDBN", dtype=np.uint8).copy()
"""ASCII of BAM's 4-bit bases."""


@lean_kernel
def u16(data: Bytes, at: Int) -> Int:
    """Return the unsigned 2-byte number at `at`."""
    return np.int64(data[at]) | np.int64(data[at + 1]) << 8


@lean_kernel
def u32(data: Bytes, at: Int) -> Int:
    """Return the unsigned 4-byte number at `at`."""
    low = np.int64(data[at]) | np.int64(data[at + 1]) << 8
    return low | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24


@lean_kernel
def copy_bytes(data: Bytes, at: Int, out: Bytes, to: Int, n: Int) -> Int:
    """Copy `n` bytes; return where the copy ends. Slices, counted from 0, are copied many bytes at a time."""
    source, target = data[at : at + n], out[to : to + n]
    for k in range(n):
        target[k] = source[k]
    return np.int64(to + n)


@lean_kernel
def i32(data: Bytes, at: Int) -> Int:
    """Return the signed 4-byte number at `at`."""
    value = u32(data, at)
    return value - (np.int64(1) << 32) if value >= np.int64(1) << 31 else value


@kernel
def scan_records(data: Bytes) -> tuple[Offsets, Int]:
    """Return the offsets of the whole records in `data` and a status: 0, or 1 where a size is impossible.

    The last offset is where the rest begins: an incomplete record, or the one with the impossible size.
    """
    n = 0
    at = np.int64(0)
    status = 0
    while at + 4 <= len(data):
        size = u32(data, at)
        if size < FIXED_BYTES - 4 or size > MAX_RECORD_BYTES:
            status = 1
            break
        if at + 4 + size > len(data):
            break
        at += 4 + size
        n += 1
    offsets = np.empty(n + 1, dtype=np.int64)
    at = np.int64(0)
    for i in range(n):
        offsets[i] = at
        at += 4 + u32(data, at)
    offsets[n] = at
    return offsets, status


@lean_kernel
def _layout_flaw(data: Bytes, at: Int, end: Int) -> Int:
    n_name = np.int64(data[at + 12])
    if n_name < 1 or at + FIXED_BYTES + n_name > end or data[at + FIXED_BYTES + n_name - 1] != 0:
        return 2
    n_bases = i32(data, at + 20)
    if n_bases < 0 or at + FIXED_BYTES + n_name + 4 * u16(data, at + 16) + (n_bases + 1) // 2 + n_bases > end:
        return 3
    return 0


@lean_kernel
def _place_flaw(data: Bytes, at: Int, lengths: Offsets) -> Int:
    for field in range(2):
        contig = i32(data, at + (4 if field == 0 else 24))
        if contig < -1 or contig >= len(lengths):
            return 4
        pos0 = i32(data, at + (8 if field == 0 else 28))
        if pos0 < -1 or (contig >= 0 and pos0 >= lengths[contig]):
            return 5
    return 0


@lean_kernel
def _cigar_flaw(data: Bytes, at: Int, cigar_at: Int) -> Int:
    n_query = np.int64(0)
    n_reference = np.int64(0)
    n_cigar = u16(data, at + 16)
    for k in range(n_cigar):
        operation = u32(data, cigar_at + 4 * k)
        code = operation & 15
        if code > 8:
            return 6
        if code == 0 or code == 1 or code == 4 or code == 7 or code == 8:
            n_query += operation >> 4
        if code == 0 or code == 2 or code == 3 or code == 7 or code == 8:
            n_reference += operation >> 4
    n_bases = i32(data, at + 20)
    if n_cigar > 0 and n_bases > 0 and n_query != n_bases:
        return 7
    if i32(data, at + 8) + n_reference >= np.int64(1) << 31:
        return 5
    return 0


@lean_kernel
def _quality_flaw(data: Bytes, quals_at: Int, n_bases: Int) -> Int:
    if n_bases > 0 and data[quals_at] == 255:
        return 0
    worst = np.int64(0)
    for k in range(n_bases):
        worst = max(worst, np.int64(data[quals_at + k]))
    return 8 if worst > MAX_QUALITY else 0


@lean_kernel
def value_bytes(kind: Int) -> Int:
    """Return the bytes of one value of a tag type or array subtype, 0 for an unknown one."""
    if kind == 65 or kind == 99 or kind == 67:
        return 1
    if kind == 115 or kind == 83:
        return 2
    if kind == 105 or kind == 73 or kind == 102:
        return 4
    return 0


@lean_kernel
def tag_end(data: Bytes, at: Int, end: Int) -> Int:
    """Return where the tag at `at` ends (its name stands at `at`, its type at `at + 2`), -1 where malformed."""
    if at + 4 > end:
        return -1
    kind = np.int64(data[at + 2])
    if kind == 90 or kind == 72:
        k = at + 3
        while k < end and data[k] != 0:
            k += 1
        return k + 1 if k < end else -1
    if kind == 66:
        if at + 8 > end:
            return -1
        size = value_bytes(np.int64(data[at + 3]))
        after = at + 8 + size * u32(data, at + 4)
        return after if size > 0 and data[at + 3] != 65 and after <= end else -1
    size = value_bytes(kind)
    return at + 3 + size if size > 0 and at + 3 + size <= end else -1


@lean_kernel
def _tags_flaw(data: Bytes, at: Int, end: Int) -> Int:
    next_at: Int = np.int64(at)
    while 0 <= next_at < end:
        next_at = tag_end(data, next_at, end)
    return 9 if next_at < 0 else 0


@lean_kernel
def _flaw(data: Bytes, at: Int, end: Int, lengths: Offsets) -> Int:
    flaw = _layout_flaw(data, at, end)
    if flaw == 0:
        flaw = _place_flaw(data, at, lengths)
    if flaw != 0:
        return flaw
    cigar_at = at + FIXED_BYTES + np.int64(data[at + 12])
    n_bases = i32(data, at + 20)
    quals_at = cigar_at + 4 * u16(data, at + 16) + (n_bases + 1) // 2
    flaw = _cigar_flaw(data, at, cigar_at)
    if flaw == 0:
        flaw = _quality_flaw(data, quals_at, n_bases)
    if flaw == 0:
        flaw = _tags_flaw(data, quals_at + n_bases, end)
    return flaw


@lean_kernel
def check_records(data: Bytes, offsets: Offsets, lengths: Offsets) -> tuple[Int, Int]:
    """Return the index of the first unsound record and the code of its flaw (see `FLAWS`); (-1, 0) if all are sound.

    `lengths` are the header's contig lengths. A sound record's fields, CIGAR, bases, qualities (0 to 93, or first 255:
    missing) and tags lie within it; an alignment's end may still hang over its contig's end.
    """
    for i in range(len(offsets) - 1):
        flaw: Int = 1
        if offsets[i + 1] - offsets[i] >= FIXED_BYTES:
            flaw = _flaw(data, offsets[i], offsets[i + 1], lengths)
        if flaw != 0:
            return i, flaw
    return -1, 0


@kernel
def record_fields(data: Bytes, offsets: Offsets) -> RecordFields:
    """Return the fixed fields of sound records, and where their variable fields stand."""
    n = len(offsets) - 1
    out = RecordFields(
        np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.uint8), np.empty(n, np.uint16),
        np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32),
        np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n, np.int64),
        np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64),
    )  # fmt: skip
    for i in range(n):
        at = offsets[i]
        out.ref_id[i], out.pos0[i] = i32(data, at + 4), i32(data, at + 8)
        out.mapq[i], out.flag[i] = data[at + 13], u16(data, at + 18)
        out.mate_ref_id[i], out.mate_pos0[i] = i32(data, at + 24), i32(data, at + 28)
        out.insert_size[i] = i32(data, at + 32)
        n_name, n_cigar, n_bases = np.int64(data[at + 12]), u16(data, at + 16), i32(data, at + 20)
        out.n_name[i], out.n_cigar[i], out.n_bases[i] = n_name - 1, n_cigar, n_bases
        out.name_at[i] = at + FIXED_BYTES
        out.cigar_at[i] = at + FIXED_BYTES + n_name
        out.bases_at[i] = out.cigar_at[i] + 4 * n_cigar
        out.quals_at[i] = out.bases_at[i] + (n_bases + 1) // 2
        out.tags_at[i] = out.quals_at[i] + n_bases
        out.tags_end[i] = offsets[i + 1]
    return out


@kernel
def ragged_offsets(lengths: NDArray[np.int32]) -> Offsets:
    """Return the n + 1 offsets of items of these lengths laid one after the other."""
    offsets = np.empty(len(lengths) + 1, dtype=np.int64)
    offsets[0] = 0
    for i in range(len(lengths)):
        offsets[i + 1] = offsets[i] + np.int64(lengths[i])
    return offsets


@kernel
def read_bases(data: Bytes, bases_at: Offsets, offsets: Offsets, table: Bytes) -> Bytes:
    """Return the bases of all records as stored, one after the other, each nibble through a table of 16.

    `offsets` are `ragged_offsets(fields.n_bases)`; `NIBBLES` gives ASCII, `CODES` gives A 0, C 1, G 2, T 3, other 4.
    """
    out = np.empty(offsets[-1], dtype=np.uint8)
    for i in range(len(bases_at)):
        at, to = bases_at[i], offsets[i]
        for k in range(offsets[i + 1] - to):
            pair = np.int64(data[at + (k >> 1)])
            out[to + k] = table[(pair >> 4) if k & 1 == 0 else (pair & 15)]
    return out


CODES = np.full(16, 4, dtype=np.uint8)
"""Base codes of BAM's 4-bit bases: A 0, C 1, G 2, T 3, anything else 4."""
CODES[[1, 2, 4, 8]] = [0, 1, 2, 3]


@kernel
def read_bytes(data: Bytes, at: Offsets, offsets: Offsets) -> Bytes:
    """Return bytes copied from `at[i]` on, one item after the other; for qualities (255 first: missing) and names."""
    out = np.empty(offsets[-1], dtype=np.uint8)
    for i in range(len(at)):
        out[offsets[i] : offsets[i + 1]] = data[at[i] : at[i] + offsets[i + 1] - offsets[i]]
    return out


@kernel
def same_name_as_previous(data: Bytes, name_at: Offsets, n_name: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return for each record whether it carries the read name of the record before it; False for the first."""
    out = np.zeros(len(name_at), dtype=np.bool_)
    for i in range(1, len(name_at)):
        if n_name[i] == n_name[i - 1]:
            k = np.int64(0)
            while k < n_name[i] and data[name_at[i] + k] == data[name_at[i - 1] + k]:
                k += 1
            out[i] = k == n_name[i]
    return out


@kernel
def take_records(data: Bytes, offsets: Offsets, order: Offsets) -> RawRecords:
    """Return the records of these indices, in this order; an index may come more than once or never."""
    n = len(order)
    new_offsets = np.empty(n + 1, dtype=np.int64)
    new_offsets[0] = 0
    for i in range(n):
        new_offsets[i + 1] = new_offsets[i] + offsets[order[i] + 1] - offsets[order[i]]
    out = np.empty(new_offsets[n], dtype=np.uint8)
    for i in range(n):
        out[new_offsets[i] : new_offsets[i + 1]] = data[offsets[order[i]] : offsets[order[i] + 1]]
    return RawRecords(out, new_offsets)


@kernel
def find_tag(data: Bytes, tags_at: Offsets, tags_end: Offsets, tag: np.uint16, kind: np.uint8) -> Offsets:
    """Return per record the offset of a tag's value (past its type byte); -1 where absent or of another type.

    `tag` is `tag_code("RX")`. `kind` is the type's letter as a number: `Z`, `A`, `f`, `H`; `B` for an array of any
    subtype (the value starts with the subtype); `i` for a whole number of any width (its type byte stands before it).
    """
    out = np.full(len(tags_at), -1, dtype=np.int64)
    wanted = np.int64(tag)
    for i in range(len(tags_at)):
        at = tags_at[i]
        while at < tags_end[i] and u16(data, at) != wanted:
            at = tag_end(data, at, tags_end[i])
        if at < tags_end[i]:
            found = np.int64(data[at + 2])
            is_whole = value_bytes(found) > 0 and found != 65 and found != 102
            if found == np.int64(kind) or (kind == 105 and is_whole):
                out[i] = at + 3
    return out


def tag_code(name: str) -> np.uint16:
    """Return a tag's two letters as the number that kernels compare."""
    return np.uint16(ord(name[0]) | ord(name[1]) << 8)


def kind_code(letter: str) -> np.uint8:
    """Return a tag type's letter as the number that kernels compare."""
    return np.uint8(ord(letter))


def warm() -> None:
    """Compile every kernel of this module on one tiny record: no name, no bases, one tag."""
    data = np.zeros(FIXED_BYTES + 8, dtype=np.uint8)
    data[[0, 12, 37, 38, 39]] = [FIXED_BYTES + 4, 1, 88, 89, 65]
    offsets, _ = scan_records(data)
    fields = record_fields(data, offsets)
    for number in (u16, u32, i32):
        number(data, 0)
    value_bytes(65)
    tag_end(data, 37, 41)
    check_records(data, offsets, np.ones(1, dtype=np.int64))
    ends = ragged_offsets(fields.n_bases)
    read_bases(data, fields.bases_at, ends, NIBBLES)
    read_bytes(data, fields.quals_at, ends)
    same_name_as_previous(data, fields.name_at, fields.n_name)
    take_records(data, offsets, np.zeros(1, dtype=np.int64))
    find_tag(data, fields.tags_at, fields.tags_end, tag_code("XY"), kind_code("A"))
