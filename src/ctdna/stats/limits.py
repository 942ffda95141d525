"""LoB and LoD95 of many alleles, from the very test that calls."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.tails import limits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_CHUNK = 2000


def coarse(n: Ints) -> Ints:
    """Return counts cut to their 6 leading binary digits: never more molecules than there are, at most 3 % fewer."""
    shift = np.maximum(0, np.floor(np.log2(np.maximum(n, 1))).astype(np.int64) - 5)
    return (n >> shift) << shift


def panel_limits(
    n: Ints, mean: Floats, size: Floats, alpha: Floats, vaf: float, min_molecules: int, threads: int
) -> tuple[Floats, Floats]:
    """Return LoB and LoD95 as VAF, NaN where there is none, of rows of molecules by class.

    Molecules are cut by `coarse`, so that equal rows are computed once: LoD95 comes out up to 3 % high.

    Arguments:
        n, mean, size: (rows, classes).
        alpha: (rows,) significance level.
    """
    keys = np.column_stack([coarse(n).astype(np.float64), mean, size, alpha])
    unique, inverse = np.unique(keys, axis=0, return_inverse=True)
    width = n.shape[1]
    parts = [np.ascontiguousarray(unique[:, k * width : (k + 1) * width]) for k in range(3)]
    counts, alphas = parts[0].astype(np.int64), np.ascontiguousarray(unique[:, -1])
    lob, lod95 = np.empty(len(unique)), np.empty(len(unique))

    def fill(start: int) -> None:
        rows = slice(start, start + _CHUNK)
        some = (counts[rows], parts[1][rows], parts[2][rows], vaf, alphas[rows], min_molecules)
        limits(*some, lob[rows], lod95[rows])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(0, len(unique), _CHUNK)))
    lob[lob < 0], lod95[lod95 < 0] = np.nan, np.nan
    return lob[inverse.ravel()], lod95[inverse.ravel()]
