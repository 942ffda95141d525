"""Molecules by their MI tags: where each begins, its name as a number, and whether it was seen before."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.read_rows import MI_AT, N_ID, N_MI, Rows

Bytes = NDArray[np.uint8]
Int = int | np.int64
MAX_NUMBER = 1 << 34
"""Names that are whole numbers below it are kept as bits."""


@kernel
def find_molecules(data: Bytes, rows: Rows, is_duplex: Int) -> tuple[NDArray[np.int64], Int]:
    """Return where runs of one molecule start (and n at the end), and a bad read; set the rows' `N_ID`.

    The molecule is the MI tag, for duplex without the strand `/A` or `/B` at its end. The bad read is the first
    without it, -1 where there is none.
    """
    n = len(rows)
    starts = np.empty(n + 1, np.int64)
    n_runs, bad = 0, np.int64(-1)
    for i in range(n):
        at, size = rows[i, MI_AT], rows[i, N_MI]
        if is_duplex:
            is_strand = size > 2 and data[at + size - 2] == 47 and 65 <= data[at + size - 1] <= 66
            size = size - 2 if is_strand else np.int64(0)
        if size == 0 and bad < 0:
            bad = np.int64(i)
        rows[i, N_ID] = size
        is_same = i > 0 and size == rows[i - 1, N_ID]
        k = np.int64(0)
        while is_same and k < size:
            is_same = data[at + k] == data[rows[i - 1, MI_AT] + k]
            k += 1
        if not is_same:
            starts[n_runs] = i
            n_runs += 1
    starts[n_runs] = n
    return starts[: n_runs + 1].copy(), bad


@kernel
def molecule_numbers(data: Bytes, at: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number that each name writes in decimal digits, without leading zeros; -1 where it is none."""
    out = np.empty(len(at), np.int64)
    for i in range(len(at)):
        size = n[i]
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


@lean_kernel
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
    numbers = molecule_numbers(digits, np.zeros(1, dtype=np.int64), np.full(1, 2, dtype=np.int64))
    mark_seen(np.zeros(8, dtype=np.uint8), numbers)
