"""Null rates of a sample's sites: from the prior or the trained background, scaled by the sample's own errors."""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom

from ctdna.kernels.tails import score_rows
from ctdna.model.background import TrainedBackground
from ctdna.model.evidence import N_CLASSES, Panel
from ctdna.model.params.call import CallParams
from ctdna.stages.candidates import IndelTable
from ctdna.stages.evidence import Evidence, target_sites
from ctdna.stages.indel_background import (
    N_GROUPS,
    IndelPlaces,
    PlaceErrors,
    place_errors,
    settle_indels,
    trained_indel_rates,
)
from ctdna.stats.background import (
    DAMAGE,
    LEAST_RATE,
    MOST_RATE,
    N_DAMAGE,
    PRIOR_EVENTS,
    PRIOR_SHAPE,
    Factor,
    IndelNull,
    Rates,
    joined_shape,
    prior_substitutions,
    sample_factor,
)
from ctdna.stats.indel_background import prior_indels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
CLEAR_VAF = 0.02
"""Alleles from this VAF on never count as errors of the sample."""
NOISY_SHAPE = 0.5
"""Weight, in errors, of what is expected at a place that errs unlike its context."""
UNTRAINED_OUTLIERS = 0.05
"""Chance that a sample is unlike the prior's factors, where no donors were measured."""
ROUNDS = 3


class SiteTable(NamedTuple):
    """Molecules at the panel's sites, in the order of `target_sites`."""

    slots: Ints
    ref: NDArray[np.uint8]
    k: Ints
    """(sites, 4 bases, 8 classes) molecules with the base."""
    n: Ints
    """(sites, 8) molecules with any base."""


class BaseRates(NamedTuple):
    """Rates before the sample's own errors are looked at."""

    mean: Floats
    """(sites, 4, 8)."""
    shape: Floats
    """As `mean`: 1 / (coefficient of variation)^2 of what is not the sample's factor."""
    is_noisy: Bools
    """(sites, 4): alleles that err unlike their context; they say nothing of the sample."""
    factor_shape: Floats
    """(2, 8): of samples' factors, of a group of substitutions and of a substitution within it."""
    outlier_share: float
    """Chance that a sample is like no donor."""


def site_table(evidence: Evidence) -> SiteTable:
    """Return the molecules at the panel's sites."""
    slots = target_sites(evidence.panel)
    k = evidence.counts.classes[slots].astype(np.int64)
    return SiteTable(slots, evidence.panel.regions.reference[slots], k, k.sum(axis=1))


def panel_digest(panel: Panel) -> str:
    """Return the SHA-256, in hex, of the targets' places and reference bases."""
    digest = hashlib.sha256()
    targets = panel.targets
    for contig, start0, end0 in zip(targets.contig, targets.start0, targets.end0, strict=True):
        name = panel.contigs[contig]
        bases = panel.text(panel.slot(name, int(start0)), int(end0 - start0))
        digest.update(f"{name}\t{start0}\t{end0}\t{bases}\n".encode())
    return digest.hexdigest()


def contexts(panel: Panel, slots: Ints) -> Ints:
    """Return the trinucleotide around each slot, 0 to 63; an unknown or absent neighbour counts as A."""
    reference = np.concatenate([[0], panel.regions.reference, [0]]).astype(np.int64)
    reference[reference > 3] = 0
    return reference[slots] * 16 + reference[slots + 1] * 4 + reference[slots + 2]


def tested(sites: SiteTable) -> Bools:
    """Return (sites, 4): whether the base is an alternate there."""
    is_alt: Bools = np.arange(4)[None, :] != sites.ref[:, None]
    return is_alt


def p_values(k: Ints, n: Ints, mean: Floats, size: Floats, vaf: float) -> Floats:
    """Return the p-value of each row (rows, classes)."""
    out = np.ones(len(k))
    some = np.flatnonzero(k.sum(axis=1) > 0)
    p = np.ones(len(some))
    arrays = [np.ascontiguousarray(column[some]) for column in (k, n)]
    means, sizes = np.ascontiguousarray(mean[some]), np.ascontiguousarray(size[some])
    score_rows(arrays[0].astype(np.int64), arrays[1].astype(np.int64), means, sizes, vaf, p)
    out[some] = p
    return out


