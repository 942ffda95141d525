"""Run folders: whether they are complete, their layout, and where their base calls lie."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from ctdna.formats.run_info import add_run_parameters, read_run_info
from ctdna.model.errors import InputError
from ctdna.model.run import RunLayout, RunRead

Encoding = Literal["bcl", "bcl.bgzf", "cbcl"]
MARKERS = ("CopyComplete.txt", "RTAComplete.txt", "RTAComplete.xml")
_PLAIN_TILE = re.compile(r"s_(\d+)_(\d+)\.bcl(\.gz|\.bgzf)?\Z")
_LANE_CYCLE = re.compile(r"(\d{4})\.bcl\.bgzf\Z")
_CBCL = re.compile(r"L(\d{3})_(\d)\.cbcl\Z")
_CYCLE = re.compile(r"C(\d+)\.1\Z")
_LANE = re.compile(r"L(\d{3})\Z")
_READ = re.compile(r"(\d+)([TBSM])")
_COPY = "copy the run folder again"


class LaneFolder(NamedTuple):
    """Where the base calls of one lane lie."""

    lane: int
    encoding: Encoding
    path: Path
    cycles: dict[int, tuple[Path, ...]]
    """By cycle: the folder of tile files (bcl), the file of the lane (bcl.bgzf), or the surfaces' files (cbcl)."""
    tiles: tuple[int, ...]
    """In rising order; empty where the encoding keeps the list inside its files."""


class RunFolder(NamedTuple):
    """A run folder, ready to decode."""

    path: Path
    layout: RunLayout
    intensities: Path
    lanes: tuple[LaneFolder, ...]


def completion_marker(path: Path) -> Path | None:
    """Return the file that tells the run is over and copied, or None while there is none."""
    return next((path / name for name in MARKERS if (path / name).is_file()), None)


def require_complete(path: Path) -> None:
    """Check that the instrument has finished with the run folder.

    Raises:
        InputError: no such folder, or no completion marker.
    """
    if not path.is_dir():
        raise InputError(path, "", "found no folder of this name", "check the path of the run folder")
    if _find(path, "RunInfo.xml") is None and not (path / "Data").is_dir():
        what = "found neither a run folder (RunInfo.xml, Data) nor FASTQ files"
        raise InputError(path, "", what, "give the run folder itself, or the folder that holds the FASTQ files")
    if completion_marker(path) is None:
        n_reads = len([*path.glob("RTARead*Complete.txt"), *path.glob("Basecalling_Netcopy_complete_Read*.txt")])
        so_far = f" ({n_reads} reads are marked as complete)" if n_reads else ""
        what = f"the run is not complete: found none of {', '.join(MARKERS)}{so_far}"
        raise InputError(path, "", what, "wait until the instrument has finished and everything is copied")


def _find(path: Path, name: str) -> Path | None:
    if not path.is_dir():
        return None
    return next((file for file in sorted(path.iterdir()) if file.name.lower() == name.lower()), None)


def read_layout(path: Path) -> RunLayout:
    """Return the run's layout from RunInfo.xml and, where it is there, RunParameters.xml (any capitals).

    Raises:
        InputError: no RunInfo.xml, or one of them is wrong.
    """
    info = _find(path, "RunInfo.xml")
    if info is None:
        hint = "give the run folder itself, or the lengths of the reads by --read-structure"
        raise InputError(path, "", "found no RunInfo.xml", hint)
    layout = read_run_info(info)
    parameters = _find(path, "RunParameters.xml")
    return layout if parameters is None else add_run_parameters(layout, parameters)


def layout_of_structure(structure: str, run_id: str) -> RunLayout:
    """Return the layout of a folder without RunInfo.xml, from its read structure as `25T8B25T` (T template, B index).

    Raises:
        InputError: not such a structure.
    """
    if not re.fullmatch(r"([1-9]\d*[TB])+", structure):
        what = f"found '{structure}', expected counts with T (template) or B (index), as 151T8B8B151T"
        raise InputError(None, "--read-structure", what, "write it as the run was sequenced")
    reads = tuple(
        RunRead(number=i_read + 1, n_cycles=int(count), is_index=kind == "B")
        for i_read, (count, kind) in enumerate(_READ.findall(structure))
    )
    return RunLayout(run_id=run_id, run_number="0", instrument="unknown", flow_cell="unknown", reads=reads)


