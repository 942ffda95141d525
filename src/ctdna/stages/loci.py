"""The table of loci: three states for every panel position and alternate base, and for every hotspot."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.annotation import Hotspot
from ctdna.model.evidence import BASES, N_CLASSES, Allele, Panel
from ctdna.model.params.call import CallParams
from ctdna.model.variants import NO_CALL, LocusTable
from ctdna.stages.judging import Candidate, filters_of, state_of
from ctdna.stages.rates import SiteTable, p_values, tested
from ctdna.stats.background import Rates
from ctdna.stats.limits import panel_limits

Key = tuple[int, int, bytes]


class HotspotRow(NamedTuple):
    """A reportable allele and where it stands on the panel."""

    hotspot: Hotspot
    allele: Allele | None
    """None: not on the panel."""
    key: Key
    """Of its normal form."""
    alpha: float = 0.0
    """Its own level, where that is higher than the panel's."""


class LociInput(NamedTuple):
    """What the table is made of."""

    sites: SiteTable
    rates: Rates
    panel: Panel
    candidates: dict[Key, Candidate]
    hotspots: list[HotspotRow]
    absent: list[Candidate]
    """Hotspots of other classes than SNV that are no candidates."""


class _Rows(NamedTuple):
    """Numbers of the table's rows, before states."""

    place: list[tuple[int, int, str, str]]
    """Contig index, pos1, ref, alt."""
    target: list[str]
    label: list[str]
    n: NDArray[np.int64]
    k: NDArray[np.int64]
    mean: NDArray[np.float64]
    size: NDArray[np.float64]
    alpha: NDArray[np.float64]
    filters: list[tuple[str, ...] | None]
    """Of candidates; None: few molecules or none."""


