"""Indels seen against the sample's own haplotypes: a substitution that is inherited beside a repeat changes the repeat.

Where an inherited substitution splits a run, one unit more or less of what is left of the run looks, against the
reference, like another indel outside of repeats, and the errors of the run would pass for a rare variant.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.realign_alleles import Change
from ctdna.model.evidence import Panel
from ctdna.stages.assembly import normal_change
from ctdna.stages.candidates import region_bounds, repeat_of
from ctdna.stages.evidence import Evidence

Ints = NDArray[np.int64]


class Inherited(NamedTuple):
    """Substitutions that many molecules carry, by slot."""

    slot: Ints
    base: Ints


class OnHaplotype(NamedTuple):
    """An indel as it stands on one haplotype, and the repeat there."""

    change: Change
    run: tuple[int, int]


def inherited_bases(evidence: Evidence, least_vaf: float) -> Inherited:
    """Return the substitutions with at least `least_vaf` of the molecules, on targets and beside them."""
    by_base = evidence.counts.classes.sum(axis=2)
    depth, reference = by_base.sum(axis=1), evidence.panel.regions.reference
    is_alt = np.arange(4)[None, :] != reference[:, None]
    slot, base = np.nonzero(
        is_alt & (by_base >= np.maximum(1.0, least_vaf * depth)[:, None]) & (reference < 4)[:, None]
    )
    return Inherited(slot.astype(np.int64), base.astype(np.int64))


def _seen_on(panel: Panel, change: Change, slot: int, base: int) -> OnHaplotype | None:
    """Return the indel against the reference with one substitution, None where it is no plain indel there."""
    regions = panel.regions
    reference = regions.reference.copy()
    reference[slot] = base
    own = panel._replace(regions=regions._replace(reference=reference))
    first, last = min(change.slot, slot), max(change.slot + change.n_deleted, slot + 1)
    before, behind = regions.reference[first : change.slot], regions.reference[change.slot + change.n_deleted : last]
    found = normal_change(own, first, last - first, np.concatenate([before, change.inserted, behind]))
    if found is None or (found.n_deleted > 0) == (len(found.inserted) > 0):
        return None
    return OnHaplotype(found, repeat_of(own, found))


def on_haplotypes(panel: Panel, change: Change, inherited: Inherited, reach: int) -> list[OnHaplotype]:
    """Return the indel as it stands on each haplotype with an inherited substitution up to `reach` bases away."""
    low, high = region_bounds(panel, change.slot)
    near = (inherited.slot >= max(low, change.low - reach)) & (inherited.slot < min(high, change.high + reach))
    pairs = zip(inherited.slot[near].tolist(), inherited.base[near].tolist(), strict=True)
    found = (_seen_on(panel, change, slot, base) for slot, base in pairs)
    return [one for one in found if one is not None]
