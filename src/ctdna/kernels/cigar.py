"""Walks along CIGARs, binary ones of records and text ones of `MC` tags."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets, u32

Lengths = NDArray[np.int32]


@lean_kernel
def consumes_query(code: Int) -> bool:
    """Return whether an operation (number in `MIDNSHP=X`) walks along the read."""
    return code == 0 or code == 1 or code == 4 or code == 7 or code == 8


@lean_kernel
def consumes_reference(code: Int) -> bool:
    """Return whether an operation (number in `MIDNSHP=X`) walks along the reference."""
    return code == 0 or code == 2 or code == 3 or code == 7 or code == 8


@kernel
def reference_lengths(data: Bytes, cigar_at: Offsets, n_cigar: Lengths) -> Lengths:
    """Return the reference bases each alignment spans; 0 without a CIGAR."""
    out = np.zeros(len(cigar_at), dtype=np.int32)
    for i in range(len(cigar_at)):
        total = np.int64(0)
        for k in range(n_cigar[i]):
            operation = u32(data, cigar_at[i] + 4 * k)
            if consumes_reference(operation & 15):
                total += operation >> 4
        out[i] = total
    return out


@kernel
def clips(data: Bytes, cigar_at: Offsets, n_cigar: Lengths) -> tuple[Lengths, Lengths, Lengths, Lengths]:
    """Return bases clipped in the order of the reference: leading soft, leading hard, trailing soft, trailing hard.

    A CIGAR of clips alone counts as leading.
    """
    n = len(cigar_at)
    out = np.zeros((4, n), dtype=np.int32)
    for i in range(n):
        n_ops = np.int64(n_cigar[i])
        k = np.int64(0)
        while k < n_ops:
            operation = u32(data, cigar_at[i] + 4 * k)
            code = operation & 15
            if code != 4 and code != 5:
                break
            out[code - 4, i] += operation >> 4
            k += 1
        last = n_ops - 1
        while last > k:
            operation = u32(data, cigar_at[i] + 4 * last)
            code = operation & 15
            if code != 4 and code != 5:
                break
            out[code - 2, i] += operation >> 4
            last -= 1
    return out[0].copy(), out[1].copy(), out[2].copy(), out[3].copy()


@kernel
def unclipped_bounds(data: Bytes, cigar_at: Offsets, n_cigar: Lengths, pos0: Lengths) -> tuple[Lengths, Lengths]:
    """Return where each alignment would start and end (half-open) with its clips, soft and hard, aligned.

    A record without a CIGAR starts and ends at its position.
    """
    start0 = np.empty(len(pos0), dtype=np.int32)
    end0 = np.empty(len(pos0), dtype=np.int32)
    lead_soft, lead_hard, trail_soft, trail_hard = clips(data, cigar_at, n_cigar)
    spans = reference_lengths(data, cigar_at, n_cigar)
    for i in range(len(pos0)):
        start0[i] = np.int64(pos0[i]) - lead_soft[i] - lead_hard[i]
        end0[i] = np.int64(pos0[i]) + spans[i] + trail_soft[i] + trail_hard[i]
    return start0, end0


@kernel
def five_prime0(start0: Lengths, end0: Lengths, flag: NDArray[np.uint16]) -> Lengths:
    """Return the position of each read's first sequenced base: the start, or for a reverse read the last base."""
    out = np.empty(len(flag), dtype=np.int32)
    for i in range(len(flag)):
        out[i] = np.int64(end0[i]) - 1 if np.int64(flag[i]) & 16 else np.int64(start0[i])
    return out


@lean_kernel
def _operation_code(letter: Int) -> Int:
    code = np.int64(-1)
    for k in range(9):
        if np.int64((77, 73, 68, 78, 83, 72, 80, 61, 88)[k]) == letter:
            code = np.int64(k)
    return code


@kernel
def text_bounds(data: Bytes, at: Offsets, pos0: Lengths) -> tuple[Lengths, Lengths, NDArray[np.bool_]]:
    """Return unclipped start, unclipped end (half-open) and soundness of CIGARs written as NUL-ended text.

    For `MC` tags: `at` from `find_tag`, `pos0` the mate's position. Where the place is negative or the text
    is no CIGAR, both bounds are `pos0` and the soundness is False.
    """
    n = len(at)
    start0, end0 = pos0.copy(), pos0.copy()
    is_sound = np.zeros(n, dtype=np.bool_)
    for i in range(n):
        if at[i] < 0:
            continue
        k, lead, span, trail = at[i], np.int64(0), np.int64(0), np.int64(0)
        size, is_good, is_inside = np.int64(-1), np.int64(1), np.int64(0)
        while data[k] != 0 and is_good:
            byte = np.int64(data[k])
            if 48 <= byte <= 57:
                size = (0 if size < 0 else size) * 10 + byte - 48
                is_good = np.int64(size < 1 << 28)
            else:
                code = _operation_code(byte)
                is_good = np.int64(code >= 0 and size >= 0)
                if code == 4 or code == 5:
                    trail += size
                elif is_good:
                    if not is_inside:
                        lead, trail, is_inside = trail, np.int64(0), np.int64(1)
                    if consumes_reference(code):
                        span += size
                size = np.int64(-1)
            k += 1
        if is_good and is_inside and size < 0:
            is_sound[i] = True
            start0[i], end0[i] = np.int64(pos0[i]) - lead, np.int64(pos0[i]) + span + trail
    return start0, end0, is_sound


def warm() -> None:
    """Compile every kernel of this module on no records."""
    data, at, few = np.zeros(4, dtype=np.uint8), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    consumes_query(0)
    consumes_reference(0)
    reference_lengths(data, at, few)
    clips(data, at, few)
    start0, end0 = unclipped_bounds(data, at, few, few)
    five_prime0(start0, end0, np.zeros(0, dtype=np.uint16))
    text_bounds(data, at, few)
