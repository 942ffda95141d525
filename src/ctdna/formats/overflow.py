"""A queue of arrays that keeps to a limit of memory: what does not fit waits in a file without a name."""

import tempfile
import threading
from collections import deque
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import writable_error
from ctdna.model.errors import InputError

Arrays = tuple[NDArray[Any], ...]


class OverflowQueue:
    """First in, first out; one thread may put while another gets. The file goes when the `with` block ends."""

    def __init__(self, folder: Path, memory: int) -> None:
        """Take the folder of the file and the bytes to keep in memory."""
        self._folder, self._memory = folder, memory
        self._lock = threading.Lock()
        self._held: deque[Arrays] = deque()
        self._n_held = 0
        self._file: FileIO | None = None
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
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115
        if not self._filed:
            self._file.truncate(0)
            self._end = 0
        self._file.seek(self._end)
        places = []
        for array in arrays:
            places.append((self._end, array.dtype, array.shape))
            left = np.ascontiguousarray(array).data.cast("B") if array.nbytes else memoryview(b"")
            while left:
                n = self._file.write(left)
                left, self._end = left[n:], self._end + n
        self._filed.append(places)

    def get(self) -> Arrays | None:
        """Return the first arrays and take them off; None where there are none.

        Raises:
            InputError: the file cannot be read, or was cut short.
        """
        with self._lock:
            if self._held:
                arrays = self._held.popleft()
                self._n_held -= sum(array.nbytes for array in arrays)
                return arrays
            try:
                return self._read() if self._filed else None
            except OSError as error:
                what = f"a file of passage cannot be read: {error.strerror or error}"
                raise InputError(self._folder, "", what, "see the system's message") from error

    def _read(self) -> Arrays:
        assert self._file is not None
        arrays = []
        for at, dtype, shape in self._filed.popleft():
            array = np.empty(shape, dtype=dtype)
            if array.nbytes:
                self._file.seek(at)
                left = array.data.cast("B")
                while left:
                    n = self._file.readinto(left)
                    if not n:
                        raise OSError("it is cut short")
                    left = left[n:]
            arrays.append(array)
        return tuple(arrays)
