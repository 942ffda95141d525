"""Work ahead: the same items in the same order, errors where the items are taken, no thread left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from ctdna.cli.ahead import Inbox, ahead


def _numbers(n: int, error: Exception | None = None) -> Iterator[int]:
    yield from range(n)
    if error is not None:
        raise error


def _collect(items: Iterator[int], threads: int, seen: list[int]) -> None:
    with ahead(items, threads) as made:
        seen.extend(made)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [0, 1, 2, 50])
def test_items_come_in_their_order(threads: int, n: int) -> None:
    seen: list[int] = []
    _collect(_numbers(n), threads, seen)
    assert seen == list(range(n))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_comes_after_the_items_before_it(threads: int) -> None:
    seen: list[int] = []
    with pytest.raises(ValueError, match="the third is bad"):
        _collect(_numbers(3, ValueError("the third is bad")), threads, seen)
    assert seen == [0, 1, 2]


def test_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    with ahead(_numbers(1000), 2) as made:
        assert next(made) == 0
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_it_works_ahead() -> None:
    begun: list[int] = []

    def items() -> Iterator[int]:
        for item in range(5):
            begun.append(item)
            yield item

    with ahead(items(), 2, depth=2) as made:
        assert next(made) == 0
        deadline = time.monotonic() + 5
        while len(begun) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(begun) >= 3
        assert list(made) == [1, 2, 3, 4]


def test_an_inbox_ends_with_the_items_of_its_own_thread() -> None:
    inbox: Inbox[int] = Inbox(8)
    assert inbox.put(-1)
    with inbox.with_all(_numbers(100)) as made:
        assert list(made) == [-1, *range(100)]


def test_who_adds_to_a_full_inbox_waits_until_nothing_is_taken_any_more() -> None:
    inbox: Inbox[int] = Inbox(1)
    answers: list[bool] = []
    adding = threading.Thread(target=lambda: answers.extend([inbox.put(1), inbox.put(2)]))
    adding.start()
    closed: list[bool] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.append(True)

    with inbox.with_all(endless()) as made:
        assert next(made) in (0, 1)
    adding.join(5)
    assert len(answers) == 2
    assert closed == [True]
    assert not inbox.put(3)
