"""A record of the annotated VCF as a finding of the result."""

from typing import Any, get_args

from ctdna.model.errors import InputError
from ctdna.model.params.qc import VariantClass
from ctdna.model.result import TIERS, Finding, FindingState, KnowledgeItem, StrandCount, Tier, TierCount
from ctdna.report.sources import VariantRow

_TIER_FIELDS: tuple[tuple[Tier, str], ...] = tuple(zip(TIERS, ("MD", "MS3", "MS2", "MS1"), strict=True))


def _words(value: Any) -> str | None:
    if value is None or value == "" or value == ".":
        return None
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def _terms(value: Any) -> str | None:
    text = _words(value)
    return None if text is None else text.replace(", ", "&")


def _float(value: Any) -> float | None:
    if isinstance(value, tuple):
        value = value[0] if value else None
    return None if value is None else float(value)


def _needed(row: VariantRow, name: str) -> Any:
    value = row.counts.get(name)
    if value is None or (isinstance(value, tuple) and None in value):
        where = f"{row.contig}:{row.pos1} {row.ref}>{row.alt}"
        raise InputError("annotated VCF", where, f"FORMAT/{name} is missing", "call the sample again")
    return value


def _class(row: VariantRow) -> VariantClass:
    for name in get_args(VariantClass):
        if row.info.get("VC") == name:
            found: VariantClass = name
            return found
    where = f"{row.contig}:{row.pos1} {row.ref}>{row.alt}"
    allowed = f"allowed: {', '.join(get_args(VariantClass))}"
    raise InputError("annotated VCF", where, f"INFO/VC is {row.info.get('VC', 'missing')}", allowed)


def _state(row: VariantRow, variant_class: VariantClass, failed: frozenset[VariantClass]) -> FindingState:
    if set(row.filters) - {"germline"}:
        return "filtered"
    if variant_class in failed:
        return "withheld"
    return "possible_germline" if row.filters else "reported"


def _knowledge(row: VariantRow, known: dict[str, KnowledgeItem]) -> tuple[KnowledgeItem, ...]:
    ids = (_words(row.info.get("KNOWLEDGE")) or "").replace(",", " ").split()
    missing = [name for name in ids if name not in known]
    if missing:
        where = f"{row.contig}:{row.pos1} {row.ref}>{row.alt}"
        what = f"names the knowledge item {missing[0]}, which the kit does not hold"
        raise InputError("annotated VCF", where, what, "annotate the sample again with this kit")
    return tuple(known[name] for name in ids)


def _strands(row: VariantRow) -> StrandCount | None:
    counts = row.counts.get("SB")
    if counts is None or None in counts:
        return None
    names = ("ref_top", "ref_bottom", "alt_top", "alt_bottom")
    return StrandCount(**dict(zip(names, counts, strict=True)))


def finding_of(
    row: VariantRow,
    failed: frozenset[VariantClass],
    knowledge: dict[str, KnowledgeItem],
) -> Finding:
    """Return the finding of one record.

    Its state: `filtered` with any filter but germline; `withheld` where its class failed QC; `possible_germline` with
    that filter alone; else `reported`.

    Raises:
        InputError: a count is missing, or the record names a knowledge item that the kit does not hold.
    """
    variant_class = _class(row)
    state = _state(row, variant_class, failed)
    ref_molecules, alt_molecules = _needed(row, "AD")
    low, high = _needed(row, "AFCI")
    tiers = [(tier, row.counts.get(name)) for tier, name in _TIER_FIELDS]
    info = row.info
    return Finding.model_validate(
        {
            "state": state,
            "contig": row.contig,
            "pos1": row.pos1,
            "ref": row.ref,
            "alt": row.alt,
            "genome_pos": _words(info.get("GENOME_POS")),
            "gene": _words(info.get("GENE")),
            "transcript": _words(info.get("TRANSCRIPT")),
            "exon": _words(info.get("EXON")),
            "hgvs_g": _words(info.get("HGVSG")),
            "hgvs_c": _words(info.get("HGVSC")),
            "hgvs_p": _words(info.get("HGVSP")),
            "consequence": _terms(info.get("CONSEQUENCE")),
            "variant_class": variant_class,
            "target": _words(info.get("TARGET")),
            "hotspot": bool(info.get("HOTSPOT", False)),
            "vaf": _float(_needed(row, "AF")),
            "vaf_low": float(low),
            "vaf_high": float(high),
            "depth": _needed(row, "DP"),
            "ref_molecules": ref_molecules,
            "alt_molecules": alt_molecules,
            "tiers": tuple(TierCount(tier=tier, ref=pair[0], alt=pair[1]) for tier, pair in tiers if pair),
            "strands": _strands(row),
            "p_value": _float(info.get("PV")),
            "q_value": _float(info.get("QV")),
            "background": _float(info.get("BG")),
            "lob": _float(info.get("LOB")),
            "lod95": _float(info.get("LOD95")),
            "filters": row.filters,
            "tier": _words(info.get("TIER")),
            "tier_rule": _words(info.get("TIER_RULE")),
            "tier_reason": _words(info.get("TIER_REASON")),
            "knowledge": _knowledge(row, knowledge),
            "chip": bool(info.get("CHIP", False)),
            "germline_alert": state == "possible_germline" and bool(info.get("GERMLINE_ALERT", False)),
        }
    )
