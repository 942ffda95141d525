"""How far a library is exhausted: UMI collisions, molecules not yet seen, yield at fewer reads; in sums over parts.

A part is any set of whole places. `molecule_sums` counts one part, `plus` joins two, in any order.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.umi import Codes
from ctdna.model.evidence import Targets
from ctdna.model.qc import TargetYield
from ctdna.stages.umi_diversity import UmiDiversity, umi_diversity
from ctdna.stats.richness import (
    chao1,
    expected_duplex,
    expected_duplex_ideal,
    expected_seen,
    molecules_behind,
    shared_label,
    weighted_quantile,
)

PERCENTS = tuple(range(5, 101, 5))
"""Shares of the templates at which yields are told."""
_LOW = (1 << 32) - 1


class Molecules(NamedTuple):
    """n molecules; those of one place stand together."""

    first: Codes
    """Code of the first half of the founding UMI."""
    second: Codes
    """Code of its second half."""
    shape: NDArray[np.int32]
    """Its shape (`kernels.umi`)."""
    place: NDArray[np.int64]
    """Number of the place, 0 or more; only equality counts."""
    sizes: NDArray[np.int64]
    """n x 2: templates of strand A and of strand B; without strands all in the first."""
    contig: NDArray[np.int64]
    """Contig; negative where unknown."""
    start0: NDArray[np.int64]
    end0: NDArray[np.int64]
    """Half-open bases between the outer ends."""


class Counted(NamedTuple):
    """Different keys, rising, and how often each came."""

    keys: NDArray[np.int64]
    counts: NDArray[np.int64]

    def plus(self, other: Self) -> "Counted":
        """Return both added up."""
        return counted(np.concatenate((self.keys, other.keys)), np.concatenate((self.counts, other.counts)))


class Sums(NamedTuple):
    """What a set of molecules adds up to."""

    sizes: Counted
    """Templates of strand A << 32 | those of strand B -> molecules."""
    places: Counted
    """Molecules at a molecule's place -> molecules."""

    def plus(self, other: Self) -> "Sums":
        """Return both added up."""
        return Sums(self.sizes.plus(other.sizes), self.places.plus(other.places))


class MoleculeSums(NamedTuple):
    """The sums of a sample, or of a part of it."""

    all: Sums
    umis: UmiDiversity
    targets: dict[int, Sums]
    """Target of a panel -> the sums of the molecules that overlap it; without those that none overlaps."""

    def plus(self, other: Self) -> "MoleculeSums":
        """Return both added up; both must be of one panel."""
        targets = dict(self.targets)
        for target, more in other.targets.items():
            targets[target] = targets[target].plus(more) if target in targets else more
        return MoleculeSums(self.all.plus(other.all), self.umis.plus(other.umis), targets)


