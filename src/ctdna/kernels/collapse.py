"""Read pairs of one template, found before the alignment: by their UMIs and the first bases of both reads.

Every pair either is like a pair seen before (its representative) or becomes a representative. A representative is found
by the keys of both ends (UMI half and first bases), and, where an error spoils one key, by the other end's. It stands
for a pair only if both reads have its reads' lengths and differ from them by few substitutions, so that a false match
cannot move a read: both would be aligned alike. The pair may stand the other way round (read 1 like the
representative's read 2), as the two strands of a duplex do.

Bases are packed into words of 31, two bits each, the first lowest; N counts as A.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.insert import FORWARD, WORD_BASES
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.kernels.record import Bytes, Int, Offsets
from ctdna.kernels.umi import HALF_BASES, mismatches

Words = NDArray[np.int64]

START_BITS = 32
"""First bases of a read in its key: 16, two bits each."""
MAX_DIFFERENT_PERCENT = 4
"""Most substitutions between a read and its representative's: 1, and so many in a hundred bases."""
END_BASES = 10
"""Differences so near an end are marked: two mismatches there make an aligner clip the read, or open a gap."""
END_MASK = (1 << 2 * END_BASES) - 1
"""Marks of a read: of its first `END_BASES` bases in the lowest bits, two a base, then of its last ones."""
DIFFERS = 1 << 4 * END_BASES + 1
"""Mark of a read that differs from its representative's anywhere."""
MAX_UMI_DIFFERENT = 2
"""Most substitutions of the UMI half at the end whose key does not match."""
MAX_CANDIDATES = 8
"""Representatives compared with a pair for each of its ends' keys: the latest."""
EXACT, TOLERANT, DIFFERENT, NEW = range(4)
"""How a pair was met: keys of both ends known; of one end; known, but the reads differ too much; unknown."""
N_REPRESENTATIVES, N_REMEMBERED, N_WORDS = range(3)
"""Entries of `Clusters.state`: representatives numbered so far, those remembered, packed words in use."""
MAX_UMI_BASES = 255
_CODES, _EVEN_BITS = FORWARD & 3, 0x1555555555555555
_PRIME = 2147483647


class Clusters(NamedTuple):
    """The representatives remembered, and the tables that find them.

    The arrays have the length of what can be remembered from the start; the system gives them memory as they fill.
    """

    chain: NDArray[np.int32]
    """Hash table of both ends' keys, the smaller first: 1 + the latest representative with both; 0: free."""
    end_chain: NDArray[np.int32]
    """Hash table of one end's key: 1 + the latest end (2 * representative + 0 for read 1, 1 for read 2); 0: free."""
    keys: Words
    """Representatives x 2: the keys of its ends."""
    words: Words
    """Packed bases of read 1, then read 2, of each representative."""
    words_at: Words
    lengths: NDArray[np.int32]
    """Representatives x 2: bases of its reads."""
    umis: Words
    """Representatives x 2: codes of its UMI's halves."""
    n_umi: NDArray[np.uint8]
    """Representatives x 2: bases of its UMI's halves, at most `MAX_UMI_BASES`."""
    older: NDArray[np.int32]
    """1 + the representative before this one with the same two keys; 0: none."""
    older_end: NDArray[np.int32]
    """Per end: 1 + the end before this one with the same key; 0: none."""
    state: Words


class Pair(NamedTuple):
    """One read pair, packed; reused from pair to pair."""

    words: Words
    """2 x words."""
    lengths: Words
    umis: Words
    n_umi: Words
    keys: Words


class Collapsed(NamedTuple):
    """What became of n read pairs."""

    representative: NDArray[np.int64]
    """Index of the pair's representative, which may be the pair itself."""
    is_turned: NDArray[np.bool_]
    """Whether read 1 is like the representative's read 2."""
    marks: NDArray[np.int64]
    """n x 2: marks of each read's bases near its ends that differ from the representative's; see `END_MASK`."""
    how: NDArray[np.uint8]
    """`EXACT`, `TOLERANT`, `DIFFERENT` or `NEW`; the last two are representatives themselves."""


