"""What the kit's common SNPs tell: DNA of another person in a sample, and whether two samples are of one person."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln, logsumexp

from ctdna.model.qc import Contamination, SnpCount

Genotype = Literal[0, 1, 2]
MIN_DEPTH = 30
"""Molecules below which a SNP says nothing here."""
MIN_SNPS = 6
"""SNPs below which neither contamination nor identity is stated."""
_FRACTIONS = np.concatenate([[0.0], np.geomspace(1e-5, 0.5, 60)])
_DROP_95 = 1.920729410347062
"""Half the 0.95 quantile of chi-square with one degree of freedom."""


class SnpTable(NamedTuple):
    """The usable SNPs of one sample."""

    n_ref: NDArray[np.int64]
    n_alt: NDArray[np.int64]
    n_other: NDArray[np.int64]
    """Molecules with neither allele: they measure the error rate."""
    frequency: NDArray[np.float64]
    """Of the alternate allele, in the population."""


def usable(counts: tuple[SnpCount, ...]) -> SnpTable:
    """Return the SNPs with enough molecules, in the order given."""
    kept = [count for count in counts if count.n_ref + count.n_alt >= MIN_DEPTH]
    return SnpTable(
        np.array([count.n_ref for count in kept], dtype=np.int64),
        np.array([count.n_alt for count in kept], dtype=np.int64),
        np.array([count.n_other for count in kept], dtype=np.int64),
        np.array([count.frequency for count in kept], dtype=np.float64),
    )


def _hardy_weinberg(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(frequency, 1e-3, 1 - 1e-3)
    return np.stack([(1 - p) ** 2, 2 * p * (1 - p), p**2])


def _log_likelihood(fraction: float, table: SnpTable, error: float) -> float:
    """Return the log-likelihood of a contamination fraction, summed over both persons' genotypes at each SNP."""
    n, k = table.n_ref + table.n_alt, table.n_alt
    ways = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    prior = np.log(_hardy_weinberg(table.frequency))
    terms = []
    for own in range(3):
        for other in range(3):
            share = (1 - fraction) * own / 2 + fraction * other / 2
            p_alt = share * (1 - error) + (1 - share) * error
            terms.append(prior[own] + prior[other] + ways + k * np.log(p_alt) + (n - k) * np.log1p(-p_alt))
    return float(logsumexp(np.stack(terms), axis=0).sum())


def contamination(counts: tuple[SnpCount, ...]) -> Contamination:
    """Return the maximum-likelihood share of one other person's DNA with its 95 % profile-likelihood interval.

    The model is that of Jun et al. 2012 (VerifyBamID), on molecules instead of reads: at each SNP the alternate share
    is (1 - c) own/2 + c other/2, both genotypes unknown with Hardy-Weinberg priors. The error rate is half the share
    of molecules with a third base. Fractions up to one half are looked at. The status stays `not_evaluated`: the
    kit's limits decide.
    """
    table = usable(counts)
    if len(table.n_ref) < MIN_SNPS:
        return Contamination(fraction=None, low=None, high=None, n_snps=len(table.n_ref), status="not_evaluated")
    n_all = int((table.n_ref + table.n_alt + table.n_other).sum())
    error = max(1e-5, (float(table.n_other.sum()) + 0.5) / (2 * n_all))
    best, low, high = _profile(table, error)
    return Contamination(fraction=best, low=low, high=high, n_snps=len(table.n_ref), status="not_evaluated")


def _profile(table: SnpTable, error: float) -> tuple[float, float, float]:
    """Return the likeliest fraction and the ends of its interval: a coarse grid, then refined around its best point."""
    ln_likelihood = np.array([_log_likelihood(float(c), table, error) for c in _FRACTIONS])
    i_best = int(np.argmax(ln_likelihood))
    around = (float(_FRACTIONS[max(0, i_best - 1)]), float(_FRACTIONS[min(len(_FRACTIONS) - 1, i_best + 1)]))
    refined = minimize_scalar(
        lambda c: -_log_likelihood(c, table, error), bounds=around, method="bounded", options={"xatol": 1e-7}
    )
    best, top = float(_FRACTIONS[i_best]), float(ln_likelihood[i_best])
    if -float(refined.fun) > top:
        best, top = float(refined.x), -float(refined.fun)

    def drop(c: float) -> float:
        return _log_likelihood(c, table, error) - top + _DROP_95

    low = brentq(drop, 0.0, best, xtol=1e-7) if best > 0 and drop(0.0) < 0 else 0.0
    high = brentq(drop, best, 0.5, xtol=1e-7) if drop(0.5) < 0 else 0.5
    return best, float(low), float(high)


def genotype(count: SnpCount) -> Genotype | None:
    """Return the number of alternate alleles; None where molecules are too few or their share lies in between."""
    n = count.n_ref + count.n_alt
    if n < MIN_DEPTH:
        return None
    share = count.n_alt / n
    for low, high, alleles in ((0.0, 0.1, 0), (0.3, 0.7, 1), (0.9, 1.0, 2)):
        if low <= share <= high:
            return alleles  # type: ignore[return-value]
    return None


def concordance(one: tuple[SnpCount, ...], other: tuple[SnpCount, ...]) -> tuple[int, float | None]:
    """Return the SNPs with a genotype in both samples and the share of them that agree (None with too few)."""
    theirs = {(count.contig, count.pos1): genotype(count) for count in other}
    pairs = [(genotype(count), theirs.get((count.contig, count.pos1))) for count in one]
    called = [(a, b) for a, b in pairs if a is not None and b is not None]
    if len(called) < MIN_SNPS:
        return len(called), None
    return len(called), sum(a == b for a, b in called) / len(called)
