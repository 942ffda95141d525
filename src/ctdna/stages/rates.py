"""Null rates of a sample's sites: from the prior or the trained background, scaled by the sample's own errors."""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.tails import score_rows
from ctdna.model.background import TrainedBackground
from ctdna.model.evidence import N_CLASSES, Panel
from ctdna.model.params.call import CallParams
from ctdna.stages.candidates import IndelTable, indel_opportunities
from ctdna.stages.evidence import Evidence, target_sites
from ctdna.stats.background import (
    PRIOR_EVENTS,
    PRIOR_SHAPE,
    Rates,
    posterior_mean,
    prior_indels,
    prior_substitutions,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CLEAR_VAF = 0.02
"""Alleles from this VAF on never count as errors of the sample."""
CLEAR_P = 1e-4
"""Nor do alleles less likely than this under the background."""
ROUNDS = 3


class SiteTable(NamedTuple):
    """Molecules at the panel's sites, in the order of `target_sites`."""

    slots: Ints
    ref: NDArray[np.uint8]
    k: Ints
    """(sites, 4 bases, 8 classes) molecules with the base."""
    n: Ints
    """(sites, 8) molecules with any base."""


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


def tested(sites: SiteTable) -> NDArray[np.bool_]:
    """Return (sites, 4): whether the base is an alternate there."""
    is_alt: NDArray[np.bool_] = np.arange(4)[None, :] != sites.ref[:, None]
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


def site_p_values(sites: SiteTable, mean: Floats, size: Floats, vaf: float) -> Floats:
    """Return (sites, 4) p-values; 1 for the reference base."""
    n = np.repeat(sites.n, 4, axis=0)
    means, sizes = mean.reshape(-1, N_CLASSES), size.reshape(-1, N_CLASSES)
    p = p_values(sites.k.reshape(-1, N_CLASSES), n, means, sizes, vaf).reshape(-1, 4)
    p[~tested(sites)] = 1.0
    return p


def sample_factors(sites: SiteTable, mean: Floats, is_error: NDArray[np.bool_]) -> Floats:
    """Return (4 reference, 4 alternate, 8 classes): the sample's own errors over those expected.

    Both carry the weight of two errors. `is_error`: (sites, 4) alleles that count as errors.
    """
    out = np.ones((4, 4, N_CLASSES))
    for ref in range(4):
        rows = sites.ref == ref
        weight = is_error[rows][:, :, None]
        seen = (sites.k[rows] * weight).sum(axis=0)
        expected = (mean[rows] * sites.n[rows][:, None, :] * weight).sum(axis=0)
        out[ref] = (seen + PRIOR_EVENTS) / (expected + PRIOR_EVENTS)
    return out


def _settled(sites: SiteTable, mean: Floats, size: Floats, vaf: float) -> tuple[Floats, Floats]:
    depth = np.maximum(1, sites.n.sum(axis=1))[:, None]
    is_error = tested(sites) & (sites.k.sum(axis=2) < CLEAR_VAF * depth)
    scaled, scaled_size = mean, size
    for _ in range(ROUNDS):
        factors = sample_factors(sites, mean, is_error)[sites.ref]
        scaled = np.minimum(mean * factors, 0.25)
        scaled_size = np.maximum(size / np.maximum(factors, 1.0), 2.0)
        is_error &= site_p_values(sites, scaled, scaled_size, vaf) >= CLEAR_P
    return scaled, scaled_size


def base_rates(sites: SiteTable, panel: Panel, trained: TrainedBackground | None) -> tuple[Floats, Floats]:
    """Return mean and size (sites, 4, 8) before the sample's own errors are looked at."""
    if trained is None:
        mean = prior_substitutions()[sites.ref]
        return mean, PRIOR_SHAPE / mean
    expected = trained.context_mean[contexts(panel, sites.slots)]
    weight = trained.site_size
    mean = np.maximum((trained.site_k + weight * expected) / (trained.site_n + weight), 1e-9)
    return mean, 1.0 / (1.0 / (trained.site_n + weight) + 1.0 / trained.donor_size)


def own_rates(
    sites: SiteTable, panel: Panel, trained: TrainedBackground | None, params: CallParams
) -> tuple[Floats, Floats]:
    """Return mean and size (sites, 4, 8) of substitutions, scaled by the sample's own errors."""
    return _settled(sites, *base_rates(sites, panel, trained), params.claimed_lod)


def sample_rates(
    evidence: Evidence, sites: SiteTable, indels: IndelTable, trained: TrainedBackground | None, params: CallParams
) -> Rates:
    """Return the null rates of this sample."""
    mean, size = own_rates(sites, evidence.panel, trained, params)
    n = indel_opportunities(evidence)
    expected = prior_indels()
    if trained is not None:
        expected = posterior_mean(trained.indel_k, trained.indel_n, expected)
    seen = indels.errors_by_context(CLEAR_VAF, evidence)
    indel_mean = np.minimum(expected * (seen + PRIOR_EVENTS) / (expected * n + PRIOR_EVENTS), 0.25)
    return Rates(mean, size, indel_mean, np.maximum(PRIOR_SHAPE / indel_mean, 2.0))
