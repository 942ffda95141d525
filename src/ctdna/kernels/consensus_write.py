"""Consensus reads as raw BAM records, unmapped, with their tags."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.consensus import Strands
from ctdna.kernels.jit import kernel, lean_kernel

Int = int | np.int64
Bytes = NDArray[np.uint8]
_NIBBLE_OF_CODE = np.array([1, 2, 4, 8, 15], dtype=np.uint8)
_LETTER_OF_CODE = np.frombuffer(b"ACGTN", dtype=np.uint8).copy()
_UNPLACED_BIN = 4680
_RG, _MI, _CB = 71 << 8 | 82, 73 << 8 | 77, 66 << 8 | 67
RX = 88 << 8 | 82
MAX_NAME = 254


class Output(NamedTuple):
    """Records being written."""

    data: Bytes
    state: NDArray[np.int64]
    """Bytes written; records written; start of the open record."""
    float_box: NDArray[np.float32]
    """One number, and its four bytes in `float_bytes`."""
    float_bytes: Bytes
    shorts: NDArray[np.int16]
    """The numbers of one array tag, and their bytes in `short_bytes`."""
    short_bytes: Bytes
    prefix: Bytes
    """Read names begin with it and a colon."""
    read_group: Bytes


class Identity(NamedTuple):
    """What names a molecule: places in the raw data."""

    mi_at: Int
    n_mi: Int
    cb_at: Int
    n_cb: Int


@kernel
def new_output(n_bytes: Int, n_bases: Int, prefix: Bytes, read_group: Bytes) -> Output:
    """Return room for so many bytes of records, none with more bases than so many."""
    box, shorts = np.zeros(1, np.float32), np.zeros(n_bases, np.int16)
    state = np.zeros(3, np.int64)
    return Output(
        np.empty(n_bytes, np.uint8), state, box, box.view(np.uint8), shorts, shorts.view(np.uint8), prefix, read_group
    )


@lean_kernel
def put(out: Output, value: Int, n_bytes: Int) -> None:
    """Write a whole number in so many bytes, little-endian."""
    at, data = out.state[0], out.data
    for k in range(n_bytes):
        data[at + k] = (np.int64(value) >> (8 * k)) & 255
    out.state[0] = at + n_bytes


@lean_kernel
def put_byte(out: Output, value: Int) -> None:
    """Write one byte."""
    put(out, np.int64(value), np.int64(1))


@lean_kernel
def put_word(out: Output, value: Int) -> None:
    """Write a whole number in four bytes."""
    put(out, np.int64(value), np.int64(4))


@lean_kernel
def put_bytes(out: Output, source: Bytes, at: Int, n: Int) -> None:
    """Copy n bytes of `source` from `at` on."""
    to = out.state[0]
    target, part = out.data[to : to + n], source[at : at + n]
    for k in range(n):
        target[k] = part[k]
    out.state[0] = to + n


@lean_kernel
def put_tag(out: Output, name: Int, kind: Int) -> None:
    """Write a tag's two letters (as a number) and its type letter."""
    put(out, name | kind << 16, np.int64(3))


@lean_kernel
def put_text(out: Output, name: Int, source: Bytes, at: Int, n: Int) -> None:
    """Write a text tag."""
    put_tag(out, name, np.int64(90))
    put_bytes(out, source, at, n)
    put_byte(out, np.int64(0))


@lean_kernel
def put_int(out: Output, name: Int, value: Int) -> None:
    """Write a whole-number tag (type `i`)."""
    put_tag(out, name, np.int64(105))
    put_word(out, value)


@lean_kernel
def put_rate(out: Output, name: Int, part: Int, whole: Int) -> None:
    """Write a fraction as a tag of type `f`; 0 where the whole is 0."""
    put_tag(out, name, np.int64(102))
    out.float_box[0] = np.float32(part) / np.float32(whole) if whole > 0 else np.float32(0)
    put_bytes(out, out.float_bytes, np.int64(0), np.int64(4))


@lean_kernel
def put_shorts(out: Output, name: Int, values: NDArray[np.int32], slot: Int, n: Int) -> None:
    """Write n numbers of a slot as an array tag of signed 16-bit numbers."""
    put_tag(out, name, np.int64(66))
    put_byte(out, np.int64(115))
    put_word(out, n)
    shorts, row = out.shorts, values[slot]
    for i in range(n):
        shorts[i] = row[i]
    put_bytes(out, out.short_bytes, np.int64(0), 2 * n)


