"""Called variants read as text lines, and written again with the annotation in INFO; nothing else of a line changes."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.bgzf import inflate, is_bgzf, open_input
from ctdna.formats.tables import write_indexed
from ctdna.formats.vcf import escape
from ctdna.model.annotation import Allele, Annotation
from ctdna.model.errors import InputError

FIELDS = (
    ("GENE", "1", "String", "Gene"),
    ("TRANSCRIPT", "1", "String", "Pinned transcript"),
    ("HGVSG", "1", "String", "HGVS name on the chromosome"),
    ("HGVSC", "1", "String", "HGVS name on the transcript"),
    ("HGVSP", "1", "String", "HGVS name of the predicted protein change"),
    ("CONSEQUENCE", ".", "String", "Sequence Ontology terms, most severe first"),
    ("EXON", "1", "String", "Exon of the transcript and their number"),
    ("TIER", "1", "String", "AMP/ASCO/CAP tier: I, II, III or IV"),
    ("TIER_RULE", "1", "String", "The rule that gave the tier"),
    ("TIER_REASON", "1", "String", "The reason for the tier, percent-encoded"),
    ("KNOWLEDGE", ".", "String", "Ids of the kit's evidence items that speak of the variant"),
    ("CHIP", "0", "Flag", "In a gene of clonal haematopoiesis"),
    ("GERMLINE_ALERT", "0", "Flag", "Possibly germline, in a gene where that matters to the family"),
    ("GENOME_POS", "1", "String", "Position in the genome where the contig is a slice of it"),
)
HOTSPOT = '##INFO=<ID=HOTSPOT,Number=0,Type=Flag,Description="A reportable allele of the kit">'
_OURS = frozenset(field[0] for field in FIELDS)
_HINT = "give a VCF as `ctdna call` writes it"


class SiteRecord(NamedTuple):
    """One line of a VCF."""

    line: int
    fields: list[str]
    allele: Allele
    filters: tuple[str, ...]


class Sites(NamedTuple):
    """A VCF as text: header lines without line feeds, and records."""

    header: list[str]
    records: list[SiteRecord]


def read_sites(path: Path) -> Sites:
    """Return header and records of a VCF, plain or BGZF, in coordinate order with one alternate allele a record.

    Raises:
        InputError: the file is cut off or no VCF, a record is malformed, has several or symbolic alternate alleles,
            or is out of order.
    """
    lines = _text(path).splitlines()
    if not lines or not lines[0].startswith("##fileformat=VCF"):
        raise InputError(path, "line 1", "is no VCF: `##fileformat=VCF...` is missing", _HINT)
    n_header = next((i for i, line in enumerate(lines) if not line.startswith("##")), len(lines))
    if n_header == len(lines) or not lines[n_header].startswith("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"):
        raise InputError(path, f"line {n_header + 1}", "the line `#CHROM POS ID REF ALT ...` is missing", _HINT)
    records = [_record(path, number, line) for number, line in enumerate(lines[n_header + 1 :], n_header + 2)]
    _check_order(path, records)
    return Sites(lines[: n_header + 1], records)


def _text(path: Path) -> str:
    if is_bgzf(path):
        content = b"".join(batch.tobytes() for batch in inflate(path))
    else:
        with open_input(path) as stream:
            content = stream.read()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(path, "", "is neither text nor BGZF", "compress it with bgzip, not gzip") from error


def _record(path: Path, number: int, line: str) -> SiteRecord:
    fields = line.split("\t")
    where = f"line {number}"
    if len(fields) < 8:
        raise InputError(path, where, f"found {len(fields)} fields, at least 8 are needed", _HINT)
    contig, pos, _, ref, alt = fields[:5]
    where = f"line {number}, {contig}:{pos}"
    if not pos.isascii() or not pos.isdigit() or int(pos) < 1:
        raise InputError(path, where, f"POS is `{pos}`, a whole number from 1 on is allowed", _HINT)
    if "," in alt:
        what = f"found several alternate alleles `{alt}`, one is allowed"
        raise InputError(path, where, what, "split them first, as `bcftools norm -m -any` does")
    for name, bases in (("REF", ref), ("ALT", alt)):
        if not bases or set(bases.upper()) - set("ACGT"):
            raise InputError(path, where, f"{name} is `{bases[:30]}`, only the bases A, C, G, T are allowed", _HINT)
    allele = Allele(contig, int(pos) - 1, ref.upper(), alt.upper())
    return SiteRecord(number, fields, allele, tuple(fields[6].split(";")))


def _check_order(path: Path, records: list[SiteRecord]) -> None:
    done: set[str] = set()
    for before, after in pairwise(records):
        if before.allele.contig != after.allele.contig:
            done.add(before.allele.contig)
        is_back = before.allele.contig == after.allele.contig and after.allele.start0 < before.allele.start0
        if is_back or after.allele.contig in done:
            where = f"line {after.line}, {after.fields[0]}:{after.fields[1]}"
            raise InputError(path, where, "stands out of coordinate order", "sort the VCF first")


def _info(annotation: Annotation) -> list[str]:
    values = (
        ("GENE", annotation.gene),
        ("TRANSCRIPT", annotation.transcript),
        ("HGVSG", annotation.hgvs_g),
        ("HGVSC", annotation.hgvs_c),
        ("HGVSP", annotation.hgvs_p),
        ("EXON", annotation.exon),
        ("TIER", annotation.tier),
        ("TIER_RULE", annotation.tier_rule),
        ("TIER_REASON", annotation.tier_reason),
        ("GENOME_POS", annotation.genome_pos),
    )
    parts = [f"{name}={escape(value)}" for name, value in values if value]
    for name, many in (("CONSEQUENCE", annotation.consequence), ("KNOWLEDGE", annotation.knowledge)):
        if many:
            parts.append(f"{name}={','.join(escape(value) for value in many)}")
    flags = (
        ("HOTSPOT", annotation.is_hotspot),
        ("CHIP", annotation.is_chip_gene),
        ("GERMLINE_ALERT", annotation.is_germline_alert),
    )
    return parts + [name for name, holds in flags if holds]


def _line(record: SiteRecord, annotation: Annotation) -> str:
    dropped = _OURS | ({"HOTSPOT"} if annotation.is_hotspot else set())
    kept = [part for part in record.fields[7].split(";") if part not in ("", ".") and part.split("=")[0] not in dropped]
    info = ";".join(kept + _info(annotation)) or "."
    return "\t".join([*record.fields[:7], info, *record.fields[8:]])


def _header(lines: list[str]) -> list[str]:
    def is_ours(line: str) -> bool:
        return line.startswith("##INFO=<ID=") and line[11:].split(",")[0] in _OURS

    kept = [line for line in lines[:-1] if not is_ours(line)]
    if not any(line.startswith("##INFO=<ID=HOTSPOT,") for line in kept):
        kept.append(HOTSPOT)
    added = [
        f'##INFO=<ID={name},Number={number},Type={kind},Description="{text}">' for name, number, kind, text in FIELDS
    ]
    return [*kept, *added, lines[-1]]


def write_annotated(path: Path, sites: Sites, annotations: list[Annotation]) -> None:
    """Write the records with their annotations, in BGZF, and the index beside it (`.tbi`).

    Raises:
        InputError: the files cannot be written.
    """
    lines = _header(sites.header)
    lines += [_line(record, annotation) for record, annotation in zip(sites.records, annotations, strict=True)]
    write_indexed(path, lines, "vcf")
