"""Where indels can begin, how many molecules could show them, and the null rates of a sample's indels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.tails import score_rows
from ctdna.model.evidence import N_CLASSES, Panel
from ctdna.stages.candidates import IndelTable
from ctdna.stages.evidence import Evidence
from ctdna.stats.background import (
    LEAST_RATE,
    MOST_RATE,
    PRIOR_EVENTS,
    IndelNull,
    joined_shape,
    posterior_mean,
    sample_factor,
)
from ctdna.stats.indel_background import (
    MAX_RUN,
    MAX_STEP,
    MAX_UNIT,
    N_INDEL_CONTEXTS,
    IndelContext,
    all_contexts,
    prior_indels,
)
from ctdna.stats.limits import coarse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LONGEST_UNIT = 6
N_GROUPS = 4
"""Deletions and insertions, outside of repeats and in them: each has one factor a sample and class."""
ROUNDS = 3


class IndelPlaces(NamedTuple):
    """Every place and context an indel can begin with, on target; sorted by slot and context."""

    slot: Ints
    context: Ints

    @property
    def is_insertion(self) -> Ints:
        """Return 1 where the context is an insertion's, else 0."""
        flags = np.array([c.is_insertion for c in all_contexts()], dtype=np.int64)
        return flags[self.context]

    def find(self, slot: Ints, context: Ints) -> Ints:
        """Return the index of each (slot, context), -1 where it is no place."""
        keys = self.slot * N_INDEL_CONTEXTS + self.context
        wanted = slot * N_INDEL_CONTEXTS + context
        at = np.minimum(np.searchsorted(keys, wanted), max(0, len(keys) - 1))
        found: Ints = np.where(keys[at] == wanted, at, -1) if len(keys) else np.full(len(wanted), -1)
        return found


class PlaceErrors(NamedTuple):
    """Molecules with an indel, by place; places without stand nowhere."""

    place: Ints
    k: Ints
    """(rows, 8)."""
    depth: Ints
    """Molecules of all classes at the place."""


def _has_period(reference: Ints, starts: Ints, unit: int, period: int) -> NDArray[np.bool_]:
    """Return whether the unit at each start is itself a repeat of so many bases."""
    same = np.concatenate([[0], np.cumsum(reference[:-period] == reference[period:])])
    has: NDArray[np.bool_] = same[starts + unit - period] - same[starts] == unit - period
    return has


