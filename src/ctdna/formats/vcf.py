"""The VCF of `call`: written as text for stable bytes, read through htslib."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ctdna.formats.htslib import pysam
from ctdna.formats.tables import figure, write_indexed
from ctdna.model.errors import InputError
from ctdna.model.evidence import TIERS
from ctdna.model.variants import FILTERS, CalledVariant, WhiteCells

_INFO = (
    ("TARGET", "1", "String", "Target of the panel"),
    ("HOTSPOT", "0", "Flag", "A reportable allele of the kit"),
    ("VC", "1", "String", "Variant class: snv, indel or mnv"),
    ("PV", "1", "Float", "P-value of the molecules under the background"),
    ("QV", "1", "Float", "False discovery rate at which this allele would be called (Benjamini and Hochberg)"),
    ("BG", "1", "Float", "Background rate of this allele, per molecule"),
    ("LOB", "1", "Float", "Limit of blank for this allele at this depth, as VAF"),
    ("LOD95", "1", "Float", "VAF that is detected 95 times in 100 at this depth"),
    ("PARTS", ".", "String", "Parts of a joint change, as pos:ref>alt"),
    ("PP", "1", "Float", "Probability that the allele is present, from its prior and its molecules"),
    ("STATE", "1", "String", "DETECTED, NOT_DETECTED or NO_CALL"),
    ("REASON", ".", "String", "Why it is a NO_CALL, or the filters of its origin"),
    ("ORIGIN", "1", "String", "tumour, chip, germline or unresolved"),
    ("ZYG", "1", "String", "Of a possibly germline allele: het, hom or unbalanced"),
    ("WAD", "R", "Integer", "White cells: molecules with the reference and with the alternate allele"),
    ("WDP", "1", "Integer", "White cells: informative molecules"),
    ("WVAF", "A", "Float", "White cells: VAF less the background"),
    ("WAFCI", "2", "Float", "White cells: 95 % interval of WVAF"),
    ("WPV", "1", "Float", "White cells: p-value of the molecules under the background"),
    ("FORCED", "0", "Flag", "Of the list of alleles to be answered"),
)
_FORMAT = (
    ("GT", "1", "String", "0/1 for every candidate; no genotype is claimed"),
    ("DP", "1", "Integer", "Informative molecules"),
    ("AD", "R", "Integer", "Molecules with the reference and with the alternate allele"),
    ("AF", "A", "Float", "Alternate molecules over informative molecules"),
    ("VAF", "A", "Float", "VAF of greatest likelihood over the classes of molecules, less the background"),
    ("AFCI", "2", "Float", "95 % interval of VAF"),
    ("MD", "R", "Integer", "Molecules (ref, alt): duplex"),
    ("MS3", "R", "Integer", "Molecules (ref, alt): one strand, 3 or more reads"),
    ("MS2", "R", "Integer", "Molecules (ref, alt): one strand, 2 reads"),
    ("MS1", "R", "Integer", "Molecules (ref, alt): 1 read"),
    ("SB", "4", "Integer", "Molecules with reads of a strand of origin: ref top, ref bottom, alt top, alt bottom"),
)
_KEYS = ":".join(row[0] for row in _FORMAT)
_ESCAPES = {"%": "%25", ";": "%3B", "=": "%3D", ",": "%2C", "\t": "%09", " ": "%20"}


def escape(text: str) -> str:
    """Return the text percent-encoded where the VCF standard, or a reader that splits at blanks, needs it."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def header_lines(
    contigs: Sequence[tuple[str, int]], sample: str, facts: dict[str, str], reference_name: str
) -> list[str]:
    """Return the header; `facts` become `##ctdna_<key>=<value>` lines in the order of their keys."""
    lines = ["##fileformat=VCFv4.3", "##source=ctdna", f"##reference={reference_name}"]
    lines += [f"##ctdna_{key}={value}" for key, value in sorted(facts.items())]
    lines += [f"##contig=<ID={name},length={length}>" for name, length in contigs]
    lines += ['##FILTER=<ID=PASS,Description="All filters passed">']
    lines += [f'##FILTER=<ID={name},Description="{text}">' for name, text in FILTERS.items()]
    for kind, rows in (("INFO", _INFO), ("FORMAT", _FORMAT)):
        lines += [f'##{kind}=<ID={i},Number={n},Type={t},Description="{text}">' for i, n, t, text in rows]
    return [*lines, f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}"]


