"""The background error model of a kit, trained on normal samples."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.background import TrainedBackground
from ctdna.model.errors import DefinitionError
from ctdna.model.evidence import N_CLASSES, Panel
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.call import CallParams
from ctdna.stages.candidates import find_indels, indel_opportunities
from ctdna.stages.evidence import Evidence
from ctdna.stages.rates import (
    CLEAR_VAF,
    SiteTable,
    contexts,
    own_rates,
    panel_digest,
    site_p_values,
    site_table,
    tested,
)
from ctdna.stats.background import N_INDEL_CONTEXTS, fit_size, posterior_mean, prior_substitutions, shrink

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
GERMLINE_VAF = 0.05
"""A donor's allele from this VAF on is the donor's own."""
CLONAL_P = 1e-6
"""So is an allele less likely than this under the donor's errors, if few donors have it."""
MAX_CLONAL_SHARE = 1 / 3
"""An allele this significant in more donors than this share is an error of the place, and stays."""
DONOR_MOLECULES = 2
"""A donor shows an allele from so many molecules on."""
HINT = "train it anew by `ctdna background`"
RULES = ("fragment_end_bases", "min_base_quality", "min_mapq")


class Donor(NamedTuple):
    """What training needs of one normal sample."""

    sites: SiteTable
    n_molecules: int
    n_used: int
    is_clear: NDArray[np.bool_]
    """(sites, 4) alleles that exceed the donor's own errors."""
    is_germline: NDArray[np.bool_]
    indel_k: Ints
    indel_n: Ints


def rules_of(params: CallParams) -> dict[str, int]:
    """Return the counting rules that training and calling must share."""
    return {name: int(getattr(params, name)) for name in RULES}


def read_donor(evidence: Evidence, params: CallParams) -> Donor:
    """Return what training needs of one normal sample."""
    sites = site_table(evidence)
    mean, size = own_rates(sites, evidence.panel, None, params)
    depth = np.maximum(1, sites.n.sum(axis=1))[:, None]
    is_germline = tested(sites) & (sites.k.sum(axis=2) >= GERMLINE_VAF * depth)
    is_clear = tested(sites) & (site_p_values(sites, mean, size, params.claimed_lod) < CLONAL_P) & ~is_germline
    indels = find_indels(evidence, params.fragment_end_bases)
    n_used = evidence.n_molecules - sum(evidence.rejected.values())
    return Donor(
        sites, evidence.n_molecules, n_used, is_clear, is_germline,
        indels.errors_by_context(CLEAR_VAF, evidence), indel_opportunities(evidence),
    )  # fmt: skip


def _pooled(donors: Sequence[Donor]) -> tuple[Ints, Ints, list[NDArray[np.bool_]]]:
    """Return (sites, 4, 8) errors and molecules of all donors, and which alleles of each donor were left out."""
    is_common = np.sum([donor.is_clear for donor in donors], axis=0) > max(1.0, MAX_CLONAL_SHARE * len(donors))
    left_out = [donor.is_germline | (donor.is_clear & ~is_common) for donor in donors]
    k = np.zeros_like(donors[0].sites.k)
    n = np.zeros_like(donors[0].sites.k)
    for donor, out in zip(donors, left_out, strict=True):
        keep = (tested(donor.sites) & ~out)[:, :, None]
        k += donor.sites.k * keep
        n += donor.sites.n[:, None, :] * keep
    return k, n, left_out


def donors_with(donors: Sequence[Donor]) -> NDArray[np.int32]:
    """Return (sites, 4): how many donors show the allele in `DONOR_MOLECULES` molecules or more, not as germline."""
    has = [
        (donor.sites.k.sum(axis=2) >= DONOR_MOLECULES) & tested(donor.sites) & ~donor.is_germline for donor in donors
    ]
    return np.sum(has, axis=0).astype(np.int32)


def _substitution_means(ref: NDArray[np.uint8], k: Ints, n: Ints) -> Floats:
    """Return (4, 4, 8): errors of the substitution, shrunk towards the prior's shape at the class's own level."""
    prior = prior_substitutions()
    counts = np.zeros((2, 4, 4, N_CLASSES), np.int64)
    for base in range(4):
        counts[:, base] = k[ref == base].sum(axis=0), n[ref == base].sum(axis=0)
    expected = (counts[1] * prior).sum(axis=(0, 1))
    level = (counts[0].sum(axis=(0, 1)) + 2.0) / (expected + 2.0)
    return posterior_mean(counts[0], counts[1], prior * level)


def _context_means(context: Ints, k: Ints, n: Ints, by_substitution: Floats) -> Floats:
    """Return (64, 4, 8): errors in the trinucleotide, shrunk towards those of the substitution, class by class."""
    k_context, n_context = (np.zeros((64, 4, N_CLASSES), np.int64) for _ in range(2))
    np.add.at(k_context, context, k)
    np.add.at(n_context, context, n)
    middle = (np.arange(64) >> 2) & 3
    out = by_substitution[middle].copy()
    for c in range(N_CLASSES):
        out[:, :, c] = shrink(k_context[:, :, c], n_context[:, :, c], out[:, :, c])[0]
    floor: Floats = np.maximum(out, 1e-9)
    return floor


