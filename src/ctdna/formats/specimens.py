"""The section `[Ctdna_Data]` of a sample sheet: each sample's role and specimen."""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, get_args

from ctdna.formats.sample_sheet_text import Section, table
from ctdna.model.errors import InputError
from ctdna.model.params.qc import Role
from ctdna.model.sample import Specimen

COLUMNS = (
    "Sample_ID",
    "Sample_Type",
    "Subject_ID",
    "Sex",
    "Diagnosis",
    "Stage",
    "Treatment",
    "Tube",
    "Drawn_At",
    "Plasma_Separated_At",
    "Plasma_mL",
    "Input_ng",
    "Kit_Lot",
    "Operator",
    "CfDNA_ng_per_mL",
)
ROLES: tuple[Role, ...] = get_args(Role)
_PSEUDONYM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_MAX_TEXT = 200


class SpecimenRow(NamedTuple):
    """What the section says of one sample."""

    role: Role | None
    """None: not said."""
    specimen: Specimen
    line: int


def _text(value: str) -> str:
    if len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError(f"allowed are up to {_MAX_TEXT} printable characters")
    return value


def _pseudonym(value: str) -> str:
    if not _PSEUDONYM.match(value):
        raise ValueError("allowed is a pseudonym of letters, digits, dot, dash and underscore, at most 100")
    return value


def _sex(value: str) -> str:
    if value.upper() not in ("F", "M"):
        raise ValueError("allowed are F and M, or nothing")
    return value.upper()


def _moment(value: str) -> str:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("allowed is a date or a moment as 2026-01-31 or 2026-01-31T14:05") from None
    return value


def _amount(value: str) -> float:
    number = float(value) if re.fullmatch(r"\d+(\.\d+)?", value) else -1.0
    if number < 0:
        raise ValueError("allowed is a number with a decimal point, as 4.5")
    return number


_READERS: dict[str, Callable[[str], str | float]] = {
    "subject_id": _pseudonym,
    "sex": _sex,
    "drawn_at": _moment,
    "plasma_separated_at": _moment,
    "plasma_ml": _amount,
    "input_ng": _amount,
    "cfdna_ng_per_ml": _amount,
}


def _value(path: Path, line: int, column: str, text: str) -> str | float | None:
    if not text:
        return None
    try:
        return _READERS.get(column, _text)(text)
    except ValueError as error:
        what = f"found {column} '{text[:60]}'; {error}"
        raise InputError(path, f"line {line}", what, "correct the cell") from error


def _role(path: Path, line: int, text: str) -> Role | None:
    if not text:
        return None
    for role in ROLES:
        if role == text.lower():
            return role
    what = f"found Sample_Type '{text}', allowed are {', '.join(ROLES)}"
    raise InputError(path, f"line {line}", what, "correct the cell")


def _check_columns(path: Path, section: Section, columns: list[str]) -> None:
    line = f"line {section.rows[0].line}"
    allowed = {name.lower() for name in COLUMNS}
    for name in columns:
        if name.lower() not in allowed:
            what = f"found column '{name}' in [{section.name}], allowed are {', '.join(COLUMNS)}"
            raise InputError(path, line, what, "correct or remove the column")
    if "sample_id" not in {name.lower() for name in columns}:
        raise InputError(path, line, f"found no column Sample_ID in [{section.name}]", "add it")


def read_specimens(path: Path, section: Section | None, sample_ids: tuple[str, ...]) -> dict[str, SpecimenRow]:
    """Return what `[Ctdna_Data]` says, by sample id; empty where the section is absent.

    Raises:
        InputError: unknown column, unknown or repeated sample, or a value that is not allowed.
    """
    if section is None:
        return {}
    columns, rows = table(path, section)
    _check_columns(path, section, columns)
    found: dict[str, SpecimenRow] = {}
    for line, cells in rows:
        sample_id = cells.pop("sample_id")
        if sample_id not in sample_ids:
            what = f"found Sample_ID '{sample_id}', which is no sample of the data section"
            raise InputError(path, f"line {line}", what, "correct the id; upper and lower case count")
        if sample_id in found:
            what = f"found Sample_ID '{sample_id}' again (first on line {found[sample_id].line}), allowed is once"
            raise InputError(path, f"line {line}", what, "remove one of the lines")
        role = _role(path, line, cells.pop("sample_type", ""))
        values = {name: _value(path, line, name, text) for name, text in cells.items()}
        found[sample_id] = SpecimenRow(role, Specimen.model_validate(values), line)
    return found