@lean_kernel
def _scatter(key: Int) -> Int:
    """Return a number below 2**62 that scatters keys evenly."""
    mixed = (key & 0xFFFFFFFF) * 0x45D9F3B ^ (key >> 32) * 0x119DE1F3
    mixed ^= mixed >> 31
    return (mixed & 0x7FFFFFFF) * 0x5851F42D & 0x3FFFFFFFFFFFFFFF ^ mixed >> 15


@lean_kernel
def _pair_slot(clusters: Clusters, low: Int, high: Int) -> Int:
    """Return the slot of a pair of keys, or the free one where it belongs."""
    mask = len(clusters.chain) - 1
    keys, chain = clusters.keys, clusters.chain
    slot = (_scatter(low) + 3 * (_scatter(high) >> 2)) & mask
    while chain[slot] > 0:
        r = np.int64(chain[slot]) - 1
        if min(keys[r, 0], keys[r, 1]) == low and max(keys[r, 0], keys[r, 1]) == high:
            break
        slot = slot + 1 & mask
    return slot


@lean_kernel
def _end_slot(clusters: Clusters, key: Int) -> Int:
    """Return the slot of one end's key, or the free one where it belongs."""
    mask = len(clusters.end_chain) - 1
    keys, chain = clusters.keys, clusters.end_chain
    slot = _scatter(key) & mask
    while chain[slot] > 0:
        end = np.int64(chain[slot]) - 1
        if keys[end >> 1, end & 1] == key:
            break
        slot = slot + 1 & mask
    return slot


@lean_kernel
def _pack_read(bases: Bytes, start: Int, n: Int, codes: Bytes, words: Words) -> None:
    """Fill the words of n bases from `start` on; the first word of no bases is 0."""
    at, left, w = np.int64(start), np.int64(n), 0
    words[0] = 0
    while left > 0:
        size = min(left, np.int64(WORD_BASES))
        some = bases[at : at + size]
        word = np.int64(0)
        for k in range(size):
            word |= np.int64(codes[some[k]]) << 2 * k
        words[w] = word
        at, left, w = at + size, left - size, w + 1


@lean_kernel
def _read_umi(text: Bytes, start: Int, end: Int, codes: Bytes, pair: Pair) -> None:
    """Fill codes and lengths of a UMI's halves: split at its dash, or else in the middle."""
    dash = np.int64(start)
    while dash < end and text[dash] != 45:
        dash += 1
    has_dash = dash < end
    middle = dash if has_dash else start + (end - start + 1) // 2
    for half in range(2):
        at = start if half == 0 else (middle + 1 if has_dash else middle)
        stop = middle if half == 0 else end
        code = np.int64(0)
        for k in range(at, min(stop, at + HALF_BASES)):
            code = code << 2 | np.int64(codes[text[k]])
        pair.umis[half], pair.n_umi[half] = code, min(stop - at, np.int64(MAX_UMI_BASES))


@lean_kernel
def _end_key(word: Int, umi: Int, n_umi: Int) -> Int:
    hashed = (umi % _PRIME * 48271 + n_umi * 7919) % _PRIME
    return (word & (1 << START_BITS) - 1) << 31 | hashed


