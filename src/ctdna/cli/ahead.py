"""Work done one step ahead, in a thread of its own."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

T = TypeVar("T")
_WAIT_SECONDS = 0.1


class _End:
    """The iterator has ended, by itself or by an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._made: queue.Queue[T | _End] = queue.Queue(depth)
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._make, daemon=True)
        self._thread.start()

    def _make(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as caught:
            error = caught
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        while not self._is_stopped.is_set():
            with suppress(queue.Full):
                self._made.put(item, timeout=_WAIT_SECONDS)
                return True
        return False

    def __iter__(self) -> Iterator[T]:
        while not isinstance(item := self._made.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def stop(self) -> None:
        """End the thread, after the item it is at."""
        self._is_stopped.set()
        self._thread.join()


@contextmanager
def ahead(items: Iterator[T], threads: int, depth: int = 2) -> Iterator[Iterator[T]]:
    """Yield the items, made by a thread of their own up to `depth` ahead; with one thread, as they are.

    An error of the items is raised where they are taken. The thread has ended when the block ends.
    """
    if threads < 2:
        yield items
        return
    made = _Ahead(items, depth)
    try:
        yield iter(made)
    finally:
        made.stop()