def _donor_size(donors: Sequence[Donor], left_out: Sequence[NDArray[np.bool_]], mean: Floats) -> Floats:
    """Return (8,) size of the donors' law around the substitutions' rates, by class."""
    k, n = [], []
    for donor, out in zip(donors, left_out, strict=True):
        keep = (tested(donor.sites) & ~out)[:, :, None]
        for base in range(4):
            rows = donor.sites.ref == base
            k.append((donor.sites.k[rows] * keep[rows]).sum(axis=0))
            n.append((donor.sites.n[rows][:, None, :] * keep[rows]).sum(axis=0))
    expected = np.tile(mean, (len(donors), 1, 1))
    stacked_k, stacked_n = np.concatenate(k), np.concatenate(n)
    flat = expected.reshape(-1, N_CLASSES)
    sizes = [fit_size(stacked_k[:, c], stacked_n[:, c], flat[:, c]) for c in range(N_CLASSES)]
    return np.array(sizes)


def train(
    donors: Sequence[Donor], panel: Panel, params: CallParams, kit: str
) -> tuple[TrainedBackground, StageMetrics]:
    """Return the background of these donors, in whatever order they come, and the counts.

    Rates are shrunk step by step: class and substitution, trinucleotide, site; sizes are those of greatest marginal
    likelihood. A donor's germline alleles, and alleles that exceed the donor's errors in few donors, are left out.
    """
    k, n, left_out = _pooled(donors)
    sites = donors[0].sites
    context = contexts(panel, sites.slots)
    by_substitution = _substitution_means(sites.ref, k, n)
    by_context = _context_means(context, k, n, by_substitution)
    expected = by_context[context]
    keep = tested(sites)
    site_size = np.array([fit_size(k[keep][:, c], n[keep][:, c], expected[keep][:, c]) for c in range(N_CLASSES)])
    donor_size = _donor_size(donors, left_out, by_substitution.reshape(16, N_CLASSES))
    indel_k = np.sum([donor.indel_k for donor in donors], axis=0).reshape(N_INDEL_CONTEXTS, N_CLASSES)
    indel_n = np.sum([donor.indel_n for donor in donors], axis=0).reshape(N_INDEL_CONTEXTS, N_CLASSES)
    trained = TrainedBackground(
        kit,
        panel_digest(panel),
        rules_of(params),
        len(donors),
        by_context,
        site_size,
        donor_size,
        k,
        n,
        indel_k,
        indel_n,
        donors_with(donors),
    )
    return trained, _metrics(donors, left_out, trained, kit)


def _metrics(
    donors: Sequence[Donor], left_out: Sequence[NDArray[np.bool_]], trained: TrainedBackground, kit: str
) -> StageMetrics:
    total, used = sum(d.n_molecules for d in donors), sum(d.n_used for d in donors)
    counts = {"donors": len(donors), "sites": len(trained.site_k), "errors": int(trained.site_k.sum())}
    counts["alleles_left_out"] = int(sum(out.sum() for out in left_out))
    rates = trained.site_k.sum(axis=(0, 1)) / np.maximum(1, trained.site_n.sum(axis=(0, 1)))
    names = [f"{tier}_{place}" for tier in ("duplex", "simplex3", "pair2", "single") for place in ("inner", "end")]
    values = {f"rate_{name}": float(rate) for name, rate in zip(names, rates, strict=True)}
    return StageMetrics(
        stage="background", sample=kit, unit="molecules", n_in=total, n_out=used,
        rejected={"not_counted_on_target": total - used}, counts=counts, values=values,
    )  # fmt: skip


def check_rules(trained: TrainedBackground, params: CallParams, kit_name: str | None) -> None:
    """Refuse a background of another kit or other counting rules; the panel is not looked at.

    Raises:
        DefinitionError: it does not belong to this kit or these rules.
    """
    if kit_name is not None and trained.kit.partition("@")[0] not in (kit_name, "."):
        raise DefinitionError(None, "kit", f"found {trained.kit}, expected {kit_name}", HINT)
    rules = rules_of(params)
    for name, value in trained.rules.items():
        if rules[name] != value:
            raise DefinitionError(None, name, f"it was trained at {value}, this call uses {rules[name]}", HINT)


def check_background(trained: TrainedBackground, panel: Panel, params: CallParams, kit_name: str | None) -> None:
    """Refuse a background of another kit, another panel or other counting rules.

    Raises:
        DefinitionError: it does not belong to this kit, panel or rules.
    """
    check_rules(trained, params, kit_name)
    if trained.panel_digest != panel_digest(panel):
        raise DefinitionError(None, "panel", "it was trained on another panel or reference", HINT)
