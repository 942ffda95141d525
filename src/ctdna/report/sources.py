"""What the earlier stages wrote of a sample: annotated variants, locus table, program versions, digests."""

import hashlib
import zlib
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pysam

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


class VariantRow(NamedTuple):
    """One record of the annotated VCF, decoded."""

    contig: str
    pos1: int
    ref: str
    alt: str
    filters: tuple[str, ...]
    info: dict[str, Any]
    counts: dict[str, Any]
    """FORMAT fields of the sample."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    return digest.hexdigest()


def _decoded(value: Any) -> Any:
    if isinstance(value, str):
        return unquote(value)
    if isinstance(value, tuple):
        return tuple(_decoded(item) for item in value)
    return value


def read_variants(path: Path, sample_id: str) -> tuple[VariantRow, ...]:
    """Return the records of an annotated VCF in its order, percent-encoding decoded.

    Raises:
        InputError: it cannot be read, is cut short, or holds another sample or several.
    """
    if not path.is_file():
        raise InputError(path, "", "the file does not exist", "check the path, or run `ctdna annotate` first")
    rows = []
    try:
        with pysam.VariantFile(str(path)) as variants:
            names = list(variants.header.samples)
            if names != [sample_id]:
                what = f"holds the sample {', '.join(names) or 'none'}, expected {sample_id}"
                raise InputError(path, "", what, "give this sample's own file")
            for record in variants:
                rows.append(_variant_row(record))
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise InputError(path, f"after record {len(rows)}", f"cannot be read: {error}", _REMAKE) from error
    return tuple(rows)


def _variant_row(record: pysam.VariantRecord) -> VariantRow:
    alts = record.alts or ()
    if len(alts) != 1 or record.ref is None:
        raise ValueError(f"found {len(alts)} alternate alleles at {record.contig}:{record.pos}, expected 1")
    filters = tuple(str(name) for name in record.filter if name not in ("PASS", "."))
    info = {name: _decoded(value) for name, value in record.info.items()}
    counts = dict(record.samples[0].items())
    return VariantRow(record.contig, record.pos, record.ref, alts[0], filters, info, counts)


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
    except zlib.error as error:
        raise InputError(path, f"after line {len(rows) + 1}", f"cannot be read: {error}", _REMAKE) from error
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
    try:
        with pysam.AlignmentFile(str(path), "rb", check_sq=False) as alignments:
            programs = alignments.header.to_dict().get("PG", [])
    except (OSError, ValueError) as error:
        raise InputError(path, "", f"cannot be read: {error}", _REMAKE) from error
    return {str(item.get("PN", item["ID"])): str(item["VN"]) for item in programs if "VN" in item}
