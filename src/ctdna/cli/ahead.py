"""Work done ahead, in a thread of its own, and the box in which such work is left."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

T = TypeVar("T")
_WAIT_SECONDS = 0.1


class _End:
    """The iterator has ended, by itself or by an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Inbox(Generic[T]):
    """Items in the order of their coming, from any thread; who adds to a full box waits."""

    def __init__(self, depth: int) -> None:
        """Take how many items have room."""
        self._items: queue.Queue[T | _End] = queue.Queue(depth)
        self._is_stopped = threading.Event()

    def put(self, item: T) -> bool:
        """Add an item, once there is room; return whether items are still taken."""
        return self._put(item)

    def _put(self, item: T | _End) -> bool:
        while not self._is_stopped.is_set():
            with suppress(queue.Full):
                self._items.put(item, timeout=_WAIT_SECONDS)
                return True
        return False

    def _fill(self, items: Iterator[T]) -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not self._put(item):
                    return
        except BaseException as caught:
            error = caught
        finally:
            if isinstance(items, Generator):
                items.close()
        self._put(_End(error))

    def _taken(self) -> Iterator[T]:
        while not isinstance(item := self._items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    @contextmanager
    def with_all(self, items: Iterator[T]) -> Iterator[Iterator[T]]:
        """Yield what is put here until these items, added by a thread of their own, have ended.

        An error of the items is raised where they are taken. The thread has ended, after the item it is at, when the
        block ends.
        """
        thread = threading.Thread(target=self._fill, args=(items,), daemon=True)
        thread.start()
        try:
            yield self._taken()
        finally:
            self._is_stopped.set()
            thread.join()


@contextmanager
def ahead(items: Iterator[T], threads: int, depth: int = 2) -> Iterator[Iterator[T]]:
    """Yield the items, made by a thread of their own up to `depth` ahead; with one thread, as they are.

    An error of the items is raised where they are taken. The thread has ended when the block ends.
    """
    if threads < 2:
        yield items
        return
    with Inbox[T](depth).with_all(items) as made:
        yield made
