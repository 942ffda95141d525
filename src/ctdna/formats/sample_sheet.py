"""Sample sheets, version 1 and 2, with the sections `[Ctdna_Settings]` and `[Ctdna_Data]` of this product."""

import re
from pathlib import Path
from typing import Literal

from ctdna.formats.sample_sheet_text import Section, pairs, read_sections, table
from ctdna.formats.specimens import SpecimenRow, read_specimens
from ctdna.model.errors import InputError
from ctdna.model.run import Placement, SampleSheet, barcode_distance, parse_cycles
from ctdna.model.sample import SAMPLE_ID, Sample, Specimen

_KNOWN_COLUMNS = frozenset(
    (
        "lane",
        "sample_id",
        "sample_name",
        "sample_plate",
        "sample_well",
        "index_plate",
        "index_plate_well",
        "i7_index_id",
        "i5_index_id",
        "index",
        "index2",
        "sample_project",
        "description",
        "manifest",
        "genomefolder",
        "overridecycles",
        "barcodemismatchesindex1",
        "barcodemismatchesindex2",
        "adapterread1",
        "adapterread2",
        "adapterbehavior",
        "adapterstringency",
    )
)
_MOST_LISTED = 8
_OWN_SECTIONS = ("ctdna_settings", "ctdna_data")
_OWN_SETTINGS = ("Kit",)
_KIT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*@\d+\.\d+\.\d+\Z")
_BARCODE = re.compile(r"[ACGTN]*\Z")
_CYCLE_KEYS = {"read1cycles": "Read1", "read2cycles": "Read2", "index1cycles": "Index1", "index2cycles": "Index2"}
_ID_RULE = "letters, digits, dash and underscore, at most 100, the first a letter or a digit"


def _version(path: Path, sections: dict[str, Section], header: dict[str, str]) -> Literal[1, 2]:
    found = {key.lower(): value for key, value in header.items()}.get("fileformatversion")
    if found is None:
        return 2 if "bclconvert_data" in sections else 1
    if found == "1":
        return 1
    if found == "2":
        return 2
    where = f"line {sections['header'].line}"
    raise InputError(path, where, f"found FileFormatVersion '{found}', allowed are 1 and 2", "correct the header")


def _cycles(path: Path, section: Section | None) -> dict[str, int]:
    cycles: dict[str, int] = {}
    for i_row, row in enumerate(section.rows if section else ()):
        known = _CYCLE_KEYS.get(row.cells[0].lower())
        count = row.cells[-1] if known else row.cells[0]
        name = known or f"Read{i_row + 1}"
        if not count.isascii() or not count.isdigit() or len(row.cells) > (2 if known else 1):
            what = f"found '{','.join(row.cells)}', expected a number of cycles, as 151 or Read1Cycles,151"
            raise InputError(path, f"line {row.line}", what, "correct [Reads]")
        cycles[name] = int(count)
    return cycles


def _data_section(path: Path, sections: dict[str, Section]) -> Section:
    found = sections.get("bclconvert_data") or sections.get("data")
    if found is None:
        names = ", ".join(f"[{section.name}]" for section in sections.values())
        what = f"found sections {names}, but neither [Data] nor [BCLConvert_Data]"
        raise InputError(path, "", what, "add the section that lists the samples")
    return found


def _number(path: Path, line: int, name: str, text: str, low: int, high: int) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        what = f"found {name} '{text}', allowed is a whole number from {low} to {high}"
        raise InputError(path, f"line {line}", what, "correct the cell")
    return int(text)


def _barcode(path: Path, line: int, name: str, text: str) -> str:
    bases = text.upper()
    if not _BARCODE.match(bases):
        what = f"found {name} '{text}', allowed are the letters A, C, G, T and N"
        raise InputError(path, f"line {line}", what, "correct the barcode")
    return bases


def _placement(path: Path, line: int, cells: dict[str, str], settings: dict[str, str]) -> Placement:
    sample_id = cells["sample_id"]
    if not re.match(SAMPLE_ID, sample_id) or "\n" in sample_id:
        raise InputError(
            path, f"line {line}", f"found Sample_ID '{sample_id}', allowed are {_ID_RULE}", "rename the sample"
        )
    override = cells.get("overridecycles", "") or settings.get("OverrideCycles", "")
    try:
        if override:
            parse_cycles(override)
    except ValueError as error:
        raise InputError(path, f"line {line}", f"OverrideCycles: {error}", "correct OverrideCycles") from error
    limits = [
        _number(path, line, name, cells.get(name.lower(), "") or settings.get(name, ""), 0, 2)
        for name in ("BarcodeMismatchesIndex1", "BarcodeMismatchesIndex2")
    ]
    placement = Placement(
        sample_id=sample_id,
        lane=_number(path, line, "Lane", cells.get("lane", ""), 1, 99) or 0,
        index=_barcode(path, line, "index", cells.get("index", "")),
        index2=_barcode(path, line, "index2", cells.get("index2", "")),
        override_cycles=override.upper(),
        mismatches=(limits[0], limits[1]),
        line=line,
    )
    if placement.index2 and not placement.index:
        raise InputError(path, f"line {line}", "found index2 but no index", "fill in both, or the first alone")
    return placement


