"""Fits of the background: rates of contexts, and how sites and donors vary around them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.evidence import N_CLASSES
from ctdna.stages.indel_background import IndelPlaces, PlaceErrors, by_context, trained_indel_rates
from ctdna.stages.rates import BaseRates, SiteTable, group_sums, noisy_places, sample_factors, site_posterior
from ctdna.stats.background import (
    DAMAGE,
    DONOR_SHAPE,
    LEAST_RATE,
    PRIOR_EVENTS,
    Rows,
    condensed,
    fit_shape,
    joined_shape,
    posterior_mean,
    prior_substitutions,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
ROUNDS = 2
"""Noisy places are told from the others' rates, and left out of them."""


class SiteModel(NamedTuple):
    """What the sites of all donors say together."""

    k: Ints
    """(sites, 4, 8) errors, without alleles that are a donor's own."""
    n: Ints
    """(sites, 4, 8) molecules of the donors that count for the allele."""
    context_mean: Floats
    """(64, 4, 8)."""
    context: Ints
    site_shape: Floats
    """(8,)."""
    is_noisy: Bools
    """(sites, 4)."""

    @property
    def expected(self) -> Floats:
        """Return (sites, 4, 8): the context's rate of each site."""
        rates: Floats = self.context_mean[self.context]
        return rates


def _substitution_means(ref: NDArray[np.uint8], k: Ints, n: Ints) -> Floats:
    """Return (4, 4, 8): errors of the substitution.

    Shrunk towards those of both strands together (C>T with G>A), and these towards the prior's shape at the class's
    own level.
    """
    prior = prior_substitutions()
    counts = np.zeros((2, 4, 4, N_CLASSES), np.int64)
    for base in range(4):
        counts[:, base] = k[ref == base].sum(axis=0), n[ref == base].sum(axis=0)
    expected = (counts[1] * prior).sum(axis=(0, 1))
    level = prior * (counts[0].sum(axis=(0, 1)) + PRIOR_EVENTS) / (expected + PRIOR_EVENTS)
    both = counts + counts[:, ::-1, ::-1]
    return posterior_mean(counts[0], counts[1], posterior_mean(both[0], both[1], level))


def _context_means(context: Ints, k: Ints, n: Ints, by_substitution: Floats) -> Floats:
    """Return (64, 4, 8): errors in the trinucleotide, shrunk towards those of the substitution, class by class."""
    k_context, n_context = (np.zeros((64, 4, N_CLASSES), np.int64) for _ in range(2))
    np.add.at(k_context, context, k)
    np.add.at(n_context, context, n)
    out = by_substitution[(np.arange(64) >> 2) & 3].copy()
    for c in range(N_CLASSES):
        seen, molecules, mean = k_context[:, :, c], n_context[:, :, c], out[:, :, c]
        shape = fit_shape(seen.ravel(), (molecules * mean).ravel())
        out[:, :, c] = (seen + shape) / (molecules + shape / mean)
    floor: Floats = np.maximum(out, LEAST_RATE)
    return floor


def site_model(tables: Sequence[SiteTable], keep: Sequence[Bools], context: Ints) -> SiteModel:
    """Return what all donors' sites say together. `keep`: (sites, 4) alleles of each donor that count."""
    k, n = np.zeros((2, *tables[0].k.shape), np.int64)
    for sites, some in zip(tables, keep, strict=True):
        k += sites.k * some[:, :, None]
        n += sites.n[:, None, :] * some[:, :, None]
    is_noisy = np.zeros(k.shape[:2], np.bool_)
    model = SiteModel(k, n, np.zeros((64, 4, N_CLASSES)), context, np.zeros(N_CLASSES), is_noisy)
    for _ in range(ROUNDS):
        calm = ~is_noisy[:, :, None]
        means = _substitution_means(tables[0].ref, k * calm, n * calm)
        model = model._replace(context_mean=_context_means(context, k * calm, n * calm, means))
        expected = n * calm * model.expected
        shapes = [fit_shape(*condensed_class(k, expected, c)) for c in range(N_CLASSES)]
        is_noisy = noisy_places(k, n, model.expected, np.array(shapes))
        model = model._replace(site_shape=np.array(shapes), is_noisy=is_noisy)
    return model


def condensed_class(k: Ints, expected: Floats, c: int) -> Rows:
    """Return one class's counts for a fit; rows where nothing is expected say nothing."""
    some = expected[:, :, c] > 0
    return condensed(k[:, :, c][some], expected[:, :, c][some], np.full(int(some.sum()), np.inf))