def _repeats(reference: Ints, unit: int) -> tuple[Ints, Ints]:
    """Return first slot and copies (2 or more) of the longest stretches that repeat a unit of so many bases."""
    same = np.zeros(len(reference) + 1, np.int8)
    n = max(0, len(reference) - unit)
    same[:n] = (reference[:n] == reference[unit:]) & (reference[:n] < 4)
    edges = np.diff(np.concatenate([[0], same]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    copies = (ends - starts) // unit + 1
    keep = copies >= 2
    for period in range(1, unit):
        if unit % period == 0:
            keep &= ~_has_period(reference, starts, unit, period)
    return starts[keep], copies[keep]


def _add(out: list[tuple[Ints, Ints]], slots: Ints, contexts: list[IndelContext]) -> None:
    for context in contexts:
        out.append((slots, np.full(len(slots), context.row())))


def _repeat_places(reference: Ints, unit: int) -> list[tuple[Ints, Ints]]:
    """Return (slots, contexts) of repeats of a unit: of deletions from 2 copies on, of insertions also of 1."""
    out: list[tuple[Ints, Ints]] = []
    starts, copies = _repeats(reference, unit)
    row = min(unit, MAX_UNIT)
    for c in np.unique(copies).tolist():
        steps = range(1, min(MAX_STEP, c) + 1)
        cut = min(c, MAX_RUN)
        contexts = [IndelContext(False, row, cut, step) for step in steps]
        _add(out, starts[copies == c], contexts + [IndelContext(True, row, cut, step + 1) for step in range(MAX_STEP)])
    n = len(reference) - unit
    slots = np.arange(1, max(1, n))
    is_lone = (reference[slots - 1] != reference[slots + unit - 1]) & (reference[slots] < 4)
    _add(out, np.setdiff1d(slots[is_lone], starts), [IndelContext(True, row, 1, s + 1) for s in range(MAX_STEP)])
    return out


def indel_places(panel: Panel) -> IndelPlaces:
    """Return the places of a panel.

    A deletion or insertion that is left-aligned begins at the first base of its repeat, so that a repeat is one place
    for each number of units. Outside of repeats every base is a place, but of one-base deletions only where it stands
    alone.
    """
    reference = panel.regions.reference.astype(np.int64)
    every = np.arange(len(reference))
    is_run = np.zeros(len(reference) + 2, bool)
    is_run[1:-2] = reference[1:] == reference[:-1]
    parts: list[tuple[Ints, Ints]] = []
    _add(parts, every[~(is_run[:-2] | is_run[1:-1])], [IndelContext(False, 0, 1, 1)])
    others = [IndelContext(False, 0, 1, step) for step in (2, 3)] + [IndelContext(True, 0, 1, s) for s in (1, 2, 3)]
    _add(parts, every, others)
    for unit in range(1, LONGEST_UNIT + 1):
        parts += _repeat_places(reference, unit)
    slot, context = (np.concatenate([part[i] for part in parts]) for i in range(2))
    keep = panel.regions.target[slot] >= 0
    keys = np.unique(slot[keep] * N_INDEL_CONTEXTS + context[keep])
    return IndelPlaces(keys // N_INDEL_CONTEXTS, keys % N_INDEL_CONTEXTS)


def place_depth(evidence: Evidence, places: IndelPlaces) -> Ints:
    """Return (places, 8): molecules with a base at the place."""
    depth: Ints = evidence.counts.classes.sum(axis=1, dtype=np.int64)[places.slot]
    return depth


def place_errors(table: IndelTable, places: IndelPlaces, depth: Ints) -> PlaceErrors:
    """Return the molecules with an indel by place, as their CIGARs show them; `depth` is (places, 8)."""
    events = table.events
    slot = np.array([event.change.slot for event in events], dtype=np.int64)
    found = places.find(slot, np.array([event.context for event in events], dtype=np.int64))
    at = np.unique(found[found >= 0])
    k = np.zeros((len(at), N_CLASSES), np.int64)
    for event, place in zip(events, found.tolist(), strict=True):
        if place >= 0:
            k[np.searchsorted(at, place)] += event.by_class
    return PlaceErrors(at, k, depth[at].sum(axis=1))


def by_context(context: Ints, counts: Ints) -> Ints:
    """Return (contexts, 8) sums of (rows, 8) counts."""
    columns = [np.bincount(context, counts[:, c], N_INDEL_CONTEXTS) for c in range(N_CLASSES)]
    return np.column_stack(columns).astype(np.int64)


def trained_indel_rates(k: Ints, n: Ints) -> Floats:
    """Return (contexts, 8) rates, shrunk step by step towards the coarser: class, then unit and step, then copies.

    Each step weighs as two errors do. `k` of `n`: (contexts, 8) over all donors.
    """
    mean = prior_indels()
    contexts = all_contexts()
    coarse = [(c.is_insertion, c.unit > 0) for c in contexts], [(c.is_insertion, c.unit, c.step) for c in contexts]
    for names in coarse:
        group = np.unique(np.array(names).astype(np.int64), axis=0, return_inverse=True)[1].ravel()
        seen, expected = (np.zeros((group.max() + 1, N_CLASSES)) for _ in range(2))
        np.add.at(seen, group, k)
        np.add.at(expected, group, n * mean)
        mean = np.minimum(mean * ((seen + PRIOR_EVENTS) / (expected + PRIOR_EVENTS))[group], MOST_RATE)
    rates: Floats = np.clip(posterior_mean(k, n, mean), LEAST_RATE, MOST_RATE)
    return rates


def group_of_contexts() -> Ints:
    """Return each context's group: 0, 1 deletions outside of repeats and in them, 2, 3 insertions."""
    return np.array([2 * c.is_insertion + (c.unit > 0) for c in all_contexts()], dtype=np.int64)


def indel_rates(null: IndelNull, slot: int, context: int) -> tuple[Floats, Floats]:
    """Return mean and size (8,) of an indel, scaled by the sample's errors at all other places."""
    own = null.own.get(slot * N_INDEL_CONTEXTS + context, np.zeros(N_CLASSES))
    mean, size = _null_rates(null, np.array([context]), own[None])
    return mean[0], size[0]


def place_rates(null: IndelNull, places: IndelPlaces) -> tuple[Floats, Floats]:
    """Return mean and size (places, 8), each scaled by the sample's errors at all other places."""
    own = np.zeros((len(places.slot), N_CLASSES))
    keys = places.slot * N_INDEL_CONTEXTS + places.context
    if null.own:
        own[np.searchsorted(keys, list(null.own))] = np.array(list(null.own.values()))
    return _null_rates(null, places.context, own)


def place_tests(places: IndelPlaces, depth: Ints, null: IndelNull) -> tuple[Ints, Floats, Floats, Ints]:
    """Return the tests of all places as rows: molecules, mean and size (rows, 8), and how many places each stands for.

    Molecules are rounded up to 3 leading binary digits, so that most places of a context are one row; the sample's
    errors count with the place's own.

    Arguments:
        depth: (places, 8).
    """
    _, first, at = np.unique(places.slot, return_index=True, return_inverse=True)
    kinds, kind = np.unique(coarse(depth[first], up=True, digits=3), axis=0, return_inverse=True)
    pairs, times = np.unique(places.context * len(kinds) + kind.ravel()[at.ravel()], return_counts=True)
    context = pairs // max(1, len(kinds))
    mean, size = _null_rates(null, context, np.zeros((len(context), N_CLASSES)))
    return kinds[pairs % max(1, len(kinds))], mean, size, times.astype(np.int64)


def _null_rates(null: IndelNull, context: Ints, own: Floats) -> tuple[Floats, Floats]:
    group = group_of_contexts()[context]
    seen, expected = np.maximum(null.seen[group] - own, 0.0), null.expected[group]
    factor = sample_factor(seen, expected, null.factor_shape, null.outlier_share)
    mean = np.clip(null.mean[context] * factor.mean, LEAST_RATE, MOST_RATE)
    return mean, np.maximum(joined_shape(null.shape, factor.shape) / mean, 2.0)


def settle_indels(
    base: IndelNull, errors: PlaceErrors, places: IndelPlaces, depth: Ints, vaf: float, clear_vaf: float
) -> IndelNull:
    """Return the null with the sample's own errors, variants left out: `clear_vaf` or more, or far above the null.

    Arguments:
        base: rates without a sample's errors.
        depth: (places, 8).
        vaf: what the test looks for.
    """
    group, context = group_of_contexts(), places.context[errors.place]
    expected = np.zeros((N_GROUPS, N_CLASSES))
    np.add.at(expected, group, by_context(places.context, depth) * base.mean)
    keys = places.slot[errors.place] * N_INDEL_CONTEXTS + context
    is_error = errors.k.sum(axis=1) < np.maximum(2.0, clear_vaf * errors.depth)
    null = base
    for _ in range(ROUNDS):
        counted = errors.k * is_error[:, None] * 1.0
        seen = np.zeros((N_GROUPS, N_CLASSES))
        np.add.at(seen, group[context], counted)
        own = {int(key): row for key, row, some in zip(keys, counted, is_error, strict=True) if some}
        null = base._replace(seen=seen, expected=expected, own=own)
        p = np.ones(len(context))
        score_rows(errors.k, np.ascontiguousarray(depth[errors.place]), *_null_rates(null, context, counted), vaf, p)
        still = is_error & ((p >= 1.0 / max(1, len(places.slot))) | (errors.k.sum(axis=1) < 2))
        if (still == is_error).all():
            break
        is_error = still
    return null
