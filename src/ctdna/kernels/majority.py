"""The alignment that most reads of one end share: reads whose indels differ from it do not vote."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import consumes_query
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.order_keys import stable_order
from ctdna.kernels.read_rows import CIGAR_AT, FLAG, N_BASES, N_CIGAR, Rows
from ctdna.kernels.record import u32

Int = int | np.int64
Bytes = NDArray[np.uint8]


class Alignments(NamedTuple):
    """Simplified CIGARs of reads, ragged: `operations[offsets[i]:offsets[i + 1]]`, each length << 4 | code."""

    operations: NDArray[np.int64]
    offsets: NDArray[np.int64]


@lean_kernel
def is_plain(data: Bytes, rows: Rows, i: Int) -> bool:
    """Return whether record i aligns without indel, skip or hard clip, so that only its length can differ."""
    at = rows[i, CIGAR_AT]
    for k in range(rows[i, N_CIGAR]):
        code = u32(data, at + 4 * k) & 15
        if code != 0 and code != 4 and code != 7 and code != 8:
            return False
    return True


@lean_kernel
def add_simple(data: Bytes, rows: Rows, i: Int, n_used: Int, out: Alignments, slot: Int) -> None:
    """Write record i's CIGAR, in sequencing direction, cut to its first `n_used` bases, as item `slot`.

    S, H, = and X count as M; equal neighbours are joined. A read used in full keeps its last operations also where
    they hold no bases.
    """
    n_ops, is_reverse = rows[i, N_CIGAR], rows[i, FLAG] & 16
    is_whole = n_used == rows[i, N_BASES]
    left, at = np.int64(n_used), out.offsets[slot]
    for j in range(n_ops):
        if left == 0 and not is_whole:
            break
        packed = u32(data, rows[i, CIGAR_AT] + 4 * (n_ops - 1 - j if is_reverse else np.int64(j)))
        code, size = packed & 15, packed >> 4
        if consumes_query(code):
            size = min(size, left)
            left -= size
        if code == 4 or code == 5 or code >= 7:
            code = np.int64(0)
        if size == 0:
            continue
        if at > out.offsets[slot] and out.operations[at - 1] & 15 == code:
            out.operations[at - 1] += size << 4
        else:
            out.operations[at] = size << 4 | code
            at += 1
    out.offsets[slot + 1] = at


@lean_kernel
def is_prefix(alignments: Alignments, a: Int, b: Int) -> bool:
    """Return whether item a equals the beginning of item b; its last operation may be shorter."""
    operations, a0, b0 = alignments.operations, alignments.offsets[a], alignments.offsets[b]
    n = alignments.offsets[a + 1] - a0
    if n > alignments.offsets[b + 1] - b0:
        return False
    for k in range(n):
        own, other = operations[a0 + k], operations[b0 + k]
        if own != other and (k < n - 1 or own & 15 != other & 15 or own > other):
            return False
    return True


@lean_kernel
def precedes(alignments: Alignments, a: Int, b: Int) -> bool:
    """Return whether item a is the smaller: operation by operation the length, then M before I before D."""
    operations, a0, b0 = alignments.operations, alignments.offsets[a], alignments.offsets[b]
    n_a, n_b = alignments.offsets[a + 1] - a0, alignments.offsets[b + 1] - b0
    for k in range(min(n_a, n_b)):
        if operations[a0 + k] != operations[b0 + k]:
            return bool(operations[a0 + k] < operations[b0 + k])
    return bool(n_a < n_b)


@kernel
def majority(alignments: Alignments, lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which reads share the most common alignment.

    Longest read first (equal lengths in the given order), a read joins every group whose first alignment it is a
    prefix of, or else opens one. The group with most reads wins, among equals the one whose alignment is smallest.
    """
    n = len(lengths)
    order = stable_order(-lengths)
    first = np.empty(n, np.int64)
    size = np.zeros(n, np.int64)
    n_groups = 0
    for rank in range(n):
        is_found = False
        for g in range(n_groups):
            if is_prefix(alignments, order[rank], order[first[g]]):
                size[g] += 1
                is_found = True
        if not is_found:
            first[n_groups], size[n_groups] = rank, 1
            n_groups += 1
    best = 0
    for g in range(1, n_groups):
        is_smaller = precedes(alignments, order[first[g]], order[first[best]])
        if size[g] > size[best] or (size[g] == size[best] and is_smaller):
            best = g
    kept = np.zeros(n, np.bool_)
    if n_groups:
        for rank in range(first[best], n):
            kept[order[rank]] = is_prefix(alignments, order[rank], order[first[best]])
    return kept
