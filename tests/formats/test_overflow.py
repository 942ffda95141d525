"""The queue that overflows into a file: order, limits, threads, and disks that fail."""

import os
import resource
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.formats.overflow import Arrays, OverflowQueue
from ctdna.model.errors import InputError

pytestmark = pytest.mark.timeout(60)
_TYPES = (np.uint8, np.int64, np.bool_, np.float64)


def arrays_of(n: int) -> Arrays:
    """Return arrays of several types and shapes, told by n; some are empty."""
    made = [np.arange(n % 7 * k, dtype=np.int64).astype(_TYPES[k % 4]) for k in range(4)]
    return (*made, np.full((n % 3, 2), n, dtype=np.int64), np.array([n], dtype=np.int64))


def same(one: Arrays | None, two: Arrays | None) -> bool:
    if one is None or two is None:
        return one is two
    return len(one) == len(two) and all(
        a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all()) for a, b in zip(one, two, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 40)), max_size=40), st.sampled_from([0, 100, 700, 1 << 20]))
def test_first_in_first_out_through_memory_and_file(steps: list[int | None], memory: int) -> None:
    expected: deque[Arrays] = deque()
    with OverflowQueue(Path(tempfile.gettempdir()), memory) as queue:
        for step in steps:
            if step is None:
                assert same(queue.get(), expected.popleft() if expected else None)
            else:
                queue.put(arrays_of(step))
                expected.append(arrays_of(step))
        while expected:
            assert same(queue.get(), expected.popleft())
        assert queue.get() is None


def test_arrays_that_are_not_contiguous(tmp_path: Path) -> None:
    grid = np.arange(24, dtype=np.int64).reshape(4, 6)
    with OverflowQueue(tmp_path, 0) as queue:
        for _ in range(2):
            queue.put((grid[:, ::2], grid.T, np.array(7)))
        for _ in range(2):
            assert same(queue.get(), (grid[:, ::2], grid.T, np.array(7)))


def test_one_thread_puts_while_another_gets(tmp_path: Path) -> None:
    n, found = 400, []
    with OverflowQueue(tmp_path, 2_000) as queue:
        done = threading.Event()

        def put() -> None:
            for i in range(n):
                queue.put(arrays_of(i))
            done.set()

        thread = threading.Thread(target=put)
        thread.start()
        while len(found) < n:
            arrays = queue.get()
            if arrays is not None:
                found.append(int(arrays[-1][0]))
            elif done.is_set():
                done.wait(0.001)
        thread.join()
        assert queue.get() is None
    assert found == list(range(n))


def test_the_file_has_no_name_and_goes(tmp_path: Path) -> None:
    with OverflowQueue(tmp_path, 0) as queue:
        for i in range(3):
            queue.put(arrays_of(i))
        assert list(tmp_path.iterdir()) == []
        file = queue._file
        assert file is not None
        assert not file.closed
    assert file.closed
    assert list(tmp_path.iterdir()) == []


def test_the_file_starts_anew_once_it_is_read(tmp_path: Path) -> None:
    with OverflowQueue(tmp_path, 0) as queue:
        for _ in range(50):
            queue.put((np.zeros(1000, dtype=np.uint8),))
            queue.put((np.ones(1000, dtype=np.uint8),))
            assert same(queue.get(), (np.zeros(1000, dtype=np.uint8),))
            assert same(queue.get(), (np.ones(1000, dtype=np.uint8),))
        assert queue._file is not None
        assert os.fstat(queue._file.fileno()).st_size <= 1000


@contextmanager
def largest_file(n_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    message = r"the file would be larger than the system allows; raise the limit \(ulimit -f\)"
    with OverflowQueue(tmp_path, 0) as queue:
        queue.put((np.zeros(500, dtype=np.uint8),))
        queue.put((np.zeros(500, dtype=np.uint8),))
        with largest_file(1_000), pytest.raises(InputError, match=f"{tmp_path}: {message}"):
            queue.put((np.zeros(5_000, dtype=np.uint8),))


@pytest.mark.parametrize(
    "name, message",
    [
        ("missing", "the folder does not exist; make the folder first"),
        ("file", "a part of the path is a file, not a folder; choose another output folder"),
    ],
)
def test_a_folder_that_cannot_hold_the_file(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").touch()
    with OverflowQueue(tmp_path / name, 0) as queue:
        queue.put((np.zeros(9),))
        with pytest.raises(InputError, match=f"{tmp_path / name}: {message}"):
            queue.put((np.zeros(9),))


def test_a_file_that_was_cut_short(tmp_path: Path) -> None:
    message = f"{tmp_path}: a file of passage cannot be read: it is cut short; see the system's message"
    with OverflowQueue(tmp_path, 0) as queue:
        queue.put((np.zeros(9),))
        queue.put((np.zeros(9),))
        assert queue._file is not None
        os.ftruncate(queue._file.fileno(), 5)
        assert same(queue.get(), (np.zeros(9),))
        with pytest.raises(InputError, match=message):
            queue.get()
