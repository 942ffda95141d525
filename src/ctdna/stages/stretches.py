"""Stretches of the reference under alignments: each base is fetched once, however many reads lie on it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Stretches(NamedTuple):
    """Stretches of the reference that reads lie on, apart from each other, in order."""

    contig: NDArray[np.int64]
    start0: NDArray[np.int64]
    end0: NDArray[np.int64]


def joined(
    contig: NDArray[np.int64], start0: NDArray[np.int64], end0: NDArray[np.int64]
) -> tuple[Stretches, NDArray[np.int64]]:
    """Return the joined intervals of those with a contig, and the index of each one's, -1 without a contig (-1)."""
    chosen = np.flatnonzero(contig >= 0)
    order = chosen[np.lexsort((start0[chosen], contig[chosen]))]
    key = contig[order] << 32
    reach = np.maximum.accumulate(key + end0[order]) if len(order) else key
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = key[1:] + start0[order][1:] > reach[:-1]
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(order))[: len(first)] - 1
    of_item = np.full(len(contig), -1, dtype=np.int64)
    of_item[order] = np.cumsum(is_new) - 1
    return Stretches(contig[order][first], start0[order][first], reach[last] - key[first]), of_item


class Laid(NamedTuple):
    """The bases of all stretches, one after the other."""

    bases: NDArray[np.uint8]
    """Upper-case letters; the first byte belongs to no stretch."""
    starts: NDArray[np.int64]
    """Where each item's stretch begins in `bases`; -1 without one."""
    start0: NDArray[np.int64]
    """Where it begins on its contig; 0 without one."""


def laid(found: Stretches, of_item: NDArray[np.int64], bases: list[NDArray[np.uint8]]) -> Laid:
    """Return the letters of stretches, and where each item's stretch begins."""
    letters = np.concatenate([np.zeros(1, dtype=np.uint8), *bases]).astype(np.uint8)
    starts = np.cumsum([1, *(len(part) for part in bases)]).astype(np.int64)
    has_stretch = of_item >= 0
    start0 = np.where(has_stretch, np.append(found.start0, 0)[of_item], 0)
    return Laid(letters, np.where(has_stretch, starts[of_item], -1), start0)
