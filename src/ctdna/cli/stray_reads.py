"""Reads whose mates stand elsewhere in the file, kept until they come: in memory, then by name in a temporary file."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ctdna.cli.template_batches import join_records
from ctdna.formats.spill import SpillFile
from ctdna.kernels.order import radix_order
from ctdna.kernels.record import scan_records, take_records
from ctdna.kernels.templates import name_fingerprints, scan_reads
from ctdna.model.columns import RawRecords
from ctdna.stages.template_rows import Found, match_strays, name_places

N_PARTS = 1024


class StrayReads:
    """Primary reads of pairs, matched with their mates as these come."""

    def __init__(self, folder: Path, memory: int) -> None:
        """Take the folder of the temporary file and the bytes that may be held."""
        self._file = SpillFile(folder)
        self._memory = memory
        self._waiting: list[RawRecords] = []
        self._n_bytes = 0
        self._due = 0
        self._spilled: list[NDArray[np.int64]] = []
        """For each time that reads went to disk where each part starts in the file, and where the last one ends."""

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def add(self, records: RawRecords) -> None:
        """Take reads."""
        if len(records):
            self._waiting.append(records)
            self._n_bytes += len(records.data)

    def matched(self) -> tuple[RawRecords, Found] | None:
        """Return the templates that are whole by now, if it is time to look; the others go on waiting.

        Raises:
            InputError: a template has two first or two second reads, or the temporary file cannot be written.
        """
        if self._n_bytes <= self._due:
            return None
        records = join_records(self._waiting)
        found = match_strays(records)
        rest = take_records(records.data, records.offsets, found.strays)
        self._waiting, self._n_bytes = [rest], len(rest.data)
        self._due = 2 * self._n_bytes
        if self._due > self._memory:
            self._spill(rest)
        return records, found

    def _spill(self, records: RawRecords) -> None:
        reads = scan_reads(records.data, records.offsets)
        names = name_places(records, np.arange(len(records), dtype=np.int64))
        part = name_fingerprints(records.data, names, reads.n_name) & (N_PARTS - 1)
        order = radix_order(part.reshape(1, -1))
        ordered = take_records(records.data, records.offsets, order)
        start = self._file.append(ordered.data)
        self._spilled.append(start + ordered.offsets[np.searchsorted(part[order], np.arange(N_PARTS + 1))])
        self._waiting, self._n_bytes, self._due = [], 0, 0

    def rest(self) -> Iterator[tuple[RawRecords, Found]]:
        """Yield all that waits: whole templates, and as strays the reads whose mate never came.

        Raises:
            InputError: a template has two first or two second reads, or the temporary file cannot be written or read.
        """
        records = join_records(self._waiting)
        self._waiting = []
        if not self._spilled:
            yield records, match_strays(records)
            return
        self._spill(records)
        for k in range(N_PARTS):
            part = self._read([(int(bounds[k]), int(bounds[k + 1])) for bounds in self._spilled])
            yield part, match_strays(part)

    def _read(self, extents: list[tuple[int, int]]) -> RawRecords:
        data: NDArray[np.uint8] = np.empty(sum(end - start for start, end in extents), dtype=np.uint8)
        to = 0
        for start, end in extents:
            self._file.read_into(data[to : to + end - start], start)
            to += end - start
        return RawRecords(data, scan_records(data)[0])
