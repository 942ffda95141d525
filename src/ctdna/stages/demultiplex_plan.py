"""Plan of demultiplexing: what each cycle is for, and what each sample's barcodes look like on the flow cell."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.barcode import ANY
from ctdna.kernels.bcl import COMPLEMENT, PLUS
from ctdna.model.errors import InputError
from ctdna.model.params.demultiplex import DemultiplexParams
from ctdna.model.run import Placement, RunLayout, SampleSheet, Segment, parse_cycles, reverse_complement

_REVERSING = frozenset(
    (
        "NovaSeq X",
        "NextSeq 1000/2000",
        "NextSeq 500/550",
        "MiniSeq",
        "iSeq 100",
        "HiSeq X",
        "HiSeq 3000/4000",
    )
)
"""Instruments that read index 2 on the other strand (workflow B)."""
_FORWARD = frozenset(("MiSeq", "HiSeq 2000/2500"))
_CODES = {"A": 0, "C": 1, "G": 2, "T": 3, "N": ANY}
_SHEET = "correct the sample sheet"
MAX_COUNTED_CYCLES = 27
"""Cycles of one index that the table of undetermined barcodes can tell apart."""


class ReadPlan(NamedTuple):
    """What is written for a sample's clusters; cycles are counted from 0."""

    sample_id: str
    reads: tuple[NDArray[np.int64], ...]
    """Cycles of each FASTQ file."""
    umi: NDArray[np.int64]
    """Layout (see `kernels.bcl.spell`) of the UMI in the read name; empty: none."""
    barcode: NDArray[np.int64]
    """Layout of the barcodes in the read name, in the sheet's orientation."""


class LanePlan(NamedTuple):
    """What is done with the clusters of one lane."""

    lane: int
    samples: tuple[ReadPlan, ...]
    placements: tuple[Placement, ...]
    """The sheet's row of each sample."""
    undetermined: ReadPlan
    cycles1: NDArray[np.int64]
    """All cycles of index 1."""
    cycles2: NDArray[np.int64]
    expected1: NDArray[np.uint8]
    """(samples, cycles of index 1): bases 0 to 3, or ANY."""
    expected2: NDArray[np.uint8]
    budgets: NDArray[np.int64]
    """(samples, 2): most mismatches."""
    counted1: NDArray[np.int64]
    """Cycles of index 1 in the table of undetermined barcodes."""
    counted2: NDArray[np.int64]
    is_flipped: bool
    """Whether the instrument reads index 2 on the other strand than the sheet writes it."""


class DemultiplexPlan(NamedTuple):
    """The plan of a whole run."""

    lanes: dict[int, LanePlan]
    n_reads: int
    """FASTQ files a sample."""
    warnings: tuple[str, ...]


def is_index2_flipped(layout: RunLayout, params: DemultiplexParams) -> tuple[bool, str | None]:
    """Return whether index 2 is read on the other strand than the sheet writes it, and a warning if that is a guess.

    By instrument: RunInfo.xml's own word where it has one; else the instrument's type, NovaSeq 6000 by its reagent
    version (1.0 forward, 1.5 reverse complement); an unknown type counts as forward, with a warning.
    """
    index_reads = [read for read in layout.reads if read.is_index]
    if len(index_reads) < 2:
        return False, None
    if params.index2_orientation != "by_instrument":
        return params.index2_orientation == "reverse_complement", None
    word = index_reads[1].is_reverse_complement
    if word is not None:
        return word, None
    kind = layout.instrument_type
    if kind in _REVERSING:
        return True, None
    if kind in _FORWARD:
        return False, None
    if kind == "NovaSeq 6000" and layout.reagent_version is not None:
        return layout.reagent_version.strip() not in ("1", "1.0"), None
    name = kind or f"instrument {layout.instrument}"
    return False, f"the orientation of index 2 on {name} is not known; taken as the sample sheet writes it"


def _default_segments(layout: RunLayout) -> tuple[tuple[Segment, ...], ...]:
    return tuple((Segment("I" if read.is_index else "Y", read.n_cycles),) for read in layout.reads)


