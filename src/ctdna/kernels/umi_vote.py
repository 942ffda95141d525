"""The consensus of a family's UMI texts."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel, lean_kernel

Int = int | np.int64
Bytes = NDArray[np.uint8]
OTHER_LENGTH, MIXED = -2, -3
_CODES = np.full(256, 5, dtype=np.uint8)
"""Base codes of ASCII letters in either case; 5 what is no base."""
for _code, _letters in enumerate((b"Aa", b"Cc", b"Gg", b"Tt", b"Nn")):
    _CODES[list(_letters)] = _code
_LETTERS = np.frombuffer(b"ACGTN", dtype=np.uint8).copy()
UMI_CODES, UMI_LETTERS = _CODES, _LETTERS


class UmiVotes(NamedTuple):
    """Votes for the letters of a UMI."""

    first: Bytes
    """The first text."""
    text: Bytes
    """The text being added, then the consensus."""
    counts: NDArray[np.int64]
    """Letters x base codes."""
    state: NDArray[np.int64]
    """Texts added; their length; 0 or what is wrong; how many of them equal the first (they are not in `counts`)."""


@kernel
def new_umi_votes(n_longest: Int) -> UmiVotes:
    """Return room for UMIs of up to so many letters."""
    size = max(np.int64(n_longest), np.int64(1))
    return UmiVotes(
        np.zeros(size, np.uint8), np.zeros(size, np.uint8), np.zeros((size, 5), np.int64), np.zeros(4, np.int64)
    )


@lean_kernel
def clear_umis(votes: UmiVotes) -> None:
    """Empty the votes."""
    votes.state[:] = 0


@lean_kernel
def _orient(data: Bytes, at: Int, n: Int, is_swapped: bool, text: Bytes) -> None:
    """Copy a UMI; swapped: its parts between dashes in reverse order."""
    if not is_swapped:
        for k in range(n):
            text[k] = data[at + k]
        return
    end, to = np.int64(n), np.int64(0)
    for k in range(n - 1, -2, -1):
        if k < 0 or data[at + k] == 45:
            for j in range(k + 1, end):
                text[to] = data[at + j]
                to += 1
            if k >= 0:
                text[to] = 45
                to += 1
            end = np.int64(k)


@lean_kernel
def _is_first(first: Bytes, text: Bytes, at: Int, n: Int) -> bool:
    k = np.int64(0)
    while k < n and text[at + k] == first[k]:
        k += 1
    return bool(k == n)


@lean_kernel
def add_umi(votes: UmiVotes, data: Bytes, at: Int, n: Int, is_swapped: bool) -> None:
    """Add one UMI text of n bytes at `at`."""
    first, text, counts, state = votes.first, votes.text, votes.counts, votes.state
    if state[0] == 0:
        _orient(data, at, n, is_swapped, first)
        counts[:n] = 0
        state[0], state[1], state[3] = 1, n, 1
        return
    state[0] += 1
    if state[1] != n:
        state[2] = OTHER_LENGTH
        return
    if not is_swapped and _is_first(first, data, at, n):
        state[3] += 1
        return
    _orient(data, at, n, is_swapped, text)
    if _is_first(first, text, np.int64(0), n):
        state[3] += 1
        return
    for k in range(n):
        code = np.int64(UMI_CODES[text[k]])
        if (code == 5 or UMI_CODES[first[k]] == 5) and text[k] != first[k]:
            state[2] = MIXED
        elif code < 5:
            counts[k, code] += 1


@lean_kernel
def _most_voted(counts: NDArray[np.int64], k: Int) -> Int:
    """Return the base code with most votes for letter k, N (4) where it is not alone."""
    best, is_tie = np.int64(0), False
    for b in range(1, 4):
        if counts[k, b] > counts[k, best]:
            best, is_tie = np.int64(b), False
        elif counts[k, b] == counts[k, best]:
            is_tie = True
    return np.int64(4) if is_tie else best


@lean_kernel
def call_umi(votes: UmiVotes) -> Int:
    """Write the consensus to `votes.text` and return its length; negative: 0 texts (-1), `OTHER_LENGTH` or `MIXED`.

    The base with most votes wins, a tie or no vote gives N; N does not vote. What is no base must be the same in all.
    """
    first, text, counts, state = votes.first, votes.text, votes.counts, votes.state
    if state[0] == 0:
        return np.int64(-1)
    if state[2] < 0:
        return np.int64(state[2])
    is_unanimous = state[3] == state[0]
    for k in range(state[1]):
        code: Int = np.int64(UMI_CODES[first[k]])
        text[k] = first[k]
        if state[0] > 1 and code != 5:
            if not is_unanimous:
                counts[k, code] += state[3]
                code = _most_voted(counts, np.int64(k))
            text[k] = UMI_LETTERS[code]
    return np.int64(state[1])
