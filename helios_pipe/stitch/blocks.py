"""A file's bytes, a block at a time, hashed beside the reading and writing. Knows nothing of what the bytes are.

Hashing lets go of the interpreter's lock. Where there is much of it, it is done in threads, and some buffers take turns: one is
read into again when all that was to be hashed of it has been.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import TracebackType
    from typing import Self

BLOCK = 1 << 20
"""Bytes read at a time."""
_BUFFERS = 4


class CutOffError(Exception):
    """The file ended before the bytes that were wanted of it."""


class Blocks:
    """Reads and hashes. `lanes` are what is hashed at the same time: within a lane, in order."""

    def __init__(self, lanes: int, *, aside: bool) -> None:
        """`aside`: hash in threads."""
        self._buffers = [bytearray(BLOCK) for _ in range(_BUFFERS if aside else 1)]
        self._pending: list[list[Future[None]]] = [[] for _ in self._buffers]
        self._turn = 0
        self._lanes = [_thread() for _ in range(lanes)] if aside else []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lane in self._lanes:
            lane.shutdown(cancel_futures=True)

    def read(self, descriptor: int, place: int, length: int) -> Iterator[memoryview]:
        """The bytes of the open file, in order, each block good until the next one. Raises CutOffError, OSError."""
        end = place + length
        while place < end:
            self._turn = (self._turn + 1) % len(self._buffers)
            self._settle(self._turn)
            view = memoryview(self._buffers[self._turn])[: min(BLOCK, end - place)]
            read_whole(descriptor, view, place)
            place += len(view)
            yield view

    def hash(self, lane: int, hasher: Any, data: memoryview | bytes) -> None:
        """Take in more of the block that was read last, or bytes that stay as they are."""
        if self._lanes:
            self._pending[self._turn].append(self._lanes[lane].submit(hasher.update, data))
        else:
            hasher.update(data)

    def settle(self) -> None:
        """Wait until all is hashed."""
        for turn in range(len(self._buffers)):
            self._settle(turn)

    def _settle(self, turn: int) -> None:
        while self._pending[turn]:
            self._pending[turn].pop().result()


def read_whole(descriptor: int, view: memoryview, place: int) -> None:
    """Fill `view` with what is at `place`. Raises CutOffError, OSError."""
    got = 0
    while got < len(view):
        count = os.preadv(descriptor, [view[got:]], place + got)
        if not count:
            raise CutOffError
        got += count


def write_all(descriptor: int, data: memoryview) -> None:
    """Write all of it, at the end of what was written. Raises OSError."""
    while data:
        data = data[os.write(descriptor, data) :]


def _thread() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1, "helios-join")
