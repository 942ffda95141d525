"""Orders of records that do not depend on how they arrived."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets

RADIX_BITS = 11
RADIX = 1 << RADIX_BITS
N_DIGITS = 6
"""Digits of a number of 64 bits; the last holds its 9 uppermost, the sign repeated above them."""
SIGN_DIGIT = RADIX >> 1


@lean_kernel
def _is_before(data: Bytes, name_at: Offsets, n_name: NDArray[np.int32], rank: Offsets, a: Int, b: Int) -> bool:
    """Return whether record a stands before b: by name, then rank; equal ones keep their order."""
    n_a, n_b = np.int64(n_name[a]), np.int64(n_name[b])
    for k in range(min(n_a, n_b)):
        byte_a, byte_b = np.int64(data[name_at[a] + k]), np.int64(data[name_at[b] + k])
        if byte_a != byte_b:
            return bool(byte_a < byte_b)
    if n_a != n_b:
        return bool(n_a < n_b)
    return bool(rank[a] <= rank[b])


@kernel
def _merge(
    data: Bytes,
    name_at: Offsets,
    n_name: NDArray[np.int32],
    rank: Offsets,
    source: Offsets,
    target: Offsets,
    start: Int,
    width: Int,
    end: Int,
) -> None:
    """Merge the ordered halves [start, start + width) and [start + width, start + 2 width) of `source`."""
    middle, last = min(start + width, end), min(start + 2 * width, end)
    left, right = start, middle
    for to in range(start, last):
        takes_left = left < middle
        if takes_left and right < last:
            takes_left = _is_before(data, name_at, n_name, rank, source[left], source[right])
        if takes_left:
            target[to] = source[left]
            left += 1
        else:
            target[to] = source[right]
            right += 1


@kernel
def sort_runs(
    data: Bytes, name_at: Offsets, n_name: NDArray[np.int32], rank: Offsets, order: Offsets, bounds: Offsets
) -> Offsets:
    """Return `order` with each run [bounds[r], bounds[r + 1]) of it sorted by read name (bytes), then rank, stably."""
    source, target = order.copy(), order.copy()
    for run in range(len(bounds) - 1):
        start, end = bounds[run], bounds[run + 1]
        width = np.int64(1)
        while width < end - start:
            for at in range(start, end, 2 * width):
                _merge(data, name_at, n_name, rank, source, target, at, width, end)
            source[start:end] = target[start:end]
            width *= 2
    return source


@kernel
def radix_order(keys: NDArray[np.int64]) -> Offsets:
    """Return the stable order of items by their columns of `keys` (keys, items), the first key most significant.

    Signed numbers, least digit first; digits in which all items agree cost nothing.
    """
    n = keys.shape[1]
    order, other = np.arange(n).astype(np.int64), np.empty(n, dtype=np.int64)
    counts = np.empty(RADIX + 1, dtype=np.int64)
    for back in range(keys.shape[0]):
        key = keys[keys.shape[0] - 1 - back]
        varying = np.int64(0)
        for i in range(n):
            varying |= key[i] ^ key[0]
        for digit in range(N_DIGITS):
            shift = RADIX_BITS * digit
            if varying >> shift & (RADIX - 1) == 0:
                continue
            flip = SIGN_DIGIT if digit == N_DIGITS - 1 else 0
            counts[:] = 0
            for i in range(n):
                counts[((key[i] >> shift & (RADIX - 1)) ^ flip) + 1] += 1
            for k in range(RADIX):
                counts[k + 1] += counts[k]
            for i in range(n):
                slot = (key[order[i]] >> shift & (RADIX - 1)) ^ flip
                other[counts[slot]] = order[i]
                counts[slot] += 1
            order, other = other, order
    return order


def warm() -> None:
    """Compile every kernel of this module on two names."""
    data, place = np.zeros(2, dtype=np.uint8), np.arange(2, dtype=np.int64)
    radix_order(np.zeros((1, 2), dtype=np.int64))
    sort_runs(data, place, np.ones(2, dtype=np.int32), place, place, np.array([0, 2], dtype=np.int64))
