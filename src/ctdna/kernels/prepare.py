"""How much of a raw read may vote: quality trim, bases past the mate, trailing bases without a call.

Lengths count bases in sequencing direction: the first base sequenced is base 0.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import consumes_query, consumes_reference
from ctdna.kernels.jit import lean_kernel
from ctdna.kernels.read_rows import (
    BASES_AT,
    CIGAR_AT,
    FLAG,
    MATE_POS0,
    MATE_REF,
    MC_AT,
    N_BASES,
    N_CIGAR,
    POS0,
    QUALS_AT,
    REF,
    Rows,
)
from ctdna.kernels.record import u32

Int = int | np.int64
Bytes = NDArray[np.uint8]
Operations = NDArray[np.int64]
_CIGAR_LETTERS = np.frombuffer(b"MIDNSHP=X", dtype=np.uint8).astype(np.int64)


@lean_kernel
def load_operations(data: Bytes, at: Int, n: Int, out: Operations) -> Int:
    """Copy n packed CIGAR operations to `out` and return n."""
    for k in range(n):
        out[k] = u32(data, at + 4 * k)
    return np.int64(n)


@lean_kernel
def parse_operations(data: Bytes, at: Int, out: Operations) -> Int:
    """Write the operations of a CIGAR in NUL-ended text to `out`; return their number, -1 where it is no CIGAR."""
    n, size, k = np.int64(0), np.int64(-1), np.int64(at)
    while data[k] != 0:
        byte = np.int64(data[k])
        k += 1
        if 48 <= byte <= 57:
            size = (0 if size < 0 else size) * 10 + byte - 48
            continue
        code = np.int64(-1)
        for c in range(9):
            if _CIGAR_LETTERS[c] == byte:
                code = np.int64(c)
        if code < 0 or size < 0 or size >= 1 << 28 or n >= len(out):
            return np.int64(-1)
        out[n] = size << 4 | code
        n, size = n + 1, np.int64(-1)
    return n if size < 0 else np.int64(-1)


@lean_kernel
def span(operations: Operations, n: Int) -> Int:
    """Return the reference bases that n operations cover."""
    total = np.int64(0)
    for k in range(n):
        if consumes_reference(operations[k] & 15):
            total += operations[k] >> 4
    return total


@lean_kernel
def query_bases(operations: Operations, n: Int) -> Int:
    """Return the read bases that n operations hold."""
    total = np.int64(0)
    for k in range(n):
        if consumes_query(operations[k] & 15):
            total += operations[k] >> 4
    return total


@lean_kernel
def bases_after(operations: Operations, n: Int, start0: Int, pos0: Int) -> Int:
    """Return the read bases to the right of a reference position inside the alignment.

    Inserted and clipped bases that follow the position count; within a deletion, all bases behind it do.
    """
    kept, reference = np.int64(0), np.int64(start0)
    for k in range(n):
        code, size = operations[k] & 15, operations[k] >> 4
        if consumes_reference(code):
            inside = min(size, pos0 - reference + 1)
            if inside <= 0:
                break
            if consumes_query(code):
                kept += inside
            reference += size
        elif reference > pos0:
            break
        elif consumes_query(code):
            kept += size
    return query_bases(operations, n) - kept


@lean_kernel
def bases_before(operations: Operations, n: Int, start0: Int, pos0: Int) -> Int:
    """Return the read bases to the left of a reference position inside the alignment."""
    kept, reference = np.int64(0), np.int64(start0)
    for k in range(n):
        code, size = operations[k] & 15, operations[k] >> 4
        if consumes_reference(code):
            inside = min(size, pos0 - reference)
            if consumes_query(code):
                kept += max(inside, 0)
            reference += size
            if reference > pos0:
                break
        elif consumes_query(code):
            kept += size
    return kept


@lean_kernel
def soft_clip(operations: Operations, n: Int, is_trailing: Int) -> Int:
    """Return the bases soft-clipped at the leading or trailing end."""
    total = np.int64(0)
    for j in range(n):
        operation = operations[n - 1 - j if is_trailing else j]
        if operation & 15 == 4:
            total += operation >> 4
        elif operation & 15 != 5:
            break
    return total


@lean_kernel
def past_mate(own: Operations, n_own: Int, start0: Int, mate: Operations, n_mate: Int, mate0: Int, reverse: Int) -> Int:
    """Return the bases at a read's 3' end that lie past its mate, for two mates that face each other.

    Beyond the outermost reference position that both cover, both ends of an insert hold equally many bases; what a
    read holds more was read past the insert. Mates that share no position are compared by their soft clips.
    """
    end0, mate_end0 = start0 + span(own, n_own) - 1, mate0 + span(mate, n_mate) - 1
    leading, trailing = np.int64(0), np.int64(1)
    if end0 < mate0 or mate_end0 < start0:
        if not reverse and end0 < mate0:
            beyond = mate_end0 + soft_clip(mate, n_mate, trailing) - end0
            return max(np.int64(0), soft_clip(own, n_own, trailing) - beyond)
        if reverse and mate_end0 < start0:
            beyond = start0 - (mate0 - soft_clip(mate, n_mate, leading))
            return max(np.int64(0), soft_clip(own, n_own, leading) - beyond)
        return np.int64(0)
    if reverse:
        first0 = max(start0, mate0)
        return max(np.int64(0), bases_before(own, n_own, start0, first0) - bases_before(mate, n_mate, mate0, first0))
    last0 = min(end0, mate_end0)
    return max(np.int64(0), bases_after(own, n_own, start0, last0) - bases_after(mate, n_mate, mate0, last0))


@lean_kernel
def is_facing(flag: Int, start0: Int, end0: Int, mate0: Int, mate_end0: Int) -> bool:
    """Return whether a mapped read and its mapped mate on the same contig face each other (FR)."""
    if (flag & 16 != 0) == (flag & 32 != 0):
        return False
    return bool(mate0 <= end0 if flag & 16 else start0 <= mate_end0)


@lean_kernel
def _is_one_match(data: Bytes, rows: Rows, i: Int) -> bool:
    """Return whether read i aligns as a whole, without clip or indel."""
    if rows[i, N_CIGAR] != 1:
        return False
    code = u32(data, rows[i, CIGAR_AT]) & 15
    return bool(code == 0 or code == 7 or code == 8)


@lean_kernel
def _plain_overhang(rows: Rows, i: Int, mate: Int) -> Int:
    """Return `mate_overhang` for two mates that both align as a whole."""
    start0, mate0 = rows[i, POS0], rows[i, MATE_POS0]
    end0, mate_end0 = start0 + rows[i, N_BASES] - 1, mate0 + rows[mate, N_BASES] - 1
    if not is_facing(rows[i, FLAG], start0, end0, mate0, mate_end0) or end0 < mate0 or mate_end0 < start0:
        return np.int64(0)
    return np.int64(max(0, mate0 - start0 if rows[i, FLAG] & 16 else end0 - mate_end0))


@lean_kernel
def mate_overhang(data: Bytes, rows: Rows, i: Int, mate: Int, own: Operations, other: Operations) -> Int:
    """Return the bases at read i's 3' end past its mate; 0 unless both are mapped and face each other.

    The mate's CIGAR is that of read `mate`, or where that is negative the one in the MC tag. Returns -1 where a
    mapped mate's CIGAR is not known.
    """
    flag = rows[i, FLAG]
    if flag & 1 == 0 or flag & 12 != 0 or rows[i, REF] != rows[i, MATE_REF] or rows[i, REF] < 0:
        return np.int64(0)
    if mate >= 0:
        has_bases = rows[i, N_BASES] > 0 and rows[mate, N_BASES] > 0
        if has_bases and _is_one_match(data, rows, i) and _is_one_match(data, rows, mate):
            return _plain_overhang(rows, i, mate)
        n_other = load_operations(data, rows[mate, CIGAR_AT], rows[mate, N_CIGAR], other)
    elif rows[i, MC_AT] >= 0:
        n_other = parse_operations(data, rows[i, MC_AT], other)
    else:
        n_other = np.int64(-1)
    if n_other < 0:
        return np.int64(-1)
    n_own = load_operations(data, rows[i, CIGAR_AT], rows[i, N_CIGAR], own)
    start0, mate0 = rows[i, POS0], rows[i, MATE_POS0]
    end0, mate_end0 = start0 + span(own, n_own) - 1, mate0 + span(other, n_other) - 1
    if not is_facing(flag, start0, end0, mate0, mate_end0):
        return np.int64(0)
    return past_mate(own, n_own, start0, other, n_other, mate0, flag & 16)


@lean_kernel
def trim_point(data: Bytes, quals_at: Int, n: Int, is_reverse: Int, limit: Int) -> Int:
    """Return the bases left after trimming the 3' end where its qualities fall short of the limit on balance.

    The sum of (limit - quality) from the end inward is greatest at the trim point (the algorithm of BWA).
    """
    score, best, point = np.int64(0), np.int64(0), np.int64(n)
    for i in range(n - 1, -1, -1):
        score += limit - np.int64(data[quals_at + (n - 1 - i if is_reverse else i)])
        if score < 0:
            break
        if score > best:
            best, point = score, np.int64(i)
    return point


@lean_kernel
def usable_length(data: Bytes, rows: Rows, i: Int, overhang: Int, limits: tuple[Int, Int], letters: Bytes) -> Int:
    """Return how many bases of read i, from its first sequenced one, may vote; 0 where none may.

    `limits` is (lowest quality that votes, 1 to trim the tail by that quality), `letters` the table
    `consensus.LETTERS_OF_NIBBLES`. The last base left is never N.
    """
    min_quality, is_trimmed = limits
    n, is_reverse = rows[i, N_BASES], rows[i, FLAG] & 16
    bases_at, quals_at = rows[i, BASES_AT], rows[i, QUALS_AT]
    length: Int = n - overhang
    if is_trimmed:
        length = min(np.int64(length), trim_point(data, quals_at, n, is_reverse, min_quality))
    while length > 0:
        k = n - length if is_reverse else length - 1
        pair = np.int64(data[bases_at + (k >> 1)])
        if letters[pair & 15 if k & 1 else pair >> 4] != 0 and np.int64(data[quals_at + k]) >= min_quality:
            break
        length -= 1
    return max(np.int64(length), np.int64(0))
