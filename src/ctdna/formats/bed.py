"""The panel: targets in a BED file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ctdna.model.errors import InputError
from ctdna.model.evidence import Targets


def read_lines(path: Path, what: str) -> list[str]:
    """Return the lines of a text file, without line ends and byte-order mark.

    Raises:
        InputError: the file cannot be read or is not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(path, "", "is not text in UTF-8", f"give {what}") from error
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", f"give {what}") from error


def _interval(path: Path, line: int, fields: list[str], lengths: dict[str, int]) -> tuple[str, int, int, str]:
    where = f"line {line}"
    if len(fields) < 3:
        raise InputError(path, where, f"found {len(fields)} columns, expected at least 3", "contig, start0, end0, name")
    contig, start, end = fields[:3]
    if contig not in lengths:
        known = ", ".join(list(lengths)[:3])
        raise InputError(path, where, f"contig {contig} is not in the reference", f"it holds {known}, ...")
    if not (start.isascii() and start.isdigit() and end.isascii() and end.isdigit()):
        raise InputError(path, where, f"found {start} to {end}, expected whole numbers", "0-based start, then end")
    if not int(start) < int(end) <= lengths[contig]:
        what = f"found {start} to {end}, {contig} runs from 0 to {lengths[contig]}"
        raise InputError(path, where, what, "start below end, both on the contig")
    name = fields[3] if len(fields) > 3 and fields[3] not in ("", ".") else f"{contig}:{int(start) + 1}-{end}"
    return contig, int(start), int(end), name


def read_bed(path: Path, contigs: Sequence[tuple[str, int]]) -> Targets:
    """Return the targets in the order of contig and start; a target without a name is called by its place.

    Tabs or blanks part the columns; `#`, `track` and `browser` lines are skipped; columns past the fourth are ignored.

    Raises:
        InputError: unreadable, no target, a malformed line, an unknown contig, an interval off its contig.
    """
    lengths = dict(contigs)
    order = {name: i for i, (name, _) in enumerate(contigs)}
    found = []
    for number, line in enumerate(read_lines(path, "a BED file of targets"), 1):
        fields = line.split("\t") if "\t" in line else line.split()
        if fields and fields[0] and not fields[0].startswith("#") and fields[0] not in ("track", "browser"):
            contig, start, end, name = _interval(path, number, [field.strip() for field in fields], lengths)
            found.append((order[contig], start, end, name))
    if not found:
        raise InputError(path, "", "holds no target", "expected lines of contig, start0, end0, name")
    found.sort()
    columns = [np.array([row[k] for row in found], dtype=np.int32) for k in range(3)]
    return Targets(columns[0], columns[1], columns[2], tuple(row[3] for row in found))
