"""Files' bytes, a block at a time, by threads where there is much to do. Knows nothing of what the bytes are.

Hashing, reading and writing let go of the interpreter's lock. A block is small enough to be hashed and written while the
processor has it at hand.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
_BLOCKS = 4
"""Blocks that a lane has."""
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
    """Does something with one block of bytes after the other, in order: with `thread` in a thread of its own, a few blocks behind
    whoever gives, and one alone gives. To be used as a context. The thread begins with the first block, and ends by itself when
    somebody interrupts us."""

    def __init__(self, *, thread: bool) -> None:
        self._aside = thread
        self._thread: Thread | None = None
        self._given: SimpleQueue[tuple[memoryview, Callable[[memoryview], None]] | None] = SimpleQueue()
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._made = 0
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

    def block(self) -> memoryview:
        """Memory for a block, to be given back; with a thread, waits while all there is of it is in use. A system gives fresh
        memory at the price of hashing it. Without a thread it is fresh in any case: then several may give."""
        if self._aside:
            if self._made == _BLOCKS or not self._free.empty():
                return self._free.get()
            self._made += 1
        return memoryview(bytearray(BLOCK))

    def give(self, block: memoryview, work: Callable[[memoryview], None]) -> None:
        """Do this with the block next; it is free then. Without a thread, raises what it raises."""
        if not self._aside:
            work(block)
            return
        self._given.put((block, work))
        if self._thread is None:
            thread = Thread(target=self._work, name="helios-lane", daemon=True)
            thread.start()
            self._thread = thread

    def wait(self) -> None:
        """Until all that was given is done."""
        if self._thread is not None:
            done: SimpleQueue[None] = SimpleQueue()
            self._given.put((memoryview(b""), lambda _: done.put(None)))
            done.get()

    def check(self) -> None:
        """Raises what the first one raised that failed; those behind it are done all the same."""
        if self._failed:
            raise self._failed[0]

    def _work(self) -> None:
        while (given := self._given.get()) is not None:
            block, work = given
            try:
                work(block)
            except Exception as error:  # noqa: BLE001 - whoever gives is told
                self._failed.append(error)
            if block:
                self._free.put(block)


class ReadOnce:
    """An open file's bytes from its beginning, read once for two: for whoever asks for them, and for `use`, which is given each
    block, in order and in the lane, before the next one but a few is read."""

    def __init__(self, descriptor: int, use: Callable[[memoryview], None], lane: Lane) -> None:
        self._descriptor = descriptor
        self._use = use
        self._lane = lane
        self._place = 0
        self._left = memoryview(b"")
        self._spare: memoryview | None = None

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
        block = self._spare = self._spare or self._lane.block()
        count = os.preadv(self._descriptor, [block], self._place)
        if not count:
            raise EOFError
        self._place += count
        self._spare = None
        self._lane.give(block, lambda block: self._use(block[:count]))
        return block[:count]
