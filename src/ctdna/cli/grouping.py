"""Grouping within a ceiling of memory: records in any order and number to records by molecule."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ctdna.cli.stray_reads import StrayReads
from ctdna.cli.template_batches import TemplateBatches, join_records
from ctdna.formats.external_sort import (
    MOST_CHUNK_BYTES,
    MOST_RUN_BYTES,
    ExternalSort,
    OutOfOrderError,
)
from ctdna.formats.spill import DuplicateCheck, Source, read_name_order, spans
from ctdna.kernels.order import sort_runs
from ctdna.kernels.packed import molecule_records, pack_templates
from ctdna.kernels.record import FIXED_BYTES, take_records
from ctdna.kernels.templates import Reads, name_fingerprints
from ctdna.model.columns import RawRecords
from ctdna.model.evidence import Targets
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.group import GroupParams
from ctdna.stages.group import ReadGroups
from ctdna.stages.group_errors import pairing_error
from ctdna.stages.quality.reads import count_on_target
from ctdna.stages.saturation import MoleculeSums
from ctdna.stages.template_rows import (
    AT,
    MARKS,
    N_COLUMNS,
    N_PLACE_KEYS,
    SIZE,
    SIZE1,
    Families,
    Found,
    Tally,
    TemplateReader,
    families_of,
    find_templates,
    fingerprints,
    single_reads,
)


class Piece(NamedTuple):
    """Some grouped records, in order."""

    records: RawRecords
    is_end: bool
    """Whether the last molecule is whole with it."""


class Grouping:
    """Records added in any order, given back by molecule with MI set; what does not fit in memory goes to disk.

    The records and their order are those of `stages.group.group`, whatever the memory and the batches.
    """

    def __init__(
        self,
        params: GroupParams,
        groups: ReadGroups,
        sample: str,
        memory: int,
        folder: Path,
        targets: Targets | None = None,
        threads: int = 1,
    ) -> None:
        """Take what the stage takes, bytes that may be held, folder of spill files, targets to count molecules by.

        With two threads or more, what goes to disk is written while more is taken.
        """
        self._params, self._sample, self._targets = params, sample, targets
        self._reader = TemplateReader(params, groups)
        self._tally = Tally(params, targets)
        self._chunk_bytes = max(min(memory // 16, MOST_CHUNK_BYTES), 1)
        self._sort = ExternalSort(folder, memory // 4 * 3, N_PLACE_KEYS, N_COLUMNS, "templates at one place", threads)
        self._strays = StrayReads(folder, memory // 16)
        self._names = DuplicateCheck(folder, min(memory // 32, MOST_RUN_BYTES // 4))
        self._suspects = np.empty(0, dtype=np.int64)
        self._suspect_names: set[bytes] = set()
        self._templates = TemplateBatches()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for part in (self._sort, self._strays, self._names):
            self._stack.enter_context(part)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def hold(self, n_bytes: int) -> None:
        """Keep no more than so many bytes of records in memory from now on."""
        self._sort.hold(n_bytes)

    def pause(self) -> None:
        """Tell that few records come for a while, so that those held may go to disk meanwhile if they must."""
        self._sort.pause()

    def add(self, records: RawRecords) -> None:
        """Take records, sound ones; those of one template may come in several batches.

        Raises:
            InputError: as `stages.group.group` raises it, or the spill files cannot be written.
        """
        self._tally.n_in += len(records)
        for batch in self._templates.add(records):
            self._take(batch)

    def _take(self, records: RawRecords) -> None:
        found = find_templates(records)
        self._tally.left_out += found.left_out
        self._keep(records, found.reads, found.mates)
        if len(found.strays):
            self._strays.add(take_records(records.data, records.offsets, found.strays))
            if (matched := self._strays.matched()) is not None:
                self._keep_found(*matched)

    def _keep_found(self, records: RawRecords, found: Found) -> None:
        self._keep(records, found.reads, found.mates)

    def _keep(self, records: RawRecords, reads: Reads, mates: NDArray[np.int64]) -> None:
        self._names.add(fingerprints(records, reads, mates))
        kept = self._reader.keep(records, reads, mates)
        self._tally.by_reason += kept.by_reason
        n_bytes = np.diff(records.offsets)
        sizes = n_bytes[kept.mates[0]] + np.where(kept.mates[1] >= 0, n_bytes[kept.mates[1]], 0)
        ends = np.concatenate(([0], np.cumsum(sizes)))
        for first, after in spans(sizes, self._sort.most_bytes):
            at = self._sort.reserve(int(ends[after] - ends[first]))
            own = np.ascontiguousarray(kept.mates[:, first:after])
            places, end = pack_templates(records.data, records.offsets, reads, own, self._sort.data, at)
            rows = np.empty((N_COLUMNS, after - first), dtype=np.int64)
            rows[:AT], rows[AT:MARKS], rows[MARKS:] = kept.keys[:2, first:after], places, kept.keys[2:, first:after]
            self._sort.add(rows, int(end))

    def _finish(self) -> bool:
        """Take what waits; return whether no template was put together from afar and no name came twice."""
        for batch in self._templates.rest():
            self._take(batch)
        n_matched = 0
        for records, found in self._strays.rest():
            n_matched += found.mates.shape[1]
            self._keep_found(records, found)
            self._keep(records, found.reads, single_reads(found))
        self._suspects = self._names.duplicates()
        return n_matched == 0 and not len(self._suspects)

    def pieces(self, batches: Iterable[RawRecords] = ()) -> Iterator[Piece]:
        """Add batches, then yield the grouped records in bounded pieces, which may cut a molecule.

        Nothing can be added any more.

        Raises:
            InputError: as `stages.group.group` raises it, a place holds too many templates for the memory, or the
                spill files cannot be written or read.
        """
        for records in batches:
            self.add(records)
        self._finish()
        for rows, source in self._sort.chunks(self._chunk_bytes):
            yield from self._pieces_of(rows, source)

    def batches(self) -> Iterator[RawRecords]:
        """Yield the grouped records in batches that hold whole molecules; else as `pieces`."""
        return _whole_molecules(self.pieces())

    def stream(self, batches: Iterable[RawRecords]) -> Iterator[Piece]:
        """Yield pieces while records come, which must be in the order of their places, mates beside each other.

        Raises:
            OutOfOrderError: they are not, or a place is too large: add all and use `pieces`, from the start.
            InputError: as `add` and `pieces`.
        """
        for records in batches:
            self.add(records)
            for rows, source in self._sort.drain(self._chunk_bytes):
                yield from self._pieces_of(rows, source)
        if not self._finish():
            raise OutOfOrderError
        for rows, source in self._sort.drain(self._chunk_bytes):
            yield from self._pieces_of(rows, source)
        for rows, source in self._sort.chunks(self._chunk_bytes):
            yield from self._pieces_of(rows, source)

    def metrics(self) -> StageMetrics:
        """Return the counts (in reads), once all pieces or batches were taken."""
        return self._tally.metrics(self._sample)

    def sums(self) -> MoleculeSums:
        """Return what the molecules add up to, once all pieces or batches were taken."""
        return self._tally.sums

    def _pieces_of(self, rows: NDArray[np.int64], source: Source) -> Iterator[Piece]:
        """Yield the records of whole places."""
        families = families_of(rows, self._reader.cell_ranks(), self._params)
        base = self._tally.n_molecules
        n_records = int((rows[SIZE] > rows[SIZE1]).sum()) + rows.shape[1]
        self._tally.add_families(families, n_records)
        ends = np.concatenate(([0], np.cumsum(rows[SIZE][families.items])))[families.offsets]
        for first, after in spans(np.diff(ends), self._chunk_bytes):
            if ends[after] - ends[first] <= self._chunk_bytes:
                yield self._piece(rows, source, families, (first, after), base)
            else:
                yield from self._large_family(rows, source, families, first, base)

    def _piece(
        self, rows: NDArray[np.int64], source: Source, families: Families, span: tuple[int, int], base: int
    ) -> Piece:
        """Return the records of the families of a span."""
        bounds = families.offsets[span[0] : span[1] + 1]
        items = families.items[bounds[0] : bounds[-1]]
        data, at = source.fetch(rows[AT][items], rows[SIZE][items])
        n_name = data[at + 12].astype(np.int32) - np.int32(1)
        everything = np.arange(len(items), dtype=np.int64)
        order = sort_runs(data, at + FIXED_BYTES, n_name, everything, everything, bounds - bounds[0])
        records = self._records(rows, data, at, families, items, order, base)
        return Piece(records, self._ends_molecule(families, span[1] - 1))

    def _records(
        self,
        rows: NDArray[np.int64],
        data: NDArray[np.uint8],
        at: NDArray[np.int64],
        families: Families,
        items: NDArray[np.int64],
        order: NDArray[np.int64],
        base: int,
    ) -> RawRecords:
        if len(self._suspects):
            self._check_names(data, at)
        places = np.stack((at, rows[SIZE][items], rows[SIZE1][items]))
        molecule = families.molecule[items]
        records: RawRecords = molecule_records(data, places, order, molecule + base, families.strand[items])
        if self._targets is not None:
            self._tally.add_on_target(*count_on_target(records, self._targets))
        return records

    def _large_family(
        self, rows: NDArray[np.int64], source: Source, families: Families, family: int, base: int
    ) -> Iterator[Piece]:
        """Yield the records of a family larger than a chunk: its names are sorted before its records are read."""
        items = families.items[families.offsets[family] : families.offsets[family + 1]]
        items = items[read_name_order(source, rows[AT][items], rows[SIZE][items], self._chunk_bytes)]
        for start, stop in spans(rows[SIZE][items], self._chunk_bytes):
            own = items[start:stop]
            data, at = source.fetch(rows[AT][own], rows[SIZE][own])
            everything = np.arange(len(own), dtype=np.int64)
            records = self._records(rows, data, at, families, own, everything, base)
            yield Piece(records, stop == len(items) and self._ends_molecule(families, family))

    @staticmethod
    def _ends_molecule(families: Families, family: int) -> bool:
        after = families.offsets[family + 1]
        last = families.molecule[families.items[after - 1]]
        return bool(after == len(families.items) or families.molecule[families.items[after]] != last)

    def _check_names(self, data: NDArray[np.uint8], at: NDArray[np.int64]) -> None:
        """Raise if a template has the name of one that came before."""
        n_name = data[at + 12].astype(np.int32) - np.int32(1)
        numbers = name_fingerprints(data, at + FIXED_BYTES, n_name)
        for i in np.flatnonzero(np.isin(numbers, self._suspects)).tolist():
            name = data[at[i] + FIXED_BYTES : at[i] + FIXED_BYTES + n_name[i]].tobytes()
            if name in self._suspect_names:
                flag = int(data[at[i] + 18]) | int(data[at[i] + 19]) << 8
                raise pairing_error("read " + name.decode(errors="replace"), flag, 1)
            self._suspect_names.add(name)


def _whole_molecules(pieces: Iterator[Piece]) -> Iterator[RawRecords]:
    held: list[RawRecords] = []
    for piece in pieces:
        held.append(piece.records)
        if piece.is_end:
            yield held[0] if len(held) == 1 else join_records(held)
            held = []