def _share_a_lane(one: Placement, other: Placement) -> bool:
    return one.lane == other.lane or 0 in (one.lane, other.lane)


def _check_pair(path: Path, first: Placement, second: Placement) -> None:
    where = f"line {second.line}"
    if first.sample_id == second.sample_id:
        if _share_a_lane(first, second):
            what = f"found Sample_ID '{second.sample_id}' again (first on line {first.line}), allowed is once a lane"
            raise InputError(path, where, what, "rename one of the samples")
        if (first.index, first.index2) != (second.index, second.index2):
            what = (
                f"found other barcodes for '{second.sample_id}' than on line {first.line}, allowed is one pair a sample"
            )
            raise InputError(path, where, what, "rename one of the samples")
        return
    if not _share_a_lane(first, second):
        return
    if (first.index, first.index2) == (second.index, second.index2):
        found = "+".join(filter(None, (second.index, second.index2))) or "no barcode"
        what = f"found {found} for '{second.sample_id}' and for '{first.sample_id}' (line {first.line}) in one lane"
        raise InputError(path, where, what, "each sample of a lane needs barcodes of its own")
    lengths = [(len(row.index), len(row.index2)) for row in (first, second)]
    if lengths[0] != lengths[1] and first.override_cycles == second.override_cycles:
        one, other = (f"{n_first}+{n_second}" for n_first, n_second in lengths)
        what = f"found barcodes of {other} bases, but {one} on line {first.line}"
        raise InputError(
            path, where, what, "barcodes of one lane have one length, unless OverrideCycles says otherwise"
        )


def _placements(path: Path, section: Section, settings: dict[str, str]) -> tuple[tuple[Placement, ...], list[str]]:
    columns, rows = table(path, section)
    if "sample_id" not in {name.lower() for name in columns}:
        what = f"found columns {', '.join(columns)}, but no Sample_ID"
        raise InputError(path, f"line {section.rows[0].line}", what, "add the column Sample_ID")
    if not rows:
        raise InputError(path, f"line {section.line}", f"found no sample in [{section.name}]", "list the samples")
    placements = tuple(_placement(path, line, cells, settings) for line, cells in rows)
    for i_second, second in enumerate(placements):
        for first in placements[:i_second]:
            _check_pair(path, first, second)
    _check_case(path, placements)
    unknown = [name for name in columns if name.lower() not in _KNOWN_COLUMNS]
    return placements, [f"[{section.name}]: column '{name}' is not known and not used" for name in unknown]


def _check_case(path: Path, placements: tuple[Placement, ...]) -> None:
    seen: dict[str, Placement] = {}
    for row in placements:
        first = seen.setdefault(row.sample_id.lower(), row)
        if first.sample_id != row.sample_id or row.sample_id.lower() == "undetermined":
            what = (
                f"found Sample_ID '{row.sample_id}', taken by '{first.sample_id}' (line {first.line}) apart from case"
            )
            if row.sample_id.lower() == "undetermined":
                what = "found Sample_ID 'Undetermined', which names the reads of no sample"
            raise InputError(path, f"line {row.line}", what, "rename the sample")


def _kit(path: Path, section: Section | None) -> str | None:
    found = pairs(path, section)
    for key in found:
        if key not in _OWN_SETTINGS:
            what = (
                f"found setting '{key}' in [{section.name if section else ''}], allowed is {', '.join(_OWN_SETTINGS)}"
            )
            raise InputError(path, f"line {section.line if section else 0}", what, "correct or remove it")
    kit = found.get("Kit")
    if kit is not None and not _KIT.match(kit):
        what = f"found Kit '{kit}', expected name@version, as cfdna-demo@1.0.0"
        raise InputError(path, f"line {section.line if section else 0}", what, "correct the setting")
    return kit