def record_line(variant: CalledVariant) -> str:
    """Return one variant's line."""
    info = [f"TARGET={escape(variant.target)}"] + (["HOTSPOT"] if variant.is_hotspot else [])
    info += [f"VC={variant.variant_class}", f"PV={figure(variant.p_value)}", f"QV={figure(variant.q_value)}"]
    info += [f"BG={figure(variant.background)}"]
    info += [f"{key}={figure(v)}" for key, v in (("LOB", variant.lob), ("LOD95", variant.lod95)) if v is not None]
    if variant.parts:
        info.append("PARTS=" + ",".join(variant.parts))
    info += _conclusions(variant)
    sample = ["0/1", str(variant.depth), f"{variant.n_ref},{variant.n_alt}", figure(variant.vaf)]
    sample += [figure(variant.vaf_estimate), f"{figure(variant.vaf_low)},{figure(variant.vaf_high)}"]
    sample += [f"{ref},{alt}" for ref, alt in variant.tiers]
    sample += [",".join(map(str, variant.strands))]
    fields = [variant.contig, str(variant.pos1), variant.identifier, variant.ref, variant.alt, "."]
    fields += [";".join(variant.filters) or "PASS", ";".join(info), _KEYS, ":".join(sample)]
    return "\t".join(fields)


def _conclusions(variant: CalledVariant) -> list[str]:
    found = [f"PP={figure(variant.posterior)}", f"STATE={variant.state}"]
    found += [f"REASON={variant.reason}"] if variant.reason != "." else []
    found += [f"ORIGIN={variant.origin}"] + ([f"ZYG={variant.zygosity}"] if variant.zygosity else [])
    if variant.white is not None:
        white = variant.white
        found += [f"WAD={white.n_ref},{white.n_alt}", f"WDP={white.depth}", f"WVAF={figure(white.vaf)}"]
        found += [f"WAFCI={figure(white.low)},{figure(white.high)}", f"WPV={figure(white.p_value)}"]
    return found + (["FORCED"] if variant.is_forced else [])


def write_vcf(path: Path, header: Sequence[str], variants: Sequence[CalledVariant]) -> None:
    """Write the variants, sorted already, as blocked gzip with a tabix index, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    write_indexed(path, [*header, *map(record_line, variants)], "vcf")


def _variant(record: pysam.VariantRecord) -> CalledVariant:
    info, sample = record.info, record.samples[0]
    filters = tuple(str(name) for name in record.filter if name != "PASS")
    tiers = tuple((int(sample[key][0]), int(sample[key][1])) for key in ("MD", "MS3", "MS2", "MS1"))
    assert len(tiers) == len(TIERS)
    top, bottom, alt_top, alt_bottom = (int(n) for n in sample["SB"])
    return CalledVariant(
        record.contig, record.pos, str(record.ref), (record.alts or ("",))[0], filters, _unescape(str(info["TARGET"])),
        "HOTSPOT" in info, str(info["VC"]), float(info["PV"]), float(info["QV"]), float(info["BG"]),
        float(info["LOB"]) if "LOB" in info else None, float(info["LOD95"]) if "LOD95" in info else None,
        tuple(info["PARTS"]) if "PARTS" in info else (), int(sample["DP"]), int(sample["AD"][0]),
        int(sample["AD"][1]), float(sample["AF"][0]), float(sample["AFCI"][0]), float(sample["AFCI"][1]), tiers,
        (top, bottom, alt_top, alt_bottom),
        vaf_estimate=float(sample["VAF"][0]), posterior=float(info["PP"]), origin=str(info["ORIGIN"]),
        zygosity=str(info["ZYG"]) if "ZYG" in info else "", white=_white(info), state=str(info["STATE"]),
        reason=",".join(info["REASON"]) if "REASON" in info else ".", is_forced="FORCED" in info,
        identifier=record.id or ".",
    )  # fmt: skip


def _white(info: pysam.VariantRecordInfo) -> WhiteCells | None:
    if "WDP" not in info:
        return None
    (n_ref, n_alt), (low, high) = info["WAD"], info["WAFCI"]
    rates = float(info["WVAF"][0]), float(low), float(high), float(info["WPV"])
    return WhiteCells(int(n_ref), int(n_alt), int(info["WDP"]), *rates)


def _unescape(text: str) -> str:
    for character, code in _ESCAPES.items():
        if character != "%":
            text = text.replace(code, character)
    return text.replace("%25", "%")


def read_vcf(path: Path) -> Iterator[CalledVariant]:
    """Return the variants of a VCF that `call` wrote; figures have the precision of a 4-byte float.

    Raises:
        InputError: unreadable, truncated, or without the fields of `call`.
    """
    hint = "give the VCF that `ctdna call` wrote"
    try:
        with pysam.VariantFile(str(path)) as stream:
            for record in stream:
                yield _variant(record)
    except KeyError as error:
        raise InputError(path, "", f"lacks the field {error}", hint) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(path, "", f"cannot be read: {why}", hint) from error
