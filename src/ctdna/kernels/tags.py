"""Values of BAM tags whose places `record.find_tag` returned."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.kernels.record import Bytes, Int, Offsets, i32, u16, u32, value_bytes


@kernel
def whole_number(data: Bytes, kind: Int, at: Int) -> Int:
    """Return the whole number of a BAM type (`cCsSiI` as a number) at `at`."""
    if kind == 67:
        return np.int64(data[at])
    if kind == 99:
        value = np.int64(data[at])
        return value - 256 if value > 127 else value
    if kind == 83:
        return u16(data, at)
    if kind == 115:
        wide = u16(data, at)
        return wide - 65536 if wide > 32767 else wide
    if kind == 73:
        return u32(data, at)
    return i32(data, at)


@kernel
def int_values(data: Bytes, at: Offsets, missing: Int) -> Offsets:
    """Return whole-number tags found by `find_tag(..., 'i')`; `missing` where the place is negative."""
    out = np.empty(len(at), dtype=np.int64)
    for i in range(len(at)):
        out[i] = missing if at[i] < 0 else whole_number(data, np.int64(data[at[i] - 1]), at[i])
    return out


@kernel
def float_values(data: Bytes, at: Offsets) -> NDArray[np.float32]:
    """Return tags of type `f`; NaN where the place is negative."""
    bits = np.empty(len(at), dtype=np.uint32)
    for i in range(len(at)):
        bits[i] = 0x7FC00000 if at[i] < 0 else u32(data, at[i])
    return bits.view(np.float32)


@kernel
def text_lengths(data: Bytes, at: Offsets) -> NDArray[np.int32]:
    """Return the bytes of tags of type `Z` or `H` without the closing NUL; 0 where the place is negative."""
    out = np.zeros(len(at), dtype=np.int32)
    for i in range(len(at)):
        if at[i] >= 0:
            k = at[i]
            while data[k] != 0:
                k += 1
            out[i] = k - at[i]
    return out


@kernel
def array_lengths(data: Bytes, at: Offsets) -> NDArray[np.int32]:
    """Return the entries of tags of type `B`; 0 where the place is negative."""
    out = np.zeros(len(at), dtype=np.int32)
    for i in range(len(at)):
        if at[i] >= 0:
            out[i] = u32(data, at[i] + 1)
    return out


@kernel
def array_values(data: Bytes, at: Offsets, offsets: Offsets) -> NDArray[np.int32]:
    """Return the entries of whole-number `B` tags, one after the other; `offsets` from `array_lengths`.

    An array of floats gives zeros; an unsigned 32-bit entry above the range wraps.
    """
    out = np.zeros(offsets[-1], dtype=np.int32)
    for i in range(len(at)):
        if at[i] < 0 or data[at[i]] == 102:
            continue
        kind = np.int64(data[at[i]])
        size = value_bytes(kind)
        for k in range(offsets[i + 1] - offsets[i]):
            out[offsets[i] + k] = whole_number(data, kind, at[i] + 5 + size * k)
    return out


def warm() -> None:
    """Compile every kernel of this module on no values."""
    data, none = np.zeros(8, dtype=np.uint8), np.zeros(0, dtype=np.int64)
    whole_number(data, 105, 0)
    int_values(data, none, 0)
    float_values(data, none)
    text_lengths(data, none)
    array_lengths(data, none)
    array_values(data, none, np.zeros(1, dtype=np.int64))
