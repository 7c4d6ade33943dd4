"""Files' bytes, a block at a time, by threads where there is much to do. Knows nothing of what the bytes are.

Hashing, reading and writing let go of the interpreter's lock. A block is small enough to be hashed and written while the
processor has it at hand.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import TracebackType
    from typing import Self

Task = TypeVar("Task")
Result = TypeVar("Result")

BLOCK = 1 << 18
"""Bytes read at a time."""
_BUFFERS = 8
_MOST_THREADS = 4


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


def write_whole(descriptor: int, view: memoryview, place: int) -> None:
    """Write all of it at `place`. Raises OSError."""
    while view:
        count = os.pwrite(descriptor, view, place)
        view, place = view[count:], place + count


def side_by_side(work: Callable[[Task], Result], tasks: Sequence[Task], *, threads: bool) -> list[Result]:
    """What `work` makes of each task, several at a time with `threads`. When one fails, no other is begun; raises what it did."""
    if not threads:
        return [work(task) for task in tasks]
    from concurrent.futures import ThreadPoolExecutor

    left = iter(enumerate(tasks))
    made: dict[int, Result] = {}

    def take() -> None:
        with _no_more(left):
            for number, task in left:
                made[number] = work(task)

    count = max(2, min(_MOST_THREADS, os.cpu_count() or 1))
    with ThreadPoolExecutor(count, "helios-join") as pool, _no_more(left):
        for done in [pool.submit(take) for _ in range(count)]:
            done.result()
    return [made[number] for number in range(len(tasks))]


@contextmanager
def _no_more(left: Iterator[object]) -> Iterator[None]:
    """Whatever goes wrong in the block: nothing is left to do."""
    try:
        yield
    except BaseException:
        deque(left, maxlen=0)
        raise


class Hashed:
    """Reads blocks of a file that are hashed meanwhile, in order: in a thread with `thread`, where some buffers take turns."""

    def __init__(self, descriptor: int, hasher: Any, *, thread: bool) -> None:
        """`hasher` None: nothing is hashed."""
        self._descriptor, self._hasher = descriptor, hasher
        self._buffers: deque[tuple[memoryview, Future[None] | None]] = deque()
        self._pool: ThreadPoolExecutor | None = None
        if thread and hasher is not None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(1, "helios-hash")
        self._buffers.extend((memoryview(bytearray(BLOCK)), None) for _ in range(_BUFFERS if self._pool else 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=kind is not None)

    def read(self, place: int, length: int) -> Iterator[memoryview]:
        """The bytes, each block good until the next one. Raises CutOffError, OSError."""
        end = place + length
        while place < end:
            buffer, pending = self._buffers.popleft()
            if pending is not None:
                pending.result()
                pending = None
            view = buffer[: end - place]
            read_whole(self._descriptor, view, place)
            if self._pool is not None:
                pending = self._pool.submit(self._hasher.update, view)
            elif self._hasher is not None:
                self._hasher.update(view)
            self._buffers.append((buffer, pending))
            place += len(view)
            yield view
