"""Where the insert of a short fragment ends: by the overlap of the two mates, or by the adapter behind it."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets

Lengths = NDArray[np.int32]
Words = NDArray[np.int64]

WORD_BASES = 31
_KEEP = (1 << 2 * WORD_BASES) - 1
FORWARD, TURNED = np.full(256, 4, dtype=np.uint8), np.full(256, 4, dtype=np.uint8)
"""ASCII to the code of a base, and of its complement: A 0, C 1, G 2, T 3, anything else 4."""
FORWARD[list(b"ACGT")], TURNED[list(b"ACGT")] = [0, 1, 2, 3], [3, 2, 1, 0]


@lean_kernel
def _n_pairs(x: Int) -> Int:
    """Return the number of set bits of a word in which only every second bit may be set."""
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0F
    x += x >> 8
    x += x >> 16
    x += x >> 32
    return x & 0x7F


@lean_kernel
def _pack(read: Bytes, step: Int, table: Bytes, words: Words) -> None:
    """Fill words of 31 bases for each base of a read: its code and those after it, and which of them are known.

    `step` 1 takes the read as it stands, -1 from its end. Row 0 holds the codes, two bits each, the first base lowest;
    row 1 a set bit for each that is A, C, G or T.
    """
    n = len(read)
    codes, known = np.int64(0), np.int64(0)
    for i in range(n - 1, -1, -1):
        code = np.int64(table[read[i if step > 0 else n - 1 - i]])
        codes = codes << 2 & _KEEP
        known = known << 2 & _KEEP
        if code < 4:
            codes |= code
            known |= 1
        words[0, i], words[1, i] = codes, known


@lean_kernel
def _overlap_score(first: Words, second: Words, n: NDArray[np.int64], shift: Int, limits: NDArray[np.float64]) -> Int:
    """Return bases compared - 4 * mismatches of two reads laid over each other, -1 where they do not agree.

    Base j of the first lies on base j + `shift` of the second, the mate turned round; `n` are their lengths. N counts
    neither way. `limits`: fewest bases compared, most mismatches a base.
    """
    at = max(np.int64(0), np.int64(-shift))
    end = min(n[0], n[1] - shift)
    fewest, rate = limits[0], limits[1]
    allowed = np.int64(rate * (end - at))
    n_compared, n_different = np.int64(0), np.int64(0)
    while at < end:
        both = first[1, at] & second[1, at + shift]
        if end - at < WORD_BASES:
            both &= (np.int64(1) << 2 * (end - at)) - 1
        differ = first[0, at] ^ second[0, at + shift]
        n_different += _n_pairs((differ | differ >> 1) & both)
        if n_different > allowed:
            return np.int64(-1)
        n_compared += _n_pairs(both)
        at += WORD_BASES
    if n_compared < fewest or n_different > rate * n_compared:
        return np.int64(-1)
    return n_compared - 4 * n_different


@lean_kernel
def _tail_score(read: Bytes, start: Int, adapter: Bytes, table: Bytes) -> Int:
    """Return bases compared - 4 * mismatches of a read from `start` on, held against the adapter; N counts neither way.

    0 where the read or the adapter ends before.
    """
    score = np.int64(0)
    for k in range(min(np.int64(len(adapter)), np.int64(len(read)) - start)):
        base, expected = table[read[start + k]], table[adapter[k]]
        if base < 4 and expected < 4:
            score += 1 if base == expected else -3
    return score


@lean_kernel
def _longest(offsets: Offsets) -> Int:
    longest = np.int64(0)
    for i in range(len(offsets) - 1):
        longest = max(longest, offsets[i + 1] - offsets[i])
    return longest


@kernel
def inserts_by_overlap(
    bases: tuple[Bytes, Bytes],
    offsets: tuple[Offsets, Offsets],
    template_at: tuple[Offsets, Offsets],
    is_usable: NDArray[np.bool_],
    limits: NDArray[np.float64],
    adapters: tuple[Bytes, Bytes],
    tables: tuple[Bytes, Bytes],
) -> Lengths:
    """Return the template bases of the insert between the two reads' UMIs, from the best overlap of the mates.

    -1 where the mates do not overlap or are not usable. A read that runs through a short insert shows the mate's UMI,
    turned round, and then adapter; so the mates are compared over their whole length, from the first base on. Overlaps
    behind which something else than the adapters stands count only where there is no other: mates of a tandem
    duplication overlap in two ways. Of equal overlaps the shorter insert is taken. `adapters` are empty where they are
    not known; `tables` are `FORWARD` and `TURNED`.
    """
    out = np.full(len(is_usable), -1, dtype=np.int32)
    first = np.empty((2, _longest(offsets[0])), dtype=np.int64)
    second = np.empty((2, _longest(offsets[1])), dtype=np.int64)
    n = np.empty(2, dtype=np.int64)
    fewest = np.int64(limits[0])
    for i in range(len(is_usable)):
        if not is_usable[i]:
            continue
        one = bases[0][offsets[0][i] : offsets[0][i + 1]]
        two = bases[1][offsets[1][i] : offsets[1][i + 1]]
        _pack(one, 1, tables[0], first)
        _pack(two, -1, tables[1], second)
        n[0], n[1] = offsets[0][i + 1] - offsets[0][i], offsets[1][i + 1] - offsets[1][i]
        n_before = template_at[0][i] - offsets[0][i] + template_at[1][i] - offsets[1][i]
        best: Int = np.int64(0)
        is_best_clear: bool | np.bool_ = False
        for fragment in range(max(n_before, fewest), n[0] + n[1] - fewest + 1):
            score = _overlap_score(first, second, n, n[1] - fragment, limits)
            if score <= 0:
                continue
            behind = _tail_score(one, fragment, adapters[0], tables[0])
            is_clear = behind + _tail_score(two, fragment, adapters[1], tables[0]) >= 0
            if is_clear > is_best_clear or (is_clear == is_best_clear and score > best):
                best, is_best_clear = score, is_clear
                out[i] = fragment - n_before
    return out


@lean_kernel
def _adapter_at(read: Bytes, start: Int, adapter: Bytes, limits: NDArray[np.float64]) -> Int:
    """Return where the adapter begins in a read, at `start` or later; -1 where it does not."""
    fewest, rate = np.int64(limits[0]), limits[1]
    for at in range(start, len(read) - fewest + 1):
        n = min(np.int64(len(adapter)), np.int64(len(read) - at))
        allowed = np.int64(rate * n) if n >= 2 * fewest else np.int64(0)
        n_different = np.int64(0)
        for k in range(n):
            if read[at + k] != adapter[k]:
                n_different += 1
                if n_different > allowed:
                    break
        if n_different <= allowed:
            return np.int64(at)
    return np.int64(-1)


@kernel
def inserts_by_adapter(
    bases: Bytes,
    offsets: Offsets,
    template_at: Offsets,
    is_usable: NDArray[np.bool_],
    adapter: Bytes,
    n_between: Int,
    limits: NDArray[np.float64],
) -> Lengths:
    """Return the template bases before the adapter and the mate's `n_between` bases of UMI and spacer; -1 without one.

    `limits`: fewest adapter bases, most mismatches a base (none below twice the fewest).
    """
    out = np.full(len(is_usable), -1, dtype=np.int32)
    for i in range(len(is_usable)):
        if is_usable[i]:
            read = bases[offsets[i] : offsets[i + 1]]
            at = _adapter_at(read, template_at[i] - offsets[i], adapter, limits)
            if at >= 0:
                out[i] = max(np.int64(0), at - (template_at[i] - offsets[i]) - n_between)
    return out


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    bases, offsets = np.frombuffer(b"ACGTACGT", dtype=np.uint8).copy(), np.array([0, 8], dtype=np.int64)
    whole, limits = np.ones(1, dtype=np.bool_), np.array([4, 0.1], dtype=np.float64)
    places = np.array([2], dtype=np.int64)
    inserts_by_overlap(
        (bases, bases), (offsets, offsets), (places, places), whole, limits, (bases, bases), (FORWARD, TURNED)
    )
    inserts_by_adapter(bases, offsets, places, whole, bases, 2, limits)
