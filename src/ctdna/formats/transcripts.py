"""The kit's table of pinned transcripts.

Columns: transcript, gene, contig, strand, exon_starts0, exon_ends0 (comma lists in genomic order, 0-based, half-open),
cds_start0, cds_end0 (the stop codon included), protein.
"""

from itertools import pairwise
from pathlib import Path

from ctdna.formats.kit_tables import Row, read_rows
from ctdna.model.annotation import Strand, Transcript
from ctdna.model.errors import InputError

COLUMNS = (
    "transcript",
    "gene",
    "contig",
    "strand",
    "exon_starts0",
    "exon_ends0",
    "cds_start0",
    "cds_end0",
    "protein",
)


def read_transcripts(path: Path) -> tuple[Transcript, ...]:
    """Return the transcripts, in the table's order.

    Raises:
        InputError: the table is not well formed; exons are out of order, or the CDS does not start and end in exons,
            is not of whole codons, or a transcript stands twice.
    """
    found: dict[str, Transcript] = {}
    for row in read_rows(path, COLUMNS):
        transcript = _transcript(row)
        if transcript.name in found:
            raise row.wrong("transcript", "each transcript once")
        found[transcript.name] = transcript
    if not found:
        raise InputError(path, "", "holds no transcript", "name at least one")
    return tuple(found.values())


def _transcript(row: Row) -> Transcript:
    transcript = Transcript(
        name=row.text("transcript"),
        gene=row.text("gene"),
        contig=row.text("contig"),
        strand=_strand(row),
        exons=_exons(row),
        cds_start0=row.integer("cds_start0", 0),
        cds_end0=row.integer("cds_end0", 1),
        protein=row.values["protein"],
    )
    _check_cds(row, transcript)
    return transcript


def _strand(row: Row) -> Strand:
    strand = row.values["strand"]
    if strand == "+":
        return "+"
    if strand == "-":
        return "-"
    raise row.wrong("strand", "+ or -")


def _numbers(row: Row, column: str) -> list[int]:
    parts = row.values[column].rstrip(",").split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise row.wrong(column, "whole numbers with commas between")
    return [int(part) for part in parts]


def _exons(row: Row) -> tuple[tuple[int, int], ...]:
    starts, ends = _numbers(row, "exon_starts0"), _numbers(row, "exon_ends0")
    if len(starts) != len(ends):
        raise row.wrong("exon_ends0", f"as many numbers as exon_starts0 ({len(starts)})")
    flat = [position for pair in zip(starts, ends, strict=True) for position in pair]
    if any(low >= high for low, high in pairwise(flat)):
        raise row.wrong("exon_starts0", "exons in genomic order that neither touch nor overlap, start0 below end0")
    return tuple(zip(starts, ends, strict=True))


def _check_cds(row: Row, transcript: Transcript) -> None:
    start0, end0 = transcript.cds_start0, transcript.cds_end0
    if not any(low <= start0 < high for low, high in transcript.exons):
        raise row.wrong("cds_start0", "a position within an exon")
    if not any(low < end0 <= high for low, high in transcript.exons):
        raise row.wrong("cds_end0", "the end of an interval within an exon")
    length = sum(max(0, min(high, end0) - max(low, start0)) for low, high in transcript.exons)
    if length < 6 or length % 3:
        raise row.wrong("cds_end0", f"a CDS of whole codons, stop included; this one has {length} bases")
