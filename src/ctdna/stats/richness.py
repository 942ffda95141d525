"""How many molecules there are: seen, unseen, sharing a UMI, and left after sequencing less."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def chao1(n_seen: int, n_once: int, n_twice: int) -> float:
    """Return a lower bound of the number of molecules, from those seen, seen once and seen twice.

    Chao 1984 (Scand J Stat 11:265): seen + once^2 / (2 twice). Where none was seen twice, her bias-corrected form:
    seen + once (once - 1) / 2.
    """
    if n_twice > 0:
        return n_seen + n_once * n_once / (2 * n_twice)
    return n_seen + n_once * (n_once - 1) / 2


def expected_seen(sizes: Counts, counts: Counts, share: float) -> float:
    """Return the molecules expected to be seen where each template is kept with a chance of `share`.

    `counts[i]` molecules have `sizes[i]` templates. One of n templates is seen unless all are lost: 1 - (1 - share)^n.
    """
    return float((counts * (1 - (1 - share) ** sizes)).sum())


def expected_duplex(first: Counts, second: Counts, counts: Counts, share: float) -> float:
    """Return the molecules expected to be seen on both strands where each template is kept with a chance of `share`.

    `counts[i]` molecules have `first[i]` templates of one strand and `second[i]` of the other.
    """
    lost = 1 - share
    return float((counts * (1 - lost**first) * (1 - lost**second)).sum())


def expected_duplex_ideal(sizes: Counts, counts: Counts, share: float) -> float:
    """Return the same if each template came from either strand with a chance of 1/2.

    With 1 - share/2 the chance that a template is not seen on one strand, both strands of n templates are seen with
    1 - 2 (1 - share/2)^n + (1 - share)^n. At share 1 this is the ideal of fgbio's CollectDuplexSeqMetrics for one read
    of each strand.
    """
    both = 1 - 2 * (1 - share / 2) ** sizes + (1 - share) ** sizes
    return float((counts * both).sum())


def molecules_behind(seen: Floats, n_labels: float) -> Floats:
    """Return how many molecules are expected where so many different labels of `n_labels` were seen.

    Fu et al. 2011 (PNAS 108:9026): n molecules show k = K (1 - (1 - 1/K)^n) of K labels; this is its inverse
    (for large K: -K ln(1 - k/K)). Where half a label less than all or more were seen, the answer for K - 1/2 stands: a
    lower bound. One label or fewer in all tell nothing: then `seen` comes back.
    """
    if n_labels <= 1:
        return seen.astype(np.float64)
    held = np.minimum(seen, n_labels - 0.5)
    behind = np.log1p(-held / n_labels) / math.log1p(-1 / n_labels)
    return np.maximum(behind, seen)


def shared_label(n_molecules: Floats, same: float) -> Floats:
    """Return the chance of one of n molecules to share its label with any of the others.

    `same` is the chance of two molecules to have the same label: 1 - (1 - same)^(n - 1), the birthday problem seen from
    one person.
    """
    if same >= 1:
        return (n_molecules > 1).astype(np.float64)
    return -np.expm1(np.maximum(n_molecules - 1, 0) * math.log1p(-same))


def weighted_quantile(values: Floats, weights: Counts, share: float) -> float:
    """Return the least of the values that at least this share of the weight does not exceed; 0 without weight."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    if not len(total) or total[-1] == 0:
        return 0.0
    return float(values[order][np.searchsorted(total, share * total[-1])])
