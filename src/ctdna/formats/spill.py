"""Items sorted by whole-number keys within a ceiling of memory: runs in order on disk, merged at the end.

An item is a row of numbers and some bytes. Its first `n_keys` numbers are the key, the next two where its bytes start
and how many they are. Items of one key keep the order in which they came; nothing depends on the ceiling but the time.
Nothing goes to disk while all fits. The files have no name: the system removes them with the process, however it ends.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import writable_error
from ctdna.model.errors import InputError

Rows = NDArray[np.int64]
Bytes = NDArray[np.uint8]

PIECE_BYTES = 8 << 20
"""Bytes that are written at once."""
_LEAST_BLOCK = 64
_MOST_BLOCK = 1 << 16


class Source(Protocol):
    """Where the bytes of items are."""

    def fetch(self, at: Rows, size: Rows) -> tuple[Bytes, Rows]:
        """Return bytes that hold all these items, and where each starts in them."""
        ...


class InMemory(NamedTuple):
    """Items' bytes that are at hand."""

    data: Bytes

    def fetch(self, at: Rows, size: Rows) -> tuple[Bytes, Rows]:
        """Return the bytes and the places as they are."""
        return self.data, at


def _nameless(folder: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=folder, buffering=0)


class SpillFile:
    """A file without a name in a folder, made when first written to."""

    def __init__(self, folder: Path) -> None:
        """Take the folder."""
        self._folder = folder
        self._stack = ExitStack()
        self._stream: IO[bytes] | None = None
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _error(self, error: OSError) -> InputError:
        return writable_error(self._folder / "(temporary file)", error)

    def append(self, content: NDArray[np.uint8] | NDArray[np.int64]) -> int:
        """Write an array at the end of the file; return where it starts.

        Raises:
            InputError: the folder cannot be written to, or the disk is full.
        """
        start, view = self._end, np.ascontiguousarray(content).view(np.uint8).reshape(-1).data
        try:
            if self._stream is None:
                self._stream = self._stack.enter_context(_nameless(self._folder))
            while view:
                view = view[self._stream.write(view) :]
        except OSError as error:
            raise self._error(error) from error
        self._end = start + content.nbytes
        return start

    def read_into(self, out: Bytes, at: int) -> None:
        """Fill an array with the bytes from `at` on.

        Raises:
            InputError: the file cannot be read.
        """
        assert self._stream is not None
        view = out.data
        try:
            while view:
                n = os.preadv(self._stream.fileno(), [view], at)
                if n == 0:
                    raise OSError(0, "the temporary file ends too early")
                view, at = view[n:], at + n
        except OSError as error:
            raise self._error(error) from error

    def fetch(self, at: Rows, size: Rows) -> tuple[Bytes, Rows]:
        """Return the bytes of items, read in the order of the file, and where each starts in them."""
        order = np.argsort(at, kind="stable")
        sizes = size[order]
        starts = np.cumsum(sizes) - sizes
        out = np.empty(int(sizes.sum()), dtype=np.uint8)
        in_file = at[order]
        breaks = np.flatnonzero(in_file[1:] != in_file[:-1] + sizes[:-1]) + 1
        bounds = np.concatenate(([0], breaks)) if len(order) else breaks
        ends = np.append(starts[breaks], len(out))
        for place, start, end in zip(in_file[bounds].tolist(), starts[bounds].tolist(), ends.tolist(), strict=False):
            self.read_into(out[start:end], place)
        new_at = np.empty(len(at), dtype=np.int64)
        new_at[order] = starts
        return out, new_at


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


class TooManyOfOneKeyError(Exception):
    """The rows of one key alone do not fit; holds how many were found."""


