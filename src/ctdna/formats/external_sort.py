"""Items sorted by whole-number keys within a ceiling of memory: runs in order on disk, merged at the end.

An item is a row of numbers and some bytes. Its first `n_keys` numbers are the key, the next two where its bytes start
and how many they are. Items of one key keep the order in which they came; nothing depends on the ceiling but the time.
Nothing goes to disk while all fits.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ctdna.formats.spill import PIECE_BYTES, Bytes, InMemory, Rows, Source, SpillFile, spans
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError

MOST_RUN_BYTES = 512 << 20
"""Larger runs make a sort no faster."""
MOST_CHUNK_BYTES = 6 << 20
"""A chunk that stays in the processor's cache."""
_ROW_COPIES = 2
"""Rows are held once while they are collected, and once more while they are sorted."""
_LEAST_BLOCK = 64
_MOST_BLOCK = 1 << 16
_MERGE_SHARE = 8
"""Of the rows that would fit, those of one in so many are read ahead while runs are merged."""
_BYTES_PER_NUMBER = 36
"""Memory for each number of the items of one key: the rows themselves and what is worked out from them."""


class _Run:
    """A sorted run on disk, read from its start on."""

    def __init__(self, file: SpillFile, at: int, n_rows: int, n_columns: int) -> None:
        self._file, self._at, self._left, self._n_columns = file, at, n_rows, n_columns
        self.rows: Rows = np.empty((n_columns, 0), dtype=np.int64)

    @property
    def is_whole(self) -> bool:
        """Return whether all that is left of the run is in `rows`."""
        return self._left == 0

    def load(self, n: int) -> None:
        """Add the next `n` rows."""
        n = min(n, self._left)
        block = np.empty((n, self._n_columns), dtype=np.int64)
        self._file.read_into(block.view(np.uint8).reshape(-1), self._at)
        self.rows = np.concatenate((self.rows, block.T), axis=1)
        self._at, self._left = self._at + block.nbytes, self._left - n

    def take(self, n: int) -> Rows:
        """Return the first `n` rows and forget them."""
        taken, self.rows = self.rows[:, :n], np.ascontiguousarray(self.rows[:, n:])
        return taken


def _n_below(rows: Rows, bound: tuple[int, ...]) -> int:
    """Return how many of the rows, in order, have a key below a bound."""
    is_below = np.zeros(rows.shape[1], dtype=np.bool_)
    is_equal = ~is_below
    for key, value in zip(rows, bound, strict=False):
        is_below |= is_equal & (key < value)
        is_equal &= key == value
    return int(is_below.sum())


def _is_in_order(keys: Rows) -> bool:
    """Return whether no key (a column) is lower than the one before it."""
    is_lower = np.zeros(keys.shape[1] - 1, dtype=np.bool_)
    is_equal = ~is_lower
    for key in keys:
        is_lower |= is_equal & (key[1:] < key[:-1])
        is_equal &= key[1:] == key[:-1]
    return not is_lower.any()


class OutOfOrderError(Exception):
    """Items that were to come in the order of their keys did not, or did not fit."""


