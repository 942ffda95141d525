"""Tables around calling: hotspots and common SNPs in, the locus table out and in."""

import csv
import gzip
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import pysam

from ctdna.formats.atomic import atomic_path
from ctdna.formats.bed import read_lines
from ctdna.model.errors import InputError
from ctdna.model.evidence import TIERS
from ctdna.model.variants import CommonSnp, Hotspot, LocusTable

HOTSPOT_COLUMNS = ("contig", "pos1", "ref", "alt", "gene", "label")
SNP_COLUMNS = ("contig", "pos1", "ref", "alt", "frequency")
LOCUS_COLUMNS = (
    *("contig", "pos1", "ref", "alt", "target", "hotspot", "depth", *TIERS, "alt_molecules"),
    *("background", "lob", "lod95", "state", "reason"),
)


def figure(value: float | None) -> str:
    """Return a figure in 6 significant digits, `.` where missing."""
    return "." if value is None or math.isnan(value) else f"{value:.6g}"


def _rows(path: Path, columns: tuple[str, ...], what: str) -> Iterator[tuple[int, dict[str, str]]]:
    lines = [(n, line) for n, line in enumerate(read_lines(path, what), 1) if line.strip()]
    while lines and lines[0][1].startswith("##"):
        lines.pop(0)
    header = lines[0][1].lstrip("#").split("\t") if lines else []
    if tuple(header[: len(columns)]) != columns:
        found = " ".join(header) or "nothing"
        raise InputError(path, "header", f"found {found}, expected {' '.join(columns)}", "part the columns by tabs")
    for number, line in lines[1:]:
        fields = line.split("\t")
        if len(fields) < len(columns):
            found = f"found {len(fields)} columns, expected {len(columns)}"
            raise InputError(path, f"line {number}", found, "part the columns by tabs")
        yield number, dict(zip(columns, fields, strict=False))


def _allele(path: Path, number: int, row: dict[str, str]) -> tuple[str, int, str, str]:
    pos1, ref, alt = row["pos1"], row["ref"].upper(), row["alt"].upper()
    if not (pos1.isascii() and pos1.isdigit() and int(pos1) > 0):
        raise InputError(path, f"line {number}", f"found position {pos1}", "expected a whole number from 1 on")
    for name, text in (("ref", ref), ("alt", alt)):
        if not text or set(text) - set("ACGT"):
            raise InputError(path, f"line {number}", f"found {name} {text or 'empty'}", "expected bases A, C, G, T")
    if ref == alt:
        raise InputError(path, f"line {number}", f"ref and alt are both {ref}", "expected two alleles")
    return row["contig"], int(pos1), ref, alt


def read_hotspots(path: Path) -> tuple[Hotspot, ...]:
    """Return the reportable alleles of a tab-separated table (contig, pos1, ref, alt, gene, label).

    Raises:
        InputError: unreadable, another header, a malformed line.
    """
    return tuple(
        Hotspot(*_allele(path, number, row), row["gene"], row["label"])
        for number, row in _rows(path, HOTSPOT_COLUMNS, "a table of hotspots")
    )


def read_common_snps(path: Path) -> tuple[CommonSnp, ...]:
    """Return the common SNPs of a tab-separated table (contig, pos1, ref, alt, frequency).

    Raises:
        InputError: unreadable, another header, a malformed line.
    """
    found = []
    for number, row in _rows(path, SNP_COLUMNS, "a table of common SNPs"):
        try:
            frequency = float(row["frequency"])
        except ValueError as error:
            what = f"found frequency {row['frequency']}"
            raise InputError(path, f"line {number}", what, "expected a number from 0 to 1") from error
        found.append(CommonSnp(*_allele(path, number, row), frequency))
    return tuple(found)


def write_indexed(path: Path, lines: Iterable[str], preset: str) -> None:
    """Write lines (without ends) in blocked gzip with a tabix index beside; `preset`: `vcf` or `locus`.

    The index appears after the file; neither stands half-written.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        with pysam.BGZFile(str(temporary), "wb") as stream:
            for line in lines:
                stream.write(line.encode() + b"\n")
        with atomic_path(Path(f"{path}.tbi")) as index:
            if preset == "vcf":
                pysam.tabix_index(str(temporary), preset="vcf", index=str(index), force=True)
            else:
                columns = {"seq_col": 0, "start_col": 1, "end_col": 1, "meta_char": "#"}
                pysam.tabix_index(str(temporary), index=str(index), force=True, **columns)


def locus_lines(table: LocusTable, contigs: tuple[str, ...]) -> Iterator[str]:
    """Return the lines of the locus table, header first."""
    yield "#" + "\t".join(LOCUS_COLUMNS)
    for i in range(len(table.pos1)):
        tiers = [int(n) for n in table.tiers[i]]
        fields = [contigs[table.contig[i]], str(table.pos1[i]), table.ref[i], table.alt[i], table.target[i]]
        fields += [table.hotspot[i], str(sum(tiers)), *map(str, tiers), str(table.alt_molecules[i])]
        fields += [figure(float(column[i])) for column in (table.background, table.lob, table.lod95)]
        yield "\t".join([*fields, table.state[i], table.reason[i]])


def write_loci(path: Path, table: LocusTable, contigs: tuple[str, ...]) -> None:
    """Write the locus table, blocked gzip with a tabix index, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    write_indexed(path, locus_lines(table, contigs), "locus")


def read_loci(path: Path) -> Iterator[dict[str, str]]:
    """Return the rows of a locus table, by column name, as text.

    Raises:
        InputError: unreadable, or not a locus table.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            header = stream.readline().rstrip("\n")
            if header != "#" + "\t".join(LOCUS_COLUMNS):
                raise InputError(path, "header", "is not a locus table", "give the table that `ctdna call` wrote")
            yield from csv.DictReader(stream, LOCUS_COLUMNS, delimiter="\t", quoting=csv.QUOTE_NONE)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(path, "", f"cannot be read: {error}", "give the table that `ctdna call` wrote") from error
