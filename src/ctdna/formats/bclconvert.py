"""What BCL Convert reads and writes: its sample sheet and its reports."""

import csv
from pathlib import Path
from typing import NamedTuple

from ctdna.model.errors import InputError
from ctdna.model.run import SampleSheet, reverse_complement

_AGAIN = "run BCL Convert again"


class ConvertedSample(NamedTuple):
    """One sample's figures over all lanes."""

    n_clusters: int
    n_perfect: int
    n_bases: tuple[int, int]
    n_q30: tuple[int, int]


def bclconvert_sheet(sheet: SampleSheet, mismatches: tuple[int, int], turn_index2: bool) -> str:
    """Return a version 2 sample sheet for BCL Convert: barcodes, lanes, cycles and mismatch limits, nothing else.

    With `turn_index2` index 2 is written as the reverse complement.
    """
    has_lanes = any(row.lane for row in sheet.placements)
    has_index = [any(row.index for row in sheet.placements), any(row.index2 for row in sheet.placements)]
    lines = ["[Header]", "FileFormatVersion,2", "", "[BCLConvert_Settings]"]
    lines += [f"BarcodeMismatchesIndex{i + 1},{mismatches[i]}" for i in (0, 1) if has_index[i]]
    columns = ["Lane"] * has_lanes + ["Sample_ID"] + ["Index"] * has_index[0] + ["Index2"] * has_index[1]
    has_override = any(row.override_cycles for row in sheet.placements)
    lines += ["", "[BCLConvert_Data]", ",".join(columns + ["OverrideCycles"] * has_override)]
    for row in sheet.placements:
        index2 = reverse_complement(row.index2) if turn_index2 else row.index2
        cells = [str(row.lane or "")] * has_lanes + [row.sample_id] + [row.index] * has_index[0]
        lines.append(",".join(cells + [index2] * has_index[1] + [row.override_cycles] * has_override))
    return "\n".join(lines) + "\n"


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, "", f"cannot be read: {error}", _AGAIN) from error
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(path, "line 1", f"found no column {missing[0]}", _AGAIN)
    return rows


def _count(path: Path, row: dict[str, str], name: str) -> int:
    text = (row[name] or "").strip()
    if not text.isdigit():
        raise InputError(path, f"sample {row['SampleID']}", f"found {name} '{text}', expected a whole number", _AGAIN)
    return int(text)


def read_reports(folder: Path) -> dict[str, ConvertedSample]:
    """Return the figures of each sample, and of `Undetermined`, from BCL Convert's `Reports` folder.

    Raises:
        InputError: a report is missing or lacks a column.
    """
    stats = folder / "Demultiplex_Stats.csv"
    quality = folder / "Quality_Metrics.csv"
    counts: dict[str, list[int]] = {}
    for row in _rows(stats, ("SampleID", "# Reads", "# Perfect Index Reads")):
        found = counts.setdefault(row["SampleID"], [0] * 6)
        found[0] += _count(stats, row, "# Reads")
        found[1] += _count(stats, row, "# Perfect Index Reads")
    for row in _rows(quality, ("SampleID", "ReadNumber", "Yield", "YieldQ30")):
        if row["SampleID"] in counts and row["ReadNumber"] in ("1", "2"):
            i_read = int(row["ReadNumber"]) - 1
            counts[row["SampleID"]][2 + i_read] += _count(quality, row, "Yield")
            counts[row["SampleID"]][4 + i_read] += _count(quality, row, "YieldQ30")
    return {
        name: ConvertedSample(found[0], found[1], (found[2], found[3]), (found[4], found[5]))
        for name, found in counts.items()
    }
