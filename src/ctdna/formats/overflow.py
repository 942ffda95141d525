"""A queue of arrays that keeps to a limit of memory: what does not fit waits in a file without a name."""

import tempfile
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import writable_error

Arrays = tuple[NDArray[Any], ...]


class OverflowQueue:
    """First in, first out; one thread may put while another gets. The file goes when the `with` block ends."""

    def __init__(self, folder: Path, memory: int) -> None:
        """Take the folder of the file and the bytes to keep in memory."""
        self._folder, self._memory = folder, memory
        self._lock = threading.Lock()
        self._held: deque[Arrays] = deque()
        self._n_held = 0
        self._file: IO[bytes] | None = None
        self._filed: deque[list[tuple[int, np.dtype[Any], tuple[int, ...]]]] = deque()
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def put(self, arrays: Arrays) -> None:
        """Add arrays at the end.

        Raises:
            InputError: the file cannot be written.
        """
        size = sum(array.nbytes for array in arrays)
        with self._lock:
            if not self._filed and (not self._held or self._n_held + size <= self._memory):
                self._held.append(arrays)
                self._n_held += size
                return
            try:
                self._append(arrays)
            except OSError as error:
                raise writable_error(self._folder, error) from error

    def _append(self, arrays: Arrays) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        if not self._filed:
            self._file.truncate(0)
            self._end = 0
        self._file.seek(self._end)
        places = []
        for array in arrays:
            places.append((self._end, array.dtype, array.shape))
            self._end += self._file.write(np.ascontiguousarray(array).data.cast("B") if array.nbytes else b"")
        self._filed.append(places)

    def get(self) -> Arrays | None:
        """Return the first arrays and take them off; None where there are none."""
        with self._lock:
            if self._held:
                arrays = self._held.popleft()
                self._n_held -= sum(array.nbytes for array in arrays)
                return arrays
            return self._read() if self._filed else None

    def _read(self) -> Arrays:
        assert self._file is not None
        arrays = []
        for at, dtype, shape in self._filed.popleft():
            array = np.empty(shape, dtype=dtype)
            if array.nbytes:
                self._file.seek(at)
                self._file.readinto(array.data.cast("B"))  # type: ignore[attr-defined]
            arrays.append(array)
        return tuple(arrays)
