"""How alike the UMIs of a sample are: the chance of two molecules to carry the same one."""

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.umi import Codes

Floats = NDArray[np.float64]
WORD_BASES = 9
"""Longest stretch of a UMI that is counted whole: lists of fixed UMIs are not longer."""


def word_widths(n_bases: int) -> tuple[int, ...]:
    """Return the widths of the words into which so many bases are cut, about equal, none above `WORD_BASES`."""
    n_words = -(-n_bases // WORD_BASES)
    return tuple(n_bases // n_words + (i < n_bases % n_words) for i in range(n_words))


def _words(codes: Codes, n_bases: int) -> list[NDArray[np.int64]]:
    """Return the counts of each word's 4^width texts."""
    tables, left = [], n_bases
    for width in word_widths(n_bases):
        left -= width
        word = codes >> (2 * left) & ((1 << 2 * width) - 1)
        tables.append(np.bincount(word, minlength=1 << 2 * width).astype(np.int64))
    return tables


def _uniform(width: int, edits: int) -> Floats:
    chances = [math.comb(width, k) * 0.75**k * 0.25 ** (width - k) for k in range(min(width, edits) + 1)]
    return np.array(chances + [0.0] * (edits + 1 - len(chances)))


def _by_mismatches(table: NDArray[np.int64], edits: int) -> Floats:
    """Return the chance of two molecules to differ in 0, 1, ... `edits` bases of a word.

    Without bias, over all pairs of molecules of the sample. Fewer than two molecules: as for random bases.
    """
    total, width = int(table.sum()), (len(table).bit_length() - 1) // 2
    if total < 2:
        return _uniform(width, edits)
    cube = table.astype(np.float64).reshape((4,) * width)
    near = [cube] + [np.zeros_like(cube)] * edits
    for axis in range(width):
        other = [part.sum(axis=axis, keepdims=True) - part for part in near]
        near = [near[0], *(near[k] + other[k - 1] for k in range(1, edits + 1))]
    pairs = np.array([float((cube * part).sum()) for part in near])
    pairs[0] -= total
    return pairs / (float(total) * (total - 1))


def _joined(parts: list[Floats], edits: int) -> float:
    """Return the chance of at most `edits` mismatches over independent parts."""
    chances = np.ones(1)
    for part in parts:
        chances = np.convolve(chances, part)[: edits + 1]
    return float(min(chances.sum(), 1.0))


def _bases(table: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the counts of A, C, G, T at each base of a word."""
    width = (len(table).bit_length() - 1) // 2
    cube = table.reshape((4,) * width)
    return [cube.sum(axis=tuple(k for k in range(width) if k != axis)) for axis in range(width)]


class UmiDiversity(NamedTuple):
    """Counts of the words of UMIs, one UMI a molecule, by the UMI's shape (`kernels.umi`); adds up over parts."""

    words: dict[int, tuple[NDArray[np.int64], ...]]
    """Shape -> for each word of the first half, then of the second, the molecules by the word's code."""
    molecules: dict[int, int]
    """Shape -> molecules."""

    def plus(self, other: Self) -> "UmiDiversity":
        """Return both added up."""
        words = dict(self.words)
        for shape, tables in other.words.items():
            mine = words.get(shape)
            words[shape] = tables if mine is None else tuple(a + b for a, b in zip(mine, tables, strict=True))
        shapes = self.molecules.keys() | other.molecules.keys()
        return UmiDiversity(
            words, {shape: self.molecules.get(shape, 0) + other.molecules.get(shape, 0) for shape in sorted(shapes)}
        )

    def same_chance(self, edits: int = 0) -> float:
        """Return the chance of two molecules to carry UMIs of one shape with at most `edits` mismatches.

        Words are taken as independent. Of three estimates the largest counts: by words (which sees that the UMIs come
        of a list), by the bases at each position (which holds also where a place shows each UMI once), and that of
        random bases (the least there can be). 0 without molecules.
        """
        total = sum(self.molecules.values())
        chance = 0.0
        for shape, tables in sorted(self.words.items()):
            n = self.molecules[shape]
            share = n * (n - 1) / (total * (total - 1)) if total > 1 else 1.0
            words = [_by_mismatches(table, edits) for table in tables]
            bases = [_by_mismatches(column, edits) for table in tables for column in _bases(table)]
            random = [_uniform(1, edits)] * len(bases)
            chance += share * max(_joined(parts, edits) for parts in (words, bases, random))
        return chance


def umi_diversity(first: Codes, second: Codes, shape: NDArray[np.int32]) -> UmiDiversity:
    """Return the counts of the UMIs of n molecules."""
    words: dict[int, tuple[NDArray[np.int64], ...]] = {}
    molecules: dict[int, int] = {}
    for value in np.unique(shape):
        one, mine = int(value), shape == value
        words[one] = tuple(_words(first[mine], one >> 6 & 63) + _words(second[mine], one & 63))
        molecules[one] = int(mine.sum())
    return UmiDiversity(words, molecules)
