"""Alleles that only clipped reads show: long deletions, duplications and insertions, with or without new bases."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.assembly import (
    ANCHOR,
    MAX_EVENT,
    Clips,
    agreed_sequence,
    clip_words,
    find_anchor,
    find_clips,
    walk_on,
)
from ctdna.kernels.candidates import left_align, trim
from ctdna.kernels.realign_alleles import Change
from ctdna.model.evidence import Panel
from ctdna.stages.candidates import change_key, region_bounds, window_end
from ctdna.stages.evidence import Evidence

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def _clips(evidence: Evidence) -> Clips:
    n = 2 * len(evidence.reads.key)
    out = Clips(
        np.empty(n, np.int64), np.empty(n, np.uint8), np.empty(n, np.int64), np.empty(n, np.int64),
        np.empty(n, np.int64), np.empty(n, np.int64),
    )  # fmt: skip
    found = find_clips(evidence.reads, evidence.panel.regions, out)
    return Clips._make(np.ascontiguousarray(column[:found]) for column in out)


def _clusters(evidence: Evidence, clips: Clips, floor: int) -> Iterator[Ints]:
    """Yield the clips of one breakpoint that begin alike, where at least `floor` molecules have them."""
    molecule = evidence.molecule_of[clips.read] if len(clips.read) else np.empty(0, np.int64)
    order = np.lexsort((np.arange(len(molecule)), molecule, clips.seed, clips.is_left, clips.slot))
    columns = [column[order] for column in (clips.seed, clips.is_left, clips.slot)]
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    starts = np.flatnonzero(is_new)
    for low, high in zip(starts, np.append(starts, len(order))[1:], strict=True):
        if len(np.unique(molecule[order[low:high]])) >= floor:
            yield np.sort(order[low:high])


def normal_change(panel: Panel, slot: int, n_deleted: int, inserted: Bytes) -> Change | None:
    """Return a change in normal form, None where it changes nothing."""
    reference = panel.regions.reference
    tail, head = (int(n) for n in trim(reference, slot, n_deleted, inserted))
    inserted = inserted[head : len(inserted) - tail].copy()
    slot, n_deleted = slot + head, n_deleted - head - tail
    if n_deleted == 0 and len(inserted) == 0:
        return None
    slot = int(left_align(reference, region_bounds(panel, slot)[0], slot, n_deleted, inserted))
    return Change(slot, n_deleted, inserted, slot, window_end(panel, slot, n_deleted, inserted))


def _joined(panel: Panel, slot: int, is_left: bool, sequence: Bytes) -> Change | None:
    """Return the change that lays the sequence beside the breakpoint and joins the reference again beyond."""
    low, high = region_bounds(panel, slot)
    reference = panel.regions.reference
    n_new, at = (int(n) for n in find_anchor(reference, low, high, slot, is_left, sequence))
    if n_new < 0:
        return None
    new = sequence[:n_new][::-1] if is_left else sequence[:n_new]
    start, end = (at, slot) if is_left else (slot, at)
    if start <= end:
        return normal_change(panel, start, end - start, np.ascontiguousarray(new))
    # The reference from `end` to `start` stands twice: once before the new bases, once behind them.
    return normal_change(panel, start, 0, np.concatenate([new, reference[end:start]]))


def _sequence(evidence: Evidence, clips: Clips, cluster: Ints, floor: int) -> Iterator[Bytes]:
    """Yield the sequence beyond a breakpoint: as the clips show it; then walked on by the clipped reads around."""
    sequence = agreed_sequence(evidence.reads, clips, cluster, floor)
    yield sequence
    if clips.is_left[cluster[0]] or len(sequence) < ANCHOR:
        return
    slot = int(clips.slot[cluster[0]])
    near = np.flatnonzero(np.abs(clips.slot - slot) <= MAX_EVENT)
    yield walk_on(sequence, clip_words(evidence.reads, clips, near), floor)


def assembled_changes(evidence: Evidence, floor: int) -> list[Change]:
    """Return the distinct indels that clipped reads show, in the order of place; changes of equal length are none.

    Arguments:
        floor: least molecules that must be clipped alike.
    """
    clips, found = _clips(evidence), {}
    for cluster in _clusters(evidence, clips, floor):
        slot, is_left = int(clips.slot[cluster[0]]), bool(clips.is_left[cluster[0]])
        for sequence in _sequence(evidence, clips, cluster, floor):
            change = _joined(evidence.panel, slot, is_left, sequence)
            if change is not None:
                found[change_key(change)] = change
                break
    return [found[key] for key in sorted(found) if _is_indel(found[key])]


def _is_indel(change: Change) -> bool:
    return change.n_deleted != len(change.inserted) and bool((change.inserted < 4).all())
