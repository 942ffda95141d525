"""Neighbouring changes that the same molecules carry are one variant."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ctdna.kernels.realign_alleles import ALT, DISAGREE, FLANK, LEANS, OTHER, SHORT_REPEAT, Change
from ctdna.model.evidence import Allele, Panel
from ctdna.model.params.call import CallParams
from ctdna.stages.candidates import (
    Alternates,
    IndelTable,
    ReadIndex,
    Verdicts,
    change_key,
    joint,
    judge_base,
    judge_change,
    make_allele,
)
from ctdna.stages.candidates import make_change as change_of
from ctdna.stages.evidence import Evidence
from ctdna.stages.judging import Candidate

Rate = Callable[[Allele, Verdicts, list[Candidate]], Candidate]
"""Makes the joint candidate of an allele, its verdicts and its parts."""
MIN_JOINT = 2
"""Fewer molecules with both changes never join them."""


class IndelAlleles(NamedTuple):
    """The indels to be judged: found in CIGARs, or assembled from clipped reads."""

    changes: tuple[Change, ...]
    parts: dict[Allele, tuple[Allele, ...]]
    """Of joint indels: the indels that make them."""


NO_INDELS = IndelAlleles((), {})


def indel_alleles(indels: IndelTable, assembled: Sequence[Change], floor: int) -> IndelAlleles:
    """Return the distinct indels worth judging, in the order of place.

    Aligners write a long indel, or one beside other changes, in one way here and in another there, and clip many of its
    reads. So of these, one molecule is enough to be looked at: what counts is how many show it once all are laid on it.
    """
    n_molecules: dict[tuple[int, int, bytes], int] = {}
    changes: dict[tuple[int, int, bytes], Change] = {}
    parts: dict[Allele, tuple[Allele, ...]] = {}
    for event in (*indels.events, *(indel.event for indel in indels.joint)):
        key = change_key(event.change)
        changes[key] = event.change
        n_molecules[key] = n_molecules.get(key, 0) + event.n_molecules
    chosen = {key: change for key, change in changes.items() if n_molecules[key] >= floor or _is_long(change)}
    chosen |= {change_key(change): change for change in (*assembled, *(indel.event.change for indel in indels.joint))}
    for indel in indels.joint:
        if change_key(indel.event.change) in chosen:
            parts[indel.event.allele] = indel.parts
    return IndelAlleles(tuple(chosen[key] for key in sorted(chosen)), parts)


def _is_long(change: Change) -> bool:
    return max(change.n_deleted, len(change.inserted)) > SHORT_REPEAT


class Phasing:
    """Answers, once per allele, what each molecule says about it."""

    def __init__(self, evidence: Evidence, end_bases: int, indels: IndelAlleles) -> None:
        """Keep what the answers need."""
        self._evidence, self._end_bases = evidence, end_bases
        self.index = ReadIndex(evidence)
        """Finds the reads over a place."""
        self._alternates = Alternates(indels.changes)
        self.parts = indels.parts
        """Of joint indels: the indels that make them."""
        self._wholes: dict[Allele, list[Allele]] = {}
        for whole, parts in indels.parts.items():
            for part in parts:
                self._wholes.setdefault(part, []).append(whole)
        self._known: dict[Allele, Verdicts] = {}

    def verdicts(self, allele: Allele) -> Verdicts:
        """Return what every molecule over the allele says about it; one with a joint indel has each of its parts."""
        if allele not in self._known:
            self._known[allele] = self._judge(allele)
        return self._known[allele]

    def _judge(self, allele: Allele) -> Verdicts:
        if allele.variant_class == "indel":
            own = self._judge_indel(allele)
            for whole in self._wholes.get(allele, ()):
                own = _with_carriers(own, self._judge_indel(whole))
            return own
        pairs = enumerate(zip(allele.ref, allele.alt, strict=True))
        parts = [Allele(allele.slot + k, ref, alt) for k, (ref, alt) in pairs if ref != alt]
        if len(parts) > 1:
            return self.together(allele, parts)
        return judge_base(self._evidence, self.index, parts[0].slot, parts[0].alt, self._end_bases)

    def together(self, whole: Allele, parts: Sequence[Allele]) -> Verdicts:
        """Return what molecules say about all parts of a joint change at once.

        An aligner clips a read that ends near several substitutions, but no read of the reference there. So of a whole
        of substitutions alone, molecules count too whose clipped bases show it.
        """
        said = joint([self.verdicts(part) for part in parts])
        if any(part.variant_class != "snv" for part in parts):
            return said
        laid = self._judge_indel(whole)
        is_new = (laid.verdict == ALT) & ~np.isin(laid.molecule, said.molecule)
        return _with_carriers(said, laid._replace(verdict=np.where(is_new, ALT, OTHER).astype(np.uint8)))

    def _judge_indel(self, allele: Allele) -> Verdicts:
        change = change_of(self._evidence.panel, allele)
        rivals = self._alternates.beside(change)
        return judge_change(self._evidence, self.index, change, rivals, self._end_bases)


def _with_carriers(own: Verdicts, whole: Verdicts) -> Verdicts:
    """Return the verdicts on an allele with the molecules of a joint one that holds it."""
    carries = whole.verdict == ALT
    keep = ~np.isin(own.molecule, whole.molecule[carries])
    molecule = np.concatenate([own.molecule[keep], whole.molecule[carries]])
    order = np.argsort(molecule, kind="stable")
    verdict = np.concatenate([own.verdict[keep], whole.verdict[carries]])
    packed = np.concatenate([own.packed[keep], whole.packed[carries]])
    return own._replace(molecule=molecule[order], verdict=verdict[order], packed=packed[order])


def _n_alt(verdicts: Verdicts) -> int:
    return int((verdicts.verdict == ALT).sum())


def _shared(one: Verdicts, other: Verdicts) -> int:
    carriers = [verdicts.molecule[verdicts.verdict == ALT] for verdicts in (one, other)]
    return len(np.intersect1d(carriers[0], carriers[1], assume_unique=True))


def _gap(one: Allele, other: Allele) -> int:
    """Return how far the changed bases stand apart (1: side by side), 0 or less where they overlap."""
    first = other.slot + (1 if other.variant_class == "indel" and other.ref[0] == other.alt[0] else 0)
    return first - (one.slot + len(one.ref) - 1)


def _is_pair(one: Allele, other: Allele, distance: int) -> bool:
    both_indels = "indel" == one.variant_class == other.variant_class
    if both_indels or (one.slot == other.slot and one.variant_class == other.variant_class):
        return False
    return one.slot == other.slot or 0 < _gap(one, other) <= distance


def _is_trace(substitution: Verdicts, indel: Verdicts, share: float, is_inside: bool) -> bool:
    """Return whether most molecules of a substitution carry the indel, lean to it, or show it in one of their reads.

    Beside the indel, not the other way round: then both may be there. Inside it, the indel says it all.
    """
    carriers = substitution.molecule[substitution.verdict == ALT]
    has = indel.molecule[np.isin(indel.verdict, (ALT, LEANS, DISAGREE))]
    both = len(np.intersect1d(carriers, has, assume_unique=True))
    return both >= max(1.0, share * len(carriers)) and (is_inside or both < share * _n_alt(indel))


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
    rate: Rate,
) -> list[Candidate]:
    """Return the candidates with joint ones added and their parts marked.

    Two neighbours join where at least `mnv_min_share` of either's molecules carry both. A substitution most of whose
    molecules carry a nearby indel, but not the other way round, is a trace of that indel's alignment: marked too.
    """
    candidates = sorted(candidates, key=lambda candidate: candidate.allele)
    is_part = set(_traces(panel, candidates, phasing, params))
    candidates, pieces = _joint_indels(candidates, phasing, params, rate)
    is_part |= pieces
    added = []
    for group in _groups(len(candidates), _edges(candidates, is_part, phasing, params)):
        parts = [candidates[i] for i in group]
        alleles = [part.allele for part in parts]
        verdicts = joint([phasing.verdicts(allele) for allele in alleles])
        least = min(_n_alt(phasing.verdicts(allele)) for allele in alleles)
        if _n_alt(verdicts) >= max(MIN_JOINT, params.mnv_min_share * least):
            whole = joined_allele(panel, alleles)
            added.append(rate(whole, phasing.together(whole, alleles), parts))
            is_part.update(group)
    marked = [c._replace(is_part=True) if i in is_part else c for i, c in enumerate(candidates)]
    return marked + added


def _joint_indels(
    candidates: list[Candidate], phasing: Phasing, params: CallParams, rate: Rate
) -> tuple[list[Candidate], set[int]]:
    """Return the candidates with the joint indels judged by their parts, and which are but parts.

    A joint indel that too few of its parts' molecules carry is marked itself: its parts stand for it.
    """
    place = {candidate.allele: i for i, candidate in enumerate(candidates)}
    out, marked = list(candidates), set()
    for i, whole in enumerate(candidates):
        pieces = [place[part] for part in phasing.parts.get(whole.allele, ()) if part in place]
        if not pieces:
            continue
        verdicts = phasing.verdicts(whole.allele)
        most = max(candidates[k].n_alt for k in pieces)
        if _n_alt(verdicts) >= max(MIN_JOINT, params.mnv_min_share * most):
            out[i] = rate(whole.allele, verdicts, [candidates[k] for k in pieces])
            marked.update(pieces)
        else:
            marked.add(i)
    return out, marked


def _edges(
    candidates: list[Candidate], is_part: set[int], phasing: Phasing, params: CallParams
) -> list[tuple[int, int]]:
    """Return the pairs of neighbours that mostly the same molecules carry."""
    edges = []
    for i, one in enumerate(candidates):
        for j in range(i + 1, len(candidates)):
            other = candidates[j]
            if other.allele.slot - one.allele.slot - len(one.allele.ref) > params.mnv_distance:
                break
            if i in is_part or j in is_part:
                continue
            if _is_pair(one.allele, other.allele, params.mnv_distance):
                first, second = phasing.verdicts(one.allele), phasing.verdicts(other.allele)
                most = max(_n_alt(first), _n_alt(second))
                if _shared(first, second) >= max(MIN_JOINT, params.mnv_min_share * most):
                    edges.append((i, j))
    return edges


def _traces(panel: Panel, candidates: list[Candidate], phasing: Phasing, params: CallParams) -> list[int]:
    """Return the substitutions that are but the tails of reads with an indel, aligned as if without it."""
    is_indel = np.array([c.allele.variant_class == "indel" for c in candidates], dtype=bool)
    slots = np.array([c.allele.slot for c in candidates], dtype=np.int64)
    found: set[int] = set()
    for i in np.flatnonzero(is_indel):
        indel = candidates[i]
        change = change_of(panel, indel.allele)
        near = ~is_indel & (slots >= change.low - FLANK) & (slots < change.high + FLANK)
        for j in np.flatnonzero(near):
            verdicts = phasing.verdicts(candidates[j].allele), phasing.verdicts(indel.allele)
            is_inside = change.slot <= slots[j] < change.slot + change.n_deleted
            if _is_trace(*verdicts, params.mnv_min_share, is_inside):
                found.add(int(j))
    return sorted(found)