def site_p_values(sites: SiteTable, mean: Floats, size: Floats, vaf: float, min_molecules: int = 1) -> Floats:
    """Return (sites, 4) p-values; 1 for the reference base and for fewer molecules than `min_molecules`."""
    p = np.ones(sites.k.shape[:2])
    site, alt = np.nonzero(tested(sites) & (sites.k.sum(axis=2) >= min_molecules))
    p[site, alt] = p_values(sites.k[site, alt], sites.n[site], mean[site, alt], size[site, alt], vaf)
    return p


def _two_levels(by_group: Floats, by_base: Floats, shapes: Floats, outlier_share: float) -> Factor:
    """Return the factor of a substitution, around that of its group; `by_group`, `by_base`: seen and expected.

    `shapes`: of groups, and of substitutions within them.
    """
    first = sample_factor(by_group[0], by_group[1], shapes[0], outlier_share)
    second = sample_factor(by_base[0], first.mean * by_base[1], shapes[1], outlier_share)
    leaning = shapes[1] / (first.mean * by_base[1] + shapes[1])
    return Factor(first.mean * second.mean, 1.0 / (1.0 / second.shape + leaning**2 / first.shape))


def group_sums(by_base: Floats) -> Floats:
    """Return sums over the substitutions of each group of damage: (..., 4, 4, 8) to (..., 3, 8)."""
    return np.stack([by_base[..., group == DAMAGE, :].sum(axis=-2) for group in range(N_DAMAGE)], axis=-2)


def sample_factors(sites: SiteTable, base: BaseRates, is_error: Bools) -> Factor:
    """Return (sites, 4, 8): the sample's own errors over those expected, without the molecules of the allele itself.

    An allele's own molecules would raise the rate that it is held against. `is_error`: (sites, 4) alleles that count.
    """
    weight = is_error[:, :, None]
    seen, expected = sites.k * weight * 1.0, base.mean * sites.n[:, None, :] * weight
    by_base = np.array([[column[sites.ref == ref].sum(axis=0) for ref in range(4)] for column in (seen, expected)])
    by_group = group_sums(by_base)
    table = _two_levels(by_group[:, DAMAGE], by_base, base.factor_shape, base.outlier_share)
    out = Factor(table.mean[sites.ref], table.shape[sites.ref])
    site, alt, c = np.nonzero(seen > 0)
    ref = sites.ref[site]
    own = np.array([seen[site, alt, c], expected[site, alt, c]])
    groups = np.maximum(by_group[:, DAMAGE[ref, alt], c] - own, 0.0)
    bases = np.maximum(by_base[:, ref, alt, c] - own, 0.0)
    found = _two_levels(groups, bases, base.factor_shape[:, c], base.outlier_share)
    out.mean[site, alt, c], out.shape[site, alt, c] = found
    return out


def _settled(sites: SiteTable, base: BaseRates, vaf: float) -> tuple[Floats, Floats]:
    """Return mean and size of the null, scaled by alleles that are no variant: less than one is wrongly left out."""
    depth = np.maximum(1, sites.n.sum(axis=1))[:, None]
    is_error = tested(sites) & (sites.k.sum(axis=2) < CLEAR_VAF * depth) & ~base.is_noisy
    clear_p = 1.0 / max(1, 3 * len(sites.slots))
    mean, size = base.mean, base.shape / base.mean
    for _ in range(ROUNDS):
        factors = sample_factors(sites, base, is_error)
        mean = np.clip(base.mean * factors.mean, LEAST_RATE, MOST_RATE)
        size = np.maximum(joined_shape(base.shape, factors.shape) / mean, 2.0)
        still = is_error & (site_p_values(sites, mean, size, vaf, min_molecules=2) >= clear_p)
        if (still == is_error).all():
            break
        is_error = still
    return mean, size


def noisy_places(k: Ints, n: Ints, expected: Floats, site_shape: Floats) -> Bools:
    """Return (sites, 4): alleles that in some class err more than sites around the context's rate do.

    The tail of the sites' law is held against one over the number of cells, so that less than one is noisy by chance.
    """
    high = np.argwhere(k > n * expected)
    if not len(high):
        return np.zeros(k.shape[:2], np.bool_)
    site, alt, c = high.T
    shape = site_shape[c]
    p = nbinom.sf(k[site, alt, c] - 1, shape, shape / (shape + n[site, alt, c] * expected[site, alt, c]))
    out = np.zeros(k.shape[:2], np.bool_)
    is_far = p < 1.0 / k.size
    out[site[is_far], alt[is_far]] = True
    return out


