"""Correction of the bases that both mates of a pair cover, before the vote, so that no molecule counts twice there."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import consumes_query, consumes_reference
from ctdna.kernels.jit import kernel
from ctdna.kernels.record import u32
from ctdna.model.columns import RecordFields

Int = int | np.int64
Bytes = NDArray[np.uint8]
ADD, GREATER, PASS = 0, 1, 2
"""What becomes of the qualities of agreeing bases: sum (at most 93), the greater, or left as they are."""
BETTER, MASK_BOTH, MASK_LOWER = 0, 1, 2
"""What becomes of disagreeing bases: the better one with the difference (at least 2), N in both, N in the lower."""
_MAX, _MIN, _NIBBLE_N = 93, 2, 15


@kernel
def _nibble(data: Bytes, at: Int, k: Int) -> Int:
    pair = np.int64(data[at + (k >> 1)])
    return pair & 15 if k & 1 else pair >> 4


@kernel
def _set(data: Bytes, bases_at: Int, quals_at: Int, k: Int, value: tuple[Int, Int]) -> None:
    nibble, quality = value
    pair = np.int64(data[bases_at + (k >> 1)])
    data[bases_at + (k >> 1)] = (pair & 240) | nibble if k & 1 else (pair & 15) | nibble << 4
    data[quals_at + k] = quality


@kernel
def _agreed(q1: Int, q2: Int, agreement: Int) -> tuple[Int, Int]:
    if agreement == PASS:
        return q1, q2
    joint = max(q1, q2) if agreement == GREATER else min(q1 + q2, np.int64(_MAX))
    return joint, joint


@kernel
def _settle(base1: Int, q1: Int, base2: Int, q2: Int, disagreement: Int) -> tuple[Int, Int, Int, Int]:
    n, low = np.int64(_NIBBLE_N), np.int64(_MIN)
    if q1 == q2 or disagreement == MASK_BOTH:
        return n, low, n, low
    if disagreement == MASK_LOWER:
        return (base1, q1, n, low) if q1 > q2 else (n, low, base2, q2)
    base, quality = base1 if q1 > q2 else base2, max(q1 - q2, q2 - q1, low)
    return base, quality, base, quality


@kernel
def _correct_base(data: Bytes, fields: RecordFields, r1: Int, k1: Int, r2: Int, k2: Int, rules: Int) -> Int:
    """Correct one base; return 1 where compared, plus 2 and 4 where R1 or R2 got another base."""
    base1, base2 = _nibble(data, fields.bases_at[r1], k1), _nibble(data, fields.bases_at[r2], k2)
    if base1 == _NIBBLE_N or base2 == _NIBBLE_N:
        return np.int64(0)
    q1, q2 = np.int64(data[fields.quals_at[r1] + k1]), np.int64(data[fields.quals_at[r2] + k2])
    if base1 == base2:
        new1, new2 = base1, base2
        new_q1, new_q2 = _agreed(q1, q2, rules & 3)
    else:
        new1, new_q1, new2, new_q2 = _settle(base1, q1, base2, q2, rules >> 2)
    _set(data, fields.bases_at[r1], fields.quals_at[r1], k1, (new1, new_q1))
    _set(data, fields.bases_at[r2], fields.quals_at[r2], k2, (new2, new_q2))
    changed1 = 2 if new1 != base1 and new1 != _NIBBLE_N else 0
    changed2 = 4 if new2 != base2 and new2 != _NIBBLE_N else 0
    return np.int64(1 + changed1 + changed2)


@kernel
def correct_pair(data: Bytes, fields: RecordFields, r1: Int, r2: Int, rules: Int) -> tuple[Int, Int, Int]:
    """Correct in place the bases of records r1 and r2 at reference positions that both align (M, =, X).

    `rules` is agreement | disagreement << 2. Returns positions compared (neither N) and bases of r1 and of r2
    changed to another base. Nothing happens unless both are mapped to the same contig and have qualities.
    """
    compared, changed1, changed2 = np.int64(0), np.int64(0), np.int64(0)
    is_mapped = (np.int64(fields.flag[r1]) | np.int64(fields.flag[r2])) & 4 == 0
    has_bases = fields.n_bases[r1] > 0 and fields.n_bases[r2] > 0
    if not is_mapped or not has_bases or fields.ref_id[r1] != fields.ref_id[r2]:
        return compared, changed1, changed2
    i1, i2 = np.int64(0), np.int64(0)
    pos1, pos2 = np.int64(fields.pos0[r1]), np.int64(fields.pos0[r2])
    k1, k2 = np.int64(0), np.int64(0)
    while i1 < fields.n_cigar[r1] and i2 < fields.n_cigar[r2]:
        op1, op2 = u32(data, fields.cigar_at[r1] + 4 * i1), u32(data, fields.cigar_at[r2] + 4 * i2)
        code1, size1, code2, size2 = op1 & 15, op1 >> 4, op2 & 15, op2 >> 4
        end1 = pos1 + size1 if consumes_reference(code1) else pos1
        end2 = pos2 + size2 if consumes_reference(code2) else pos2
        if end1 > pos1 and end2 > pos2 and consumes_query(code1) and consumes_query(code2):
            for pos in range(max(pos1, pos2), min(end1, end2)):
                outcome = _correct_base(data, fields, r1, k1 + pos - pos1, r2, k2 + pos - pos2, rules)
                compared, changed1, changed2 = (
                    compared + (outcome & 1),
                    changed1 + (outcome >> 1 & 1),
                    changed2 + (outcome >> 2),
                )
        if end1 <= end2:
            k1, pos1, i1 = k1 + (size1 if consumes_query(code1) else 0), end1, i1 + 1
        else:
            k2, pos2, i2 = k2 + (size2 if consumes_query(code2) else 0), end2, i2 + 1
    return compared, changed1, changed2
