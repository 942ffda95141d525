"""Orders of records that do not depend on how they arrived."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.kernels.record import Bytes, Int, Offsets


@kernel
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


def warm() -> None:
    """Compile every kernel of this module on two names."""
    data, place = np.zeros(2, dtype=np.uint8), np.arange(2, dtype=np.int64)
    sort_runs(data, place, np.ones(2, dtype=np.int32), place, place, np.array([0, 2], dtype=np.int64))