def _samples(placements: tuple[Placement, ...], specimens: dict[str, SpecimenRow]) -> tuple[Sample, ...]:
    lanes: dict[str, list[int]] = {}
    first: dict[str, Placement] = {}
    for row in placements:
        first.setdefault(row.sample_id, row)
        lanes.setdefault(row.sample_id, []).append(row.lane)
    samples = []
    for sample_id, row in first.items():
        said = specimens.get(sample_id)
        samples.append(
            Sample(
                sample_id=sample_id,
                role=(said.role if said else None) or "patient",
                index=row.index,
                index2=row.index2,
                lanes=tuple(sorted(lane for lane in lanes[sample_id] if lane)),
                specimen=said.specimen if said else Specimen(),
            )
        )
    return tuple(samples)


def _role_warnings(samples: tuple[Sample, ...], specimens: dict[str, SpecimenRow]) -> list[str]:
    silent = [s.sample_id for s in samples if s.sample_id not in specimens or specimens[s.sample_id].role is None]
    if not silent:
        return []
    more = f" and {len(silent) - _MOST_LISTED} more" if len(silent) > _MOST_LISTED else ""
    return [f"Sample_Type is not given in [Ctdna_Data], taken as patient: {', '.join(silent[:_MOST_LISTED])}{more}"]


def read_sample_sheet(path: Path) -> SampleSheet:
    """Return a sample sheet, checked: version 1 or 2, any line end, with or without byte-order mark.

    Samples stand in the order of their first rows. Sections of other programs are left alone; unknown columns of the
    data section give a warning, unknown sections, settings and columns of `[Ctdna_...]` an error. Collisions within a
    mismatch budget are `check_collisions`.

    Raises:
        InputError: anything else that is wrong; the message names the line, what was found, and what is allowed.
    """
    sections = read_sections(path)
    for name, section in sections.items():
        if name.startswith("ctdna") and name not in _OWN_SECTIONS:
            what = f"found section [{section.name}], allowed are [Ctdna_Settings] and [Ctdna_Data]"
            raise InputError(path, f"line {section.line}", what, "correct the title")
    header = pairs(path, sections.get("header"))
    version = _version(path, sections, header)
    settings = pairs(path, sections.get("settings")) | pairs(path, sections.get("bclconvert_settings"))
    placements, warnings = _placements(path, _data_section(path, sections), settings)
    ids = tuple(dict.fromkeys(row.sample_id for row in placements))
    specimens = read_specimens(path, sections.get("ctdna_data"), ids)
    samples = _samples(placements, specimens)
    if "header" not in sections:
        warnings.append("the sheet has no [Header]")
    return SampleSheet(
        version=version,
        header=header,
        cycles=_cycles(path, sections.get("reads")),
        settings=settings,
        kit=_kit(path, sections.get("ctdna_settings")),
        samples=samples,
        placements=placements,
        warnings=tuple(warnings + _role_warnings(samples, specimens)),
    )


def check_collisions(path: Path, sheet: SampleSheet, mismatches: tuple[int, ...]) -> None:
    """Check that no read can lie within the mismatch budget of two samples of one lane.

    Two samples collide where every index of theirs differs in at most twice its budget; `mismatches` is the run's
    budget for index 1 and index 2, a row's own limits come first, and a missing number repeats the last. Rows with
    different OverrideCycles are left to the stage, which knows the cycles.

    Raises:
        InputError: two samples collide.
    """
    for i_second, second in enumerate(sheet.placements):
        for first in sheet.placements[:i_second]:
            same_cycles = first.override_cycles == second.override_cycles
            if first.sample_id != second.sample_id and same_cycles and _share_a_lane(first, second):
                _check_distance(path, first, second, mismatches)


def _check_distance(path: Path, first: Placement, second: Placement, mismatches: tuple[int, ...]) -> None:
    distances, limits = [], []
    for i_index, name in enumerate(("index", "index2")):
        budgets = [row.mismatches[i_index] for row in (first, second)]
        default = mismatches[min(i_index, len(mismatches) - 1)]
        limits.append(sum(default if budget is None else budget for budget in budgets))
        distances.append(barcode_distance(getattr(first, name), getattr(second, name)))
    if all(distance <= limit for distance, limit in zip(distances, limits, strict=True)):
        what = (
            f"barcodes of '{second.sample_id}' and '{first.sample_id}' (line {first.line}) differ in {distances[0]}+"
            f"{distances[1]} bases, more than {limits[0]} or {limits[1]} are needed for the mismatches allowed"
        )
        raise InputError(path, f"line {second.line}", what, "allow fewer barcode mismatches, or change the barcodes")
