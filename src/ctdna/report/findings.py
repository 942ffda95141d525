"""A record of the annotated VCF as a finding of the result."""

from typing import get_args
from urllib.parse import unquote

from ctdna.model.errors import InputError
from ctdna.model.params.qc import VariantClass
from ctdna.model.result import TIERS, Finding, FindingState, KnowledgeItem, StrandCount, Tier, TierCount, WhiteCellCount
from ctdna.report.sources import VariantRow

_TIER_FIELDS: tuple[tuple[Tier, str], ...] = tuple(zip(TIERS, ("MD", "MS3", "MS2", "MS1"), strict=True))
_WORDS = {
    "genome_pos": "GENOME_POS",
    "gene": "GENE",
    "transcript": "TRANSCRIPT",
    "exon": "EXON",
    "hgvs_g": "HGVSG",
    "hgvs_c": "HGVSC",
    "hgvs_p": "HGVSP",
    "target": "TARGET",
    "tier": "TIER",
    "tier_rule": "TIER_RULE",
    "tier_reason": "TIER_REASON",
}
_FIGURES = {"p_value": "PV", "q_value": "QV", "background": "BG", "lob": "LOB", "lod95": "LOD95", "posterior": "PP"}


def _wrong(row: VariantRow, what: str, hint: str) -> InputError:
    return InputError("annotated VCF", f"{row.contig}:{row.pos1} {row.ref}>{row.alt}", what, hint)


def _items(row: VariantRow, name: str) -> list[str]:
    text = row.info.get(name, "")
    return [unquote(item) for item in text.split(",") if item not in ("", ".")]


def _words(row: VariantRow, name: str) -> str | None:
    text = row.info.get(name, "")
    return None if text in ("", ".") else unquote(text)


def _figure(row: VariantRow, name: str) -> float | None:
    text = row.info.get(name, ".")
    try:
        return None if text in ("", ".") else float(text)
    except ValueError:
        raise _wrong(row, f"INFO/{name} is `{text}`, expected a number", "call the sample again") from None


def _numbers(row: VariantRow, name: str, n: int) -> list[float]:
    """Return the n numbers of a FORMAT field that must be there."""
    parts = row.counts.get(name, ".").split(",")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) != n:
        found = row.counts.get(name, "missing")
        raise _wrong(row, f"FORMAT/{name} is {found}, expected {n} numbers", "call the sample again")
    return numbers


def _whole(row: VariantRow, name: str, n: int) -> list[int]:
    return [int(number) for number in _numbers(row, name, n)]


def _class(row: VariantRow) -> VariantClass:
    for name in get_args(VariantClass):
        if row.info.get("VC") == name:
            found: VariantClass = name
            return found
    allowed = f"allowed: {', '.join(get_args(VariantClass))}"
    raise _wrong(row, f"INFO/VC is {row.info.get('VC', 'missing')}", allowed)


def _state(row: VariantRow, variant_class: VariantClass, failed: frozenset[VariantClass]) -> FindingState:
    if set(row.filters) - {"germline"}:
        return "filtered"
    if variant_class in failed:
        return "withheld"
    return "possible_germline" if row.filters else "reported"


def _knowledge(row: VariantRow, known: dict[str, KnowledgeItem]) -> tuple[KnowledgeItem, ...]:
    ids = _items(row, "KNOWLEDGE")
    for name in ids:
        if name not in known:
            what = f"names the knowledge item {name}, which the kit does not hold"
            raise _wrong(row, what, "annotate the sample again with this kit")
    return tuple(known[name] for name in ids)


def _strands(row: VariantRow) -> StrandCount:
    ref_top, ref_bottom, alt_top, alt_bottom = _whole(row, "SB", 4)
    return StrandCount(ref_top=ref_top, ref_bottom=ref_bottom, alt_top=alt_top, alt_bottom=alt_bottom)


def _tier_counts(row: VariantRow) -> tuple[TierCount, ...]:
    pairs = [(tier, _whole(row, name, 2)) for tier, name in _TIER_FIELDS]
    return tuple(TierCount(tier=tier, ref=ref, alt=alt) for tier, (ref, alt) in pairs)


def _white_cells(row: VariantRow) -> WhiteCellCount | None:
    if "WDP" not in row.info:
        return None
    # The fields of INFO are read as those of FORMAT are, with the same complaints.
    white = row._replace(counts=row.info)
    ref_molecules, alt_molecules = _whole(white, "WAD", 2)
    low, high = _numbers(white, "WAFCI", 2)
    return WhiteCellCount(
        depth=_whole(white, "WDP", 1)[0],
        ref_molecules=ref_molecules,
        alt_molecules=alt_molecules,
        vaf=_numbers(white, "WVAF", 1)[0],
        vaf_low=low,
        vaf_high=high,
        p_value=_numbers(white, "WPV", 1)[0],
    )


def finding_of(row: VariantRow, failed: frozenset[VariantClass], knowledge: dict[str, KnowledgeItem]) -> Finding:
    """Return the finding of one record.

    Its state: `filtered` with any filter but germline; `withheld` where its class failed QC; `possible_germline` with
    that filter alone; else `reported`.

    Raises:
        InputError: a count is missing, or the record names a knowledge item that the kit does not hold.
    """
    variant_class = _class(row)
    state = _state(row, variant_class, failed)
    ref_molecules, alt_molecules = _whole(row, "AD", 2)
    low, high = _numbers(row, "AFCI", 2)
    return Finding.model_validate(
        {
            "state": state,
            "contig": row.contig,
            "pos1": row.pos1,
            "ref": row.ref,
            "alt": row.alt,
            **{field: _words(row, name) for field, name in _WORDS.items()},
            **{field: _figure(row, name) for field, name in _FIGURES.items()},
            "consequence": "&".join(_items(row, "CONSEQUENCE")) or None,
            "variant_class": variant_class,
            "hotspot": "HOTSPOT" in row.info,
            "vaf": _numbers(row, "VAF", 1)[0],
            "vaf_low": low,
            "vaf_high": high,
            "depth": _whole(row, "DP", 1)[0],
            "ref_molecules": ref_molecules,
            "alt_molecules": alt_molecules,
            "tiers": _tier_counts(row),
            "strands": _strands(row),
            "filters": row.filters,
            "knowledge": _knowledge(row, knowledge),
            "chip": "CHIP" in row.info,
            "germline_alert": state == "possible_germline" and "GERMLINE_ALERT" in row.info,
            "origin": _words(row, "ORIGIN"),
            "zygosity": _words(row, "ZYG"),
            "white_cells": _white_cells(row),
        }
    )
