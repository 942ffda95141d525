"""A stable order of whole numbers."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel


@kernel
def stable_order(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of the keys from least to greatest, equal keys in their given order (merge sort).

    Compiles in a fraction of the time that NumPy's sort takes.
    """
    n = np.int64(len(keys))
    source, target = np.empty(n, np.int64), np.empty(n, np.int64)
    for i in range(n):
        source[i] = i
    width = np.int64(1)
    while width < n:
        for at in range(0, n, 2 * width):
            start = np.int64(at)
            middle, end = min(start + width, n), min(start + 2 * width, n)
            left, right = start, middle
            for to in range(start, end):
                if left < middle and (right >= end or keys[source[left]] <= keys[source[right]]):
                    target[to] = source[left]
                    left += 1
                else:
                    target[to] = source[right]
                    right += 1
        source, target = target, source
        width *= 2
    return source


def warm() -> None:
    """Compile the kernel."""
    stable_order(np.zeros(1, dtype=np.int64))
