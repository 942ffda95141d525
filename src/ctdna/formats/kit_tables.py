"""The small tables of a kit: tab-separated, one header line, every column known; `.` is empty."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ctdna.model.annotation import CommonSnp, ContigPlace, Hotspot
from ctdna.model.errors import InputError

_BASES = frozenset("ACGT")


class Row(NamedTuple):
    """One line of a table."""

    path: Path
    line: int
    values: dict[str, str]
    """By column; empty where the table has `.`."""

    def wrong(self, column: str, allowed: str) -> InputError:
        """Return the error for a value of this row."""
        found = self.values.get(column, "") or "."
        return InputError(self.path, f"line {self.line}, column {column}", f"found `{found}`", f"allowed: {allowed}")

    def text(self, column: str) -> str:
        """Return a value that must not be empty.

        Raises:
            InputError: it is.
        """
        if not self.values[column]:
            raise self.wrong(column, "anything but empty")
        return self.values[column]

    def integer(self, column: str, minimum: int) -> int:
        """Return a whole number.

        Raises:
            InputError: it is none, or below the minimum.
        """
        text = self.values[column]
        if not text.isascii() or not text.isdigit() or int(text) < minimum:
            raise self.wrong(column, f"a whole number from {minimum} on")
        return int(text)

    def bases(self, column: str) -> str:
        """Return an allele of the bases A, C, G, T.

        Raises:
            InputError: it holds anything else, or nothing.
        """
        text = self.values[column]
        if not text or not _BASES.issuperset(text):
            raise self.wrong(column, "one or more of A, C, G, T")
        return text


def read_rows(path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[Row]:
    """Yield the rows of a table; empty lines are passed over.

    Raises:
        InputError: the file cannot be read, a column is missing, unknown or twice, or a line has another number of
            fields than the header.
    """
    lines = _lines(path)
    header = lines[0].removeprefix("#").split("\t") if lines else []
    _check_header(path, header, required, optional)
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != len(header):
            what = f"found {len(fields)} fields, the header has {len(header)}"
            raise InputError(path, f"line {number}", what, "separate the fields by single tabs; write `.` for empty")
        values = ("" if field.strip() == "." else field.strip() for field in fields)
        yield Row(path, number, dict(zip(header, values, strict=True)))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start}", "is not UTF-8 text", "save it as tab-separated UTF-8") from error


def _check_header(path: Path, header: list[str], required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    allowed = f"columns: {', '.join(required)}" + (f"; and perhaps {', '.join(optional)}" if optional else "")
    for name in required:
        if name not in header:
            raise InputError(path, "line 1", f"column {name} is missing", f"allowed {allowed}")
    for name in header:
        if name not in required + optional:
            raise InputError(path, "line 1", f"column `{name}` is not known", f"allowed {allowed}")
        if header.count(name) > 1:
            raise InputError(path, "line 1", f"column {name} stands twice", f"allowed {allowed}")


def read_hotspots(path: Path) -> tuple[Hotspot, ...]:
    """Return the reportable alleles, in the table's order.

    Raises:
        InputError: the table is not well formed.
    """
    return tuple(
        Hotspot(
            row.text("contig"),
            row.integer("pos1", 1),
            row.bases("ref"),
            row.bases("alt"),
            row.text("gene"),
            row.text("label"),
        )
        for row in read_rows(path, ("contig", "pos1", "ref", "alt", "gene", "label"))
    )


def read_common_snps(path: Path) -> tuple[CommonSnp, ...]:
    """Return the common SNPs, in the table's order; none is allowed.

    Raises:
        InputError: the table is not well formed.
    """
    return tuple(_snp(row) for row in read_rows(path, ("contig", "pos1", "ref", "alt", "frequency")))


def _snp(row: Row) -> CommonSnp:
    allowed = "a fraction above 0 and below 1"
    try:
        frequency = float(row.values["frequency"])
    except ValueError:
        raise row.wrong("frequency", allowed) from None
    if not 0 < frequency < 1:
        raise row.wrong("frequency", allowed)
    for column in ("ref", "alt"):
        if len(row.bases(column)) != 1:
            raise row.wrong(column, "one of A, C, G, T")
    return CommonSnp(row.text("contig"), row.integer("pos1", 1), row.bases("ref"), row.bases("alt"), frequency)


def read_contigs(path: Path) -> tuple[ContigPlace, ...]:
    """Return the sequences that a reference must hold; a slice names its chromosome and first base (`start1`).

    Raises:
        InputError: the table is not well formed, is empty, or names a contig twice.
    """
    places: dict[str, ContigPlace] = {}
    for row in read_rows(path, ("contig", "length", "md5"), ("chrom", "start1")):
        name, md5 = row.text("contig"), row.text("md5")
        if len(md5) != 32 or set(md5) - set("0123456789abcdef"):
            raise row.wrong("md5", "an MD5 in 32 lower-case hex digits")
        if name in places:
            raise row.wrong("contig", "each contig once")
        chrom = row.values.get("chrom", "")
        start0 = row.integer("start1", 1) - 1 if chrom else 0
        places[name] = ContigPlace(name, row.integer("length", 1), md5, chrom or name, start0)
    if not places:
        raise InputError(path, "", "names no contig", "name every sequence that the panel stands on")
    return tuple(places.values())
