"""Base calls: unpacking of files, planes to reads, reads to FASTQ text.

A call is one byte: base in the two low bits, quality above; 0 is a no call.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel

COMPLEMENT = 1 << 20
"""Added to a cycle in `spell`'s layout: its complement is written."""
PLUS = -1
"""In `spell`'s layout: a plus sign."""
_BLOCK = 64


@kernel
def unpack_nibbles(packed: NDArray[np.uint8], calls_of: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Write the calls of n packed clusters, two a byte, the low nibble first; `calls_of` has a call per nibble."""
    for i_cluster in range(len(out)):
        pair = np.int64(packed[i_cluster >> 1])
        out[i_cluster] = calls_of[(pair >> 4) if i_cluster & 1 else (pair & 15)]


@kernel
def spread_passing(some: NDArray[np.uint8], is_passing: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Write the calls of passing clusters to their places among all clusters; the others become no calls."""
    i_some = 0
    for i_cluster in range(len(out)):
        if is_passing[i_cluster]:
            out[i_cluster] = some[i_some]
            i_some += 1
        else:
            out[i_cluster] = 0


@kernel
def clocs_positions(
    data: NDArray[np.uint8], n_blocks: int, n_columns: int, x: NDArray[np.int32], y: NDArray[np.int32]
) -> int:
    """Fill in positions from the blocks of a clocs file; return how many there are, or -1 where the data ends early.

    Counts beyond the outputs are not written, only counted.
    """
    at = 0
    n_found = 0
    for i_block in range(n_blocks):
        if at >= len(data):
            return -1
        n_here = np.int64(data[at])
        at += 1
        if at + 2 * n_here > len(data):
            return -1
        for _ in range(n_here):
            if n_found < len(x):
                x[n_found] = np.int64(data[at]) + 250 * (i_block % n_columns) + 1000
                y[n_found] = np.int64(data[at + 1]) + 250 * (i_block // n_columns) + 1000
            n_found += 1
            at += 2
    return n_found


@kernel
def to_clusters(planes: NDArray[np.uint8], start: int, out: NDArray[np.uint8]) -> None:
    """Write the calls of the clusters from `start` on, cluster by cluster, to `out` (n, cycles)."""
    n_clusters, n_cycles = out.shape
    for first in range(0, n_clusters, _BLOCK):
        last = min(first + _BLOCK, n_clusters)
        for i_cycle in range(n_cycles):
            for i_cluster in range(first, last):
                out[i_cluster, i_cycle] = planes[i_cycle, start + i_cluster]


@kernel
def spell(calls: NDArray[np.uint8], rows: NDArray[np.int64], layout: NDArray[np.int64], out: NDArray[np.uint8]) -> None:
    """Write letters by the layout: a cycle's base, with COMPLEMENT added its complement, PLUS a plus sign."""
    for i_row in range(len(rows)):
        for i_letter in range(len(layout)):
            cycle = layout[i_letter]
            if cycle == PLUS:
                out[i_row, i_letter] = 43
                continue
            is_complement = cycle >= COMPLEMENT
            call = np.int64(calls[rows[i_row], cycle - COMPLEMENT if is_complement else cycle])
            base = 3 - (call & 3) if is_complement else call & 3
            letter = 78
            if call:
                letter = 65 if base == 0 else 67 if base == 1 else 71 if base == 2 else 84
            out[i_row, i_letter] = letter


@kernel
def _n_digits(value: np.int64) -> np.int64:
    """Return how many characters a whole number takes."""
    n_characters = np.int64(1) if value >= 0 else np.int64(2)
    rest = abs(value) // 10
    while rest:
        n_characters += 1
        rest //= 10
    return n_characters


@kernel
def _put_number(value: np.int64, out: NDArray[np.uint8], at: np.int64) -> np.int64:
    """Write a whole number in decimal at `at`; return where it ends."""
    end = at + _n_digits(value)
    if value < 0:
        out[at] = 45
    rest = abs(value)
    for i_digit in range(end - 1, at if value < 0 else at - 1, -1):
        out[i_digit] = 48 + rest % 10
        rest //= 10
    return end


@kernel
def name_offsets(
    rows: NDArray[np.int64], x: NDArray[np.int32], y: NDArray[np.int32], n_fixed: int, out: NDArray[np.int64]
) -> None:
    """Write where each row's name starts: `n_fixed` characters plus those of x, a colon, and y."""
    out[0] = 0
    for i_row in range(len(rows)):
        i_cluster = rows[i_row]
        out[i_row + 1] = (
            out[i_row] + n_fixed + 1 + _n_digits(np.int64(x[i_cluster])) + _n_digits(np.int64(y[i_cluster]))
        )


@kernel
def write_names(
    rows: NDArray[np.int64],
    x: NDArray[np.int32],
    y: NDArray[np.int32],
    head: NDArray[np.uint8],
    umis: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    """Write each row's name: head, x, y, and where `umis` (rows, letters) has letters, a colon and these."""
    for i_row in range(len(rows)):
        at = offsets[i_row]
        for i_letter in range(len(head)):
            out[at + i_letter] = head[i_letter]
        at = _put_number(np.int64(x[rows[i_row]]), out, at + len(head))
        out[at] = 58
        at = _put_number(np.int64(y[rows[i_row]]), out, at + 1)
        if umis.shape[1]:
            out[at] = 58
            for i_letter in range(umis.shape[1]):
                out[at + 1 + i_letter] = umis[i_row, i_letter]


@kernel
def write_fastq(
    calls: NDArray[np.uint8],
    rows: NDArray[np.int64],
    cycles: NDArray[np.int64],
    names: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    tails: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> int:
    """Write one FASTQ record a row: `@`, name, `tails` (rows, letters), bases, qualities; return the bases of Q30 up.

    `out` holds len(names) + rows * (letters + 2 * cycles + 6) bytes.
    """
    at = 0
    n_q30 = 0
    for i_row in range(len(rows)):
        out[at] = 64
        at += 1
        for i_letter in range(offsets[i_row], offsets[i_row + 1]):
            out[at] = names[i_letter]
            at += 1
        for i_letter in range(tails.shape[1]):
            out[at] = tails[i_row, i_letter]
            at += 1
        out[at] = 10
        n_bases = len(cycles)
        quals_at = at + n_bases + 4
        out[quals_at - 3] = 10
        out[quals_at - 2] = 43
        out[quals_at - 1] = 10
        for i_base in range(n_bases):
            call = np.int64(calls[rows[i_row], cycles[i_base]])
            base = call & 3
            letter, quality = 78, 2
            if call:
                letter = 65 if base == 0 else 67 if base == 1 else 71 if base == 2 else 84
                quality = int(call >> 2)
            if quality >= 30:
                n_q30 += 1
            out[at + 1 + i_base] = letter
            out[quals_at + i_base] = quality + 33
        at = quals_at + n_bases
        out[at] = 10
        at += 1
    return n_q30


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    calls = np.array([[0, 121, 122]], dtype=np.uint8)
    one = np.ones(1, dtype=np.uint8)
    place = np.ones(1, dtype=np.int32)
    rows = np.zeros(1, dtype=np.int64)
    cycles = np.arange(3, dtype=np.int64)
    unpack_nibbles(one, np.zeros(16, dtype=np.uint8), one.copy())
    spread_passing(one, one, one.copy())
    clocs_positions(np.array([1, 2, 3], dtype=np.uint8), 1, 82, place.copy(), place.copy())
    to_clusters(np.ascontiguousarray(calls.T), 0, calls.copy())
    tails = np.zeros((1, 3), dtype=np.uint8)
    spell(calls, rows, cycles, tails)
    offsets = np.zeros(2, dtype=np.int64)
    name_offsets(rows, place, place, 1, offsets)
    names = np.zeros(int(offsets[-1]), dtype=np.uint8)
    write_names(rows, place, place, one, np.zeros((1, 0), dtype=np.uint8), offsets, names)
    write_fastq(calls, rows, cycles, names, offsets, tails, np.zeros(len(names) + 3 + 6 + 6, dtype=np.uint8))
