"""Correction of UMIs to a fixed list, as fgbio's CorrectUmis does it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.umi import nearest_fixed
from ctdna.model.errors import InputError


class FixedUmis(NamedTuple):
    """The UMIs a kit uses."""

    texts: tuple[str, ...]
    """In upper case, all of one length."""
    letters: NDArray[np.uint8]
    """The same in ASCII, one a row."""

    @property
    def length(self) -> int:
        """Return the bases of each."""
        return len(self.texts[0])


class Corrected(NamedTuple):
    """n UMIs beside the list."""

    fixed: NDArray[np.int32]
    """Which UMI of the list it is; -1 where none is near enough, or two are too near."""
    mismatches: NDArray[np.int32]
    """To the nearest."""


def fixed_umis(texts: Sequence[str]) -> FixedUmis:
    """Return a list of fixed UMIs; case does not matter.

    Raises:
        InputError: the list is empty, a UMI is not of A, C, G, T, stands twice, or is of another length.
    """
    upper = tuple(text.upper() for text in texts)
    if not upper:
        raise InputError(None, "UMI list", "it holds no UMI", "write one UMI a line")
    for number, text in enumerate(upper, 1):
        where = f"UMI {number}"
        if not text or set(text) - set("ACGT"):
            raise InputError(None, where, f"found {text!r}; allowed are A, C, G and T", "write one UMI a line")
        if len(text) != len(upper[0]):
            what = f"{text} has {len(text)} bases, but {upper[0]} has {len(upper[0])}"
            raise InputError(None, where, what, "all UMIs of a list must have one length")
        if text in upper[: number - 1]:
            raise InputError(None, where, f"{text} stands in the list twice", "write each UMI once")
    letters = np.frombuffer("".join(upper).encode(), dtype=np.uint8).reshape(len(upper), -1).copy()
    return FixedUmis(upper, letters)


def correct_umis(
    umis: NDArray[np.uint8], at: NDArray[np.int64], fixed: FixedUmis, max_mismatches: int, min_distance: int
) -> Corrected:
    """Return for each UMI (ASCII upper case, of the list's length, at `at`) the UMI of the list that it stands for.

    That is the nearest, if it has at most `max_mismatches` and the second nearest has at least `min_distance` more.
    An N is a mismatch.
    """
    best, mismatches, second = nearest_fixed(umis, at, fixed.letters)
    is_sure = (mismatches <= max_mismatches) & (second - mismatches >= min_distance)
    return Corrected(np.where(is_sure, best, -1).astype(np.int32), mismatches)


def close_pairs(fixed: FixedUmis, distance: int) -> list[tuple[str, str, int]]:
    """Return the pairs of the list with at most `distance` mismatches between them, and these."""
    found = []
    for i, umi in enumerate(fixed.letters):
        for j in range(i + 1, len(fixed.letters)):
            mismatches = int((umi != fixed.letters[j]).sum())
            if mismatches <= distance:
                found.append((fixed.texts[i], fixed.texts[j], mismatches))
    return found


def correction_table(corrected: Corrected, n_fixed: int) -> NDArray[np.int64]:
    """Return a row a UMI of the list, and a last one for UMIs of none: all, perfect, one mismatch, two, more."""
    row = np.where(corrected.fixed < 0, n_fixed, corrected.fixed)
    column = 1 + np.minimum(corrected.mismatches, 3)
    table = np.bincount(5 * row + column, minlength=5 * (n_fixed + 1)).reshape(n_fixed + 1, 5).astype(np.int64)
    table[:, 0] = table[:, 1:].sum(axis=1)
    table[n_fixed, 1:] = 0
    return table
