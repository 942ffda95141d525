"""Small exact tests and the false discovery rate."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, hypergeom


def fisher_two_sided(a: int, b: int, c: int, d: int) -> float:
    """Return the two-sided p-value of Fisher's exact test on the table ((a, b), (c, d)); 1 for an empty margin.

    Sums the tables that are no likelier than the one seen.
    """
    row, column, total = a + b, a + c, a + b + c + d
    if row in (0, total) or column in (0, total):
        return 1.0
    law = hypergeom(total, column, row)
    low, high = max(0, row + column - total), min(row, column)
    ps = law.pmf(np.arange(low, high + 1))
    return float(min(1.0, ps[ps <= law.pmf(a) * (1.0 + 1e-7)].sum()))


def fisher_more(a: int, b: int, c: int, d: int) -> float:
    """Return the one-sided p-value that the share of a in (a, b) exceeds that of c in (c, d)."""
    return float(hypergeom.sf(a - 1, a + b + c + d, a + c, a + b))


def binomial_at_most(k: int, n: int, fraction: float) -> float:
    """Return P(Bin(n, fraction) <= k)."""
    return float(binom.cdf(k, n, fraction))


def q_values(p: NDArray[np.float64], n_tests: int) -> NDArray[np.float64]:
    """Return Benjamini and Hochberg's q-values of p-values out of `n_tests` tests, the rest having p = 1."""
    order = np.argsort(p, kind="stable")
    ranked = p[order] * n_tests / np.arange(1, len(p) + 1)
    lowest = np.minimum.accumulate(ranked[::-1])[::-1]
    out = np.empty(len(p))
    out[order] = np.minimum(1.0, lowest)
    return out
