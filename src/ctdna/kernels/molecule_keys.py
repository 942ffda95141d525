"""Molecule names as numbers, and which of them were seen before."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel

Bytes = NDArray[np.uint8]
MAX_NUMBER = 1 << 34
"""Names that are whole numbers below it are kept as bits."""


@kernel
def molecule_numbers(data: Bytes, at: NDArray[np.int64], n: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the number that each name writes in decimal digits, without leading zeros; -1 where it is none."""
    out = np.empty(len(at), np.int64)
    for i in range(len(at)):
        size = np.int64(n[i])
        value = np.int64(0)
        if size == 0 or size > 11 or (size > 1 and data[at[i]] == 48):
            value = np.int64(-1)
        for k in range(size):
            digit = np.int64(data[at[i] + k]) - 48
            if value < 0 or digit < 0 or digit > 9:
                value = np.int64(-1)
                break
            value = value * 10 + digit
        out[i] = value if value < MAX_NUMBER else np.int64(-1)
    return out


@kernel
def mark_seen(bits: Bytes, numbers: NDArray[np.int64]) -> int:
    """Set the bit of each number that is not negative; return the index of the first that was set, -1 where none."""
    for i in range(len(numbers)):
        number = numbers[i]
        if number >= 0:
            old = np.int64(bits[number >> 3])
            bit = np.int64(1) << (number & 7)
            if old & bit:
                return i
            bits[number >> 3] = old | bit
    return -1


def warm() -> None:
    """Compile every kernel of this module."""
    digits = np.frombuffer(b"12", dtype=np.uint8).copy()
    numbers = molecule_numbers(digits, np.zeros(1, dtype=np.int64), np.full(1, 2, dtype=np.int32))
    mark_seen(np.zeros(8, dtype=np.uint8), numbers)