def site_posterior(k: Ints, n: Ints, expected: Floats, site_shape: Floats, is_noisy: Bools) -> tuple[Floats, Floats]:
    """Return mean and shape (sites, 4, 8) of the sites' rates, given the errors `k` of `n` molecules of all donors.

    Sites vary around the context's rate with `site_shape` (a gamma law, conjugate to the counts). A noisy place follows
    its own counts; a class that it says little of is raised as its other classes are.
    """
    mean, shape = (k + site_shape) / (n + site_shape / expected), k + site_shape
    if is_noisy.any():
        own_k, own_n, context = k[is_noisy], n[is_noisy], expected[is_noisy]
        excess = (own_k.sum(axis=1) + NOISY_SHAPE) / ((own_n * context).sum(axis=1) + NOISY_SHAPE)
        raised = np.minimum(context * excess[:, None], MOST_RATE)
        mean[is_noisy] = (own_k + NOISY_SHAPE) / (own_n + NOISY_SHAPE / raised)
        shape[is_noisy] = own_k + NOISY_SHAPE
    return np.clip(mean, LEAST_RATE, MOST_RATE), shape


def base_rates(sites: SiteTable, panel: Panel, trained: TrainedBackground | None) -> BaseRates:
    """Return the rates before the sample's own errors are looked at."""
    if trained is None:
        mean = prior_substitutions()[sites.ref]
        never = np.zeros(mean.shape[:2], np.bool_)
        weight = np.full((2, N_CLASSES), PRIOR_EVENTS)
        return BaseRates(mean, np.full(mean.shape, PRIOR_SHAPE), never, weight, UNTRAINED_OUTLIERS)
    expected = trained.context_mean[contexts(panel, sites.slots)]
    is_noisy = noisy_places(trained.site_k, trained.site_n, expected, trained.site_shape)
    mean, shape = site_posterior(trained.site_k, trained.site_n, expected, trained.site_shape, is_noisy)
    between = np.where(is_noisy[:, :, None], np.minimum(trained.donor_shape, PRIOR_SHAPE), trained.donor_shape)
    shape = joined_shape(shape, between)
    return BaseRates(mean, shape, is_noisy, trained.factor_shape, 1.0 / (trained.n_donors + 2.0))


def own_rates(
    sites: SiteTable, panel: Panel, trained: TrainedBackground | None, params: CallParams
) -> tuple[Floats, Floats]:
    """Return mean and size (sites, 4, 8) of substitutions, scaled by the sample's own errors."""
    return _settled(sites, base_rates(sites, panel, trained), params.claimed_lod)


def _indel_base(trained: TrainedBackground | None) -> IndelNull:
    none = np.zeros((N_GROUPS, N_CLASSES))
    if trained is None:
        weight, shape = np.full(N_CLASSES, PRIOR_EVENTS), np.full(N_CLASSES, PRIOR_SHAPE)
        return IndelNull(prior_indels(), shape, weight, UNTRAINED_OUTLIERS, none, none, {})
    mean = trained_indel_rates(trained.indel_k, trained.indel_n)
    outlier_share = 1.0 / (trained.n_donors + 2.0)
    return IndelNull(mean, trained.indel_shape, trained.indel_factor_shape, outlier_share, none, none, {})


def donor_indels(
    errors: PlaceErrors, depth: Ints, places: IndelPlaces, trained: TrainedBackground | None, params: CallParams
) -> IndelNull:
    """Return what the null rates of a sample's indels come from; `depth`: (places, 8)."""
    return settle_indels(_indel_base(trained), errors, places, depth, params.claimed_lod, CLEAR_VAF)


def sample_rates(
    panel: Panel,
    sites: SiteTable,
    indels: IndelTable,
    places: IndelPlaces,
    depth: Ints,
    trained: TrainedBackground | None,
    params: CallParams,
) -> Rates:
    """Return the null rates of this sample; `depth` is (places, 8)."""
    mean, size = own_rates(sites, panel, trained, params)
    return Rates(mean, size, donor_indels(place_errors(indels, places, depth), depth, places, trained, params))