@lean_kernel
def put_bases(out: Output, name: Int, codes: Bytes, slot: Int, n: Int) -> None:
    """Write n base codes of a slot as a text tag of letters."""
    put_tag(out, name, np.int64(90))
    at, row = out.state[0], codes[slot]
    data = out.data[at : at + n]
    for i in range(n):
        data[i] = _LETTER_OF_CODE[row[i]]
    out.state[0] = at + n
    put_byte(out, np.int64(0))


@lean_kernel
def put_qualities(out: Output, name: Int, quals: Bytes, slot: Int, n: Int) -> None:
    """Write n qualities of a slot as a text tag, the letter of quality 0 being `!`."""
    put_tag(out, name, np.int64(90))
    at, row = out.state[0], quals[slot]
    data = out.data[at : at + n]
    for i in range(n):
        data[i] = np.int64(row[i]) + 33
    out.state[0] = at + n
    put_byte(out, np.int64(0))


@lean_kernel
def open_record(out: Output, source: Bytes, who: Identity, flag: Int, strands: Strands, slot: Int) -> None:
    """Begin an unmapped record: name `<prefix>:<molecule>`, flag, bases and qualities of a slot, tags RG and MI."""
    n, n_name = strands.lengths[slot], len(out.prefix) + 2 + who.n_mi
    out.state[2] = out.state[0]
    fixed = (0, -1, -1, n_name | _UNPLACED_BIN << 16, flag << 16, n, -1, -1, 0)
    for k in range(9):
        put_word(out, np.int64(fixed[k]))
    put_bytes(out, out.prefix, np.int64(0), np.int64(len(out.prefix)))
    put_byte(out, np.int64(58))
    put_bytes(out, source, who.mi_at, who.n_mi)
    put_byte(out, np.int64(0))
    at, data, codes = out.state[0], out.data, strands.codes
    for i in range(0, n - 1, 2):
        high, low = _NIBBLE_OF_CODE[codes[slot, i]], _NIBBLE_OF_CODE[codes[slot, i + 1]]
        data[at + (i >> 1)] = np.int64(high) << 4 | np.int64(low)
    if n & 1:
        out.data[at + (n >> 1)] = np.int64(_NIBBLE_OF_CODE[strands.codes[slot, n - 1]]) << 4
    at += (n + 1) >> 1
    out.state[0] = at
    put_bytes(out, strands.quals[slot], np.int64(0), n)
    put_text(out, np.int64(_RG), out.read_group, np.int64(0), np.int64(len(out.read_group)))
    put_text(out, np.int64(_MI), source, who.mi_at, who.n_mi)
    if who.n_cb > 0:
        put_text(out, np.int64(_CB), source, who.cb_at, who.n_cb)


@lean_kernel
def close_record(out: Output) -> None:
    """End the open record: write its size."""
    size = out.state[0] - out.state[2] - 4
    for k in range(4):
        out.data[out.state[2] + k] = (size >> (8 * k)) & 255
    out.state[1] += 1


@lean_kernel
def put_depths(out: Output, letter: Int, strands: Strands, slot: Int) -> None:
    """Write the tags `?D`, `?M`, `?E` of a slot: greatest and least depth, error rate."""
    n = strands.lengths[slot]
    most, least = np.int64(0), np.int64(1) << 40
    depth, errors = np.int64(0), np.int64(0)
    depths, all_errors = strands.depths, strands.errors
    for i in range(n):
        here = np.int64(depths[slot, i])
        most, least, depth = max(most, here), min(least, here), depth + here
        errors += np.int64(all_errors[slot, i])
    put_int(out, letter | 68 << 8, most)
    put_int(out, letter | 77 << 8, least if n > 0 else np.int64(0))
    put_rate(out, letter | 69 << 8, errors, depth)


@lean_kernel
def put_per_base(out: Output, letter: Int, strands: Strands, slot: Int) -> None:
    """Write the tags `?d` and `?e` of a slot: depth and errors by position."""
    n = strands.lengths[slot]
    put_shorts(out, letter | 100 << 8, strands.depths, slot, n)
    put_shorts(out, letter | 101 << 8, strands.errors, slot, n)


@lean_kernel
def put_strand_read(out: Output, letter: Int, strands: Strands, slot: Int) -> None:
    """Write the tags `?c` and `?q` of a slot: its bases and its qualities as text."""
    n = strands.lengths[slot]
    put_bases(out, letter | 99 << 8, strands.codes, slot, n)
    put_qualities(out, letter | 113 << 8, strands.quals, slot, n)


@lean_kernel
def record_bound(n_bases: Int, n_name: Int, n_tags: Int) -> Int:
    """Return bytes that no consensus record of so many bases, name letters and UMI and barcode letters exceeds."""
    return 480 + 2 * n_name + n_tags + 20 * n_bases
