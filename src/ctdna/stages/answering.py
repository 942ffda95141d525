"""Alleles of a list, found on the panel and judged there."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ctdna.kernels.realign_alleles import Change
from ctdna.model.annotation import Hotspot
from ctdna.model.evidence import Allele, Panel
from ctdna.model.forced import ListedAllele
from ctdna.model.params.call import CallParams
from ctdna.model.variants import NO_CALL, CalledVariant
from ctdna.stages.candidates import make_allele, make_change, on_target
from ctdna.stages.forced import Answer
from ctdna.stages.judging import Candidate
from ctdna.stages.loci import HotspotRow

Key = tuple[int, int, bytes]


class Found(NamedTuple):
    """A listed allele on the panel."""

    listed: ListedAllele
    allele: Allele | None
    """In normal form; None: not on the panel."""
    key: Key


def _is_on_panel(panel: Panel, allele: Allele, change: Change) -> bool:
    """Return whether it can be judged: an indel that touches a target, or bases that all lie on targets."""
    if allele.variant_class == "indel":
        return on_target(panel, change)
    slots = [allele.slot + k for k, (ref, alt) in enumerate(zip(allele.ref, allele.alt, strict=True)) if ref != alt]
    regions = panel.regions
    return all(regions.target[slot] >= 0 and regions.reference[slot] < 4 for slot in slots)


def find_listed(panel: Panel, listed: Sequence[ListedAllele]) -> list[Found]:
    """Return where the listed alleles stand; of several ways to write one allele, the first."""
    found: dict[object, Found] = {}
    for item in listed:
        slot, last = panel.slot(item.contig, item.pos1 - 1), panel.slot(item.contig, item.pos1 + len(item.ref) - 2)
        allele, key = None, (-1, 0, b"")
        if slot >= 0 and last - slot == len(item.ref) - 1:
            change = make_change(panel, Allele(slot, item.ref, item.alt))
            normal = make_allele(panel, change)
            if _is_on_panel(panel, normal, change):
                allele, key = normal, (change.slot, change.n_deleted, change.inserted.tobytes())
        found.setdefault(key if allele else item[:4], Found(item, allele, key))
    return list(found.values())


def with_listed(
    candidates: list[Candidate], found: Sequence[Found], judge: Callable[[Allele], Candidate], params: CallParams
) -> list[Candidate]:
    """Return the candidates and, for listed alleles that are none yet, new ones; listed ones at their own level."""
    by_key = {candidate.key: candidate for candidate in candidates}
    for item in found:
        if item.allele is not None:
            candidate = by_key.get(item.key) or judge(item.allele)
            alpha = max(candidate.alpha, params.forced_alpha)
            by_key[item.key] = candidate._replace(alpha=alpha, identifier=item.listed.label)
    return list(by_key.values())


def answers_of(found: Sequence[Found], by_key: dict[Key, Candidate]) -> list[Answer]:
    """Return the listed alleles with their candidates."""
    return [Answer(item.listed, by_key[item.key] if item.allele else None) for item in found]


def listed_rows(found: Sequence[Found], hotspots: Sequence[HotspotRow], params: CallParams) -> list[HotspotRow]:
    """Return the rows of the table of loci: hotspots, at the higher of both levels, then listed alleles."""
    forced = {item.key for item in found if item.allele}
    rows = [
        row._replace(alpha=max(params.hotspot_alpha, params.forced_alpha if row.key in forced else 0.0))
        for row in hotspots
    ]
    known = {row.hotspot[:4] for row in rows}
    for item in found:
        if item.listed[:4] not in known:
            spot = Hotspot(*item.listed[:4], "", item.listed.label)
            rows.append(HotspotRow(spot, item.allele, item.key, params.forced_alpha))
    return rows


def off_panel_variants(found: Sequence[Found]) -> list[CalledVariant]:
    """Return a record without molecules for each listed allele that is not on the panel."""
    return [_off_panel(item.listed) for item in found if item.allele is None]


def _off_panel(listed: ListedAllele) -> CalledVariant:
    allele = Allele(-1, listed.ref, listed.alt)
    return CalledVariant(
        listed.contig, listed.pos1, listed.ref, listed.alt, ("not_significant", "low_evidence"), ".", False,
        allele.variant_class, 1.0, 1.0, 0.0, None, None, (), 0, 0, 0, 0.0, 0.0, 1.0, ((0, 0),) * 4, (0, 0, 0, 0),
        state=NO_CALL, reason="off_panel", is_forced=True, identifier=listed.label,
    )  # fmt: skip
