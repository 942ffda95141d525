"""Barcodes of clusters: matching to samples, and codes for counting."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel

ANY = 4
"""In expected barcodes: every base fits."""
UNDETERMINED = -1
AMBIGUOUS = -2


@kernel
def _mismatches(
    calls: NDArray[np.uint8],
    i_cluster: int,
    cycles: NDArray[np.int64],
    expected: NDArray[np.uint8],
    i_barcode: int,
    budget: np.int64,
) -> np.int64:
    """Return the mismatches of one barcode, or any number above the budget; a no call is a mismatch."""
    n_mismatches = np.int64(0)
    for i_cycle in range(len(cycles)):
        base = np.int64(expected[i_barcode, i_cycle])
        if base != ANY:
            call = np.int64(calls[i_cluster, cycles[i_cycle]])
            if call == 0 or (call & 3) != base:
                n_mismatches += 1
                if n_mismatches > budget:
                    break
    return n_mismatches


@kernel
def match_samples(
    calls: NDArray[np.uint8],
    cycles1: NDArray[np.int64],
    cycles2: NDArray[np.int64],
    expected1: NDArray[np.uint8],
    expected2: NDArray[np.uint8],
    budgets: NDArray[np.int64],
    i_sample: NDArray[np.int64],
    mismatches: NDArray[np.int64],
) -> None:
    """Fill in each cluster's sample, and its mismatches in both indexes.

    `expected1` and `expected2` are (samples, index cycles) of bases 0 to 3 or ANY; `budgets` (samples, 2) the most
    mismatches. UNDETERMINED where no sample fits, AMBIGUOUS where more than one does; then the mismatches are 0.
    """
    for i_cluster in range(len(calls)):
        found = np.int64(UNDETERMINED)
        mismatches[i_cluster, 0] = 0
        mismatches[i_cluster, 1] = 0
        for i_row in range(len(expected1)):
            n1 = _mismatches(calls, i_cluster, cycles1, expected1, i_row, budgets[i_row, 0])
            if n1 > budgets[i_row, 0]:
                continue
            n2 = _mismatches(calls, i_cluster, cycles2, expected2, i_row, budgets[i_row, 1])
            if n2 > budgets[i_row, 1]:
                continue
            if found != UNDETERMINED:
                found = np.int64(AMBIGUOUS)
                mismatches[i_cluster, 0] = 0
                mismatches[i_cluster, 1] = 0
                break
            found = np.int64(i_row)
            mismatches[i_cluster, 0] = n1
            mismatches[i_cluster, 1] = n2
        i_sample[i_cluster] = found


@kernel
def match_index(
    calls: NDArray[np.uint8],
    rows: NDArray[np.int64],
    cycles: NDArray[np.int64],
    expected: NDArray[np.uint8],
    budgets: NDArray[np.int64],
    out: NDArray[np.int64],
) -> None:
    """Fill in the one barcode that fits each row best within its budget, or UNDETERMINED where none or two do."""
    for i_row in range(len(rows)):
        found = np.int64(UNDETERMINED)
        least = np.int64(1 << 30)
        for i_barcode in range(len(expected)):
            n_here = _mismatches(calls, rows[i_row], cycles, expected, i_barcode, budgets[i_barcode])
            if n_here <= budgets[i_barcode]:
                if n_here < least:
                    found, least = np.int64(i_barcode), n_here
                elif n_here == least:
                    found = np.int64(UNDETERMINED)
        out[i_row] = found


@kernel
def barcode_codes(
    calls: NDArray[np.uint8], rows: NDArray[np.int64], cycles: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    """Fill in a whole number for each row's bases at these cycles (27 at most): base 5, no call 0, A to T 1 to 4."""
    for i_row in range(len(rows)):
        code = np.int64(0)
        for i_cycle in range(len(cycles)):
            call = np.int64(calls[rows[i_row], cycles[i_cycle]])
            code = code * 5 + (1 + (call & 3) if call else 0)
        out[i_row] = code


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    calls = np.array([[121, 122]], dtype=np.uint8)
    cycles = np.array([0], dtype=np.int64)
    expected = np.array([[1]], dtype=np.uint8)
    found = np.zeros(1, dtype=np.int64)
    budgets = np.zeros((1, 2), dtype=np.int64)
    match_samples(calls, cycles, cycles, expected, expected, budgets, found, budgets.copy())
    match_index(calls, found, cycles, expected, budgets[:, 0].copy(), found.copy())
    barcode_codes(calls, found, cycles, found.copy())
