"""Indels of the reads, and what the molecules say about one allele."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.candidates import count_events, find_events, left_align, shift_window
from ctdna.kernels.evidence import class_of, strands_of
from ctdna.kernels.realign_alleles import ALT, OTHER, REF, Change, calls_at, judge_molecules
from ctdna.model.evidence import N_CLASSES, Allele, AlleleCounts, IndelEvents, Panel
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


class IndelTable(NamedTuple):
    """All distinct indels, in the order of place, deleted and inserted bases."""

    events: tuple[IndelEvent, ...]


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


def _events(evidence: Evidence, end_bases: int) -> IndelEvents:
    n, n_inserted = count_events(evidence.reads)
    ints = (np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n, np.int64))
    out = IndelEvents(*ints, np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n_inserted, np.uint8))
    found = find_events(evidence.reads, evidence.panel.regions, end_bases, out)
    return IndelEvents._make([*(column[:found] for column in out[:-1]), out.inserted])


def find_indels(evidence: Evidence, end_bases: int) -> IndelTable:
    """Return the distinct indels of the reads with their molecules, in a fixed order."""
    events = _events(evidence, end_bases)
    members: dict[tuple[int, int, bytes], dict[int, int]] = {}
    for i in range(len(events.read)):
        at = int(events.inserted_at[i])
        inserted = events.inserted[at : at + int(events.n_inserted[i])].tobytes()
        key = (int(events.slot[i]), int(events.n_deleted[i]), inserted)
        molecule = int(evidence.molecule_of[events.read[i]])
        members.setdefault(key, {}).setdefault(molecule, int(events.evidence_class[i]))
    panel, out = evidence.panel, []
    for (slot, n_deleted, inserted), classes in sorted(members.items()):
        codes = np.frombuffer(inserted, dtype=np.uint8).copy()
        end = int(shift_window(panel.regions.reference, region_bounds(panel, slot)[1] - 1, slot, n_deleted, codes))
        change = Change(slot, n_deleted, codes, slot, end)
        run = repeat_of(panel, change)
        by_class = np.bincount(list(classes.values()), minlength=N_CLASSES).astype(np.int64)
        context = indel_context(change, run)
        out.append(IndelEvent(make_allele(panel, change), change, len(classes), by_class, context, run))
    return IndelTable(tuple(out))


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


def judge_change(evidence: Evidence, index: ReadIndex, change: Change, end_bases: int) -> Verdicts:
    """Return what every molecule over the change says about it."""
    chosen = index.over(change.low - 1, change.high + 1)
    found = judge_molecules(evidence.reads, evidence.panel.regions, chosen, evidence.molecule_of, change, end_bases)
    return Verdicts(found[0], found[2], found[1], 0, int(found[3]))


def judge_base(evidence: Evidence, index: ReadIndex, slot: int, alt: str, end_bases: int) -> Verdicts:
    """Return what every molecule over a slot says about a substitution there."""
    molecules = np.unique(evidence.molecule_of[index.over(slot, slot + 1)])
    slots = np.array([slot], dtype=np.int64)
    calls = calls_at(evidence.reads, evidence.molecules, molecules, slots, end_bases)[:, 0]
    base, ref, code = calls & 7, int(evidence.panel.regions.reference[slot]), _CODES[alt]
    verdict = np.where(base == code, ALT, np.where(base == ref, REF, OTHER)).astype(np.uint8)
    packed = np.array([class_of(c) | strands_of(c)[0] << 4 | strands_of(c)[1] << 5 for c in calls], dtype=np.int64)
    is_said = (base < 4) | (base == 5)
    is_none = base == 7
    n_low_quality = int((is_none & ((calls >> 9) & 7 == code + 1)).sum())
    n_low_mapq = int((is_none & ((calls >> 12) & 7 == code + 1)).sum())
    return Verdicts(molecules[is_said], verdict[is_said], packed[is_said], n_low_quality, n_low_mapq)


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