class ExternalSort:
    """Items collected, and given back by key; see the module's text."""

    def __init__(self, folder: Path, memory: int, n_keys: int, n_columns: int, crowd: str, threads: int = 1) -> None:
        """Take the folder of the temporary files, the bytes that may be held, and the numbers of an item.

        `crowd` is what items of one key are, for the error if there are too many. With two threads or more a run is
        written while the next one is collected.
        """
        self._crowd = crowd
        self._n_keys, self._n_columns = n_keys, n_columns
        self._capacity = max(min(memory // 3, MOST_RUN_BYTES), 1)
        self._rows_at_most = max(memory // (_BYTES_PER_NUMBER * n_columns), 2 * _LEAST_BLOCK)
        self.data: Bytes = np.empty(self._capacity, dtype=np.uint8)
        self._used = self._n_rows = 0
        self._rows: list[Rows] = []
        self._spare: Bytes = np.empty(0, dtype=np.uint8)
        self._n_writers = int(threads > 1)
        self._writer: ThreadPoolExecutor | None = None
        self._written: Future[Bytes] | None = None
        self._bytes_file, self._rows_file = SpillFile(folder), SpillFile(folder)
        self._runs: list[_Run] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._bytes_file)
        self._stack.enter_context(self._rows_file)
        if self._n_writers:
            self._writer = self._stack.enter_context(ThreadPoolExecutor(self._n_writers))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def most_bytes(self) -> int:
        """Return how many bytes should be added at once at most."""
        return max(self._capacity // 4, 1)

    @property
    def is_spilled(self) -> bool:
        """Return whether anything went to disk."""
        return bool(self._runs) or self._written is not None

    def reserve(self, n_bytes: int) -> int:
        """Return where in `data` the next `n_bytes` may be written; what is there goes to disk first if need be.

        Raises:
            InputError: the temporary file cannot be written.
        """
        if self._used + n_bytes + _ROW_COPIES * 8 * self._n_columns * self._n_rows > self._capacity and self._n_rows:
            self._spill()
        if n_bytes > len(self.data):
            self.data = np.empty(n_bytes, dtype=np.uint8)
        return self._used

    def hold(self, n_bytes: int) -> None:
        """Keep no more than so many bytes of items from now on; it can only become less."""
        self._capacity = max(min(n_bytes // (1 + self._n_writers), self._capacity), 1)

    def pause(self) -> None:
        """Tell that few items come for a while: where some are on disk already, those held follow them meanwhile."""
        if self.is_spilled and self._n_rows:
            self._spill()

    def add(self, rows: Rows, used: int) -> None:
        """Take items (numbers, items) whose bytes were written to `data`, which is full up to `used` now."""
        self._rows.append(rows)
        self._n_rows += rows.shape[1]
        self._used = used

    def _sorted_rows(self, parts: list[Rows]) -> Rows:
        from ctdna.kernels.order import radix_order

        rows = np.concatenate((np.empty((self._n_columns, 0), dtype=np.int64), *parts), axis=1)
        parts.clear()
        order = radix_order(np.ascontiguousarray(rows[: self._n_keys]))
        for column in rows:
            column[:] = column[order]
        return rows

    def _spill(self) -> None:
        """Send what is held to disk."""
        parts, data = self._rows, self.data
        self._rows, self._used, self._n_rows = [], 0, 0
        if self._writer is None:
            self._spare = self._write_run(parts, data)
        else:
            self._finish()
            self._written = self._writer.submit(self._write_run, parts, data)
        self.data, self._spare = self._spare, np.empty(0, dtype=np.uint8)
        if len(self.data) < self._capacity:
            self.data = np.empty(self._capacity, dtype=np.uint8)
        elif len(self.data) > self._capacity:
            self.data.resize(self._capacity, refcheck=False)  # gives memory back without copying what stays

    def _finish(self) -> None:
        """Wait for the run that is being written; its memory is spare then."""
        if self._written is not None:
            self._spare, self._written = self._written.result(), None

    def _write_run(self, parts: list[Rows], data: Bytes) -> Bytes:
        """Write items in order as a run; return the memory of their bytes."""
        from ctdna.kernels.record import read_bytes

        rows = self._sorted_rows(parts)
        at, size = rows[self._n_keys], rows[self._n_keys + 1]
        offsets = np.concatenate(([0], np.cumsum(size))).astype(np.int64)
        start = -1
        for first, after in spans(size, PIECE_BYTES):
            part = offsets[first : after + 1] - offsets[first]
            placed = self._bytes_file.append(read_bytes(data, np.ascontiguousarray(at[first:after]), part))
            start = placed if start < 0 else start
        rows[self._n_keys] = start + offsets[:-1]
        row_at = -1
        for first in range(0, rows.shape[1], _MOST_BLOCK):
            placed = self._rows_file.append(np.ascontiguousarray(rows[:, first : first + _MOST_BLOCK].T))
            row_at = placed if row_at < 0 else row_at
        self._runs.append(_Run(self._rows_file, row_at, rows.shape[1], self._n_columns))
        return data

    def chunks(self, chunk_bytes: int) -> Iterator[tuple[Rows, Source]]:
        """Yield the items in the order of their keys, all of one key together, in chunks of about `chunk_bytes`.

        A key with more bytes comes alone; they are read from the source as they are fetched.

        Raises:
            InputError: the rows of one key are too many for the memory, or the temporary files cannot be written or
                read.
        """
        if not self.is_spilled:
            yield from self._cut(self._sorted_rows(self._rows), chunk_bytes, InMemory(self.data))
            return
        if self._n_rows:
            self._spill()
        self._finish()
        self.data = self._spare = np.empty(0, dtype=np.uint8)
        for rows in self._merged():
            yield from self._cut(rows, chunk_bytes, self._bytes_file)

    def drain(self, chunk_bytes: int) -> Iterator[tuple[Rows, Source]]:
        """Yield the items below the last key as `chunks` does, and forget them: for items that come in order.

        The bytes are at hand until the next item is added.

        Raises:
            OutOfOrderError: a key is lower than one before it, or items had to go to disk.
        """
        if not self._rows:
            return
        rows = np.concatenate(self._rows, axis=1)
        keys = rows[: self._n_keys]
        if self.is_spilled or not _is_in_order(keys):
            raise OutOfOrderError
        n = _n_below(keys, tuple(keys[:, -1].tolist()))
        yield from self._cut(rows[:, :n], chunk_bytes, InMemory(self.data))
        rest = rows[:, n:].copy()
        start = int(rest[self._n_keys, 0])
        self.data[: self._used - start] = self.data[start : self._used].copy()
        rest[self._n_keys] -= start
        self._rows, self._n_rows, self._used = [rest], rest.shape[1], self._used - start

    def _cut(self, rows: Rows, chunk_bytes: int, source: Source) -> Iterator[tuple[Rows, Source]]:
        from ctdna.kernels.grouping import runs

        if not rows.shape[1]:
            return
        bounds = runs(np.ascontiguousarray(rows[: self._n_keys]))
        ends = np.concatenate(([0], np.cumsum(rows[self._n_keys + 1])))[bounds]
        for first, after in spans(np.diff(ends), chunk_bytes):
            yield np.ascontiguousarray(rows[:, bounds[first] : bounds[after]]), source

    def _merged(self) -> Iterator[Rows]:
        """Yield rows of all runs in order, whole keys at a time."""
        from ctdna.kernels.order import radix_order

        left = self._runs
        block = min(max(self._rows_at_most // (_MERGE_SHARE * len(left)), _LEAST_BLOCK), _MOST_BLOCK)
        while left:
            for run in left:
                if 2 * run.rows.shape[1] < block:
                    run.load(block)
            bounds = [tuple(run.rows[: self._n_keys, -1].tolist()) for run in left if not run.is_whole]
            bound = min(bounds) if bounds else ()
            taken = [run.take(_n_below(run.rows, bound) if bounds else run.rows.shape[1]) for run in left]
            rows = np.concatenate(taken, axis=1)
            if rows.shape[1]:
                yield np.take(rows, radix_order(np.ascontiguousarray(rows[: self._n_keys])), axis=1)
            else:
                self._extend(left, bound)
            left = [run for run in left if run.rows.shape[1] or not run.is_whole]

    def _extend(self, runs: list[_Run], key: tuple[int, ...]) -> None:
        """Load more of each run that may hold more items of a key."""
        for run in runs:
            if not run.is_whole and tuple(run.rows[: self._n_keys, -1].tolist()) == key:
                run.load(run.rows.shape[1])
        above = (*key[:-1], key[-1] + 1)
        n_rows = sum(_n_below(run.rows, above) for run in runs)
        if n_rows > self._rows_at_most:
            needed = n_rows * self._n_columns * _BYTES_PER_NUMBER >> 20
            what = f"{n_rows} or more {self._crowd} need more than {needed} MiB"
            raise InputError(None, "", what, "give more by --max-memory")


def add_records(sort: ExternalSort, records: RawRecords, numbers: Rows) -> None:
    """Add records to a sort; `numbers`: the key and what else an item holds, a row each."""
    sizes = np.diff(records.offsets)
    for first, after in spans(sizes, sort.most_bytes):
        start, end = int(records.offsets[first]), int(records.offsets[after])
        at = sort.reserve(end - start)
        sort.data[at : at + end - start] = records.data[start:end]
        places = np.stack((records.offsets[first:after] - start + at, sizes[first:after]))
        sort.add(np.concatenate((numbers[:1, first:after], places, numbers[1:, first:after])), at + end - start)
