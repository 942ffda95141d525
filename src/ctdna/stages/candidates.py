"""Indels of the reads, and what the molecules say about one allele."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.candidates import (
    base_calls,
    cell_of_slot,
    count_events,
    find_events,
    inserted_keys,
    left_align,
    shift_window,
)
from ctdna.kernels.evidence import NONE_CODE
from ctdna.kernels.realign_alleles import ALT, FLANK, OTHER, REF, Change, Rivals, judge_molecules
from ctdna.model.evidence import BASES, N_CLASSES, Allele, AlleleCounts, IndelEvents, Panel
from ctdna.stages.evidence import Evidence
from ctdna.stats.indel_background import context_of

Ints = NDArray[np.int64]
_CODES = {base: code for code, base in enumerate("ACGT")}
_MAX_UNIT = 6


class IndelEvent(NamedTuple):
    """One distinct indel of the reads."""

    allele: Allele
    change: Change
    n_molecules: int
    by_class: Ints
    """(8,) molecules by class, as their CIGARs show them."""
    context: int
    """Index of its null rate."""
    run: tuple[int, int]
    """Unit length and copies of the repeat it stands in."""


class JointIndel(NamedTuple):
    """An indel with other indels or substitutions near it in the same read, as one change."""

    event: IndelEvent
    parts: tuple[Allele, ...]
    """Empty where the whole is but another alignment of one plain indel."""


class IndelTable(NamedTuple):
    """All distinct indels, in the order of place, deleted and inserted bases."""

    events: tuple[IndelEvent, ...]
    joint: tuple[JointIndel, ...] = ()


def on_target(panel: Panel, change: Change) -> bool:
    """Return whether the change alters a base of a target, or inserts beside one."""
    low, high = change.slot - (1 if change.n_deleted == 0 else 0), change.slot + max(1, change.n_deleted)
    return bool((panel.regions.target[low:high] >= 0).any())


def region_bounds(panel: Panel, slot: int) -> tuple[int, int]:
    """Return the first slot of the region that holds a slot, and the slot past it."""
    offsets = panel.regions.offsets
    region = int(np.searchsorted(offsets, slot, side="right")) - 1
    return int(offsets[region]), int(offsets[region + 1])


def make_change(panel: Panel, allele: Allele) -> Change:
    """Return the change an allele makes: bases in common cut off, left-aligned, with its window."""
    ref, alt, slot = allele.ref, allele.alt, allele.slot
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        ref, alt, slot = ref[1:], alt[1:], slot + 1
    inserted = np.array([_CODES[base] for base in alt], dtype=np.uint8)
    low, high = region_bounds(panel, allele.slot)
    reference = panel.regions.reference
    slot = int(left_align(reference, low, slot, len(ref), inserted))
    end = int(shift_window(reference, high - 1, slot, len(ref), inserted))
    return Change(slot, len(ref), inserted, slot, end)


def make_allele(panel: Panel, change: Change) -> Allele:
    """Return the VCF form of a change; a pure insertion or deletion with the base before it."""
    alt = "".join("ACGT"[code] for code in change.inserted)
    if change.n_deleted and alt:
        return Allele(change.slot, panel.text(change.slot, change.n_deleted), alt)
    ref = panel.text(change.slot - 1, 1 + change.n_deleted)
    return Allele(change.slot - 1, ref, ref[0] + alt)


def repeat_of(panel: Panel, change: Change) -> tuple[int, int]:
    """Return unit length and copies (in the reference) of the tandem repeat in which one unit or more comes or goes.

    (0, 1) where the changed bases are no repeat of the bases beside them, or both are deleted and inserted.
    """
    if (len(change.inserted) > 0) == (change.n_deleted > 0):
        return 0, 1
    reference = panel.regions.reference
    changed = change.inserted if change.n_deleted == 0 else reference[change.slot : change.slot + change.n_deleted]
    for unit in range(1, min(_MAX_UNIT, len(changed)) + 1):
        if len(changed) % unit == 0 and np.array_equal(changed, np.tile(changed[:unit], len(changed) // unit)):
            copies, at = 0, change.slot
            while np.array_equal(reference[at : at + unit], changed[:unit]):
                copies, at = copies + 1, at + unit
            return (unit, copies) if copies > 1 or (copies == 1 and change.n_deleted == 0) else (0, 1)
    return 0, 1


def indel_context(change: Change, run: tuple[int, int]) -> int:
    """Return the index of the change's null rate."""
    return context_of(change.n_deleted, len(change.inserted), run).row()


def _events(evidence: Evidence, end_bases: int, distance: int) -> IndelEvents:
    n, n_inserted = count_events(evidence.reads)
    ints = (np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n, np.int64))
    out = IndelEvents(
        *ints, np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n_inserted, np.uint8)
    )
    found = find_events(evidence.reads, evidence.panel.regions, end_bases, distance, out)
    return IndelEvents._make([*(np.ascontiguousarray(column[:found]) for column in out[:-1]), out.inserted])


