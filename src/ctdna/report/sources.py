"""What the earlier stages wrote of a sample: annotated variants, locus table, program versions, digests."""

from pathlib import Path
from typing import NamedTuple

from ctdna.formats.annotated_vcf import SiteRecord, read_sites
from ctdna.formats.bam import read_header
from ctdna.formats.tables import read_loci
from ctdna.model.errors import InputError

STATES = ("DETECTED", "NOT_DETECTED", "NO_CALL")
_REMAKE = "run the stage that writes it again"


class LocusRow(NamedTuple):
    """One row of the locus table, as far as the report needs it."""

    contig: str
    pos1: int
    ref: str
    alt: str
    target: str
    is_hotspot: bool
    depth: int
    alt_molecules: int
    lod95: float | None
    state: str
    reason: str | None
    lob: float | None = None


class VariantRow(NamedTuple):
    """One record of the annotated VCF."""

    contig: str
    pos1: int
    ref: str
    alt: str
    filters: tuple[str, ...]
    """Empty: PASS."""
    info: dict[str, str]
    """Values by key, percent-encoding not yet decoded; a flag's value is empty."""
    counts: dict[str, str]
    """FORMAT fields of the sample."""


def read_variants(path: Path, sample_id: str) -> tuple[VariantRow, ...]:
    """Return the records of an annotated VCF in its order.

    They are read as text, since htslib holds figures in 4 bytes, in which small p-values are 0.

    Raises:
        InputError: it cannot be read, is cut short, or holds another sample or several.
    """
    sites = read_sites(path)
    names = sites.header[-1].split("\t")[9:]
    if names != [sample_id]:
        what = f"holds the sample {', '.join(names) or 'none'}, expected {sample_id}"
        raise InputError(path, "", what, "give this sample's own file")
    return tuple(_variant_row(path, record) for record in sites.records)


def _variant_row(path: Path, record: SiteRecord) -> VariantRow:
    if len(record.fields) != 10:
        what = f"found {len(record.fields)} fields, expected 10"
        raise InputError(path, f"line {record.line}", what, "annotate the sample again")
    info = dict(part.partition("=")[::2] for part in record.fields[7].split(";") if part != ".")
    counts = dict(zip(record.fields[8].split(":"), record.fields[9].split(":"), strict=False))
    filters = tuple(name for name in record.filters if name not in ("PASS", "."))
    allele = record.allele
    return VariantRow(allele.contig, allele.start0 + 1, allele.ref, allele.alt, filters, info, counts)


def _number(text: str) -> float | None:
    return None if text in (".", "") else float(text)


def _locus_row(row: dict[str, str]) -> LocusRow:
    if None in row.values() or None in row:
        raise ValueError(f"has {sum(value is not None for value in row.values())} columns, expected {len(row)}")
    if row["state"] not in STATES:
        raise ValueError(f"found state `{row['state']}`, expected one of {', '.join(STATES)}")
    return LocusRow(
        row["contig"],
        int(row["pos1"]),
        row["ref"],
        row["alt"],
        row["target"],
        row["hotspot"] != ".",
        int(row["depth"]),
        int(row["alt_molecules"]),
        _number(row["lod95"]),
        row["state"],
        None if row["reason"] == "." else row["reason"],
        _number(row["lob"]),
    )


def locus_rows(path: Path) -> tuple[LocusRow, ...]:
    """Return the rows of a locus table in its order.

    Raises:
        InputError: it cannot be read, is cut short, or a row does not fit; names the line.
    """
    rows: list[LocusRow] = []
    try:
        for row in read_loci(path):
            rows.append(_locus_row(row))
    except ValueError as error:
        raise InputError(path, f"line {len(rows) + 2}", str(error), _REMAKE) from error
    if not rows:
        raise InputError(path, "", "holds no locus", _REMAKE)
    return tuple(rows)


def program_versions(path: Path) -> dict[str, str]:
    """Return program -> version of a BAM's `@PG` lines.

    Raises:
        InputError: the BAM's header cannot be read.
    """
    programs = read_header(path).lines("PG")
    return {program.get("PN", program["ID"]): program["VN"] for program in programs if "VN" in program}
