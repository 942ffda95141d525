"""The tags that a consensus read carries of its molecule and its strands: found, and read base by base."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.kernels.record import i32, tag_end, u16, u32

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Int = int | np.int64

MI, AD, BD, CD, SCALAR, AC, BC, AQ, BQ, N_TAGS = 0, 1, 2, 3, 4, 7, 8, 9, 10, 11
"""Places in what `find_tags` fills; aD, bD, cD stand at `SCALAR` and behind."""
READ_TWICE = 2
"""A strand of so many reads or more is judged by itself: one read's errors would be taken for the molecule's."""
_TAG_MI, _TAG_ad, _TAG_bd, _TAG_cd = 0x494D, 0x6461, 0x6462, 0x6463
_TAG_aD, _TAG_bD, _TAG_cD = 0x4461, 0x4462, 0x4463
_TAG_ac, _TAG_bc, _TAG_aq, _TAG_bq = 0x6361, 0x6362, 0x7161, 0x7162


@kernel
def find_tags(data: Bytes, at: Int, end: Int, found: Ints) -> None:
    """Fill `found` with the offsets of MI, ad, bd, cd, aD, bD, cD, ac, bc, aq, bq (at their names); -1 where absent."""
    found[:] = -1
    while 0 <= at < end:
        name = u16(data, at)
        for k in range(7):
            if name == (_TAG_MI, _TAG_ad, _TAG_bd, _TAG_cd, _TAG_aD, _TAG_bD, _TAG_cD)[k]:
                found[k] = at
        for k in range(4):
            if name == (_TAG_ac, _TAG_bc, _TAG_aq, _TAG_bq)[k]:
                found[AC + k] = at
        at = tag_end(data, at, end)


@kernel
def number_at(data: Bytes, at: Int, kind: Int) -> Int:
    """Return the whole number of a BAM type at an offset, 0 for a type that holds none."""
    if kind == 99:
        value = np.int64(data[at])
        return value - 256 if value > 127 else value
    if kind == 67:
        return np.int64(data[at])
    if kind == 115:
        wide = u16(data, at)
        return wide - 65536 if wide > 32767 else wide
    if kind == 83:
        return u16(data, at)
    if kind == 105:
        return i32(data, at)
    return u32(data, at) if kind == 73 else np.int64(0)


@kernel
def depth_at(data: Bytes, array_at: Int, scalar_at: Int, k: Int) -> Int:
    """Return a strand's depth at base k: from the per-base tag, else from the read's greatest depth, else 0."""
    if array_at >= 0:
        kind = np.int64(data[array_at + 3])
        size = 1 if kind == 99 or kind == 67 else (2 if kind == 115 or kind == 83 else 4)
        return number_at(data, array_at + 8 + size * k, kind)
    return number_at(data, scalar_at + 3, np.int64(data[scalar_at + 2])) if scalar_at >= 0 else np.int64(0)


@kernel
def has_strand_bases(data: Bytes, end: Int, found: Ints, n_bases: Int) -> Int:
    """Return 1 where both strands' bases and qualities are texts as long as the read, 0 without one, else -1."""
    for k in (AC, BC, AQ, BQ):
        if found[k] < 0:
            return np.int64(0)
    for k in (AC, BC, AQ, BQ):
        if data[found[k] + 2] != 90 or tag_end(data, found[k], end) - found[k] - 4 != n_bases:
            return np.int64(-1)
    return np.int64(1)


@kernel
def base_code(letter: Int) -> Int:
    """Return A 0, C 1, G 2, T 3 of a letter, else 4."""
    return 0 if letter == 65 else (1 if letter == 67 else (2 if letter == 71 else (3 if letter == 84 else 4)))


@kernel
def split_at(data: Bytes, found: Ints, k: Int, min_quality: Int) -> Int:
    """Return `base of A | base of B << 2` where the strands differ, both read twice, of sufficient quality; else -1."""
    one = base_code(np.int64(data[found[AC] + 3 + k]))
    other = base_code(np.int64(data[found[BC] + 3 + k]))
    least = min(np.int64(data[found[AQ] + 3 + k]), np.int64(data[found[BQ] + 3 + k])) - 33
    if one == other or one > 3 or other > 3 or least < min_quality:
        return np.int64(-1)
    depths = depth_at(data, found[AD], found[SCALAR], k), depth_at(data, found[BD], found[SCALAR + 1], k)
    return np.int64(one | other << 2) if min(depths[0], depths[1]) >= READ_TWICE else np.int64(-1)


@kernel
def count_splits(data: Bytes, found: Ints, n_bases: Int, min_quality: Int) -> Int:
    """Return how many bases of a read `split_at` tells."""
    n = np.int64(0)
    for k in range(n_bases):
        if data[found[AC] + 3 + k] != data[found[BC] + 3 + k] and split_at(data, found, k, min_quality) >= 0:
            n += 1
    return n
