"""Temporary files for what does not fit in memory, and numbers that come twice.

The files have no name: the system removes them with the process, however it ends.
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


def spans(sizes: Rows, most: int) -> Iterator[tuple[int, int]]:
    """Yield stretches of items, one after the other, whose sizes add up to `most` at most; a larger item is alone."""
    ends = np.concatenate(([0], np.cumsum(sizes)))
    start = 0
    while start < len(sizes):
        stop = max(int(np.searchsorted(ends, ends[start] + most, side="right")) - 1, start + 1)
        yield start, stop
        start = stop


def read_name_order(source: Source, at: Rows, size: Rows, chunk_bytes: int) -> Rows:
    """Return the order of items that start with a record by its read name (bytes), then flag.

    Only `chunk_bytes` of records are held at a time, and all names.
    """
    from ctdna.kernels.order import sort_runs
    from ctdna.kernels.record import FIXED_BYTES, read_bytes

    texts, lengths, flags = [], [], []
    for start, stop in spans(size, chunk_bytes):
        data, places = source.fetch(at[start:stop], size[start:stop])
        n_name = data[places + 12].astype(np.int64) - 1
        offsets = np.concatenate(([0], np.cumsum(n_name))).astype(np.int64)
        texts.append(read_bytes(data, places + FIXED_BYTES, offsets))
        lengths.append(n_name)
        flags.append(data[places + 18].astype(np.int64) | data[places + 19].astype(np.int64) << 8)
    n, rank = np.concatenate(lengths), np.concatenate(flags)
    everything, bounds = np.arange(len(at), dtype=np.int64), np.array([0, len(at)], dtype=np.int64)
    return sort_runs(np.concatenate(texts), np.cumsum(n) - n, n.astype(np.int32), rank, everything, bounds)


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
