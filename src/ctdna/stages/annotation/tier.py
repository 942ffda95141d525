"""The AMP/ASCO/CAP tier (Li et al., J Mol Diagn 2017) and the reason for it.

Evidence of an item holds in the item's own disease; in another disease tier I weighs as tier II (its level C).
"""

from typing import NamedTuple

from ctdna.model.annotation import KnowledgeItem, Tier

CLINICAL_TYPES = frozenset({"predictive", "diagnostic", "prognostic"})
_ORDER: tuple[Tier, ...] = ("I", "II", "III", "IV")


class TierDecision(NamedTuple):
    """A tier with its reason."""

    tier: Tier
    rule: str
    """One word for a program, as `evidence_same_disease`."""
    reason: str
    """One sentence."""


class Findings(NamedTuple):
    """What the tier is judged by."""

    items: list[KnowledgeItem]
    diagnosis: str
    """The sample's disease; empty where it is not known."""
    same_diseases: frozenset[str]
    """The diseases whose evidence holds for the diagnosis, itself included; in `casefold`."""
    is_altering: bool
    """Changes the protein or a splice site."""
    is_hotspot: bool
    is_truncating: bool
    common_frequency: float | None
    """Its frequency where the kit's table calls it common; None otherwise."""


def tier(findings: Findings) -> TierDecision:
    """Return the tier by the strongest evidence that supports a clinical statement, else by what the variant is."""
    best = _best(findings)
    if best is not None:
        return best
    if findings.common_frequency is not None:
        reason = f"Common in the population (frequency {findings.common_frequency:g}); no clinical evidence in the kit"
        return TierDecision("IV", "common_in_population", reason)
    if not findings.is_altering:
        return TierDecision("IV", "protein_unchanged", "No change of the protein or of a splice site is predicted")
    if findings.is_hotspot:
        reason = "A reportable hotspot of the kit, but no clinical evidence in the kit's knowledge"
        return TierDecision("III", "hotspot_without_evidence", reason)
    if findings.is_truncating:
        reason = "Predicted to truncate the protein; no clinical evidence in the kit's knowledge"
        return TierDecision("III", "truncating_without_evidence", reason)
    return TierDecision("III", "no_evidence", "No clinical evidence in the kit's knowledge: unknown significance")


def supports_tier(item: KnowledgeItem) -> bool:
    """Return whether an item may raise a tier: it supports a predictive, diagnostic or prognostic statement."""
    return item.direction.casefold() == "supports" and item.evidence_type.casefold() in CLINICAL_TYPES


def _best(findings: Findings) -> TierDecision | None:
    ranked = []
    for place, item in enumerate(findings.items):
        if supports_tier(item):
            is_same = item.disease.casefold() in findings.same_diseases
            given: Tier = "II" if item.tier == "I" and findings.diagnosis and not is_same else item.tier
            ranked.append((_ORDER.index(given), not is_same, item.level, place, given, item))
    if not ranked:
        return None
    _, _, _, _, given, item = min(ranked, key=lambda row: row[:4])
    return _by_item(given, item, findings)


def _by_item(given: Tier, item: KnowledgeItem, findings: Findings) -> TierDecision:
    diagnosis = findings.diagnosis
    statement = f"{item.evidence_type.capitalize()} evidence of level {item.level} ({item.id}): {item.significance}"
    if item.therapy:
        statement += f" to {item.therapy}"
    statement += f" in {item.disease}"
    if not diagnosis:
        return TierDecision(
            given, "evidence_diagnosis_unknown", f"{statement}; the sample's diagnosis was not considered"
        )
    if item.disease.casefold() in findings.same_diseases:
        return TierDecision(given, "evidence_same_disease", f"{statement}; the sample's diagnosis is {diagnosis}")
    return TierDecision(given, "evidence_other_disease", f"{statement}; the sample's diagnosis is {diagnosis}")
