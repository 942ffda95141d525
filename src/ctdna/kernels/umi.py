"""UMIs as numbers: two bits a base, distances, clusters of near UMIs, and the nearest of a fixed list.

A UMI of up to 31 + 31 bases is a pair of codes, the halves before and after its dash (a UMI without a dash runs over
into the second code after 31 bases), and a shape: bases of the first half * 64 + bases of the second, + 4096 where it
has a dash. UMIs of different shapes never match.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.kernels.record import Bytes, Int, Offsets

Codes = NDArray[np.int64]

HALF_BASES = 31
DASH_BIT = 4096
IDENTITY, EDIT, ADJACENCY, UNORIENTED = 0, 1, 2, 3
"""Rules of `cluster_umis`; `UNORIENTED` is adjacency in which A-B also matches B-A."""
SMALL_GROUP = 48
"""Up to so many distinct UMIs at one place are compared all with all."""

BASE_TABLE = np.full(256, 6, dtype=np.uint8)
"""ASCII to A 0, C 1, G 2, T 3, N 4, dash 5, anything else 6; case does not matter."""
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"Tt", b"Nn", b"-")):
    BASE_TABLE[list(_letters)] = _code


@kernel
def encode_umis(
    data: Bytes, at: Offsets, n_chars: NDArray[np.int32], table: Bytes
) -> tuple[Codes, Codes, NDArray[np.int32], NDArray[np.uint8]]:
    """Return first code, second code, shape and status of UMIs written as text.

    Status: 0 sound, 1 holds an N, 2 holds another character, 3 a half is longer than 31 bases, 4 more than one dash.
    """
    n = len(at)
    codes = np.zeros((2, n), dtype=np.int64)
    shape = np.zeros(n, dtype=np.int32)
    status = np.zeros(n, dtype=np.uint8)
    for i in range(n):
        n_bases = np.zeros(2, dtype=np.int64)
        half = 0
        n_dashes = 0
        worst = 0
        for k in range(n_chars[i]):
            code = np.int64(table[data[at[i] + k]])
            if code == 5:
                n_dashes += 1
                half = 1
                continue
            if half == 0 and n_bases[0] == HALF_BASES:
                half = 1
            if n_bases[half] == HALF_BASES:
                worst = max(worst, 3)
            elif code > 3:
                worst = max(worst, 1 if code == 4 else 2)
                n_bases[half] += 1
            else:
                codes[half, i] = codes[half, i] << 2 | code
                n_bases[half] += 1
        if n_dashes > 1:
            worst = 4
        status[i] = worst
        shape[i] = n_bases[0] * 64 + n_bases[1] + (DASH_BIT if n_dashes > 0 else 0)
    return codes[0].copy(), codes[1].copy(), shape, status


@kernel
def mismatches(a: Int, b: Int) -> Int:
    """Return the number of bases in which two codes of one length differ."""
    x = np.int64(a) ^ np.int64(b)
    x = (x | x >> 1) & 0x5555555555555555
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0F
    x += x >> 8
    x += x >> 16
    x += x >> 32
    return x & 0x7F


@kernel
def swapped_shape(shape: Int) -> Int:
    """Return the shape of B-A for the shape of A-B."""
    wide = np.int64(shape)
    return wide & DASH_BIT | (wide & 63) * 64 | (wide >> 6 & 63)


@kernel
def swapped_shapes(shape: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return `swapped_shape` of each."""
    out = np.empty_like(shape)
    for i in range(len(shape)):
        out[i] = swapped_shape(shape[i])
    return out


@kernel
def is_match(first: Codes, second: Codes, shape: NDArray[np.int32], i: Int, j: Int, edits: Int, rule: Int) -> bool:
    """Return whether UMIs i and j lie within `edits` mismatches; under `UNORIENTED` i may also be turned round."""
    if shape[i] == shape[j] and mismatches(first[i], first[j]) + mismatches(second[i], second[j]) <= edits:
        return True
    if rule != UNORIENTED or swapped_shape(shape[i]) != np.int64(shape[j]):
        return False
    return bool(mismatches(second[i], first[j]) + mismatches(first[i], second[j]) <= edits)


