"""Per-base tags turned round for reads that aligned to the reverse strand."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets, tag_end, u16, u32, value_bytes

Codes = NDArray[np.uint16]


def complement_table() -> NDArray[np.uint8]:
    """Return the complement of every ASCII base letter, IUPAC's too, in its case; any other byte stands for itself."""
    table = np.arange(256, dtype=np.uint8)
    for base, other in zip("ACGTURYKMBVDH", "TGCAAYRMKVBHD", strict=True):
        table[[ord(base), ord(base.lower())]] = [ord(other), ord(other.lower())]
    return table


COMPLEMENT = complement_table()
NIBBLE_COMPLEMENT = np.array([0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], dtype=np.uint8)
"""BAM's 4-bit base of the complement of each 4-bit base."""


@lean_kernel
def is_in(codes: Codes, tag: Int) -> bool:
    """Return whether a tag is among these."""
    found = False
    for k in range(len(codes)):
        if np.int64(codes[k]) == tag:
            found = True
    return found


@lean_kernel
def _turn(out: Bytes, start: Int, n: Int, size: Int) -> None:
    """Reverse n items of `size` bytes that stand from `start` on."""
    for k in range(n // 2):
        for byte in range(size):
            left, right = start + k * size + byte, start + (n - 1 - k) * size + byte
            out[left], out[right] = out[right], out[left]


@lean_kernel
def turn_tag(out: Bytes, at: Int, end: Int, is_complement: bool, complement: Bytes) -> None:
    """Reverse the entries of an array tag or the letters of a text tag in place; complement the letters on demand."""
    if out[at + 2] == 66:
        _turn(out, at + 8, u32(out, at + 4), value_bytes(np.int64(out[at + 3])))
    elif out[at + 2] == 90:
        _turn(out, at + 3, end - at - 4, np.int64(1))
        if is_complement:
            for k in range(at + 3, end - 1):
                out[k] = complement[out[k]]


@kernel
def carried_tags(
    data: Bytes,
    bounds: tuple[Offsets, Offsets],
    source: Offsets,
    is_reverse: NDArray[np.bool_],
    codes: tuple[Codes, Codes, Codes],
    complement: Bytes,
) -> tuple[Bytes, Offsets]:
    """Return the tags of source records for the aligned records made of them, as bytes and offsets.

    `bounds` are start and end of each source record's tags, `source` names the source record of each aligned record.
    `codes` are the tags left out, those reversed and those reverse-complemented where `is_reverse` holds: arrays are
    reversed entry by entry, texts letter by letter.
    """
    n = len(source)
    offsets = np.zeros(n + 1, dtype=np.int64)
    for i in range(n):
        at, end = bounds[0][source[i]], bounds[1][source[i]]
        size = end - at
        while at < end:
            after = tag_end(data, at, end)
            if is_in(codes[0], u16(data, at)):
                size -= after - at
            at = after
        offsets[i + 1] = offsets[i] + size
    out = np.empty(offsets[n], dtype=np.uint8)
    for i in range(n):
        at, end, to = bounds[0][source[i]], bounds[1][source[i]], offsets[i]
        while at < end:
            after, tag = tag_end(data, at, end), u16(data, at)
            if not is_in(codes[0], tag):
                out[to : to + after - at] = data[at:after]
                is_complement = is_in(codes[2], tag)
                if is_reverse[i] and (is_complement or is_in(codes[1], tag)):
                    turn_tag(out, to, to + after - at, is_complement, complement)
                to += after - at
            at = after
    return out, offsets


def warm() -> None:
    """Compile every kernel of this module on no records."""
    none, codes = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint16)
    is_reverse = np.zeros(0, dtype=np.bool_)
    carried_tags(np.zeros(4, dtype=np.uint8), (none, none), none, is_reverse, (codes, codes, codes), COMPLEMENT)