_NONE = Counted(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
NOTHING = MoleculeSums(Sums(_NONE, _NONE), UmiDiversity({}, {}), {})
"""The sums of no molecule: where adding up begins."""


class Collision(NamedTuple):
    """Chances of a molecule to share its UMI with another molecule of its place."""

    mean: float
    p95: float
    """95 % of the molecules have at most this."""
    highest: float
    n_lost: float
    """Molecules expected to have been counted together with another."""


class Whole(NamedTuple):
    """What a set of molecules says as a whole."""

    templates: int
    molecules: int
    duplex_molecules: int
    molecules_estimated: float
    saturation: float
    sequencing_saturation: float
    collision: Collision


def counted(keys: NDArray[np.int64], counts: NDArray[np.int64] | None = None) -> Counted:
    """Return the different keys and the sum of the counts of each (1 where none are given)."""
    found, place = np.unique(keys, return_inverse=True)
    if counts is None:
        return Counted(found, np.bincount(place, minlength=len(found)).astype(np.int64))
    total = np.zeros(len(found), dtype=np.int64)
    np.add.at(total, place, counts)
    return Counted(found, total)


def strand_sizes(molecule: NDArray[np.int64], strand: NDArray[np.uint8], n_molecules: int) -> NDArray[np.int64]:
    """Return the templates of strand A and of strand B (2) of each molecule; strand 0 counts as A."""
    column = 2 * molecule + (strand == 2)
    return np.bincount(column, minlength=2 * n_molecules).reshape(n_molecules, 2).astype(np.int64)


def _different(keys: NDArray[np.int64]) -> Counted:
    """Return the different keys and how often each came; keys that lie close to 0 are counted without sorting."""
    if len(keys) and int(keys.max()) < 2 * len(keys) + 65536:
        counts = np.bincount(keys)
        found = np.flatnonzero(counts)
        return Counted(found.astype(np.int64), counts[found].astype(np.int64))
    return counted(keys)


def _sums(sizes: NDArray[np.int64], at_place: NDArray[np.int64]) -> Sums:
    width = int(sizes[:, 1].max(initial=0)) + 1
    pairs = _different(sizes[:, 0] * width + sizes[:, 1])
    return Sums(Counted(pairs.keys // width << 32 | pairs.keys % width, pairs.counts), _different(at_place))


def _over_targets(molecules: Molecules, targets: Targets) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return every pair of a molecule and a target that it overlaps, as two columns."""
    order = np.lexsort((targets.start0, targets.contig))
    contig = targets.contig[order].astype(np.int64) << 32
    starts, ends = contig + targets.start0[order], contig + targets.end0[order]
    base = molecules.contig << 32
    # Ends reach as far as the furthest target before: between both bounds lies every target that may overlap.
    low = np.searchsorted(np.maximum.accumulate(ends), base + molecules.start0, side="right")
    high = np.searchsorted(starts, base + molecules.end0, side="left")
    n = np.where(molecules.contig >= 0, np.maximum(high - low, 0), 0)
    molecule = np.repeat(np.arange(len(n)), n)
    target = np.arange(len(molecule)) - np.repeat(np.cumsum(n) - n, n) + np.repeat(low, n)
    is_over = (ends[target] > (base + molecules.start0)[molecule]) & (
        starts[target] < (base + molecules.end0)[molecule]
    )
    return molecule[is_over], order[target[is_over]]


def molecule_sums(molecules: Molecules, targets: Targets | None = None) -> MoleculeSums:
    """Return the sums of the molecules of whole places; with a panel also by target."""
    is_first = np.diff(molecules.place, prepend=-1) != 0
    n_at = np.diff(np.append(np.flatnonzero(is_first), len(is_first)))
    at_place = np.repeat(n_at, n_at).astype(np.int64)
    by_target: dict[int, Sums] = {}
    if targets is not None:
        molecule, target = _over_targets(molecules, targets)
        order = np.argsort(target, kind="stable")
        # Without any pair split still gives one, empty, part.
        found, starts = np.unique(target[order], return_index=True)
        for one, part in zip(found.tolist(), np.split(molecule[order], starts[1:]), strict=False):
            by_target[one] = _sums(molecules.sizes[part], at_place[part])
    umis = umi_diversity(molecules.first, molecules.second, molecules.shape)
    return MoleculeSums(_sums(molecules.sizes, at_place), umis, by_target)


def collision(places: Counted, same: float) -> Collision:
    """Return the chances of a molecule to share its UMI, from the molecules seen at each place.

    `same` is the chance of two UMIs to be the same, its inverse the effective number of UMIs.
    """
    total = int(places.counts.sum())
    if total == 0 or same <= 0:
        return Collision(0.0, 0.0, 0.0, 0.0)
    seen = places.keys.astype(np.float64)
    there = molecules_behind(seen, 1 / same)
    chance = shared_label(there, same)
    mean = float((chance * places.counts).sum() / total)
    n_lost = float(((there - seen) * (places.counts / seen)).sum())
    return Collision(mean, weighted_quantile(chance, places.counts, 0.95), float(chance.max()), n_lost)


def summed_up(sums: Sums, same: float) -> Whole:
    """Return what a set of molecules says; every figure is 0 where there is none."""
    first, second = sums.sizes.keys >> 32, sums.sizes.keys & _LOW
    counts, size = sums.sizes.counts, first + second
    n, templates = int(counts.sum()), int((counts * size).sum())
    estimated = chao1(n, int(counts[size == 1].sum()), int(counts[size == 2].sum()))
    return Whole(
        templates,
        n,
        int(counts[(first > 0) & (second > 0)].sum()),
        estimated,
        n / estimated if estimated else 0.0,
        1 - n / templates if templates else 0.0,
        collision(sums.places, same),
    )


def target_yields(sums: MoleculeSums, targets: Targets, contigs: Sequence[tuple[str, int]]) -> tuple[TargetYield, ...]:
    """Return what the molecules over each target say, in the panel's order; a molecule counts at each it overlaps."""
    same = sums.umis.same_chance()
    rows = []
    for i in range(len(targets.names)):
        whole = summed_up(sums.targets.get(i, NOTHING.all), same)
        rows.append(
            TargetYield(
                target=targets.names[i],
                contig=contigs[int(targets.contig[i])][0],
                start0=int(targets.start0[i]),
                end0=int(targets.end0[i]),
                templates=whole.templates,
                molecules=whole.molecules,
                duplex_molecules=whole.duplex_molecules,
                molecules_estimated=whole.molecules_estimated,
                saturation=whole.saturation if whole.molecules else None,
                sequencing_saturation=whole.sequencing_saturation if whole.molecules else None,
                umi_collision=whole.collision.mean if whole.molecules else None,
                umi_collision_highest=whole.collision.highest if whole.molecules else None,
                molecules_lost_to_collisions=whole.collision.n_lost,
            )
        )
    return tuple(rows)


def yield_values(sums: MoleculeSums, edits: int) -> dict[str, float]:
    """Return the figures of a sample by their names in the stage's metrics."""
    same = sums.umis.same_chance()
    near = collision(sums.all.places, sums.umis.same_chance(edits))
    whole = summed_up(sums.all, same)
    return {
        "effective_umis": 1 / same if same else 0.0,
        "molecules_estimated": whole.molecules_estimated,
        "molecules_lost_to_collisions": whole.collision.n_lost,
        "saturation": whole.saturation,
        "sequencing_saturation": whole.sequencing_saturation,
        "umi_collision": whole.collision.mean,
        "umi_collision_p95": whole.collision.p95,
        "umi_collision_highest": whole.collision.highest,
        "umi_collision_within_edits": near.mean,
    }


def _histogram(some: Counted) -> dict[int, int]:
    return {int(key): int(count) for key, count in zip(some.keys, some.counts, strict=True)}


def yield_histograms(sums: MoleculeSums, is_duplex: bool) -> dict[str, dict[int, int]]:
    """Return the histograms of a sample by their names in the stage's metrics; curves are by per cent of the templates.

    Expected numbers are rounded to whole molecules.
    """
    first, second, counts = sums.all.sizes.keys >> 32, sums.all.sizes.keys & _LOW, sums.all.sizes.counts
    size = first + second
    places = Counted(sums.all.places.keys, sums.all.places.counts // np.maximum(sums.all.places.keys, 1))
    found = {
        "molecule_size": _histogram(counted(size, counts)),
        "molecules_at_place": _histogram(places),
        "molecules_at_percent": {p: round(expected_seen(size, counts, p / 100)) for p in PERCENTS},
    }
    if is_duplex:
        found["duplex_molecules_at_percent"] = {
            p: round(expected_duplex(first, second, counts, p / 100)) for p in PERCENTS
        }
        found["ideal_duplex_molecules_at_percent"] = {
            p: round(expected_duplex_ideal(size, counts, p / 100)) for p in PERCENTS
        }
    return found
