"""Correction of the bases that both mates of a pair cover, before the vote, so that no molecule counts twice there."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import consumes_query, consumes_reference
from ctdna.kernels.jit import lean_kernel
from ctdna.kernels.read_rows import BASES_AT, CIGAR_AT, FLAG, N_BASES, N_CIGAR, POS0, QUALS_AT, REF, Rows
from ctdna.kernels.record import u32

Int = int | np.int64
Bytes = NDArray[np.uint8]
ADD, GREATER, PASS = 0, 1, 2
"""What becomes of the qualities of agreeing bases: sum (at most 93), the greater, or left as they are."""
BETTER, MASK_BOTH, MASK_LOWER = 0, 1, 2
"""What becomes of disagreeing bases: the better one with the difference (at least 2), N in both, N in the lower."""
_MAX, _MIN, _NIBBLE_N = 93, 2, 15


@lean_kernel
def _nibble(data: Bytes, at: Int, k: Int) -> Int:
    pair = np.int64(data[at + (k >> 1)])
    return pair & 15 if k & 1 else pair >> 4


@lean_kernel
def _set(data: Bytes, bases_at: Int, quals_at: Int, k: Int, value: tuple[Int, Int]) -> None:
    nibble, quality = value
    pair = np.int64(data[bases_at + (k >> 1)])
    data[bases_at + (k >> 1)] = (pair & 240) | nibble if k & 1 else (pair & 15) | nibble << 4
    data[quals_at + k] = quality


@lean_kernel
def _agreed(q1: Int, q2: Int, agreement: Int) -> tuple[Int, Int]:
    if agreement == PASS:
        return q1, q2
    joint = max(q1, q2) if agreement == GREATER else min(q1 + q2, np.int64(_MAX))
    return joint, joint


@lean_kernel
def _settle(base1: Int, q1: Int, base2: Int, q2: Int, disagreement: Int) -> tuple[Int, Int, Int, Int]:
    n, low = np.int64(_NIBBLE_N), np.int64(_MIN)
    if q1 == q2 or disagreement == MASK_BOTH:
        return n, low, n, low
    if disagreement == MASK_LOWER:
        return (base1, q1, n, low) if q1 > q2 else (n, low, base2, q2)
    base, quality = base1 if q1 > q2 else base2, max(q1 - q2, q2 - q1, low)
    return base, quality, base, quality


@lean_kernel
def _correct_base(data: Bytes, at1: tuple[Int, Int], k1: Int, at2: tuple[Int, Int], k2: Int, rules: Int) -> Int:
    """Correct one base; return 1 where compared, plus 2 and 4 where R1 or R2 got another base.

    `at1` and `at2` are the places of bases and qualities, `k1` and `k2` the bases' indices.
    """
    base1, base2 = _nibble(data, at1[0], k1), _nibble(data, at2[0], k2)
    if base1 == _NIBBLE_N or base2 == _NIBBLE_N:
        return np.int64(0)
    q1, q2 = np.int64(data[at1[1] + k1]), np.int64(data[at2[1] + k2])
    if base1 == base2:
        data[at1[1] + k1], data[at2[1] + k2] = _agreed(q1, q2, rules & 3)
        return np.int64(1)
    new1, new_q1, new2, new_q2 = _settle(base1, q1, base2, q2, rules >> 2)
    _set(data, at1[0], at1[1], k1, (new1, new_q1))
    _set(data, at2[0], at2[1], k2, (new2, new_q2))
    changed1 = 2 if new1 != base1 and new1 != _NIBBLE_N else 0
    changed2 = 4 if new2 != base2 and new2 != _NIBBLE_N else 0
    return np.int64(1 + changed1 + changed2)


@lean_kernel
def _correct_run(
    data: Bytes, at1: tuple[Int, Int], k1: Int, at2: tuple[Int, Int], k2: Int, n: Int, rules: Int
) -> tuple[Int, Int, Int]:
    """Correct n bases from k1 and k2 on; return bases compared, changed in R1 and changed in R2."""
    compared, changed1, changed2 = np.int64(0), np.int64(0), np.int64(0)
    quals1, quals2 = data[at1[1] + k1 : at1[1] + k1 + n], data[at2[1] + k2 : at2[1] + k2 + n]
    bases1, odd1 = data[at1[0] + (k1 >> 1) : at1[0] + ((k1 + n + 1) >> 1)], k1 & 1
    bases2, odd2 = data[at2[0] + (k2 >> 1) : at2[0] + ((k2 + n + 1) >> 1)], k2 & 1
    is_sum = rules & 3 == ADD
    for j in range(n):
        base1, base2 = _nibble(bases1, np.int64(0), odd1 + j), _nibble(bases2, np.int64(0), odd2 + j)
        if base1 == base2 and base1 != _NIBBLE_N and is_sum:
            quality = min(np.int64(quals1[j]) + np.int64(quals2[j]), np.int64(_MAX))
            quals1[j], quals2[j] = quality, quality
            compared += 1
            continue
        outcome = _correct_base(data, at1, k1 + j, at2, k2 + j, rules)
        compared, changed1, changed2 = (
            compared + (outcome & 1),
            changed1 + (outcome >> 1 & 1),
            changed2 + (outcome >> 2),
        )
    return compared, changed1, changed2


@lean_kernel
def correct_pair(data: Bytes, rows: Rows, r1: Int, r2: Int, rules: Int) -> tuple[Int, Int, Int]:
    """Correct in place the bases of reads r1 and r2 at reference positions that both align (M, =, X).

    `rules` is agreement | disagreement << 2. Returns positions compared (neither N) and bases of r1 and of r2
    changed to another base. Nothing happens unless both are mapped to the same contig and have qualities.
    """
    compared, changed1, changed2 = np.int64(0), np.int64(0), np.int64(0)
    is_mapped = (rows[r1, FLAG] | rows[r2, FLAG]) & 4 == 0
    has_bases = rows[r1, N_BASES] > 0 and rows[r2, N_BASES] > 0
    if not is_mapped or not has_bases or rows[r1, REF] != rows[r2, REF]:
        return compared, changed1, changed2
    at1, at2 = (rows[r1, BASES_AT], rows[r1, QUALS_AT]), (rows[r2, BASES_AT], rows[r2, QUALS_AT])
    i1, i2 = np.int64(0), np.int64(0)
    pos1, pos2 = rows[r1, POS0], rows[r2, POS0]
    k1, k2 = np.int64(0), np.int64(0)
    while i1 < rows[r1, N_CIGAR] and i2 < rows[r2, N_CIGAR]:
        op1, op2 = u32(data, rows[r1, CIGAR_AT] + 4 * i1), u32(data, rows[r2, CIGAR_AT] + 4 * i2)
        code1, size1, code2, size2 = op1 & 15, op1 >> 4, op2 & 15, op2 >> 4
        end1 = pos1 + size1 if consumes_reference(code1) else pos1
        end2 = pos2 + size2 if consumes_reference(code2) else pos2
        low, high = max(pos1, pos2), min(end1, end2)
        if low < high and consumes_query(code1) and consumes_query(code2):
            n, c1, c2 = _correct_run(data, at1, k1 + low - pos1, at2, k2 + low - pos2, high - low, rules)
            compared, changed1, changed2 = compared + n, changed1 + c1, changed2 + c2
        if end1 <= end2:
            k1, pos1, i1 = k1 + (size1 if consumes_query(code1) else 0), end1, i1 + 1
        else:
            k2, pos2, i2 = k2 + (size2 if consumes_query(code2) else 0), end2, i2 + 1
    return compared, changed1, changed2