def _segments(layout: RunLayout, row: Placement) -> tuple[tuple[Segment, ...], ...]:
    if not row.override_cycles:
        return _default_segments(layout)
    reads = parse_cycles(row.override_cycles)
    where = f"sample sheet line {row.line}"
    if len(reads) != len(layout.reads):
        what = f"found OverrideCycles for {len(reads)} reads, the run has {len(layout.reads)}"
        raise InputError(None, where, what, _SHEET)
    filled = []
    for segments, read in zip(reads, layout.reads, strict=True):
        rest = read.n_cycles - sum(max(segment.n_cycles, 0) for segment in segments)
        full = tuple(Segment(s.use, rest if s.n_cycles < 0 else s.n_cycles) for s in segments)
        if sum(segment.n_cycles for segment in full) != read.n_cycles or rest < 0:
            found = f"found {read.n_cycles - rest} cycles for read {read.number} in OverrideCycles"
            what = f"{found}, the run has {read.n_cycles}"
            raise InputError(None, where, what, _SHEET)
        wrong = "Y" if read.is_index else "I"
        if any(segment.use == wrong for segment in full):
            kind = "index" if read.is_index else "template"
            raise InputError(None, where, f"found {wrong} in OverrideCycles of {kind} read {read.number}", _SHEET)
        filled.append(full)
    return tuple(filled)


def _cycles_of(layout: RunLayout, segments: tuple[tuple[Segment, ...], ...], use: str) -> list[list[int]]:
    found = []
    cycle = 0
    for read_segments in segments:
        here: list[int] = []
        for segment in read_segments:
            if segment.use == use:
                here.extend(range(cycle, cycle + segment.n_cycles))
            cycle += segment.n_cycles
        found.append(here)
    return found


def _join(parts: list[list[int]]) -> NDArray[np.int64]:
    joined: list[int] = []
    for part in filter(None, parts):
        joined.extend([PLUS, *part] if joined else part)
    return np.array(joined, dtype=np.int64)


def _read_plan(
    layout: RunLayout, sample_id: str, segments: tuple[tuple[Segment, ...], ...], is_flipped: bool
) -> tuple[ReadPlan, list[list[int]]]:
    template = _cycles_of(layout, segments, "Y")
    index = [
        cycles for cycles, read in zip(_cycles_of(layout, segments, "I"), layout.reads, strict=True) if read.is_index
    ]
    shown = [list(cycles) for cycles in index]
    if is_flipped and len(shown) > 1:
        shown[1] = [cycle + COMPLEMENT for cycle in reversed(shown[1])]
    reads = tuple(
        np.array(cycles, dtype=np.int64)
        for cycles, read in zip(template, layout.reads, strict=True)
        if not read.is_index
    )
    umi = _join(_cycles_of(layout, segments, "U"))
    return ReadPlan(sample_id, reads, umi, _join(shown)), index


def _expected(row: Placement, name: str, barcode: str, cycles: list[int], all_cycles: list[int]) -> list[int]:
    if len(barcode) > len(cycles):
        found = f"found {name} '{barcode}' of {len(barcode)} bases for '{row.sample_id}'"
        what = f"{found}, the run has {len(cycles)} cycles for it"
        raise InputError(None, f"sample sheet line {row.line}", what, _SHEET)
    wanted = dict(zip(cycles, barcode, strict=False))
    return [_CODES[wanted.get(cycle, "N")] for cycle in all_cycles]


def _limits(row: Placement, params: DemultiplexParams) -> list[int]:
    numbers = params.barcode_mismatches
    return [
        numbers[min(i_index, len(numbers) - 1)] if own is None else own for i_index, own in enumerate(row.mismatches)
    ]


def _distances(table: NDArray[np.uint8], i_row: int) -> NDArray[np.int64]:
    """Return the differing cycles between one barcode and each before it."""
    before, this = table[:i_row], table[i_row]
    differs: NDArray[np.int64] = ((before != this) & (before != ANY) & (this != ANY)).sum(axis=1)
    return differs


def _check_collisions(
    rows: tuple[Placement, ...], expected: tuple[NDArray[np.uint8], ...], limits: NDArray[np.int64]
) -> None:
    for i_second, second in enumerate(rows):
        distances = np.stack([_distances(table, i_second) for table in expected], axis=1)
        budgets = limits[:i_second] + limits[i_second]
        colliding = np.flatnonzero((distances <= budgets).all(axis=1))
        if len(colliding):
            first, found, allowed = rows[colliding[0]], distances[colliding[0]], budgets[colliding[0]]
            what = (
                f"barcodes of '{second.sample_id}' and '{first.sample_id}' (line {first.line}) differ in "
                f"{found[0]}+{found[1]} cycles; the mismatches allowed need more than {allowed[0]} or {allowed[1]}"
            )
            hint = "allow fewer barcode mismatches, or change the barcodes"
            raise InputError(None, f"sample sheet line {second.line}", what, hint)


