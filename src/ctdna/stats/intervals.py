"""Intervals of a fraction."""

from scipy.special import betaincinv


def jeffreys(n_alt: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Jeffreys' equal-tailed interval of a fraction, (0, 1) for n = 0.

    Quantiles of Beta(n_alt + 1/2, n - n_alt + 1/2); the low end is 0 at n_alt = 0, the high end 1 at n_alt = n. Its
    mean coverage is the level itself, where Clopper and Pearson's is above and Wilson's low end fails at small counts
    (Brown, Cai, DasGupta 2001, section 4.1.2).
    """
    if n == 0:
        return 0.0, 1.0
    a, b = n_alt + 0.5, n - n_alt + 0.5
    tail = (1.0 - level) / 2.0
    low = 0.0 if n_alt == 0 else float(betaincinv(a, b, tail))
    high = 1.0 if n_alt == n else float(betaincinv(a, b, 1.0 - tail))
    return low, high