def _sums(tables: Sequence[SiteTable], keep: Sequence[Bools], mean: Floats) -> tuple[Floats, Floats]:
    """Return (donors, 4, 4, 8): errors by donor and substitution, and those expected."""
    seen, expected = np.zeros((2, len(tables), 4, 4, N_CLASSES))
    for d, (sites, some) in enumerate(zip(tables, keep, strict=True)):
        for ref in range(4):
            rows, weight = sites.ref == ref, some[sites.ref == ref][:, :, None]
            seen[d, ref] = (sites.k[rows] * weight).sum(axis=0)
            expected[d, ref] = (mean[rows] * sites.n[rows][:, None, :] * weight).sum(axis=0)
    return seen, expected


def _of_the_others(seen: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Return what the other donors let expect, and the shape of its uncertainty; the first axis is donors."""
    others = seen.sum(axis=0) - seen + PRIOR_EVENTS
    ratio = others / (expected.sum(axis=0) - expected + PRIOR_EVENTS)
    return expected * ratio, others


def factor_shapes(tables: Sequence[SiteTable], keep: Sequence[Bools], model: SiteModel) -> Floats:
    """Return (2, 8): shapes of donors' factors of a group of substitutions, and of a substitution within it.

    Each donor is held against what the other donors let expect.
    """
    mean = site_posterior(model.k, model.n, model.expected, model.site_shape, model.is_noisy)[0]
    seen, expected = _sums(tables, [some & ~model.is_noisy for some in keep], mean)
    out = np.empty((2, N_CLASSES))
    group_seen, group_expected = group_sums(seen), group_sums(expected)
    out[0] = _fit_classes(group_seen, group_expected)
    factor = (group_seen + out[0]) / (group_expected + out[0])
    out[1] = _fit_classes(seen, expected * factor[:, DAMAGE])
    return out


def _fit_classes(seen: Floats, expected: Floats) -> Floats:
    """Return (8,) shapes of donors around what the others let expect; the first axis is donors, the last classes."""
    predicted, other = _of_the_others(seen, expected)
    errors = seen.astype(np.int64)
    rows = [(errors[..., c].ravel(), predicted[..., c].ravel(), other[..., c].ravel()) for c in range(N_CLASSES)]
    return np.array([fit_shape(*row) for row in rows])


def _predictions(
    tables: Sequence[SiteTable], keep: Sequence[Bools], model: SiteModel, factor_shape: Floats
) -> Iterator[tuple[Ints, Floats, Floats]]:
    """Yield each donor's counts, what the others let expect, and the shape of its uncertainty; (sites, 4, 8)."""
    outlier_share = 1.0 / (len(tables) + 2.0)
    for sites, some in zip(tables, keep, strict=True):
        weight = (some & ~model.is_noisy)[:, :, None]
        k, n = model.k - sites.k * some[:, :, None], model.n - sites.n[:, None, :] * some[:, :, None]
        mean, shape = site_posterior(k, n, model.expected, model.site_shape, model.is_noisy)
        base = BaseRates(mean, shape, model.is_noisy, factor_shape, outlier_share)
        factor = sample_factors(sites, base, some & ~model.is_noisy)
        expected = mean * factor.mean * sites.n[:, None, :] * weight
        yield sites.k * weight, expected, joined_shape(shape, factor.shape)


def donor_shapes(tables: Sequence[SiteTable], keep: Sequence[Bools], model: SiteModel, factor_shape: Floats) -> Floats:
    """Return (8,): shape of a donor's rate at a site around what the other donors and its own factor let expect."""
    parts: list[list[Rows]] = [[] for _ in range(N_CLASSES)]
    for k, expected, other in _predictions(tables, keep, model, factor_shape):
        for c in range(N_CLASSES):
            parts[c].append(condensed(k[:, :, c].ravel(), expected[:, :, c].ravel(), other[:, :, c].ravel()))
    joined = [Rows._make(np.concatenate(columns) for columns in zip(*rows, strict=True)) for rows in parts]
    return np.array([fit_shape(*rows, centre=DONOR_SHAPE) for rows in joined])


def indel_shapes(
    errors: Sequence[PlaceErrors], depths: Sequence[Ints], places: IndelPlaces, k: Ints, n: Ints
) -> tuple[Floats, Floats]:
    """Return (8,) shapes of places' indel rates around their context's, and of donors' factors.

    `k` of `n`: (contexts, 8) over all donors.
    """
    mean = trained_indel_rates(k, n)
    seen = np.zeros((len(places.slot), N_CLASSES), np.int64)
    totals = np.zeros((2, len(errors), N_CLASSES))
    for d, (some, depth) in enumerate(zip(errors, depths, strict=True)):
        seen[some.place] += some.k
        totals[0, d] = some.k.sum(axis=0)
        totals[1, d] = (by_context(places.context, depth) * mean).sum(axis=0)
    expected = np.sum(depths, axis=0) * mean[places.context]
    none = np.full(len(seen), np.inf)
    shapes = [fit_shape(*condensed(seen[:, c], expected[:, c], none)) for c in range(N_CLASSES)]
    return np.array(shapes), _fit_classes(totals[0], totals[1])