def window_end(panel: Panel, slot: int, n_deleted: int, inserted: NDArray[np.uint8]) -> int:
    """Return the slot past the window of a left-aligned change."""
    return int(shift_window(panel.regions.reference, region_bounds(panel, slot)[1] - 1, slot, n_deleted, inserted))


def _change(panel: Panel, events: IndelEvents, i: int) -> Change:
    at, slot, n_deleted = int(events.inserted_at[i]), int(events.slot[i]), int(events.n_deleted[i])
    codes = events.inserted[at : at + int(events.n_inserted[i])].copy()
    return Change(slot, n_deleted, codes, slot, window_end(panel, slot, n_deleted, codes))


def change_key(change: Change) -> tuple[int, int, bytes]:
    """Return what tells one change from another."""
    return change.slot, change.n_deleted, change.inserted.tobytes()


def _parts(evidence: Evidence, events: IndelEvents, i: int) -> tuple[Allele, ...]:
    """Return the indels and substitutions that make a joint indel, none where it is but a plain one itself."""
    panel, whole = evidence.panel, _change(evidence.panel, events, i)
    if (whole.n_deleted == 0) != (len(whole.inserted) == 0):
        return ()
    plain = [j for j in range(int(events.first_part[i]), i) if events.first_part[j] < 0]
    indels = [make_allele(panel, _change(panel, events, j)) for j in plain]
    read, bases = int(events.read[i]), []
    for slot in range(whole.slot, whole.slot + whole.n_deleted):
        cell = int(cell_of_slot(evidence.reads, read, slot))
        code = int(evidence.reads.cells[cell]) & 7 if cell >= 0 else 4
        if code < 4 and code != panel.regions.reference[slot]:
            bases.append(Allele(slot, panel.text(slot, 1), BASES[code]))
    return (*indels, *bases)


def _indel_event(panel: Panel, events: IndelEvents, first: int, classes: Ints) -> IndelEvent:
    change = _change(panel, events, first)
    run = repeat_of(panel, change)
    by_class = np.bincount(classes, minlength=N_CLASSES).astype(np.int64)
    return IndelEvent(make_allele(panel, change), change, len(classes), by_class, indel_context(change, run), run)


def find_indels(evidence: Evidence, end_bases: int, distance: int = 0) -> IndelTable:
    """Return the distinct indels of the reads with their molecules, in a fixed order.

    An indel with other changes of its read nearer than `distance` makes a joint one besides; none at 0.
    """
    events, panel = _events(evidence, end_bases, distance), evidence.panel
    molecule = evidence.molecule_of[events.read] if len(events.read) else np.empty(0, np.int64)
    is_plain = events.first_part < 0
    columns = (inserted_keys(events), events.n_inserted, events.n_deleted, events.slot)
    order = np.lexsort((np.arange(len(molecule)), molecule, ~is_plain, *columns))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = np.any([(c[order][1:] != c[order][:-1]) for c in (*columns, is_plain)], axis=0)
    is_first = is_new.copy()
    is_first[1:] |= molecule[order][1:] != molecule[order][:-1]
    starts = np.flatnonzero(is_new)
    plain: list[IndelEvent] = []
    joint: list[JointIndel] = []
    for low, high in zip(starts, np.append(starts, len(order))[1:], strict=True):
        rows = order[low:high][is_first[low:high]]
        event = _indel_event(panel, events, int(rows[0]), events.evidence_class[rows].astype(np.int64))
        if is_plain[rows[0]]:
            plain.append(event)
        else:
            joint.append(JointIndel(event, _parts(evidence, events, int(rows[0]))))
    plain.sort(key=lambda event: change_key(event.change))
    joint.sort(key=lambda indel: change_key(indel.event.change))
    return IndelTable(tuple(plain), tuple(joint))


class ReadIndex:
    """Finds the reads over a place."""

    def __init__(self, evidence: Evidence) -> None:
        """Sort the reads' starts once."""
        self._reads = evidence.reads
        self._order = np.argsort(evidence.reads.slot, kind="stable")
        self._starts = evidence.reads.slot[self._order]
        spans = evidence.reads.end_slot - evidence.reads.slot
        self._longest = int(spans.max()) if len(spans) else 0
        cells = evidence.reads.n_cells
        self._margin = int(cells.max()) if len(cells) else 0

    def over(self, low: int, high: int) -> Ints:
        """Return the reads, in stored order, that touch the slots from `low` on, before `high`."""
        first = int(np.searchsorted(self._starts, low - self._longest))
        last = int(np.searchsorted(self._starts, high))
        some = np.sort(self._order[first:last])
        return np.ascontiguousarray(some[self._reads.end_slot[some] > low])


class Verdicts(NamedTuple):
    """What molecules say about one allele."""

    molecule: Ints
    """Sorted."""
    verdict: NDArray[np.uint8]
    packed: Ints
    """`class | top << 4 | bottom << 5`."""
    n_low_quality: int
    n_low_mapq: int