def _places(panel: Panel, slots: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Return the contig indices and 1-based positions of slots."""
    regions = panel.regions
    region = np.searchsorted(regions.offsets, slots, side="right") - 1
    pos1 = regions.start0[region] + slots - regions.offsets[region] + 1
    return regions.contig[region].tolist(), pos1.tolist()


def _site_rows(given: LociInput, params: CallParams, alpha: float) -> _Rows:
    sites, panel = given.sites, given.panel
    site, alt = np.nonzero(tested(sites))
    slots = sites.slots[site]
    refs, alts = ([BASES[code] for code in codes.tolist()] for codes in (sites.ref[site], alt))
    target = [panel.targets.names[i] for i in panel.regions.target[slots].tolist()]
    label, level = ["."] * len(slots), np.full(len(slots), alpha)
    row_of = {key: i for i, key in enumerate(zip(slots.tolist(), alts, strict=True))}
    for row in reversed(given.hotspots):
        if row.allele and row.allele.variant_class == "snv" and (row.allele.slot, row.allele.alt) in row_of:
            i = row_of[row.allele.slot, row.allele.alt]
            label[i], level[i] = row.hotspot.label, max(alpha, row.alpha)
    filters: list[tuple[str, ...] | None] = [None] * len(slots)
    for candidate in given.candidates.values():
        i = row_of.get((candidate.allele.slot, candidate.allele.alt), -1)
        if i >= 0 and candidate.allele.variant_class == "snv":
            filters[i] = filters_of(candidate, params)
    place = list(zip(*_places(panel, slots), refs, alts, strict=True))
    return _Rows(
        place, target, label, sites.n[site], sites.k[site, alt], given.rates.mean[site, alt],
        given.rates.size[site, alt], level, filters,
    )  # fmt: skip


def _other_rows(given: LociInput, params: CallParams) -> _Rows:
    found = {candidate.key: candidate for candidate in given.absent} | given.candidates
    listed = [row for row in given.hotspots if row.allele and row.allele.variant_class != "snv"]
    chosen = [found[row.key] for row in listed]
    place, target = [], []
    for (hotspot, *_), candidate in zip(listed, chosen, strict=True):
        place.append((given.panel.contigs.index(hotspot.contig), hotspot.pos1, hotspot.ref, hotspot.alt))
        near = given.panel.regions.target[candidate.allele.slot : candidate.allele.slot + len(candidate.allele.ref) + 1]
        target.append(given.panel.targets.names[near[near >= 0][0]] if (near >= 0).any() else ".")
    shape = (len(chosen), N_CLASSES)
    return _Rows(
        place, target, [row.hotspot.label for row in listed],
        np.array([c.counts.depth for c in chosen], dtype=np.int64).reshape(shape),
        np.array([c.counts.alt for c in chosen], dtype=np.int64).reshape(shape),
        np.array([c.mean for c in chosen]).reshape(shape), np.array([c.size for c in chosen]).reshape(shape),
        np.array([c.alpha for c in chosen]),
        [filters_of(c, params) if c.n_alt else None for c in chosen],
    )  # fmt: skip


def _off_panel(given: LociInput) -> list[tuple[int, int, str, str, str]]:
    contigs = given.panel.contigs
    rows = [row.hotspot for row in given.hotspots if row.allele is None and row.hotspot.contig in contigs]
    return [(contigs.index(h.contig), h.pos1, h.ref, h.alt, h.label) for h in rows]


def _states(rows: _Rows, lod95: NDArray[np.float64], params: CallParams) -> list[tuple[str, str]]:
    """Return each row's state and reason; rows without filters of their own differ in five facts only."""
    p = p_values(rows.k, rows.n, rows.mean, rows.size, params.claimed_lod)
    k, n = rows.k.sum(axis=1), rows.n.sum(axis=1)
    weak = {"not_significant": p > rows.alpha, "low_evidence": k < params.min_alt_molecules}
    is_below = k / np.maximum(n, 1) <= lod95
    facts = np.column_stack([*weak.values(), n == 0, k > 0, is_below, lod95 <= params.claimed_lod])
    codes = facts @ (1 << np.arange(facts.shape[1]))
    _, first, kind = np.unique(codes, return_index=True, return_inverse=True)
    by_kind = []
    for i in first.tolist():
        filters = tuple(name for name, holds in weak.items() if holds[i])
        by_kind.append(state_of(int(n[i]), int(k[i]), filters, float(lod95[i]), params))
    found = [by_kind[code] for code in kind.tolist()]
    for i, known in enumerate(rows.filters):
        if known is not None:
            found[i] = state_of(int(n[i]), int(k[i]), known, float(lod95[i]), params)
    return found


def _both(one: _Rows, other: _Rows) -> _Rows:
    return _Rows(
        one.place + other.place, one.target + other.target, one.label + other.label,
        np.concatenate([one.n, other.n]), np.concatenate([one.k, other.k]), np.concatenate([one.mean, other.mean]),
        np.concatenate([one.size, other.size]), np.concatenate([one.alpha, other.alpha]), one.filters + other.filters,
    )  # fmt: skip


def locus_table(given: LociInput, params: CallParams, alpha: float, threads: int) -> LocusTable:
    """Return the table, sorted by contig, position, ref and alt; hotspots off the panel are NO_CALL `off_panel`."""
    parts = (_site_rows(given, params, alpha), _other_rows(given, params))
    rows = _both(*parts)
    lob, lod95 = panel_limits(
        rows.n, rows.mean, rows.size, rows.alpha, params.claimed_lod, params.min_alt_molecules, threads
    )
    states = _states(rows, lod95, params)
    off = _off_panel(given)
    place = rows.place + [row[:4] for row in off]
    order = sorted(range(len(place)), key=place.__getitem__)
    total = rows.n.sum(axis=1)
    background = np.divide((rows.n * rows.mean).sum(axis=1), total, out=np.full(len(total), np.nan), where=total > 0)
    nan = np.full(len(off), np.nan)
    figures = [np.concatenate([column, nan])[order] for column in (background, lob, lod95)]
    tiers = np.concatenate([rows.n.reshape(-1, 4, 2).sum(axis=2), np.zeros((len(off), 4), np.int64)])[order]
    n_alt = np.concatenate([rows.k.sum(axis=1), np.zeros(len(off), np.int64)])[order]
    texts = [rows.target + ["."] * len(off), rows.label + [row[4] for row in off]]
    texts += [
        [state for state, _ in states] + [NO_CALL] * len(off),
        [why for _, why in states] + ["off_panel"] * len(off),
    ]
    target, label, state, reason = (tuple(column[i] for i in order) for column in texts)
    return LocusTable(
        np.array([place[i][0] for i in order], dtype=np.int32), np.array([place[i][1] for i in order], dtype=np.int64),
        tuple(place[i][2] for i in order), tuple(place[i][3] for i in order), target, label, tiers, n_alt,
        figures[0], figures[1], figures[2], state, reason,
    )  # fmt: skip
