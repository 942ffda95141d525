"""Tails of observed scores from both sides of their step, for p-values that are uniform under the null."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.kernels.random_stream import stream, unit
from ctdna.kernels.tails import class_weights, score_p

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@kernel
def randomised_p(
    k: Ints, n: Ints, mean: Floats, size: Floats, vaf: float, key: np.uint64, p: Floats, randomised: Floats
) -> None:
    """Fill each row's p-value P(score or more), and P(more) + u P(score) with u uniform, of the row's own stream.

    The second is uniform under the null, which no p-value of counts is (Dunn and Smyth, J Comput Graph Stat 1996,
    5:236-244). Rows without molecules: 1 and u. `k`, `n`, `mean`, `size`: (rows, classes).
    """
    state = np.zeros(1, np.uint64)
    for i in range(len(k)):
        stream(key, i, state)
        u = unit(state)
        p[i], more = 1.0, 0.0
        if n[i].sum() > 0:
            weights = class_weights(n[i], mean[i], vaf)
            score = (k[i] * weights).sum()
            p[i] = score_p(n[i], mean[i], size[i], weights, score)
            more = score_p(n[i], mean[i], size[i], weights, score + 1)
        randomised[i] = more + u * (p[i] - more)


def warm() -> None:
    """Compile every kernel of this module on one row of one class."""
    n, k = np.full((1, 1), 100, np.int64), np.ones((1, 1), np.int64)
    mean, size = np.full((1, 1), 1e-3), np.full((1, 1), 1e4)
    randomised_p(k, n, mean, size, 0.01, np.uint64(1), np.empty(1), np.empty(1))