@lean_kernel
def _differences(words: Words, at: Int, pair: Pair, end: Int) -> tuple[Int, Int]:
    """Return in how many bases a read differs from packed ones, and the marks of those near its ends."""
    n = pair.lengths[end]
    total, head, tail = np.int64(0), np.int64(0), np.int64(0)
    row = pair.words
    for w in range((n + WORD_BASES - 1) // WORD_BASES):
        x = words[at + w] ^ row[end, w]
        if x == 0:
            continue
        bits = (x | x >> 1) & _EVEN_BITS
        total += mismatches(bits, 0)
        if w == 0:
            head = bits & END_MASK
        before = n - END_BASES - WORD_BASES * w
        if before <= 0:
            tail |= bits << 2 * -before & END_MASK if before > -END_BASES else np.int64(0)
        elif before < WORD_BASES:
            tail |= bits >> 2 * before & END_MASK
    return total, head | tail << 2 * END_BASES | (np.int64(DIFFERS) if total > 0 else np.int64(0))


@lean_kernel
def _compare(clusters: Clusters, pair: Pair, r: Int, turn: Int, marks: Words) -> bool:
    """Return whether representative r may stand for a pair, read 1 against its read 1 (`turn` 0) or read 2 (1).

    If so, `marks` are of both reads' bases near their ends that differ from the representative's.
    """
    lengths = clusters.lengths
    if lengths[r, turn] != pair.lengths[0] or lengths[r, 1 - turn] != pair.lengths[1]:
        return False
    n_first = (lengths[r, 0] + WORD_BASES - 1) // WORD_BASES
    for end in range(2):
        other = end if turn == 0 else 1 - end
        at = clusters.words_at[r] + (n_first if other == 1 else np.int64(0))
        total, marks[end] = _differences(clusters.words, at, pair, np.int64(end))
        if total > 1 + pair.lengths[end] * MAX_DIFFERENT_PERCENT // 100:
            return False
    return True


@lean_kernel
def _by_both(clusters: Clusters, pair: Pair, slot: Int, marks: Words) -> Int:
    """Return 2 * representative + turn of the pair's keys, -1 where none of them is like it."""
    r = np.int64(clusters.chain[slot]) - 1
    tried = 0
    while r >= 0 and tried < MAX_CANDIDATES:
        turn = np.int64(0 if clusters.keys[r, 0] == pair.keys[0] else 1)
        if _compare(clusters, pair, r, turn, marks):
            return np.int64(2 * r + turn)
        r, tried = np.int64(clusters.older[r]) - 1, tried + 1
    return np.int64(-1)


@lean_kernel
def _by_one(clusters: Clusters, pair: Pair, end: Int, marks: Words) -> Int:
    """Return 2 * representative + turn by the key of one end and a near UMI at the other, -1 where there is none."""
    found = np.int64(clusters.end_chain[_end_slot(clusters, pair.keys[end])]) - 1
    tried = 0
    while found >= 0 and tried < MAX_CANDIDATES:
        r, its_end = found >> 1, found & 1
        far, its_far = 1 - end, 1 - its_end
        is_near = np.int64(clusters.n_umi[r, its_far]) == pair.n_umi[far]
        if is_near and mismatches(clusters.umis[r, its_far], pair.umis[far]) <= MAX_UMI_DIFFERENT:
            turn = np.int64(0 if its_end == end else 1)
            if _compare(clusters, pair, r, turn, marks):
                return np.int64(2 * r + turn)
        found, tried = np.int64(clusters.older_end[found]) - 1, tried + 1
    return np.int64(-1)


@lean_kernel
def _n_words(n_bases: Int) -> Int:
    return (np.int64(n_bases) + WORD_BASES - 1) // WORD_BASES


@lean_kernel
def _add(clusters: Clusters, pair: Pair, slot: Int) -> Int:
    """Make a pair a representative, remembered if there is room; return its number."""
    state, words = clusters.state, clusters.words
    r = state[N_REPRESENTATIVES]
    state[N_REPRESENTATIVES] = r + 1
    at = state[N_WORDS]
    if r >= len(clusters.words_at) or at + _n_words(pair.lengths[0]) + _n_words(pair.lengths[1]) > len(words):
        return np.int64(r)
    clusters.words_at[r] = at
    for end in range(2):
        for w in range(_n_words(pair.lengths[end])):
            words[at] = pair.words[end, w]
            at += 1
        clusters.lengths[r, end], clusters.keys[r, end] = pair.lengths[end], pair.keys[end]
        clusters.umis[r, end], clusters.n_umi[r, end] = pair.umis[end], pair.n_umi[end]
    state[N_WORDS], state[N_REMEMBERED] = at, state[N_REMEMBERED] + 1
    clusters.older[r] = clusters.chain[slot]
    clusters.chain[slot] = r + 1
    for end in range(2):
        place = _end_slot(clusters, pair.keys[end])
        clusters.older_end[2 * r + end] = clusters.end_chain[place]
        clusters.end_chain[place] = 2 * r + end + 1
    return np.int64(r)


@lean_kernel
def _umi_end(text: Bytes, start: Int, end: Int) -> Int:
    """Return where the first tag of a comment ends."""
    k = np.int64(start)
    while k < end and text[k] != 9:
        k += 1
    return k


@kernel
def collapse_pairs(
    clusters: Clusters,
    bases: tuple[Bytes, Bytes],
    offsets: tuple[Offsets, Offsets],
    comments: Bytes,
    comment_offsets: Offsets,
    codes: Bytes,
) -> Collapsed:
    """Return the representative of each read pair; new ones are added to `clusters`, while there is room.

    Those that do not fit are numbered on, but stand for no other pair. Each pair's comment starts with `RX:Z:` and its
    UMI. `codes` are two bits for each ASCII letter.
    """
    n = len(comment_offsets) - 1
    out = Collapsed(np.empty(n, np.int64), np.zeros(n, np.bool_), np.zeros((n, 2), np.int64), np.zeros(n, np.uint8))
    marks = np.zeros(2, np.int64)
    longest = np.int64(1)
    for i in range(n):
        longest = max(longest, offsets[0][i + 1] - offsets[0][i], offsets[1][i + 1] - offsets[1][i])
    pair = Pair(
        np.zeros((2, (longest + WORD_BASES - 1) // WORD_BASES), np.int64), np.zeros(2, np.int64),
        np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2, np.int64),
    )  # fmt: skip
    for i in range(n):
        start = comment_offsets[i] + 5
        _read_umi(comments, start, _umi_end(comments, start, comment_offsets[i + 1]), codes, pair)
        for end in range(2):
            at = offsets[end][i]
            pair.lengths[end] = offsets[end][i + 1] - at
            _pack_read(bases[end], at, pair.lengths[end], codes, pair.words[end])
            pair.keys[end] = _end_key(pair.words[end, 0], pair.umis[end], pair.n_umi[end])
        slot = _pair_slot(clusters, min(pair.keys[0], pair.keys[1]), max(pair.keys[0], pair.keys[1]))
        how = NEW if clusters.chain[slot] == 0 else EXACT
        found = _by_both(clusters, pair, slot, marks)
        if found < 0:
            is_known = how == EXACT
            how = TOLERANT
            found = _by_one(clusters, pair, np.int64(0), marks)
            if found < 0:
                found = _by_one(clusters, pair, np.int64(1), marks)
            if found < 0:
                how = DIFFERENT if is_known else NEW
                found = 2 * _add(clusters, pair, slot)
                marks[:] = 0
        out.marks[i, 0], out.marks[i, 1] = marks[0], marks[1]
        out.representative[i], out.is_turned[i], out.how[i] = found >> 1, found & 1 == 1, how
    return out


def new_clusters(n_representatives: int, n_words: int) -> Clusters:
    """Return empty tables with room for so many representatives and packed words."""
    n_slots = 16
    while n_slots < 2 * n_representatives:
        n_slots *= 2
    return Clusters(
        chain=np.zeros(n_slots, dtype=np.int32),
        end_chain=np.zeros(2 * n_slots, dtype=np.int32),
        keys=np.zeros((n_representatives, 2), dtype=np.int64),
        words=np.zeros(n_words, dtype=np.int64),
        words_at=np.zeros(n_representatives, dtype=np.int64),
        lengths=np.zeros((n_representatives, 2), dtype=np.int32),
        umis=np.zeros((n_representatives, 2), dtype=np.int64),
        n_umi=np.zeros((n_representatives, 2), dtype=np.uint8),
        older=np.zeros(n_representatives, dtype=np.int32),
        older_end=np.zeros(2 * n_representatives, dtype=np.int32),
        state=np.zeros(3, dtype=np.int64),
    )


BASE_CODES = np.ascontiguousarray(_CODES)
"""Two bits for each ASCII letter: A 0, C 1, G 2, T 3; anything else 0."""


def warm() -> None:
    """Compile every kernel of this module for the types it is called with."""
    text = np.frombuffer(b"RX:Z:AC-GT\tACGT", dtype=np.uint8).copy()
    ends, reads = np.array([0, 10], dtype=np.int64), np.array([11, 15], dtype=np.int64)
    collapse_pairs(new_clusters(1, 2), (text, text), (reads, reads), text, ends, BASE_CODES)
