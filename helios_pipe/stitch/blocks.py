"""Files' bytes, a block at a time, by threads where there is much to do. Knows nothing of what the bytes are.

Hashing, reading and writing let go of the interpreter's lock. A block is small enough to be hashed and written while the
processor has it at hand.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import TracebackType
    from typing import Any, Self, TypeVar

    Task = TypeVar("Task")
    Result = TypeVar("Result")

BLOCK = 1 << 19
"""Bytes read at a time."""
_BUFFERS = 6
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
    """Reads blocks of a file that are hashed meanwhile: with `threads` in one for each lane, where some buffers take turns."""

    def __init__(self, descriptor: int, *, lanes: int, threads: bool) -> None:
        self._descriptor = descriptor
        self._lanes: list[ThreadPoolExecutor] = []
        if threads and lanes:
            from concurrent.futures import ThreadPoolExecutor

            self._lanes = [ThreadPoolExecutor(1, "helios-hash") for _ in range(lanes)]
        count = _BUFFERS if self._lanes else 1
        self._buffers: deque[tuple[memoryview, list[Future[None]]]] = deque(
            (memoryview(bytearray(BLOCK)), []) for _ in range(count)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in self._lanes:
            lane.shutdown(cancel_futures=kind is not None)

    def read(self, place: int, length: int, hashers: Sequence[Any]) -> Iterator[memoryview]:
        """The bytes, each block good until the next one; each of the hashers takes them in, in the lane of its place in the
        list. Raises CutOffError, OSError."""
        end = place + length
        while place < end:
            buffer, pending = self._buffers[0]
            while pending:
                pending.pop().result()
            self._buffers.rotate(-1)
            view = buffer[: end - place]
            read_whole(self._descriptor, view, place)
            for lane, hasher in enumerate(hashers):
                self.hash(lane, hasher, view)
            place += len(view)
            yield view

    def hash(self, lane: int, hasher: Any, data: memoryview | bytes) -> None:
        """Take in, after what came before in that lane, the block that was read last, or bytes that stay as they are."""
        if self._lanes:
            self._buffers[-1][1].append(self._lanes[lane].submit(hasher.update, data))
        else:
            hasher.update(data)
