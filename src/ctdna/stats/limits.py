"""The level of significance of a panel, and LoB and LoD95 of many alleles, from the very test that calls."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.tails import attained_sizes, limits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_CHUNK = 2000
_STEPS_PER_OCTAVE = 4
_OCTAVES = 6
"""The level never exceeds Bonferroni's by more: far from it the sizes hang on the laws' shape alone."""


def coarse(n: Ints, up: bool = False, digits: int = 6) -> Ints:
    """Return counts cut to their leading binary digits, or rounded `up` to such.

    With 6 digits they come out at most 3 % low, or high; with 3 digits 25 %.
    """
    shift = np.maximum(0, np.floor(np.log2(np.maximum(n, 1))).astype(np.int64) - (digits - 1))
    rest = (np.int64(1) << shift) - 1
    return (n + (rest if up else 0)) >> shift << shift


class _Distinct(NamedTuple):
    """Rows of which each stands once."""

    n: Ints
    mean: Floats
    size: Floats
    alpha: Floats
    inverse: Ints
    """Of each row given, the distinct one."""


def _distinct(n: Ints, mean: Floats, size: Floats, alpha: Floats) -> _Distinct:
    keys = np.column_stack([n.astype(np.float64), mean, size, alpha])
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    width = n.shape[1]
    parts = [np.ascontiguousarray(unique[:, k * width : (k + 1) * width]) for k in range(3)]
    alphas = np.ascontiguousarray(unique[:, -1])
    return _Distinct(parts[0].astype(np.int64), parts[1], parts[2], alphas, inverse.ravel())


def _in_chunks(n_rows: int, threads: int, fill: Callable[[slice], None]) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, (slice(start, start + _CHUNK) for start in range(0, n_rows, _CHUNK))))


def panel_alpha(n: Ints, mean: Floats, size: Floats, times: Ints, budget: float, vaf: float, threads: int) -> float:
    """Return the level of one test at which a panel holds `budget` expected false calls; the same for any `threads`.

    A test of counts attains less than its level, often much less, so Bonferroni's level `budget / tests` spends little
    of the budget. Here the attained sizes of all tests are summed (Tarone, Biometrics 1990, 46:515-522, who leaves out
    tests that cannot reach the level; this is the same thought for tests that reach part of it), and the level is the
    greatest of Bonferroni's times 2^(k/4), k = 0 to 24, whose sum stays within the budget. Without molecules it is
    Bonferroni's. Counts rounded up (`coarse`) err to the safe side.

    Arguments:
        n, mean, size: (rows, classes).
        times: (rows,) tests of each row.
    """
    least = budget / max(1, int(times.sum()))
    levels = np.minimum(least * 2.0 ** (np.arange(_OCTAVES * _STEPS_PER_OCTAVE + 1) / _STEPS_PER_OCTAVE), 0.5)
    if not n.any():
        return least
    sizes = np.zeros((len(n), len(levels)))
    n, mean, size = np.ascontiguousarray(n), np.ascontiguousarray(mean), np.ascontiguousarray(size)

    def fill(some: slice) -> None:
        attained_sizes(n[some], mean[some], size[some], vaf, levels, sizes[some])

    _in_chunks(len(n), threads, fill)
    totals = [math.fsum((sizes[:, k] * times).tolist()) for k in range(len(levels))]
    fits = [level for level, total in zip(levels.tolist(), totals, strict=True) if total <= budget]
    return float(max([least, *fits]))


def panel_limits(
    n: Ints, mean: Floats, size: Floats, alpha: Floats, vaf: float, min_molecules: int, threads: int
) -> tuple[Floats, Floats]:
    """Return LoB and LoD95 as VAF, NaN where there is none, of rows of molecules by class.

    Molecules are cut by `coarse`, so that equal rows are computed once: LoD95 comes out up to 3 % high.

    Arguments:
        n, mean, size: (rows, classes).
        alpha: (rows,) significance level.
    """
    rows = _distinct(coarse(n), mean, size, alpha)
    lob, lod95 = np.empty(len(rows.n)), np.empty(len(rows.n))

    def fill(some: slice) -> None:
        given = (rows.n[some], rows.mean[some], rows.size[some], vaf, rows.alpha[some], min_molecules)
        limits(*given, lob[some], lod95[some])

    _in_chunks(len(rows.n), threads, fill)
    lob[lob < 0], lod95[lod95 < 0] = np.nan, np.nan
    return lob[rows.inverse], lod95[rows.inverse]