class Alternates:
    """The known alleles with indels, found by place."""

    def __init__(self, changes: Sequence[Change]) -> None:
        """Keep the distinct ones, in the order of place."""
        distinct = {change_key(change): change for change in changes}
        self._changes = [distinct[key] for key in sorted(distinct)]
        self._low = np.array([change.low for change in self._changes], dtype=np.int64)
        self._high = np.array([change.high for change in self._changes], dtype=np.int64)

    def beside(self, change: Change) -> Rivals:
        """Return the other alleles whose window touches the flanks of the change."""
        near = (self._low < change.high + FLANK) & (self._high > change.low - FLANK)
        own = change_key(change)
        some = [c for c in (self._changes[i] for i in np.flatnonzero(near)) if change_key(c) != own]
        codes = np.concatenate([np.empty(0, np.uint8), *(c.inserted for c in some)])
        offsets = np.cumsum([0, *(len(c.inserted) for c in some)]).astype(np.int64)
        slots, n_deleted = (np.array([c[k] for c in some], dtype=np.int64) for k in (0, 1))
        return Rivals(slots, n_deleted, offsets, codes)


def judge_change(evidence: Evidence, index: ReadIndex, change: Change, rivals: Rivals, end_bases: int) -> Verdicts:
    """Return what every molecule over the change says about it, other alleles of the place considered."""
    chosen = index.over(change.low - FLANK, change.high + FLANK)
    regions = evidence.panel.regions
    found = judge_molecules(evidence.reads, regions, chosen, evidence.molecule_of, change, rivals, end_bases)
    return Verdicts(found[0], found[2], found[1], 0, int(found[3]))


def judge_base(evidence: Evidence, index: ReadIndex, slot: int, alt: str, end_bases: int) -> Verdicts:
    """Return what every molecule over a slot says about a substitution there."""
    chosen = index.over(slot, slot + 1)
    molecule, calls, packed = base_calls(evidence.reads, chosen, evidence.molecule_of, slot, end_bases)
    base, ref, code = calls & 7, int(evidence.panel.regions.reference[slot]), _CODES[alt]
    verdict = np.where(base == code, ALT, np.where(base == ref, REF, OTHER)).astype(np.uint8)
    is_said, is_none = base < 4, base == NONE_CODE
    n_low_quality = int((is_none & ((calls >> 9) & 7 == code + 1)).sum())
    n_low_mapq = int((is_none & ((calls >> 12) & 7 == code + 1)).sum())
    return Verdicts(molecule[is_said], verdict[is_said], packed[is_said], n_low_quality, n_low_mapq)


def count_base(evidence: Evidence, slot: int, alt: str) -> AlleleCounts:
    """Return the molecules with a substitution, the reference base and other bases: as `judge_base` would count."""
    counts, ref, code = evidence.counts, int(evidence.panel.regions.reference[slot]), _CODES[alt]
    classes, strands = counts.classes[slot], counts.strands[slot]
    other = classes.sum(axis=0) - classes[code] - classes[ref]
    both = np.stack([strands[ref], strands[code]]).astype(np.int32)
    low_quality, low_mapq = int(counts.low_quality[slot, code]), int(counts.low_mapq[slot, code])
    return AlleleCounts(classes[code], classes[ref], other.astype(np.int32), both, low_quality, low_mapq)


def joint(parts: list[Verdicts]) -> Verdicts:
    """Return what molecules say about all parts at once: ALT with all, REF with none, OTHER else.

    Only molecules that speak about every part count; the class is the worst of the parts'.
    """
    shared = parts[0].molecule
    for part in parts[1:]:
        shared = np.intersect1d(shared, part.molecule, assume_unique=True)
    at = [np.searchsorted(part.molecule, shared) for part in parts]
    verdicts = np.array([part.verdict[i] for part, i in zip(parts, at, strict=True)])
    packed = np.array([part.packed[i] for part, i in zip(parts, at, strict=True)])
    said = np.isin(verdicts, (REF, ALT, OTHER)).all(axis=0)
    verdict = np.where((verdicts == ALT).all(axis=0), ALT, np.where((verdicts == REF).all(axis=0), REF, OTHER))
    tier, end = (packed & 15) >> 1, packed & 1
    worst = tier.max(axis=0) << 1 | end.max(axis=0) | np.bitwise_and.reduce(packed & 48, axis=0)
    low = [max(part[k] for part in parts) for k in (3, 4)]
    return Verdicts(shared[said], verdict[said].astype(np.uint8), worst[said], int(low[0]), int(low[1]))


def count_verdicts(verdicts: Verdicts) -> AlleleCounts:
    """Return the molecules by class and strand; disagreeing ones count nowhere."""
    by_class = {}
    strands = np.zeros((2, 2), np.int32)
    for code in (ALT, REF, OTHER):
        packed = verdicts.packed[verdicts.verdict == code]
        by_class[code] = np.bincount(packed & 15, minlength=N_CLASSES)[:N_CLASSES].astype(np.int32)
        if code != OTHER:
            strands[1 if code == ALT else 0] = [int((packed >> 4 & 1).sum()), int((packed >> 5 & 1).sum())]
    return AlleleCounts(
        by_class[ALT], by_class[REF], by_class[OTHER], strands, verdicts.n_low_quality, verdicts.n_low_mapq
    )
