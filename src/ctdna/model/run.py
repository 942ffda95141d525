"""Sequencer runs: layout of the run folder, sample sheet, and what each cycle is for."""

import re
from typing import Literal, NamedTuple

from pydantic import Field

from ctdna.model.base import Frozen
from ctdna.model.sample import Sample

CycleUse = Literal["Y", "I", "U", "N"]
"""What a cycle is for: template, index, UMI moved to the read name, nothing."""

_READ = re.compile(r"(?:[YIUN](?:\d+|\*))+\Z")
_SEGMENT = re.compile(r"([YIUN])(\d+|\*)")
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


class RunRead(Frozen):
    """One read of the run, as the instrument sequenced it."""

    number: int
    n_cycles: int
    is_index: bool
    is_reverse_complement: bool | None = None
    """Whether the instrument reads the index on the other strand; None where RunInfo.xml does not tell."""


class RunLayout(Frozen):
    """What the run folder says of the run (RunInfo.xml, RunParameters.xml)."""

    run_id: str
    run_number: str
    instrument: str
    """Serial number, as the read names carry it."""
    flow_cell: str
    reads: tuple[RunRead, ...]
    n_lanes: int | None = None
    n_surfaces: int | None = None
    n_swaths: int | None = None
    n_tiles: int | None = None
    """Tiles of one swath."""
    tiles: tuple[str, ...] = ()
    """Tiles as RunInfo.xml lists them, `lane_tile`; empty where it does not."""
    instrument_type: str | None = None
    """As RunParameters.xml or the serial number tells: `NextSeq 500/550`, `NovaSeq 6000`, ..."""
    reagent_version: str | None = None
    """Version of the reagent kit, where RunParameters.xml tells."""
    date: str | None = None
    """ISO 8601 date on which the run began; None where RunInfo.xml does not tell it in a known form."""

    @property
    def n_cycles(self) -> int:
        """Return the number of cycles of all reads together."""
        return sum(read.n_cycles for read in self.reads)


class Segment(NamedTuple):
    """Neighbouring cycles of one read with one use."""

    use: CycleUse
    n_cycles: int
    """-1: all that are left."""


class Placement(Frozen):
    """One row of the sample sheet's data: a sample on a lane, with its barcodes."""

    sample_id: str
    lane: int
    """0: all lanes."""
    index: str
    index2: str
    override_cycles: str
    """As `Y151;I8N2;I8N2;Y151`; empty: by RunInfo.xml alone."""
    mismatches: tuple[int | None, int | None]
    """The row's own limits for index 1 and index 2; None: as for the whole run."""
    line: int
    """Line of the sheet."""


class SampleSheet(Frozen):
    """A sample sheet, checked."""

    version: Literal[1, 2]
    header: dict[str, str]
    cycles: dict[str, int]
    """Planned cycles by read: `Read1`, `Index1`, `Index2`, `Read2`; what the sheet leaves out is left out."""
    settings: dict[str, str]
    """Settings for demultiplexing."""
    kit: str | None
    """`name@version` of `[Ctdna_Settings]`."""
    samples: tuple[Sample, ...] = Field(min_length=1)
    """In the order of their first rows."""
    placements: tuple[Placement, ...]
    warnings: tuple[str, ...]


def parse_cycles(text: str) -> tuple[tuple[Segment, ...], ...]:
    """Return the segments of each read of an OverrideCycles text, as `U5Y146;I8;I8N2;U5Y*`.

    Raises:
        ValueError: not of that form; the message quotes the misfit.
    """
    reads = []
    for part in text.strip().upper().split(";"):
        if not _READ.match(part):
            raise ValueError(f"found read '{part}', allowed are Y, I, U, N each with a count, as U5Y146")
        segments = tuple(Segment(use, -1 if count == "*" else int(count)) for use, count in _SEGMENT.findall(part))
        if sum(segment.n_cycles == -1 for segment in segments) > 1:
            raise ValueError(f"found read '{part}' with more than one '*', one is allowed")
        reads.append(segments)
    return tuple(reads)


def reverse_complement(bases: str) -> str:
    """Return the other strand of upper-case bases (A, C, G, T, N)."""
    return bases.translate(_COMPLEMENT)[::-1]


def barcode_distance(one: str, other: str) -> int:
    """Return the positions at which both barcodes have a base (not N), but not the same."""
    return sum(a != b and a != "N" and b != "N" for a, b in zip(one, other, strict=False))
