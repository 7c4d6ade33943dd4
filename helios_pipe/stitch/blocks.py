"""Files' bytes, a block at a time, by threads where there is much to do. Knows nothing of what the bytes are.

Hashing, reading and writing let go of the interpreter's lock. A block is small enough to be hashed and written while the
processor has it at hand.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from queue import SimpleQueue
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, TypeVar

    Task = TypeVar("Task")
    Result = TypeVar("Result")

BLOCK = 1 << 19
"""Bytes read at a time."""
_BUFFERS = 4
_MOST_THREADS = 4
_MOST_VIEWS = 1000
"""The system takes 1,024 at a time."""


class CutOffError(Exception):
    """The file ended before the bytes that were wanted of it."""


def blocks(descriptor: int, place: int, length: int) -> Iterator[memoryview]:
    """The bytes of the open file, in order, each block good until the next one. Raises CutOffError, OSError."""
    buffer = memoryview(bytearray(min(BLOCK, length)))
    end = place + length
    while place < end:
        view = buffer[: end - place]
        read_whole(descriptor, view, place)
        place += len(view)
        yield view


def read_whole(descriptor: int, view: memoryview, place: int) -> None:
    """Fill `view` with what is at `place`. Raises CutOffError, OSError."""
    while view:
        count = os.preadv(descriptor, [view], place)
        if not count:
            raise CutOffError
        view, place = view[count:], place + count


def write_whole(descriptor: int, views: Sequence[memoryview], place: int) -> int:
    """Write all of them, one behind the other, from `place` on. Where they end. Raises OSError."""
    left = deque(view for view in views if view)
    while left:
        count = os.pwritev(descriptor, list(islice(left, _MOST_VIEWS)), place)
        place += count
        while count:
            view = left.popleft()
            if count < len(view):
                left.appendleft(view[count:])
            count -= min(count, len(view))
    return place


def side_by_side(work: Callable[[Task], Result], tasks: Sequence[Task], *, threads: bool) -> list[Result]:
    """What `work` makes of each task, several at a time with `threads`. When one fails, no other is begun; raises what it did."""
    if not threads:
        return [work(task) for task in tasks]
    left = iter(enumerate(tasks))
    made: dict[int, Result] = {}
    failed: list[BaseException] = []

    def take() -> None:
        try:
            for number, task in left:
                made[number] = work(task)
        except BaseException as error:  # noqa: BLE001 - it is raised below
            deque(left, maxlen=0)
            failed.append(error)

    count = max(2, min(_MOST_THREADS, os.cpu_count() or 1))
    others = [Thread(target=take, name="helios-join") for _ in range(count - 1)]
    for other in others:
        other.start()
    take()
    _wait_for(others)
    if failed:
        raise failed[0]
    return [made[number] for number in range(len(tasks))]


def _wait_for(threads: Iterable[Thread]) -> None:
    """However impatient somebody is: they still write to files that are about to be closed. Raises KeyboardInterrupt then."""
    impatient: KeyboardInterrupt | None = None
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except KeyboardInterrupt as error:
                impatient = error
    if impatient is not None:
        raise impatient


class Lane:
    """Does what it is given, in order: with `thread` in a thread of its own, while whoever gives goes on."""

    def __init__(self, *, thread: bool) -> None:
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._failed: BaseException | None = None
        self._thread = Thread(target=self._work, name="helios-lane") if thread else None

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Everything is done. Raises what the first one raised that failed."""
        if self._thread is not None:
            self._given.put(None)
            _wait_for([self._thread])
        if kind is None:
            self.check()

    def give(self, task: Callable[[], None]) -> None:
        """Do this next. Without a thread, raises what it raises."""
        if self._thread is None:
            task()
        else:
            self._given.put(task)

    def check(self) -> None:
        """Raises what the first one raised that failed; those behind it are done all the same."""
        if self._failed is not None:
            raise self._failed

    def _work(self) -> None:
        while (task := self._given.get()) is not None:
            try:
                task()
            except BaseException as error:  # noqa: BLE001 - whoever gives is told
                self._failed = self._failed or error


class ReadOnce:
    """An open file's bytes from its beginning, read once for two: for whoever asks for them, and for `use`, which is given each
    block, in order, before the next one but a few is read. With `thread` that is in a thread of its own."""

    def __init__(self, descriptor: int, use: Callable[[memoryview], None], *, thread: bool) -> None:
        self._descriptor = descriptor
        self._use = use
        self._place = 0
        self._left = memoryview(b"")
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        for _ in range(_BUFFERS if thread else 1):
            self._free.put(memoryview(bytearray(BLOCK)))
        self._lane = Lane(thread=thread)

    def __enter__(self) -> Self:
        self._lane.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """All of what was read has been used. Raises what `use` raised."""
        self._lane.__exit__(kind, error, trace)

    def read(self, length: int) -> Iterator[memoryview]:
        """The next bytes, each piece good until the next one. Raises CutOffError, OSError, what `use` raised."""
        while length:
            if not self._left:
                self._next()
            view = self._left[:length]
            self._left = self._left[len(view) :]
            length -= len(view)
            yield view

    def _next(self) -> None:
        buffer = self._free.get()
        self._lane.check()
        count = os.preadv(self._descriptor, [buffer], self._place)
        if not count:
            raise CutOffError
        self._place += count
        self._left = buffer[:count]
        self._lane.give(partial(self._take, buffer, count))

    def _take(self, buffer: memoryview, count: int) -> None:
        try:
            self._use(buffer[:count])
        finally:
            self._free.put(buffer)
