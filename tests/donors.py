"""Normals as counts, drawn from rates that are known."""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.evidence import N_CLASSES, Panel, Targets
from ctdna.model.params.background import BackgroundParams
from ctdna.stages.background import Donor, Training
from ctdna.stages.evidence import lay_panel, target_sites
from ctdna.stages.indel_background import PlaceErrors, indel_places
from ctdna.stages.rates import SiteTable
from ctdna.stats.background import prior_substitutions
from ctdna.stats.indel_background import prior_indels

DEPTH = np.array([1000, 60, 400, 25, 140, 10, 160, 10])
"""Molecules by class at a site."""
RULES = {"fragment_end_bases": 12, "min_base_quality": 20, "min_mapq": 20}
PARAMS = BackgroundParams()


def panel(n_bases: int, seed: int = 3) -> Panel:
    """Return a panel of one target of so many random bases."""
    bases = np.random.default_rng(seed).choice(np.frombuffer(b"ACGT", np.uint8), n_bases + 400)
    targets = Targets(*(np.array([x], np.int32) for x in (0, 200, 200 + n_bases)), ("GENE:1",))
    return lay_panel(targets, (("chrT", n_bases + 400),), lambda _, start0, end0: bases[start0:end0])


class World(NamedTuple):
    """Rates that donors are drawn from."""

    panel: Panel
    mean: NDArray[np.float64]
    """(sites, 4, 8)."""
    factor_shape: float = 30.0
    """Of donors' factors of a substitution and class."""
    donor_shape: float = 20.0
    """Of a donor's rate at a site."""


def world(n_bases: int, site_shape: float = 3.0, seed: int = 5) -> World:
    """Return sites whose rates vary around three times the prior's."""
    ground = panel(n_bases)
    reference = ground.regions.reference[target_sites(ground)]
    spread = np.random.default_rng(seed).gamma(site_shape, 1 / site_shape, (n_bases, 4, N_CLASSES))
    return World(ground, 3.0 * prior_substitutions()[reference] * spread)


def training(ground: Panel) -> Training:
    """Return what the donors are trained with."""
    return Training(ground, RULES, PARAMS, ".", {"instrument": ""})


def donor(source: World, seed: int, depth: float = 1.0, factor: NDArray[np.float64] | float = 1.0) -> Donor:
    """Return a donor; `factor`: (4, 4, 8) or one number, on top of the donor's own."""
    rng = np.random.default_rng(seed)
    slots = target_sites(source.panel)
    reference = source.panel.regions.reference[slots]
    own = rng.gamma(source.factor_shape, 1 / source.factor_shape, (4, 4, N_CLASSES)) * factor
    local = rng.gamma(source.donor_shape, 1 / source.donor_shape, source.mean.shape)
    n = rng.poisson(DEPTH * depth, (len(slots), N_CLASSES))
    rates = np.minimum(source.mean * own[reference] * local, 0.9)
    k = rng.poisson(rates * n[:, None, :])
    rows = np.arange(len(slots))
    k[rows, reference] = 0
    k[rows, reference] = np.maximum(0, n - k.sum(axis=1))
    none = np.zeros(k.shape[:2], np.bool_)
    places = indel_places(source.panel)
    indel_depth = rng.poisson(DEPTH * depth, (len(places.slot), N_CLASSES))
    errors = rng.poisson(prior_indels()[places.context] * indel_depth)
    held = np.flatnonzero(errors.any(axis=1))
    indels = PlaceErrors(held, errors[held], indel_depth[held].sum(axis=1))
    digest = hashlib.sha256(np.ascontiguousarray(k).tobytes()).hexdigest()
    sites = SiteTable(slots, reference, k, k.sum(axis=1))
    return Donor(sites, 10_000, 9_000, none, none.copy(), indels, indel_depth, digest)


def with_allele(given: Donor, site: int, alt: int, molecules: NDArray[np.int64]) -> Donor:
    """Return the donor with molecules (8,) of an allele instead of the reference's."""
    k = given.sites.k.copy()
    k[site, alt] += molecules
    k[site, given.sites.ref[site]] -= molecules
    return given._replace(sites=given.sites._replace(k=k))
