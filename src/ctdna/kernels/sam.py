"""SAM text to raw BAM records."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets
from ctdna.kernels.record_build import bin_of, nibble_table, put16, put32
from ctdna.model.columns import RawRecords

_TAB, _COLON, _COMMA, _STAR = 9, 58, 44, 42
NIBBLE_OF = nibble_table()


@lean_kernel
def _field_end(text: Bytes, at: Int, end: Int) -> Int:
    k = at
    while k < end and text[k] != _TAB:
        k += 1
    return k


@lean_kernel
def _whole(text: Bytes, at: Int, end: Int) -> tuple[Int, bool]:
    """Return a decimal whole number and whether the bytes are one that fits 32 bits, signed or unsigned."""
    k, value = at, np.int64(0)
    is_negative = bool(k < end and text[k] == 45)
    if k < end and (text[k] == 45 or text[k] == 43):
        k += 1
    is_number = bool(k < end and end - k <= 10)
    while k < end and is_number:
        digit = np.int64(text[k]) - 48
        is_number = bool(0 <= digit <= 9)
        value = value * 10 + digit
        k += 1
    return (-value if is_negative else value), bool(is_number and value < np.int64(1) << 32)


@lean_kernel
def _real(text: Bytes, at: Int, end: Int) -> tuple[float, bool]:
    """Return a decimal number such as -12.5e-3, and whether the bytes are one."""
    stop = at
    while stop < end and text[stop] != 101 and text[stop] != 69:
        stop += 1
    exponent: Int = np.int64(0)
    is_number = bool(at < stop)
    if stop < end:
        exponent, is_number = _whole(text, stop + 1, end)
    sign, k = 1.0, at
    if k < stop and (text[k] == 45 or text[k] == 43):
        sign, k = (-1.0 if text[k] == 45 else 1.0), k + 1
    mantissa, n_after, n_digits, is_after = 0.0, np.int64(0), np.int64(0), False
    while k < stop and is_number:
        digit = np.int64(text[k]) - 48
        if text[k] == 46 and not is_after:
            is_after = True
        elif 0 <= digit <= 9:
            mantissa, n_digits = mantissa * 10.0 + digit, n_digits + 1
            n_after += 1 if is_after else 0
        else:
            is_number = False
        k += 1
    power = exponent - n_after
    is_number = bool(is_number and n_digits > 0 and -300 < power < 300)
    scale = 10.0 ** abs(power) if is_number else 1.0
    return sign * (mantissa * scale if power > 0 else mantissa / scale), is_number


@kernel
def _put_float(out: Bytes, to: Int, value: float) -> None:
    cell = np.empty(1, dtype=np.float32)
    cell[0] = value
    put32(out, to, np.int64(cell.view(np.int32)[0]))


@lean_kernel
def _put_array(text: Bytes, at: Int, end: Int, out: Bytes, to: Int) -> Int:
    """Write a `B` tag's value (from its subtype on) at `to`; return where it ends, -1 where malformed."""
    kind = np.int64(text[at]) if at < end else np.int64(0)
    is_short, is_byte = kind == 115 or kind == 83, kind == 99 or kind == 67
    if not (is_short or is_byte or kind == 105 or kind == 73 or kind == 102):
        return np.int64(-1)
    out[to] = kind
    count_at, n, k = to + 1, np.int64(0), at + 1
    to += 5
    while k < end:
        stop = k + 1
        while stop < end and text[stop] != _COMMA:
            stop += 1
        if kind == 102:
            real, is_number = _real(text, k + 1, stop)
            _put_float(out, to, real)
        else:
            number, is_number = _whole(text, k + 1, stop)
            put32(out, to, number)
        if text[k] != _COMMA or not is_number:
            return np.int64(-1)
        to += 1 if is_byte else (2 if is_short else 4)
        n, k = n + 1, stop
    put32(out, count_at, n)
    return to


