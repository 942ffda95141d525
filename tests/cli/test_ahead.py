"""Work ahead: the same items in the same order, errors where the items are taken, no thread left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from ctdna.cli.ahead import ahead


def _numbers(n: int, error: Exception | None = None) -> Iterator[int]:
    yield from range(n)
    if error is not None:
        raise error


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_items_come_in_their_order(threads: int, n: int) -> None:
    assert list(ahead(_numbers(n), threads)) == list(range(n))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_comes_after_the_items_before_it(threads: int) -> None:
    seen = []
    with pytest.raises(ValueError, match="the third is bad"):
        for item in ahead(_numbers(3, ValueError("the third is bad")), threads):
            seen.append(item)
    assert seen == [0, 1, 2]


def test_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    items = ahead(_numbers(1000), 2)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_it_works_ahead() -> None:
    made = []

    def items() -> Iterator[int]:
        for item in range(5):
            made.append(item)
            yield item

    taken = ahead(items(), 2, depth=2)
    assert next(taken) == 0
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(made) >= 3
    assert list(taken) == [1, 2, 3, 4]
