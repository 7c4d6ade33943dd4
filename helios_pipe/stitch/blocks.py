"""Files' bytes, a block at a time, by threads where there is much to do. Knows nothing of what the bytes are.

Hashing, reading and writing let go of the interpreter's lock. A block is small enough to be hashed and written while the
processor has it at hand.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from queue import SimpleQueue
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from types import TracebackType
    from typing import Self, TypeVar

    Task = TypeVar("Task")
    Result = TypeVar("Result")

BLOCK = 1 << 19
"""Bytes read at a time."""
_AHEAD = 4
"""Blocks that wait to be hashed, at most."""
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


def opened_to_write(path: str | os.PathLike[str], flags: int) -> FileIO:
    """A file to write to, which stays open for as long as a thread holds it. Raises OSError."""
    return os.fdopen(os.open(path, flags | os.O_CLOEXEC, 0o666), "wb", buffering=0)


def interrupted(kind: type[BaseException] | None) -> bool:
    """Whether a block is left because somebody is impatient: then other threads may still write to what they hold, and it is not
    to be closed under them."""
    return kind is not None and not issubclass(kind, Exception)


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
    """What `work` makes of each task, several at a time with `threads`. When one fails, no other is begun; raises what it did.
    Raises KeyboardInterrupt at once: what was begun by then ends by itself, on files that it has to hold."""
    if not threads:
        return [work(task) for task in tasks]
    left = iter(enumerate(tasks))
    made: dict[int, Result] = {}
    failed: list[Exception] = []

    def take() -> None:
        try:
            for number, task in left:
                made[number] = work(task)
        except Exception as error:  # noqa: BLE001 - it is raised below
            deque(left, maxlen=0)
            failed.append(error)

    count = max(2, min(_MOST_THREADS, os.cpu_count() or 1))
    others = [Thread(target=take, name="helios-join", daemon=True) for _ in range(count - 1)]
    try:
        for other in others:
            other.start()
        take()
        for other in others:
            other.join()
    finally:
        deque(left, maxlen=0)
    if failed:
        raise failed[0]
    return [made[number] for number in range(len(tasks))]


class Lane:
    """Does what it is given, in order: with `thread` in a thread of its own, a few tasks behind whoever gives. To be used as a
    context. The thread begins with the first task, and ends by itself when somebody interrupts us."""

    def __init__(self, *, thread: bool) -> None:
        self._aside = thread
        self._thread: Thread | None = None
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._room: SimpleQueue[None] = SimpleQueue()
        for _ in range(_AHEAD):
            self._room.put(None)
        self._failed: list[Exception] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Everything is done. Raises what the first one raised that failed."""
        self._given.put(None)
        if self._thread is not None:
            self._thread.join()
        if kind is None:
            self.check()

    def give(self, task: Callable[[], None]) -> None:
        """Do this next; waits while too much else is to be done before. Without a thread, raises what it raises."""
        if not self._aside:
            task()
            return
        self._room.get()
        self._given.put(task)
        if self._thread is None:
            thread = Thread(target=self._work, name="helios-lane", daemon=True)
            thread.start()
            self._thread = thread

    def check(self) -> None:
        """Raises what the first one raised that failed; those behind it are done all the same."""
        if self._failed:
            raise self._failed[0]

    def _work(self) -> None:
        while (task := self._given.get()) is not None:
            try:
                task()
            except Exception as error:  # noqa: BLE001 - whoever gives is told
                self._failed.append(error)
            self._room.put(None)


class ReadOnce:
    """An open file's bytes from its beginning, read once for two: for whoever asks for them, and for `use`, which is given each
    block, in order, before the next one but a few is read. With `thread` that is in a thread of its own."""

    def __init__(self, descriptor: int, use: Callable[[memoryview], None], *, thread: bool) -> None:
        self._descriptor = descriptor
        self._use = use
        self._place = 0
        self._left = memoryview(b"")
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        for _ in range(_AHEAD if thread else 1):
            self._free.put(memoryview(bytearray(BLOCK)))
        self._lane = Lane(thread=thread)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """All of what was read has been used. Raises what `use` raised."""
        self._lane.__exit__(kind, error, trace)

    def read(self, length: int) -> Iterator[memoryview]:
        """The next bytes, each piece good until the next one. Raises EOFError, OSError, what `use` raised."""
        while length:
            if not self._left:
                self._left = self._next()
            view = self._left[:length]
            self._left = self._left[len(view) :]
            length -= len(view)
            yield view

    def _next(self) -> memoryview:
        self._lane.check()
        buffer = self._free.get()
        count = 0
        try:
            count = os.preadv(self._descriptor, [buffer], self._place)
        finally:
            if not count:
                self._free.put(buffer)
        if not count:
            raise EOFError
        self._place += count
        self._lane.give(partial(self._take, buffer, count))
        return buffer[:count]

    def _take(self, buffer: memoryview, count: int) -> None:
        try:
            self._use(buffer[:count])
        finally:
            self._free.put(buffer)
