"""The locus table of `call`: written and read; blocked gzip with a tabix index."""

import csv
import gzip
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import atomic_path, refuse_folder
from ctdna.formats.htslib import pysam
from ctdna.model.errors import InputError
from ctdna.model.evidence import TIERS
from ctdna.model.variants import LocusTable

LOCUS_COLUMNS = (
    *("contig", "pos1", "ref", "alt", "target", "hotspot", "depth", *TIERS, "alt_molecules"),
    *("background", "lob", "lod95", "state", "reason"),
)


def figure(value: float | None) -> str:
    """Return a figure in 6 significant digits, `.` where missing."""
    return "." if value is None or math.isnan(value) else f"{value:.6g}"


def write_indexed(path: Path, lines: Iterable[str], preset: str) -> None:
    """Write lines (without ends) in blocked gzip with a tabix index beside; `preset`: `vcf` or `locus`.

    The index appears after the file; neither stands half-written.

    Raises:
        InputError: the file cannot be written.
    """
    index_path = Path(f"{path}.tbi")
    refuse_folder(path)
    refuse_folder(index_path)
    with atomic_path(index_path) as index, atomic_path(path) as temporary:
        temporary.touch()  # BGZFile crashes where it cannot open the file
        with pysam.BGZFile(str(temporary), "wb", None) as stream:
            for line in lines:
                stream.write(line.encode() + b"\n")
        if preset == "vcf":
            pysam.tabix_index(str(temporary), preset="vcf", index=str(index), force=True)
        else:
            pysam.tabix_index(
                str(temporary), index=str(index), force=True, seq_col=0, start_col=1, end_col=1, meta_char="#"
            )


def _figures(column: NDArray[np.float64]) -> list[str]:
    """Return the column's figures; equal ones, of which there are many, are spelled once."""
    values, inverse = np.unique(column, return_inverse=True)
    texts = [figure(value) for value in values.tolist()]
    return [texts[i] for i in inverse.ravel().tolist()]


def locus_lines(table: LocusTable, contigs: tuple[str, ...]) -> Iterator[str]:
    """Return the lines of the locus table, header first."""
    yield "#" + "\t".join(LOCUS_COLUMNS)
    names = [contigs[i] for i in table.contig.tolist()]
    tiers = (column.tolist() for column in table.tiers.T)
    numbers = (map(str, column) for column in (table.tiers.sum(axis=1).tolist(), *tiers, table.alt_molecules.tolist()))
    figures = (_figures(column) for column in (table.background, table.lob, table.lod95))
    places = (names, map(str, table.pos1.tolist()), table.ref, table.alt, table.target, table.hotspot)
    yield from map("\t".join, zip(*places, *numbers, *figures, table.state, table.reason, strict=True))


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
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(path, "", f"cannot be read: {why}", "give the table that `ctdna call` wrote") from error
