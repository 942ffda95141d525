"""Neighbouring changes that the same molecules carry are one variant."""

from collections.abc import Callable

import numpy as np

from ctdna.kernels.realign_alleles import ALT
from ctdna.model.evidence import Allele, Panel
from ctdna.model.params.call import CallParams
from ctdna.stages.candidates import ReadIndex, Verdicts, joint, judge_base, judge_change, make_allele
from ctdna.stages.candidates import make_change as change_of
from ctdna.stages.evidence import Evidence
from ctdna.stages.judging import Candidate

MIN_JOINT = 2
"""Fewer molecules with both changes never join them."""


class Phasing:
    """Answers, once per allele, what each molecule says about it."""

    def __init__(self, evidence: Evidence, index: ReadIndex, end_bases: int) -> None:
        """Keep what the answers need."""
        self._evidence, self._index, self._end_bases = evidence, index, end_bases
        self._known: dict[Allele, Verdicts] = {}

    def verdicts(self, allele: Allele) -> Verdicts:
        """Return what every molecule over the allele says about it."""
        if allele not in self._known:
            self._known[allele] = self._judge(allele)
        return self._known[allele]

    def _judge(self, allele: Allele) -> Verdicts:
        if allele.variant_class == "indel":
            change = change_of(self._evidence.panel, allele)
            return judge_change(self._evidence, self._index, change, self._end_bases)
        bases = [(allele.slot + k, alt) for k, (ref, alt) in enumerate(zip(allele.ref, allele.alt, strict=True))
                 if ref != alt]  # fmt: skip
        parts = [judge_base(self._evidence, self._index, slot, alt, self._end_bases) for slot, alt in bases]
        return parts[0] if len(parts) == 1 else joint(parts)


def _n_alt(verdicts: Verdicts) -> int:
    return int((verdicts.verdict == ALT).sum())


def _shared(one: Verdicts, other: Verdicts) -> int:
    carriers = [verdicts.molecule[verdicts.verdict == ALT] for verdicts in (one, other)]
    return len(np.intersect1d(carriers[0], carriers[1], assume_unique=True))


def _gap(one: Allele, other: Allele) -> int:
    """Return how far the changed bases stand apart (1: side by side), 0 or less where they overlap."""
    first = other.slot + (1 if other.variant_class == "indel" else 0)
    return first - (one.slot + len(one.ref) - 1)


def _is_pair(one: Allele, other: Allele, distance: int) -> bool:
    both_indels = "indel" == one.variant_class == other.variant_class
    if both_indels or (one.slot == other.slot and one.variant_class == other.variant_class):
        return False
    return one.slot == other.slot or 0 < _gap(one, other) <= distance


def _groups(n: int, edges: list[tuple[int, int]]) -> list[list[int]]:
    root = list(range(n))
    for i, j in edges:
        low, high = sorted((root[i], root[j]))
        root = [low if r == high else r for r in root]
    members: dict[int, list[int]] = {}
    for i, r in enumerate(root):
        members.setdefault(r, []).append(i)
    return [group for group in members.values() if len(group) > 1]


def joined_allele(panel: Panel, parts: list[Allele]) -> Allele:
    """Return the one allele that makes all the parts' changes, in normal form."""
    start = min(part.slot for part in parts)
    end = max(part.slot + len(part.ref) for part in parts)
    ref = alt = panel.text(start, end - start)
    for part in sorted(parts, key=lambda part: (part.slot, len(part.ref) + len(part.alt)), reverse=True):
        at = part.slot - start
        alt = alt[:at] + part.alt + alt[at + len(part.ref) :]
    return make_allele(panel, change_of(panel, Allele(start, ref, alt)))


def join_candidates(
    panel: Panel,
    candidates: list[Candidate],
    phasing: Phasing,
    params: CallParams,
    rate: Callable[[Allele, Verdicts, list[Candidate]], Candidate],
) -> list[Candidate]:
    """Return the candidates with joint ones added and their parts marked.

    Two neighbours join where at least `mnv_min_share` of either's molecules carry both. A substitution most of whose
    molecules carry a neighbouring indel, but not the other way round, is a trace of that indel's alignment: marked too.

    Arguments:
        rate: makes the joint candidate of an allele, its verdicts and its parts.
    """
    candidates = sorted(candidates, key=lambda candidate: candidate.allele)
    edges, traces = _edges(candidates, phasing, params)
    added, is_part = [], set(traces)
    for group in _groups(len(candidates), edges):
        parts = [candidates[i] for i in group]
        verdicts = joint([phasing.verdicts(part.allele) for part in parts])
        least = min(_n_alt(phasing.verdicts(part.allele)) for part in parts)
        if _n_alt(verdicts) >= max(MIN_JOINT, params.mnv_min_share * least):
            added.append(rate(joined_allele(panel, [part.allele for part in parts]), verdicts, parts))
            is_part.update(group)
    marked = [c._replace(is_part=True) if i in is_part else c for i, c in enumerate(candidates)]
    return marked + added


def _edges(
    candidates: list[Candidate], phasing: Phasing, params: CallParams
) -> tuple[list[tuple[int, int]], list[int]]:
    edges, traces = [], []
    for i, one in enumerate(candidates):
        for j in range(i + 1, len(candidates)):
            other = candidates[j]
            if other.allele.slot - one.allele.slot - len(one.allele.ref) > params.mnv_distance:
                break
            if not _is_pair(one.allele, other.allele, params.mnv_distance):
                continue
            first, second = phasing.verdicts(one.allele), phasing.verdicts(other.allele)
            both = _shared(first, second)
            is_most = [both >= max(MIN_JOINT, params.mnv_min_share * _n_alt(v)) for v in (first, second)]
            if all(is_most):
                edges.append((i, j))
            elif is_most[0] and other.allele.variant_class == "indel":
                traces.append(i)
            elif is_most[1] and one.allele.variant_class == "indel":
                traces.append(j)
    return edges, traces