def _base_calls(path: Path) -> Path:
    for folder in (path / "Data" / "Intensities" / "BaseCalls", path / "BaseCalls", path):
        if folder.is_dir() and any(_LANE.match(child.name) for child in folder.iterdir()):
            return folder
    raise InputError(path, "", "found no Data/Intensities/BaseCalls/L001", _COPY)


def _cycle_folders(lane: Path) -> dict[int, Path]:
    found = {}
    for child in lane.iterdir():
        match = _CYCLE.match(child.name)
        if match and child.is_dir():
            found[int(match.group(1))] = child
    return found


def _cbcl_lane(lane: int, path: Path, folders: dict[int, Path]) -> LaneFolder:
    cycles = {
        cycle: tuple(sorted(file for file in folder.iterdir() if _CBCL.match(file.name)))
        for cycle, folder in folders.items()
    }
    return LaneFolder(lane, "cbcl", path, cycles, ())


def _bcl_lane(lane: int, path: Path, folders: dict[int, Path]) -> LaneFolder:
    first = folders[min(folders)]
    tiles = {int(match.group(2)) for file in first.iterdir() if (match := _PLAIN_TILE.match(file.name))}
    cycles: dict[int, tuple[Path, ...]] = {cycle: (folder,) for cycle, folder in folders.items()}
    return LaneFolder(lane, "bcl", path, cycles, tuple(sorted(tiles)))


def _lane_folder(lane: int, path: Path) -> LaneFolder:
    by_lane: dict[int, tuple[Path, ...]] = {
        int(match.group(1)): (file,) for file in path.iterdir() if (match := _LANE_CYCLE.match(file.name))
    }
    if by_lane:
        return LaneFolder(lane, "bcl.bgzf", path, by_lane, ())
    folders = _cycle_folders(path)
    if not folders:
        raise InputError(path, "", "found no base calls: neither C1.1 nor 0001.bcl.bgzf", _COPY)
    if any(_CBCL.match(file.name) for folder in folders.values() for file in folder.iterdir()):
        return _cbcl_lane(lane, path, folders)
    return _bcl_lane(lane, path, folders)


def _check_cycles(lane: LaneFolder, layout: RunLayout) -> None:
    missing = [cycle for cycle in range(1, layout.n_cycles + 1) if cycle not in lane.cycles]
    if missing:
        listed = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        what = f"found {len(lane.cycles)} cycles, expected {layout.n_cycles}; missing: {listed}"
        raise InputError(lane.path, "", what, _COPY)


def open_run_folder(path: Path, structure: str | None = None, lanes: tuple[int, ...] = ()) -> RunFolder:
    """Return a run folder's layout and the files of its lanes (all, or those named).

    With a read `structure`, RunInfo.xml is not asked for, nor a completion marker: a part of a run.

    Raises:
        InputError: incomplete folder, no RunInfo.xml, no base calls, missing lanes or cycles.
    """
    if structure is None:
        require_complete(path)
        layout = read_layout(path)
    else:
        if not path.is_dir():
            raise InputError(path, "", "found no folder of this name", "check the path of the run folder")
        layout = layout_of_structure(structure, path.name or "run")
    calls = _base_calls(path)
    present = {int(m.group(1)): child for child in calls.iterdir() if (m := _LANE.match(child.name))}
    wanted = lanes or tuple(sorted(present))
    expected = lanes or range(1, (layout.n_lanes or 0) + 1)
    for lane in sorted({*wanted, *expected}):
        if lane not in present:
            raise InputError(calls, f"lane {lane}", f"found no folder L{lane:03d}", _COPY)
    folders = tuple(_lane_folder(lane, present[lane]) for lane in sorted(set(wanted)))
    for folder in folders:
        _check_cycles(folder, layout)
    intensities = calls.parent if calls.name == "BaseCalls" else calls
    return RunFolder(path, layout, intensities, folders)
