"""The chance that an allele of a given VAF is called, from the laws of `kernels.tails`."""

import numpy as np

from ctdna.kernels.jit import kernel
from ctdna.kernels.tails import Floats, Int, Ints, class_weights, critical_score, miss_probability


@kernel
def detection_chances(
    n: Ints, mean: Floats, size: Floats, looked_for: float, alpha: Floats, min_molecules: Int, vaf: Floats, out: Floats
) -> None:
    """Fill each row's chance that an allele at `vaf` reaches the critical score with enough molecules.

    `n`, `mean`, `size`: (rows, classes); `looked_for`: the VAF that the weights are made for; 0 where no score is
    significant.
    """
    for i in range(len(n)):
        weights = class_weights(n[i], mean[i], looked_for)
        score = critical_score(n[i], mean[i], size[i], weights, alpha[i])
        out[i] = 0.0
        if score >= 0 and n[i].sum() > 0:
            out[i] = 1.0 - min(1.0, miss_probability(n[i], mean[i], weights, score, min_molecules, vaf[i]))


def warm() -> None:
    """Compile the kernel of this module on one row of one class."""
    n, some = np.full((1, 1), 100, np.int64), np.full(1, 1e-2)
    detection_chances(n, np.full((1, 1), 1e-3), np.full((1, 1), 1e4), 0.01, np.full(1, 1e-3), 2, some, np.empty(1))
