"""The tags NM, MD and UQ of records whose bases have changed, against the reference."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import record_fields, tag_end, u16, u32
from ctdna.model.columns import RawRecords, RecordFields

Int = int | np.int64
Bytes = NDArray[np.uint8]
_NM, _MD, _UQ = 0x4D4E, 0x444D, 0x5155
_LETTERS = np.frombuffer(b"=ACMGRSVTWYHKDBN", dtype=np.uint8).copy()


@lean_kernel
def put_number(out: Bytes, at: Int, value: Int) -> Int:
    """Write a whole number in decimal digits; return where it ends."""
    scale = np.int64(1)
    while scale * 10 <= value:
        scale *= 10
    while scale > 0:
        out[at] = 48 + value // scale % 10
        at, scale = at + 1, scale // 10
    return at


@kernel
def compare(
    data: Bytes, fields: RecordFields, i: Int, reference: Bytes, shift: Int, text: Bytes
) -> tuple[Int, Int, Int]:
    """Write record i's MD to `text`; return NM, the sum of qualities at mismatches (UQ), and MD's length.

    Reference base `pos0` stands at `reference[pos0 - shift]`. N against another base is a mismatch.
    """
    edits, quality, run = np.int64(0), np.int64(0), np.int64(0)
    at: Int = np.int64(0)
    query, position = np.int64(0), np.int64(fields.pos0[i]) - shift
    for j in range(fields.n_cigar[i]):
        packed = u32(data, fields.cigar_at[i] + 4 * j)
        code, size = packed & 15, packed >> 4
        if code == 0 or code >= 7:
            for k in range(query, query + size):
                pair = np.int64(data[fields.bases_at[i] + (k >> 1)])
                letter = _LETTERS[pair & 15 if k & 1 else pair >> 4]
                expected = reference[position + k - query]
                if letter == expected or letter == 61:
                    run += 1
                    continue
                edits += 1
                quality += np.int64(data[fields.quals_at[i] + k])
                at = put_number(text, at, run)
                text[at] = expected
                at, run = at + 1, np.int64(0)
            query, position = query + size, position + size
        elif code == 1 or code == 4:
            edits += size if code == 1 else np.int64(0)
            query += size
        elif code == 2:
            at = put_number(text, at, run)
            text[at] = 94
            text[at + 1 : at + 1 + size] = reference[position : position + size]
            at, run, edits, position = at + 1 + size, np.int64(0), edits + size, position + size
        elif code == 3:
            position += size
    return edits, quality, put_number(text, at, run)


@lean_kernel
def put_int_tag(out: Bytes, at: Int, name: Int, value: Int) -> Int:
    """Write a tag of type `i`; return where it ends."""
    out[at], out[at + 1], out[at + 2] = name & 255, name >> 8, 105
    for k in range(4):
        out[at + 3 + k] = value >> (8 * k) & 255
    return at + 7


@kernel
def _rewrite(
    data: Bytes, fields: RecordFields, i: Int, start: Int, out: Bytes, to: Int, found: tuple[Int, Int, Int], text: Bytes
) -> Int:
    """Write record i with new NM, MD and UQ in the places of its old ones; return where it ends."""
    edits, quality, n_text = found
    head = fields.tags_at[i] - start
    out[to : to + head] = data[start : fields.tags_at[i]]
    end, at = to + head, fields.tags_at[i]
    while at < fields.tags_end[i]:
        after = tag_end(data, at, fields.tags_end[i])
        name = u16(data, at)
        if name == _NM:
            end = put_int_tag(out, end, name, edits)
        elif name == _UQ:
            end = put_int_tag(out, end, name, quality)
        elif name == _MD:
            out[end], out[end + 1], out[end + 2] = 77, 68, 90
            out[end + 3 : end + 3 + n_text] = text[:n_text]
            out[end + 3 + n_text] = 0
            end += n_text + 4
        else:
            out[end : end + after - at] = data[at:after]
            end += after - at
        at = after
    size = end - to - 4
    for k in range(4):
        out[to + k] = size >> (8 * k) & 255
    return np.int64(end)


@kernel
def take_retagged(
    records: RawRecords,
    fields: RecordFields,
    order: NDArray[np.int64],
    place: NDArray[np.int64],
    shift: NDArray[np.int64],
    reference: Bytes,
) -> RawRecords:
    """Return the records of these indices, those with a `place` in `reference` with new NM, MD and UQ.

    `place[i]` is where record i's stretch of reference begins in `reference` (-1: leave the record as it is), and
    `shift[i]` the contig position it begins with.
    """
    data, n = records.data, len(order)
    room, longest = np.int64(0), np.int64(1)
    for j in range(n):
        i = order[j]
        size = np.int64(fields.n_bases[i])
        for k in range(fields.n_cigar[i]):
            packed = u32(data, fields.cigar_at[i] + 4 * k)
            size += packed >> 4 if packed & 15 == 2 else np.int64(0)
        text = 2 * size + 24 + 12 * np.int64(fields.n_cigar[i])
        longest = max(longest, text)
        room += records.offsets[i + 1] - records.offsets[i] + (text + 16 if place[i] >= 0 else np.int64(0))
    out, offsets = np.empty(room, np.uint8), np.zeros(n + 1, np.int64)
    words = np.empty(longest, np.uint8)
    to: Int = np.int64(0)
    for j in range(n):
        i = order[j]
        start, end = records.offsets[i], records.offsets[i + 1]
        if place[i] >= 0:
            found = compare(data, fields, i, reference, shift[i] - place[i], words)
            to = _rewrite(data, fields, i, start, out, to, found, words)
        else:
            out[to : to + end - start] = data[start:end]
            to += end - start
        offsets[j + 1] = to
    return RawRecords(out[:to].copy(), offsets)


def warm() -> None:
    """Compile every kernel of this module on one unmapped record without tags."""
    head = np.zeros(36, dtype=np.uint8)
    head[0], head[12] = 33, 1
    data, offsets = np.append(head, np.zeros(1, dtype=np.uint8)), np.array([0, 37], dtype=np.int64)
    zeros = np.zeros(1, dtype=np.int64)
    take_retagged(RawRecords(data, offsets), record_fields(data, offsets), zeros, zeros, zeros, data)
