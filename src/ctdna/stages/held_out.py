"""Whether the p-values of donors that were not trained on are uniform."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

from ctdna.kernels.calibration import randomised_p
from ctdna.kernels.tails import attained_sizes
from ctdna.model.background import TrainedBackground
from ctdna.model.held_out import LEVELS, HeldOut, HeldOutGroup
from ctdna.model.params.call import CallParams
from ctdna.stages.background import Donor, Training, kept_indels, left_out, ordered, train
from ctdna.stages.indel_background import IndelPlaces, indel_places, place_rates
from ctdna.stages.levels import other_alpha, substitution_alpha
from ctdna.stages.rates import donor_indels, own_rates, tested

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
LEAST_DONORS = 3
"""Of fewer, none can be held out: one donor alone shows no spread."""
SUBSTITUTIONS = ("C>A", "C>G", "C>T", "T>A", "T>C", "T>G")
"""Strands put together: C>A holds G>T too."""
INDELS = ("deletion", "insertion")
_POINTS = 90
_GROUP = np.array([[-1, 5, 4, 3], [0, -1, 1, 2], [2, 1, -1, 0], [3, 4, 5, -1]])


class _Tests(NamedTuple):
    """The tests of one donor that was held out."""

    group: Ints
    """Index into SUBSTITUTIONS + INDELS."""
    p: Floats
    randomised: Floats
    attained: Floats
    """Chance of a call under the null."""
    is_call: Bools
    is_own: Bools
    """Clear in this donor and in few others: perhaps a clone's."""


def _key(donor: Donor) -> int:
    return int(donor.digest[:16], 16)


def _p_values(k: Ints, n: Ints, rates: tuple[Floats, Floats], params: CallParams, key: int, alpha: float) -> (
    tuple[Floats, Floats, Floats, Bools]
):  # fmt: skip
    """Return p-values, randomised p-values, and of each test the chance to be a call and whether it is one."""
    p, randomised = np.empty((2, len(k)))
    sizes = np.empty((len(k), 1))
    n, mean, size = np.ascontiguousarray(n), *(np.ascontiguousarray(column) for column in rates)
    with np.errstate(over="ignore"):
        randomised_p(np.ascontiguousarray(k), n, mean, size, params.claimed_lod, np.uint64(key), p, randomised)
    attained_sizes(n, mean, size, params.claimed_lod, np.array([alpha]), sizes)
    return p, randomised, sizes[:, 0], (p <= alpha) & (k.sum(axis=1) >= params.min_alt_molecules)


def _tests_of(
    donor: Donor, out: Bools, is_kept: Bools, trained: TrainedBackground, training: Training,
    params: CallParams, places: IndelPlaces,
) -> _Tests:  # fmt: skip
    """Return the tests of a donor against a background of others, by the very rates and test that `call` uses."""
    sites = donor.sites
    mean, size = own_rates(sites, training.panel, trained, params)
    site, alt = np.nonzero(tested(sites) & ~donor.is_germline)
    n, rates = sites.n[site], (mean[site, alt], size[site, alt])
    alpha = substitution_alpha(sites, mean, size, params, 1)
    first = _p_values(sites.k[site, alt], n, rates, params, _key(donor), alpha)
    null = donor_indels(donor.indels, donor.indel_depth, places, trained, params)
    indel_alpha = other_alpha(places, donor.indel_depth, null, params, 1)
    k = np.zeros((len(places.slot), sites.n.shape[1]), np.int64)
    k[donor.indels.place[is_kept]] = donor.indels.k[is_kept]
    second = _p_values(k, donor.indel_depth, place_rates(null, places), params, _key(donor) ^ 1, indel_alpha)
    group = np.concatenate([_GROUP[sites.ref[site], alt], len(SUBSTITUTIONS) + places.is_insertion])
    is_own = np.concatenate([out[site, alt], np.zeros(len(k), np.bool_)])
    return _Tests._make([group, *(np.concatenate(pair) for pair in zip(first, second, strict=True)), is_own])


def _group(name: str, tests: _Tests, some: Bools, n_donors: int) -> HeldOutGroup:
    values = np.sort(tests.randomised[some])
    ks = kstest(values, "uniform", method="asymp") if len(values) else None
    ranks = np.unique(np.round(np.geomspace(1, max(1, len(values)), _POINTS)).astype(np.int64))[: len(values)]
    return HeldOutGroup(
        name,
        len(values),
        tuple(int((values <= level).sum()) for level in LEVELS),
        tuple(int((tests.randomised[some & tests.is_own] <= level).sum()) for level in LEVELS),
        float(ks.statistic) if ks else 0.0,
        float(ks.pvalue) if ks else 1.0,
        float(tests.attained[some].sum()) / n_donors,
        float(tests.is_call[some].sum()) / n_donors,
        tuple((int(rank), float(values[rank - 1])) for rank in ranks),
    )


def _gathered(parts: Sequence[_Tests]) -> HeldOut:
    tests = _Tests._make(np.concatenate(column) for column in zip(*parts, strict=True))
    is_indel = tests.group >= len(SUBSTITUTIONS)
    chosen = {name: tests.group == i for i, name in enumerate((*SUBSTITUTIONS, *INDELS))}
    chosen |= {"substitutions": ~is_indel, "indels": is_indel}
    return HeldOut(tuple(_group(name, tests, some, len(parts)) for name, some in chosen.items()), len(parts))


def held_out(donors: Sequence[Donor], others: Sequence[Donor], training: Training, params: CallParams) -> HeldOut:
    """Return how the p-values of donors fall under a background of others.

    Left aside are a donor's germline alleles (`donor_germline_vaf` and more).
    """
    donors, places = ordered(donors), indel_places(training.panel)
    outs, kept = left_out(donors, training.params), kept_indels(donors, training.params)
    trained = train(others, training)
    rows = zip(donors, outs, kept, strict=True)
    return _gathered([_tests_of(donor, out, some, trained, training, params, places) for donor, out, some in rows])


def calibrate(donors: Sequence[Donor], training: Training, params: CallParams, threads: int = 1) -> HeldOut:
    """Return how p-values fall, each donor held out in turn and the background trained on the others.

    The same for any `threads`.
    Left aside are a donor's germline alleles (`donor_germline_vaf` and more). Of fewer than 3 donors: no groups.
    """
    if len(donors) < LEAST_DONORS:
        return HeldOut((), 0)
    donors, places = ordered(donors), indel_places(training.panel)
    outs, kept = left_out(donors, training.params), kept_indels(donors, training.params)

    def tests_without(i: int) -> _Tests:
        trained = train([*donors[:i], *donors[i + 1 :]], training)
        return _tests_of(donors[i], outs[i], kept[i], trained, training, params, places)

    with ThreadPoolExecutor(threads) as pool:
        return _gathered(list(pool.map(tests_without, range(len(donors)))))
