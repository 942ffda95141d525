"""The consensus of a family's UMI texts."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel

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
    """Texts added; their length; 0 or what is wrong."""


@kernel
def new_umi_votes(n_longest: Int) -> UmiVotes:
    """Return room for UMIs of up to so many letters."""
    size = max(np.int64(n_longest), np.int64(1))
    return UmiVotes(
        np.zeros(size, np.uint8), np.zeros(size, np.uint8), np.zeros((size, 5), np.int64), np.zeros(3, np.int64)
    )


@kernel
def clear_umis(votes: UmiVotes) -> None:
    """Empty the votes."""
    votes.state[:] = 0


@kernel
def _orient(data: Bytes, at: Int, n: Int, is_swapped: bool, text: Bytes) -> None:
    """Copy a UMI; swapped: its parts between dashes in reverse order."""
    if not is_swapped:
        text[:n] = data[at : at + n]
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


@kernel
def add_umi(votes: UmiVotes, data: Bytes, at: Int, n: Int, is_swapped: bool) -> None:
    """Add one UMI text of n bytes at `at`."""
    _orient(data, at, n, is_swapped, votes.text)
    if votes.state[0] == 0:
        votes.first[:n] = votes.text[:n]
        votes.counts[:n] = 0
        votes.state[1] = n
    votes.state[0] += 1
    if votes.state[1] != n:
        votes.state[2] = OTHER_LENGTH
        return
    for k in range(n):
        code = np.int64(UMI_CODES[votes.text[k]])
        if (code == 5 or UMI_CODES[votes.first[k]] == 5) and votes.text[k] != votes.first[k]:
            votes.state[2] = MIXED
        elif code < 5:
            votes.counts[k, code] += 1


@kernel
def call_umi(votes: UmiVotes) -> Int:
    """Write the consensus to `votes.text` and return its length; negative: 0 texts (-1), `OTHER_LENGTH` or `MIXED`.

    The base with most votes wins, a tie or no vote gives N; N does not vote. What is no base must be the same in all.
    """
    if votes.state[0] == 0:
        return np.int64(-1)
    if votes.state[2] < 0:
        return np.int64(votes.state[2])
    for k in range(votes.state[1]):
        votes.text[k] = votes.first[k]
        if votes.state[0] > 1 and UMI_CODES[votes.first[k]] != 5:
            best, is_tie = 0, False
            for b in range(1, 4):
                if votes.counts[k, b] > votes.counts[k, best]:
                    best, is_tie = b, False
                elif votes.counts[k, b] == votes.counts[k, best]:
                    is_tie = True
            votes.text[k] = UMI_LETTERS[4 if is_tie else best]
    return np.int64(votes.state[1])