@kernel
def _put_tag(text: Bytes, at: Int, end: Int, out: Bytes, to: Int) -> Int:
    """Write one tag (`RX:Z:ACG`) at `to`; return where it ends, -1 where malformed."""
    if end - at < 5 or text[at + 2] != _COLON or text[at + 4] != _COLON:
        return np.int64(-1)
    kind = np.int64(text[at + 3])
    out[to], out[to + 1], out[to + 2] = text[at], text[at + 1], kind
    value = at + 5
    if kind == 90 or kind == 72:
        out[to + 3 : to + 3 + end - value] = text[value:end]
        out[to + 3 + end - value] = 0
        return to + 4 + end - value
    if kind == 65 and end - value == 1:
        out[to + 3] = text[value]
        return to + 4
    if kind == 66:
        return _put_array(text, value, end, out, to + 3)
    if kind == 102:
        real, is_number = _real(text, value, end)
        _put_float(out, to + 3, real)
        return to + 7 if is_number else np.int64(-1)
    if kind == 105:
        number, is_number = _whole(text, value, end)
        put32(out, to + 3, number)
        out[to + 2] = 73 if number >= np.int64(1) << 31 else 105
        return to + 7 if is_number else np.int64(-1)
    return np.int64(-1)


@lean_kernel
def _contig(text: Bytes, at: Int, end: Int, names: Bytes, name_offsets: Offsets, guess: Int) -> Int:
    """Return the index of a contig's name, -1 for `*`, -2 for an unknown one; `guess` is tried first."""
    if end - at == 1 and text[at] == _STAR:
        return np.int64(-1)
    n = len(name_offsets) - 1
    for step in range(-1, n):
        i = guess if step < 0 else np.int64(step)
        if i < 0 or name_offsets[i + 1] - name_offsets[i] != end - at:
            continue
        k = np.int64(0)
        while k < end - at and names[name_offsets[i] + k] == text[at + k]:
            k += 1
        if k == end - at:
            return np.int64(i)
    return np.int64(-2)


@lean_kernel
def _put_cigar(text: Bytes, at: Int, end: Int, out: Bytes, to: Int) -> tuple[Int, Int]:
    """Write CIGAR operations at `to`; return their number (-1 where malformed) and the reference bases they span."""
    n, span, size, k = np.int64(0), np.int64(0), np.int64(-1), at
    if end - at == 1 and text[at] == _STAR:
        return n, span
    letters = (77, 73, 68, 78, 83, 72, 80, 61, 88)
    while k < end:
        byte = np.int64(text[k])
        if 48 <= byte <= 57:
            size = (0 if size < 0 else size) * 10 + byte - 48
        else:
            code = np.int64(-1)
            for candidate in range(9):
                if letters[candidate] == byte:
                    code = np.int64(candidate)
            if code < 0 or size < 0 or size >= 1 << 28 or n >= 65535:
                return np.int64(-1), span
            put32(out, to + 4 * n, size << 4 | code)
            span += size if code == 0 or code == 2 or code == 3 or code == 7 or code == 8 else 0
            n, size = n + 1, np.int64(-1)
        k += 1
    return (n if size < 0 and n > 0 else np.int64(-1)), span


@lean_kernel
def _put_bases(text: Bytes, fields: NDArray[np.int64], out: Bytes, to: Int, nibble_of: Bytes) -> Int:
    """Write packed bases and qualities at `to`; return the number of bases, -1 where the two differ in length."""
    at, n = fields[9, 0], fields[9, 1] - fields[9, 0]
    quals_at, n_quals = fields[10, 0], fields[10, 1] - fields[10, 0]
    is_missing = n_quals == 1 and text[quals_at] == _STAR
    if n == 1 and text[at] == _STAR:
        return np.int64(0)
    if not is_missing and n_quals != n:
        return np.int64(-1)
    for k in range(0, n, 2):
        low = np.int64(nibble_of[text[at + k + 1]]) if k + 1 < n else np.int64(0)
        out[to + (k >> 1)] = np.int64(nibble_of[text[at + k]]) << 4 | low
    start = to + (n + 1) // 2
    for k in range(n):
        out[start + k] = 255 if is_missing else (np.int64(text[quals_at + k]) - 33) & 255
    return np.int64(n)


