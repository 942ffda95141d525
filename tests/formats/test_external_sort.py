"""Sorting on disk against sorting in memory, duplicates, and what happens where nothing can be written."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctdna.formats.external_sort import ExternalSort, OutOfOrderError
from ctdna.formats.spill import DuplicateCheck, InMemory, SpillFile, read_name_order, spans
from ctdna.model.errors import InputError
from tests.builders import Read, records

pytestmark = pytest.mark.timeout(120)


def collect(sort: ExternalSort, items: list[tuple[int, int, bytes]]) -> None:
    """Add items of two keys one by one."""
    for number, (high, low, content) in enumerate(items):
        at = sort.reserve(len(content))
        sort.data[at : at + len(content)] = np.frombuffer(content, dtype=np.uint8)
        rows = np.array([[high], [low], [at], [len(content)], [number]], dtype=np.int64)
        sort.add(rows, at + len(content))


_ITEMS = st.lists(st.tuples(st.integers(-2, 3), st.integers(-1, 2), st.binary(min_size=1, max_size=9)), max_size=60)


@given(_ITEMS, st.sampled_from((1, 200, 1000, 1 << 20)), st.sampled_from((1, 30, 1 << 20)), st.sampled_from((1, 2)))
def test_items_come_by_key_and_arrival(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[int, int, bytes]], memory: int, chunk: int, threads: int
) -> None:
    found: list[tuple[int, int, bytes]] = []
    numbers = []
    with ExternalSort(tmp_path_factory.getbasetemp(), memory, 2, 5, "items", threads) as sort:
        collect(sort, items)
        sort.pause()
        for rows, source in sort.chunks(chunk):
            data, at = source.fetch(rows[2], rows[3])
            keys = rows[:2].T.tolist()
            assert rows[3].sum() <= chunk or len({tuple(key) for key in keys}) == 1
            found += [
                (key[0], key[1], data[a : a + n].tobytes())
                for key, a, n in zip(keys, at.tolist(), rows[3].tolist(), strict=True)
            ]
            numbers += rows[4].tolist()
    assert numbers == sorted(range(len(items)), key=lambda i: items[i][:2])
    assert found == [items[i] for i in numbers]


def test_items_in_order_are_given_back_while_they_come(tmp_path: Path) -> None:
    found: list[int] = []
    with ExternalSort(tmp_path, 2000, 2, 5, "items") as sort:
        for k in range(50):
            collect(sort, [(k // 4, 0, b"x" * 9)])
            for rows, source in sort.drain(20):
                data, at = source.fetch(rows[2], rows[3])
                assert all(data[a : a + 9].tobytes() == b"x" * 9 for a in at)
                found += rows[0].tolist()
        assert found == [k // 4 for k in range(48)]
        assert [rows[0].tolist() for rows, _ in sort.chunks(20)] == [[12, 12]]


@pytest.mark.parametrize("threads", [1, 2])
def test_held_items_go_to_disk_in_a_pause_only_if_others_did(tmp_path: Path, threads: int) -> None:
    with ExternalSort(tmp_path, 1000, 2, 5, "items", threads) as sort:
        sort.pause()
        collect(sort, [(1, 0, b"x")])
        sort.pause()
        assert not sort.is_spilled
        collect(sort, [(1, 0, b"y" * 90) for _ in range(9)])
        assert sort.is_spilled
        sort.pause()
        assert [rows[4].tolist() for rows, _ in sort.chunks(2000)] == [[0, *range(9)]]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path, threads: int) -> None:
    with (
        pytest.raises(InputError, match="gone"),
        ExternalSort(tmp_path / "gone", 1000, 2, 5, "items", threads) as sort,
    ):
        collect(sort, [(1, 0, b"y" * 90) for _ in range(40)])


def test_items_out_of_order_are_noticed(tmp_path: Path) -> None:
    with ExternalSort(tmp_path, 1000, 2, 5, "items") as sort:
        collect(sort, [(1, 0, b"x"), (0, 0, b"y")])
        with pytest.raises(OutOfOrderError):
            list(sort.drain(9))


def test_too_many_items_of_one_key(tmp_path: Path) -> None:
    with ExternalSort(tmp_path, 20_000, 2, 5, "templates at one place") as sort:
        collect(sort, [(0, 0, b"x")] * 3000)
        message = r"\d+ or more templates at one place need more than 0 MiB; give more by --max-memory"
        with pytest.raises(InputError, match=message):
            list(sort.chunks(9))


@given(st.lists(st.lists(st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-1, 1), max_size=9), max_size=9),
       st.sampled_from((1, 100, 1 << 20)))  # fmt: skip
def test_duplicates(tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]], memory: int) -> None:
    numbers = [number for part in parts for number in part]
    with DuplicateCheck(tmp_path_factory.getbasetemp(), memory) as check:
        for part in parts:
            check.add(np.array(part, dtype=np.int64))
        assert check.duplicates().tolist() == sorted({n for n in numbers if numbers.count(n) > 1})


def test_spans_cover_everything_once() -> None:
    assert list(spans(np.array([3, 3, 9, 1, 1], dtype=np.int64), 6)) == [(0, 2), (2, 3), (3, 5)]
    assert list(spans(np.empty(0, dtype=np.int64), 6)) == []


def test_names_in_order() -> None:
    raw = records([Read("b"), Read("a", 77), Read("a", 4), Read("ab")])
    at, size = raw.offsets[:-1], np.diff(raw.offsets)
    assert read_name_order(InMemory(raw.data), at, size, 1).tolist() == [2, 1, 3, 0]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with (
        SpillFile(tmp_path / "none") as file,
        pytest.raises(InputError, match=r"none/\(temporary file\): the folder does not exist"),
    ):
        file.append(np.zeros(3, dtype=np.uint8))


@contextmanager
def _file_limit(n: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        _file_limit(1000),
        pytest.raises(InputError, match="the file would be larger than the system allows"),
        SpillFile(tmp_path) as file,
    ):
        file.append(np.zeros(4000, dtype=np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_ends_too_early(tmp_path: Path) -> None:
    with SpillFile(tmp_path) as file:
        file.append(np.zeros(3, dtype=np.uint8))
        with pytest.raises(InputError, match="the temporary file ends too early"):
            file.read_into(np.empty(4, dtype=np.uint8), 0)
