"""How much of a raw read may vote: quality trim, bases past the mate, trailing bases without a call.

Lengths count bases in sequencing direction: the first base sequenced is base 0.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import consumes_query, consumes_reference
from ctdna.kernels.jit import kernel
from ctdna.kernels.record import tag_end, u16, u32
from ctdna.model.columns import RecordFields

Int = int | np.int64
Bytes = NDArray[np.uint8]
Operations = NDArray[np.int64]
_CIGAR_LETTERS = np.frombuffer(b"MIDNSHP=X", dtype=np.uint8).astype(np.int64)


class ReadTags(NamedTuple):
    """Where the tags that a consensus needs stand in n records; -1 and 0 bytes where absent."""

    mi_at: NDArray[np.int64]
    n_mi: NDArray[np.int32]
    rx_at: NDArray[np.int64]
    n_rx: NDArray[np.int32]
    cb_at: NDArray[np.int64]
    n_cb: NDArray[np.int32]
    mc_at: NDArray[np.int64]


@kernel
def find_read_tags(data: Bytes, fields: RecordFields) -> ReadTags:
    """Return the places of the text tags MI, RX, CB and MC of sound records, in one walk."""
    n = len(fields.flag)
    out = ReadTags(
        np.full(n, -1, np.int64), np.zeros(n, np.int32), np.full(n, -1, np.int64), np.zeros(n, np.int32),
        np.full(n, -1, np.int64), np.zeros(n, np.int32), np.full(n, -1, np.int64),
    )  # fmt: skip
    for i in range(n):
        at = fields.tags_at[i]
        while at < fields.tags_end[i]:
            end = tag_end(data, at, fields.tags_end[i])
            if data[at + 2] == 90:
                name = u16(data, at)
                if name == 18765:
                    out.mi_at[i], out.n_mi[i] = at + 3, end - at - 4
                elif name == 22610:
                    out.rx_at[i], out.n_rx[i] = at + 3, end - at - 4
                elif name == 16963:
                    out.cb_at[i], out.n_cb[i] = at + 3, end - at - 4
                elif name == 17229:
                    out.mc_at[i] = at + 3
            at = end
    return out


@kernel
def load_operations(data: Bytes, at: Int, n: Int, out: Operations) -> Int:
    """Copy n packed CIGAR operations to `out` and return n."""
    for k in range(n):
        out[k] = u32(data, at + 4 * k)
    return np.int64(n)


@kernel
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


@kernel
def span(operations: Operations, n: Int) -> Int:
    """Return the reference bases that n operations cover."""
    total = np.int64(0)
    for k in range(n):
        if consumes_reference(operations[k] & 15):
            total += operations[k] >> 4
    return total


@kernel
def query_bases(operations: Operations, n: Int) -> Int:
    """Return the read bases that n operations hold."""
    total = np.int64(0)
    for k in range(n):
        if consumes_query(operations[k] & 15):
            total += operations[k] >> 4
    return total


@kernel
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


@kernel
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


@kernel
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


@kernel
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


@kernel
def is_facing(flag: Int, start0: Int, end0: Int, mate0: Int, mate_end0: Int) -> bool:
    """Return whether a mapped read and its mapped mate on the same contig face each other (FR)."""
    if (flag & 16 != 0) == (flag & 32 != 0):
        return False
    return bool(mate0 <= end0 if flag & 16 else start0 <= mate_end0)


@kernel
def mate_overhang(
    data: Bytes, fields: RecordFields, i: Int, mate: Int, mc_at: Int, own: Operations, other: Operations
) -> Int:
    """Return the bases at record i's 3' end past its mate; 0 unless both are mapped and face each other.

    The mate's CIGAR is that of record `mate`, or where that is negative the one in the MC tag. Returns -1 where a
    mapped mate's CIGAR is not known.
    """
    flag = np.int64(fields.flag[i])
    if flag & 1 == 0 or flag & 12 != 0 or fields.ref_id[i] != fields.mate_ref_id[i] or fields.ref_id[i] < 0:
        return np.int64(0)
    if mate >= 0:
        n_other = load_operations(data, fields.cigar_at[mate], np.int64(fields.n_cigar[mate]), other)
    elif mc_at >= 0:
        n_other = parse_operations(data, mc_at, other)
    else:
        n_other = np.int64(-1)
    if n_other < 0:
        return np.int64(-1)
    n_own = load_operations(data, fields.cigar_at[i], np.int64(fields.n_cigar[i]), own)
    start0, mate0 = np.int64(fields.pos0[i]), np.int64(fields.mate_pos0[i])
    end0, mate_end0 = start0 + span(own, n_own) - 1, mate0 + span(other, n_other) - 1
    if not is_facing(flag, start0, end0, mate0, mate_end0):
        return np.int64(0)
    return past_mate(own, n_own, start0, other, n_other, mate0, flag & 16)


@kernel
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


@kernel
def usable_length(
    data: Bytes, fields: RecordFields, i: Int, overhang: Int, limits: tuple[Int, Int], codes: Bytes
) -> Int:
    """Return how many bases of record i, from its first sequenced one, may vote; 0 where none may.

    `limits` is (lowest quality that votes, 1 to trim the tail by that quality). The last base left is never N.
    """
    min_quality, is_trimmed = limits
    n = np.int64(fields.n_bases[i])
    is_reverse = np.int64(fields.flag[i]) & 16
    length: Int = n - overhang
    if is_trimmed:
        length = min(np.int64(length), trim_point(data, fields.quals_at[i], n, is_reverse, min_quality))
    while length > 0:
        k = n - length if is_reverse else length - 1
        pair = np.int64(data[fields.bases_at[i] + (k >> 1)])
        code = np.int64(codes[pair & 15 if k & 1 else pair >> 4])
        if code < 4 and np.int64(data[fields.quals_at[i] + k]) >= min_quality:
            break
        length -= 1
    return max(np.int64(length), np.int64(0))