@lean_kernel
def _split(text: Bytes, at: Int, end: Int, fields: NDArray[np.int64], numbers: Offsets) -> bool:
    """Fill start and end of the 11 fields and the numbers among them; return whether the line has them."""
    for k in range(11):
        stop = _field_end(text, at, end)
        if at >= end or stop == at:
            return False
        fields[k, 0], fields[k, 1] = at, stop
        if k == 1 or k == 3 or k == 4 or k == 7 or k == 8:
            numbers[k], is_number = _whole(text, at, stop)
            if not is_number:
                return False
        at = stop + 1
    return True


@kernel
def _put_line(
    text: Bytes, at: Int, end: Int, names: Bytes, name_offsets: Offsets, out: Bytes, to: Int, nibble_of: Bytes
) -> Int:
    """Write the record of one SAM line at `to`; return where it ends, -1 where malformed."""
    fields = np.empty((11, 2), dtype=np.int64)
    numbers = np.zeros(11, dtype=np.int64)
    if not _split(text, at, end, fields, numbers) or fields[0, 1] - fields[0, 0] > 254:
        return np.int64(-1)
    contig = _contig(text, fields[2, 0], fields[2, 1], names, name_offsets, np.int64(-1))
    is_same = fields[6, 1] - fields[6, 0] == 1 and text[fields[6, 0]] == 61
    mate = contig if is_same else _contig(text, fields[6, 0], fields[6, 1], names, name_offsets, contig)
    n_name = fields[0, 1] - fields[0, 0]
    next_at = to + 36 + n_name + 1
    n_cigar, span = _put_cigar(text, fields[5, 0], fields[5, 1], out, next_at)
    if contig < -1 or mate < -1 or n_cigar < 0:
        return np.int64(-1)
    out[to + 36 : to + 36 + n_name] = text[fields[0, 0] : fields[0, 1]]
    out[next_at - 1] = 0
    next_at += 4 * n_cigar
    n_bases = _put_bases(text, fields, out, next_at, nibble_of)
    if n_bases < 0:
        return np.int64(-1)
    next_at += (n_bases + 1) // 2 + n_bases
    tag = fields[10, 1] + 1
    while tag < end and next_at >= 0:
        stop = _field_end(text, tag, end)
        next_at = _put_tag(text, tag, stop, out, next_at)
        tag = stop + 1
    if next_at < 0:
        return np.int64(-1)
    put32(out, to, next_at - to - 4)
    put32(out, to + 4, contig)
    put32(out, to + 8, numbers[3] - 1)
    out[to + 12], out[to + 13] = n_name + 1, numbers[4]
    put16(out, to + 14, bin_of(numbers[3] - 1, numbers[3] - 1 + max(span, np.int64(1))))
    put16(out, to + 16, n_cigar)
    put16(out, to + 18, numbers[1])
    put32(out, to + 20, n_bases)
    put32(out, to + 24, mate)
    put32(out, to + 28, numbers[7] - 1)
    put32(out, to + 32, numbers[8])
    return np.int64(next_at)


@kernel
def parse_sam(
    text: Bytes, n: Int, names: Bytes, name_offsets: Offsets, nibble_of: Bytes
) -> tuple[RawRecords, Int, Int]:
    """Return the records of a text's first n lines, the bytes the lines take, and the first malformed line (-1: none).

    The text holds at least n whole lines, none of them of the header. `names` are the contigs' names. The records still
    have to pass `check_records`.
    """
    offsets = np.zeros(n + 1, dtype=np.int64)
    out = np.empty(3 * len(text) + 64 * n, dtype=np.uint8)
    at = np.int64(0)
    for i in range(n):
        end = at
        while text[end] != 10:
            end += 1
        after = _put_line(text, at, end, names, name_offsets, out, offsets[i], nibble_of)
        if after < 0:
            return RawRecords(out[: offsets[i]].copy(), offsets[: i + 1].copy()), at, np.int64(i)
        offsets[i + 1] = after
        at = end + 1
    return RawRecords(out[: offsets[n]].copy(), offsets), at, np.int64(-1)


def warm() -> None:
    """Compile every kernel of this module on one line."""
    text = np.frombuffer(b"r\t4\t*\t0\t0\t*\t*\t0\t0\tA\t!\tXX:f:0\tXY:B:s,1\n", dtype=np.uint8).copy()
    parse_sam(text, 1, np.zeros(0, dtype=np.uint8), np.zeros(1, dtype=np.int64), NIBBLE_OF)
