"""Raw reads of a batch as rows of whole numbers: what a consensus needs of a record, found in one walk.

One array holds what `RecordFields` and four tags would hold in twenty: it is handed from kernel to kernel at the cost
of one, and the numbers of one read lie side by side.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import FIXED_BYTES, Bytes, Int, Offsets, i32, tag_end, u16

Rows = NDArray[np.int64]
"""Reads x `N_COLUMNS`."""

(FLAG, REF, POS0, MATE_REF, MATE_POS0, N_BASES, N_CIGAR, N_NAME, CIGAR_AT, BASES_AT, QUALS_AT, TAGS_END, MI_AT, N_MI,
 RX_AT, N_RX, CB_AT, N_CB, MC_AT, N_ID) = range(20)  # fmt: skip
"""Columns. Places are offsets into the batch's bytes, -1 where a text tag is absent (its length then 0). `N_ID` is the
part of MI that names the molecule, set by `molecule_keys.find_molecules`. The read name ends right before the CIGAR."""
N_COLUMNS = 20
_MI, _RX, _CB, _MC = 18765, 22610, 16963, 17229


@lean_kernel
def find_text_tags(data: Bytes, at: Int, row: NDArray[np.int64]) -> None:
    """Note where the text tags MI, RX, CB and MC of a sound record stand, whose tags begin at `at`."""
    row[MI_AT], row[RX_AT], row[CB_AT], row[MC_AT] = -1, -1, -1, -1
    row[N_MI], row[N_RX], row[N_CB] = 0, 0, 0
    tags_end = row[TAGS_END]
    next_at: Int = np.int64(at)
    while next_at < tags_end:
        end = tag_end(data, next_at, tags_end)
        if data[next_at + 2] == 90:
            name = u16(data, next_at)
            if name == _MI:
                row[MI_AT], row[N_MI] = next_at + 3, end - next_at - 4
            elif name == _RX:
                row[RX_AT], row[N_RX] = next_at + 3, end - next_at - 4
            elif name == _CB:
                row[CB_AT], row[N_CB] = next_at + 3, end - next_at - 4
            elif name == _MC:
                row[MC_AT] = next_at + 3
        next_at = end


@kernel
def read_rows(data: Bytes, offsets: Offsets) -> Rows:
    """Return the rows of sound records."""
    n = len(offsets) - 1
    rows = np.zeros((n, N_COLUMNS), np.int64)
    for i in range(n):
        at, row = offsets[i], rows[i]
        n_name, n_cigar, n_bases = np.int64(data[at + 12]), u16(data, at + 16), i32(data, at + 20)
        row[FLAG], row[REF], row[POS0] = u16(data, at + 18), i32(data, at + 4), i32(data, at + 8)
        row[MATE_REF], row[MATE_POS0] = i32(data, at + 24), i32(data, at + 28)
        row[N_BASES], row[N_CIGAR], row[N_NAME] = n_bases, n_cigar, n_name - 1
        cigar_at = at + FIXED_BYTES + n_name
        bases_at = cigar_at + 4 * n_cigar
        quals_at = bases_at + (n_bases + 1) // 2
        row[CIGAR_AT], row[BASES_AT], row[QUALS_AT], row[TAGS_END] = cigar_at, bases_at, quals_at, offsets[i + 1]
        find_text_tags(data, quals_at + n_bases, row)
    return rows


@lean_kernel
def first_without_quality(data: Bytes, rows: Rows) -> Int:
    """Return the first read that has bases but no qualities, -1 where there is none."""
    for i in range(len(rows)):
        if rows[i, N_BASES] > 0 and data[rows[i, QUALS_AT]] == 255:
            return np.int64(i)
    return np.int64(-1)


@lean_kernel
def same_name(data: Bytes, rows: Rows, a: Int, b: Int) -> bool:
    """Return whether two reads carry one name."""
    n = rows[a, N_NAME]
    if n != rows[b, N_NAME]:
        return False
    # Names differ at their end: a look at it tells most apart at once.
    end_a, end_b = rows[a, CIGAR_AT] - 1, rows[b, CIGAR_AT] - 1
    if n > 0 and data[end_a - 1] != data[end_b - 1]:
        return False
    one, other = data[end_a - n : end_a], data[end_b - n : end_b]
    differing = np.uint8(0)
    for k in range(n):
        differing |= one[k] ^ other[k]
    return bool(differing == 0)


@lean_kernel
def name_hash(data: Bytes, rows: Rows, i: Int) -> Int:
    """Return a number below 2**31 - 1 that scatters read names evenly."""
    value = np.int64(1)
    at = rows[i, CIGAR_AT] - 1 - rows[i, N_NAME]
    for k in range(rows[i, N_NAME]):
        value = (value * 1103515245 + np.int64(data[at + k]) + 12345) % 2147483647
    return value * 48271 % 2147483647


def warm() -> None:
    """Compile the kernels of this module that no other calls, on a batch of no records."""
    data = np.zeros(1, np.uint8)
    first_without_quality(data, read_rows(data, np.zeros(1, np.int64)))
