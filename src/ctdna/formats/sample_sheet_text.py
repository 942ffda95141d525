"""The text of sample sheets: sections, rows and cells, each with its line."""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

from ctdna.model.errors import InputError

_SECTION = re.compile(r"\[([A-Za-z0-9_ -]+)\]\Z")
_MAX_BYTES = 16 << 20
_EXCEL = "save the sheet as 'CSV UTF-8 (comma delimited)'"


@dataclass(frozen=True)
class Row:
    """One line of a section that holds anything."""

    line: int
    cells: tuple[str, ...]
    """Cells without spaces around; empty cells at the end are dropped."""


@dataclass
class Section:
    """One section: its name as written, the line of its title, its rows."""

    name: str
    line: int
    rows: list[Row] = field(default_factory=list)


def _decode(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(path, "", f"found more than {_MAX_BYTES >> 20} MB", "a sample sheet is a small text file")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path of the sample sheet") from error
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4096]:
        raise InputError(path, "", "found UTF-16 or binary data, expected UTF-8 text", _EXCEL)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = data[error.start]
        raise InputError(path, f"line {line}", f"found byte 0x{found:02x}, expected UTF-8 text", _EXCEL) from error


def _cells(path: Path, number: int, line: str) -> list[str]:
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], strict=True), [])]
    except csv.Error as error:
        raise InputError(path, f"line {number}", f"not a line of CSV: {error}", "close every quotation mark") from error
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _title(path: Path, number: int, cells: list[str]) -> str:
    match = _SECTION.match(cells[0])
    if match is None or len(cells) > 1:
        found = ",".join(cells)
        what = f"found section title '{found}', expected one name in brackets, as [Data]"
        hint = "separate fields by commas" if ";" in found or "\t" in found else "correct the title"
        raise InputError(path, f"line {number}", what, hint)
    return match.group(1).strip()


def read_sections(path: Path) -> dict[str, Section]:
    """Return the sections of a sample sheet by lower-case name; blank lines and lines from `#` on are left out.

    A byte-order mark, any line end, spaces around cells and trailing commas are accepted.

    Raises:
        InputError: the file cannot be read or is no UTF-8 CSV text in sections; a section stands twice.
    """
    sections: dict[str, Section] = {}
    current: Section | None = None
    for number, line in enumerate(_decode(path).splitlines(), start=1):
        cells = _cells(path, number, line)
        if not cells or cells[0].startswith("#"):
            continue
        if cells[0].startswith("["):
            name = _title(path, number, cells)
            if name.lower() in sections:
                first = sections[name.lower()].line
                what = f"found section [{name}] again (first on line {first}), allowed is one"
                raise InputError(path, f"line {number}", what, "join the two sections")
            current = sections[name.lower()] = Section(name, number)
        elif current is None:
            what = f"found '{cells[0][:40]}' before any section, expected a title as [Header]"
            raise InputError(path, f"line {number}", what, "is this a sample sheet?")
        else:
            current.rows.append(Row(number, tuple(cells)))
    if not sections:
        raise InputError(path, "", "found no section, expected [Header] and [Data]", "is this a sample sheet?")
    return sections


def pairs(path: Path, section: Section | None) -> dict[str, str]:
    """Return a section of `key,value` lines; a missing section is empty.

    Raises:
        InputError: a key stands twice with different values.
    """
    found: dict[str, str] = {}
    for row in section.rows if section else ():
        key, value = row.cells[0], row.cells[1] if len(row.cells) > 1 else ""
        if found.get(key, value) != value:
            what = f"found {key} = '{value}', but '{found[key]}' before"
            raise InputError(path, f"line {row.line}", what, "keep one of them")
        found[key] = value
    return found


def table(path: Path, section: Section) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the column names as written, and per row its line and its cells by lower-case column name.

    Raises:
        InputError: no header line, a column twice, or a row longer than the header.
    """
    if not section.rows:
        what = f"found an empty section [{section.name}], expected a line of column names"
        raise InputError(path, f"line {section.line}", what, "add the columns and the samples")
    header = section.rows[0]
    columns = [name.lower() for name in header.cells]
    for name in sorted(set(columns)):
        if not name or columns.count(name) > 1:
            what = (
                f"found column '{name}' {columns.count(name)} times, allowed once"
                if name
                else "found a nameless column"
            )
            raise InputError(path, f"line {header.line}", what, "correct the line of column names")
    rows = []
    for row in section.rows[1:]:
        if len(row.cells) > len(columns):
            what = f"found {len(row.cells)} cells, the section has {len(columns)} columns"
            raise InputError(path, f"line {row.line}", what, "look for a comma too many")
        cells = row.cells + ("",) * (len(columns) - len(row.cells))
        rows.append((row.line, dict(zip(columns, cells, strict=True))))
    return list(header.cells), rows
