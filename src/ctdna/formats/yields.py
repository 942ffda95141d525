"""The table of molecules by target that `group` writes."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from ctdna.formats.atomic import write_text
from ctdna.formats.bed import read_lines
from ctdna.formats.tables import figure
from ctdna.model.errors import InputError
from ctdna.model.qc import TargetYield

YIELD_COLUMNS = (
    *("contig", "start0", "end0", "target", "templates", "molecules", "duplex_molecules", "molecules_estimated"),
    *("saturation", "sequencing_saturation", "umi_collision", "umi_collision_highest", "molecules_lost_to_collisions"),
)
_HEADER = "#" + "\t".join(YIELD_COLUMNS)
_REMAKE = "group the sample again"


def write_yields(path: Path, rows: Iterable[TargetYield]) -> None:
    """Write the table, figures in 6 significant digits, `.` where missing.

    Raises:
        InputError: the file cannot be written.
    """
    lines = [_HEADER]
    for row in rows:
        values = [getattr(row, name) for name in YIELD_COLUMNS]
        lines.append("\t".join(str(value) if isinstance(value, str | int) else figure(value) for value in values))
    write_text(path, "\n".join(lines) + "\n")


def read_yields(path: Path) -> tuple[TargetYield, ...]:
    """Return the rows of the table.

    Raises:
        InputError: the file cannot be read, is no such table, or a row does not fit; names the line.
    """
    lines = read_lines(path, "the table that `ctdna group --loci` writes")
    if not lines or lines[0] != _HEADER:
        raise InputError(path, "line 1", "is no table of molecules by target", _REMAKE)
    rows = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(YIELD_COLUMNS):
            what = f"found {len(cells)} columns, expected {len(YIELD_COLUMNS)}"
            raise InputError(path, f"line {number}", what, _REMAKE)
        values = {name: None if cell == "." else cell for name, cell in zip(YIELD_COLUMNS, cells, strict=True)}
        try:
            rows.append(TargetYield.model_validate(values, strict=False))
        except ValidationError as error:
            first = error.errors()[0]
            what = f"column {first['loc'][0]}: {first['msg']}"
            raise InputError(path, f"line {number}", what, _REMAKE) from error
    return tuple(rows)