@kernel
def _may_join(counts: Codes, parent: Int, child: Int, rule: Int) -> bool:
    return rule == EDIT or counts[child] <= counts[parent] // 2 + 1


@kernel
def _cluster_small(
    first: Codes, second: Codes, shape: NDArray[np.int32], counts: Codes, span: Codes, root: Codes
) -> None:
    """Fill `root` by comparing all with all; `span` is (start, end, edits, rule)."""
    start, end, edits, rule = span[0], span[1], span[2], span[3]
    stack = np.empty(end - start, dtype=np.int64)
    for seed in range(start, end):
        if root[seed] >= 0:
            continue
        root[seed] = seed
        stack[0] = seed
        n_stack = 1
        while n_stack > 0:
            n_stack -= 1
            parent = stack[n_stack]
            for child in range(start, end):
                if (
                    root[child] < 0
                    and _may_join(counts, parent, child, rule)
                    and is_match(first, second, shape, parent, child, edits, rule)
                ):
                    root[child] = seed
                    stack[n_stack] = child
                    n_stack += 1


@kernel
def _part_key(first: Int, second: Int, shape: Int, part: Int, n_parts: Int) -> Int:
    """Return the code of one of `n_parts` stretches of a UMI, its halves laid one after the other."""
    wide = np.int64(shape)
    n_first, n_second = wide >> 6 & 63, wide & 63
    n = n_first + n_second
    key = np.int64(0)
    for k in range(part * n // n_parts, (part + 1) * n // n_parts):
        if k < n_first:
            key = key << 2 | (np.int64(first) >> 2 * (n_first - 1 - k) & 3)
        else:
            key = key << 2 | (np.int64(second) >> 2 * (n - 1 - k) & 3)
    return key


@kernel
def _lower_bound(keys: Codes, key: Int) -> Int:
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _index_parts(
    first: Codes, second: Codes, shape: NDArray[np.int32], span: Codes, n_parts: Int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return for each stretch the sorted keys of the UMIs of a span, and the UMIs in that order."""
    start, end = span[0], span[1]
    keys = np.empty((n_parts, end - start), dtype=np.int64)
    order = np.empty((n_parts, end - start), dtype=np.int64)
    for part in range(n_parts):
        for i in range(start, end):
            keys[part, i - start] = _part_key(first[i], second[i], shape[i], part, n_parts)
        order[part] = np.argsort(keys[part])
        keys[part] = keys[part][order[part]]
    return keys, order + start


@kernel
def _cluster_indexed(
    first: Codes, second: Codes, shape: NDArray[np.int32], counts: Codes, span: Codes, root: Codes
) -> None:
    """Fill `root` through an index: UMIs within `edits` agree in at least one of `edits` + 1 stretches."""
    start, end, edits, rule = span[0], span[1], span[2], span[3]
    n_bases = (np.int64(shape[start]) >> 6 & 63) + (np.int64(shape[start]) & 63)
    n_parts = edits + 1 if edits + 1 <= n_bases else np.int64(1)
    keys, order = _index_parts(first, second, shape, span, n_parts)
    stack = np.empty(end - start, dtype=np.int64)
    n_turns = 2 if rule == UNORIENTED else 1
    for seed in range(start, end):
        if root[seed] >= 0:
            continue
        root[seed] = seed
        stack[0] = seed
        n_stack = 1
        while n_stack > 0:
            n_stack -= 1
            parent = stack[n_stack]
            for probe in range(n_parts * n_turns):
                part = probe % n_parts
                if probe < n_parts:
                    key = _part_key(first[parent], second[parent], shape[parent], part, n_parts)
                else:
                    key = _part_key(second[parent], first[parent], swapped_shape(shape[parent]), part, n_parts)
                if n_parts == 1:
                    key = np.int64(keys[0, 0])
                at = _lower_bound(keys[part], key)
                while at < end - start and (n_parts == 1 or keys[part, at] == key):
                    child = order[part, at]
                    at += 1
                    if (
                        root[child] < 0
                        and _may_join(counts, parent, child, rule)
                        and is_match(first, second, shape, parent, child, edits, rule)
                    ):
                        root[child] = seed
                        stack[n_stack] = child
                        n_stack += 1


@kernel
def cluster_umis(
    first: Codes,
    second: Codes,
    shape: NDArray[np.int32],
    counts: Codes,
    offsets: Offsets,
    edits: Int,
    rule: Int,
) -> Codes:
    """Return for each distinct UMI the index of the UMI whose cluster it joins.

    The UMIs of one place stand together (`offsets`), the most frequent first, ties by sequence. Each in turn that is
    still free founds a cluster and takes in every free UMI it reaches: under `EDIT` over steps of at most `edits`
    mismatches, under `ADJACENCY` also only where a step's count is at most half the one before, rounded down, plus 1.
    """
    root = np.full(len(first), -1, dtype=np.int64)
    span = np.empty(4, dtype=np.int64)
    span[2], span[3] = edits, rule
    for i in range(len(offsets) - 1):
        span[0], span[1] = offsets[i], offsets[i + 1]
        if edits == 0 or rule == IDENTITY:
            for k in range(span[0], span[1]):
                root[k] = k
        elif span[1] - span[0] <= SMALL_GROUP:
            _cluster_small(first, second, shape, counts, span, root)
        else:
            _cluster_indexed(first, second, shape, counts, span, root)
    return root


@kernel
def turned_umis(first: Codes, second: Codes, shape: NDArray[np.int32], root: Codes, n_prefix: Int) -> NDArray[np.bool_]:
    """Return for each UMI A-B whether B-A lies nearer to its cluster's first UMI, or as near.

    `n_prefix` mismatches are added for turning round: those of the marks that tell the template's earlier end from the
    later. A UMI whose halves differ in length is never turned.
    """
    out = np.zeros(len(first), dtype=np.bool_)
    for i in range(len(first)):
        wide = np.int64(shape[i])
        if root[i] == i or wide >> 6 & 63 != wide & 63 or shape[i] != shape[root[i]]:
            continue
        straight = mismatches(first[i], first[root[i]]) + mismatches(second[i], second[root[i]])
        turned = mismatches(first[i], second[root[i]]) + mismatches(second[i], first[root[i]])
        out[i] = straight >= turned + n_prefix
    return out


@kernel
def nearest_fixed(
    data: Bytes, at: Offsets, fixed: NDArray[np.uint8]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return for each UMI its nearest in a fixed list (the first of equals), the mismatches, and those of the second.

    `fixed` is one UMI a row, in ASCII upper case; each UMI has a row's length. N is a mismatch. With one UMI in the
    list the second lies as far as a UMI is long, plus 1.
    """
    n, width = len(at), fixed.shape[1]
    best = np.zeros(n, dtype=np.int32)
    first = np.empty(n, dtype=np.int32)
    second = np.empty(n, dtype=np.int32)
    for i in range(n):
        low, next_low = width + 1, width + 1
        for j in range(len(fixed)):
            found = 0
            k = 0
            while k < width and found < next_low:
                if data[at[i] + k] != fixed[j, k]:
                    found += 1
                k += 1
            if found < low:
                low, next_low = found, low
                best[i] = j
            elif found < next_low:
                next_low = found
        first[i], second[i] = low, next_low
    return best, first, second


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    letters = np.frombuffer(b"AC-GT", dtype=np.uint8).copy()
    at, n_chars = np.zeros(1, dtype=np.int64), np.array([5], dtype=np.int32)
    first, second, shape, _ = encode_umis(letters, at, n_chars, BASE_TABLE)
    swapped_shapes(shape)
    root = cluster_umis(
        first, second, shape, np.ones(1, dtype=np.int64), np.array([0, 1], dtype=np.int64), 1, ADJACENCY
    )
    turned_umis(first, second, shape, root, 4)
    nearest_fixed(letters, at, letters[:2].reshape(1, 2))
