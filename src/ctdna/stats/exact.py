"""Exact intervals of counts: their coverage is never below the level."""

from scipy.special import betaincinv, gammaincinv


def clopper_pearson(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a fraction, (0, 1) for n = 0 (Clopper and Pearson 1934, by quantiles of beta laws)."""
    tail = (1.0 - level) / 2.0
    low = 0.0 if k == 0 else float(betaincinv(k, n - k + 1, tail))
    high = 1.0 if k == n else float(betaincinv(k + 1, n - k, 1.0 - tail))
    return low, high


def poisson_interval(k: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a Poisson mean, given `k` events (Garwood 1936, by quantiles of gamma laws)."""
    tail = (1.0 - level) / 2.0
    low = 0.0 if k == 0 else float(gammaincinv(k, tail))
    return low, float(gammaincinv(k + 1, 1.0 - tail))