def _lane_plan(
    layout: RunLayout, lane: int, rows: tuple[Placement, ...], params: DemultiplexParams, is_flipped: bool
) -> LanePlan:
    all_index = [cycles for cycles in _cycles_of(layout, _default_segments(layout), "I") if cycles] + [[], []]
    n_index = sum(read.is_index for read in layout.reads)
    plans, tables = [], ([], [])  # type: tuple[list[ReadPlan], tuple[list[list[int]], list[list[int]]]]
    for row in rows:
        plan, index = _read_plan(layout, row.sample_id, _segments(layout, row), is_flipped)
        plans.append(plan)
        if (row.index2 and n_index < 2) or (row.index and n_index < 1):
            what = f"found barcodes '{row.index}+{row.index2}', but the run has {n_index} index reads"
            raise InputError(None, f"sample sheet line {row.line}", what, _SHEET)
        index += [[], []]
        second = reverse_complement(row.index2) if is_flipped else row.index2
        for i_index, barcode in enumerate((row.index, second)):
            name = "index2" if i_index else "index"
            tables[i_index].append(_expected(row, name, barcode, index[i_index], all_index[i_index]))
    expected = tuple(np.array(tables[i], dtype=np.uint8).reshape(len(rows), len(all_index[i])) for i in (0, 1))
    budgets = np.array([_limits(row, params) for row in rows], dtype=np.int64).reshape(len(rows), 2)
    _check_collisions(rows, expected, budgets)
    common = {row.override_cycles for row in rows}
    segments = _segments(layout, rows[0]) if len(common) == 1 else _default_segments(layout)
    undetermined, index = _read_plan(layout, "Undetermined", segments, is_flipped)
    counted = [np.array(cycles[:MAX_COUNTED_CYCLES], dtype=np.int64) for cycles in [*index, [], []][:2]]
    cycles1, cycles2 = (np.array(cycles, dtype=np.int64) for cycles in all_index[:2])
    return LanePlan(
        lane,
        tuple(plans),
        rows,
        undetermined,
        cycles1,
        cycles2,
        expected[0],
        expected[1],
        budgets,
        counted[0],
        counted[1],
        is_flipped,
    )


def _check_reads(layout: RunLayout) -> int:
    n_reads = sum(not read.is_index for read in layout.reads)
    n_index = len(layout.reads) - n_reads
    if n_reads not in (1, 2) or n_index > 2:
        what = f"found {n_reads} template reads and {n_index} index reads, allowed are 1 or 2 and 0 to 2"
        raise InputError(None, "RunInfo.xml", what, "only such runs can be demultiplexed")
    return n_reads


def _warnings(layout: RunLayout, sheet: SampleSheet, lanes: tuple[int, ...]) -> list[str]:
    found = [f"lane {lane}: the sample sheet has no sample for it" for lane in lanes if not _rows(sheet, lane)]
    left = sorted({row.lane for row in sheet.placements}.difference(lanes, (0,)))
    found += [f"lane {lane}: in the sample sheet, but not decoded" for lane in left]
    index = [read.n_cycles for read in layout.reads if read.is_index]
    for i_index, n_cycles in enumerate(index):
        short = [
            row.sample_id
            for row in sheet.placements
            if not row.override_cycles and 0 < len((row.index, row.index2)[i_index]) < n_cycles
        ]
        if short:
            head = f"index {i_index + 1} has {n_cycles} cycles; of longer reads the first bases count"
            found.append(f"{head}: {', '.join(short)}")
    planned = [(f"Read{i + 1}", read.n_cycles) for i, read in enumerate(r for r in layout.reads if not r.is_index)]
    planned += [(f"Index{i + 1}", n_cycles) for i, n_cycles in enumerate(index)]
    for name, n_cycles in planned:
        if sheet.cycles.get(name, n_cycles) != n_cycles:
            found.append(f"{name}: the sample sheet plans {sheet.cycles[name]} cycles, the run has {n_cycles}")
    return found


def _rows(sheet: SampleSheet, lane: int) -> tuple[Placement, ...]:
    return tuple(row for row in sheet.placements if row.lane in (0, lane))


def plan_demultiplex(
    layout: RunLayout, sheet: SampleSheet, params: DemultiplexParams, lanes: tuple[int, ...], flip: bool = False
) -> DemultiplexPlan:
    """Return the plan of a run for these lanes; with `flip`, index 2 is expected the other way round.

    A read keeps all its cycles unless the row's OverrideCycles says otherwise; there, Y is written, I compared with
    the barcode, U goes to the read name, N is dropped. A barcode shorter than its cycles is compared with the first
    of them. A row's own mismatch limits come before those of `params`.

    Raises:
        InputError: the sheet does not fit the run, or barcodes of a lane collide within their mismatches.
    """
    n_reads = _check_reads(layout)
    is_flipped, doubt = is_index2_flipped(layout, params)
    warnings = ([doubt] if doubt else []) + _warnings(layout, sheet, lanes)
    plans = {lane: _lane_plan(layout, lane, _rows(sheet, lane), params, is_flipped != flip) for lane in lanes}
    return DemultiplexPlan(plans, n_reads, tuple(warnings))