class ExternalSort:
    """Items collected, and given back by key; see the module's text."""

    def __init__(self, folder: Path, memory: int, n_keys: int, n_columns: int) -> None:
        """Take the folder of the temporary files, the bytes that may be held, and the numbers of an item."""
        self._n_keys, self._n_columns = n_keys, n_columns
        self._capacity = max(memory // 2, 1)
        self._rows_at_most = max(memory // (48 * n_columns), 2 * _LEAST_BLOCK)
        self.data: Bytes = np.empty(self._capacity, dtype=np.uint8)
        self._used = self._n_rows = 0
        self._rows: list[Rows] = []
        self._bytes_file, self._rows_file = SpillFile(folder), SpillFile(folder)
        self._runs: list[_Run] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._bytes_file)
        self._stack.enter_context(self._rows_file)
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
        return bool(self._runs)

    def reserve(self, n_bytes: int) -> int:
        """Return where in `data` the next `n_bytes` may be written; what is there goes to disk first if need be.

        Raises:
            InputError: the temporary file cannot be written.
        """
        if self._used + n_bytes + 8 * self._n_columns * self._n_rows > self._capacity and self._n_rows:
            self._spill()
        if n_bytes > len(self.data):
            self.data = np.empty(n_bytes, dtype=np.uint8)
        return self._used

    def add(self, rows: Rows, used: int) -> None:
        """Take items (numbers, items) whose bytes were written to `data`, which is full up to `used` now."""
        self._rows.append(rows)
        self._n_rows += rows.shape[1]
        self._used = used

    def _sorted_rows(self) -> Rows:
        from ctdna.kernels.order import radix_order

        if not self._rows:
            return np.empty((self._n_columns, 0), dtype=np.int64)
        rows = np.concatenate(self._rows, axis=1)
        self._rows = []
        keys = rows[: self._n_keys]
        return np.take(rows, radix_order(np.ascontiguousarray(keys)), axis=1)

    def _spill(self) -> None:
        from ctdna.kernels.record import read_bytes

        rows = self._sorted_rows()
        at, size = rows[self._n_keys], rows[self._n_keys + 1]
        offsets = np.concatenate(([0], np.cumsum(size))).astype(np.int64)
        start = -1
        first = 0
        while first < len(at):
            after = max(int(np.searchsorted(offsets, offsets[first] + PIECE_BYTES, side="right")) - 1, first + 1)
            part = offsets[first : after + 1] - offsets[first]
            placed = self._bytes_file.append(read_bytes(self.data, np.ascontiguousarray(at[first:after]), part))
            start = placed if start < 0 else start
            first = after
        rows[self._n_keys] = start + offsets[:-1]
        row_at = -1
        for first in range(0, rows.shape[1], _MOST_BLOCK):
            placed = self._rows_file.append(np.ascontiguousarray(rows[:, first : first + _MOST_BLOCK].T))
            row_at = placed if row_at < 0 else row_at
        self._runs.append(_Run(self._rows_file, row_at, rows.shape[1], self._n_columns))
        self._used = self._n_rows = 0

    def chunks(self, chunk_bytes: int) -> Iterator[tuple[Rows, Source]]:
        """Yield the items in the order of their keys, all of one key together, in chunks of about `chunk_bytes`.

        A key with more bytes comes alone; they are read from the source as they are fetched.

        Raises:
            TooManyOfOneKeyError: the rows of one key are too many for the memory.
            InputError: the temporary files cannot be written or read.
        """
        if not self._runs:
            yield from self._cut(self._sorted_rows(), chunk_bytes, InMemory(self.data))
            return
        if self._n_rows:
            self._spill()
        self.data = np.empty(0, dtype=np.uint8)
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
        if self._runs or not _is_in_order(keys):
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
        first = 0
        while first < len(bounds) - 1:
            after = max(int(np.searchsorted(ends, ends[first] + chunk_bytes, side="right")) - 1, first + 1)
            yield np.ascontiguousarray(rows[:, bounds[first] : bounds[after]]), source
            first = after

    def _merged(self) -> Iterator[Rows]:
        """Yield rows of all runs in order, whole keys at a time."""
        from ctdna.kernels.order import radix_order

        left = self._runs
        block = min(max(self._rows_at_most // len(left), _LEAST_BLOCK), _MOST_BLOCK)
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
        n_rows = sum(run.rows.shape[1] for run in runs)
        if n_rows > self._rows_at_most:
            raise TooManyOfOneKeyError(n_rows)


class DuplicateCheck:
    """Numbers collected to find those that come twice."""

    def __init__(self, folder: Path, memory: int) -> None:
        """Take the folder of the temporary file and the bytes that may be held."""
        self._file = SpillFile(folder)
        self._at_most = max(memory // 32, 1)
        self._parts: list[Rows] = []
        self._n = 0
        self._runs: list[tuple[int, Rows]] = []
        """Where each sorted run starts in the file, and where each range of `_EDGES` starts in it."""

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def add(self, numbers: Rows) -> None:
        """Add numbers.

        Raises:
            InputError: the temporary file cannot be written.
        """
        self._parts.append(numbers)
        self._n += len(numbers)
        if self._n > self._at_most:
            run = np.sort(np.concatenate(self._parts))
            cuts = np.concatenate(([0], np.searchsorted(run, _EDGES), [len(run)]))
            self._runs.append((self._file.append(run), cuts))
            self._parts, self._n = [], 0

    def duplicates(self) -> Rows:
        """Return the numbers that came more than once, in order."""
        if not self._runs:
            return _repeated(np.concatenate([_NONE, *self._parts]))
        self._at_most = 0
        self.add(_NONE)
        return np.concatenate([_NONE, *(_repeated(self._in_range(k)) for k in range(len(_EDGES) + 1))])

    def _in_range(self, k: int) -> Rows:
        parts = [_NONE]
        for at, cuts in self._runs:
            part = np.empty(int(cuts[k + 1] - cuts[k]), dtype=np.int64)
            self._file.read_into(part.view(np.uint8), at + 8 * int(cuts[k]))
            parts.append(part)
        return np.concatenate(parts)


_NONE = np.empty(0, dtype=np.int64)
_EDGES = np.arange(-127, 128, dtype=np.int64) << 56
"""Numbers are looked at in 256 ranges of one width."""


def _repeated(numbers: Rows) -> Rows:
    ordered = np.sort(numbers)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
