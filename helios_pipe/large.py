"""The bytes of a large file, one part after another, with as little copying as can be. Knows nothing of what they are for.

To bring a file's bytes from the system's cache into a buffer takes a sixth of the time that it takes to hash them. A mapped file
spares that; but where a mapped file is cut short, or its disk fails, whoever reads it is killed. So a part is mapped only

- under a read lease (`fcntl(2)`), which nobody is given whose file is open for writing: who wants to write to it, or to cut it,
  waits until we let go of it, which we do before the next part;
- where it is in the system's cache, as a read that may not wait tells: a disk is read in the usual way. No share of a network
  answers that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import ALLOCATIONGRANULARITY, MAP_SHARED, PROT_READ, mmap
from signal import SIGURG

_WINDOW = 8 << 20
"""Bytes mapped at once: whoever wants to write waits for no more than some milliseconds."""
_BUFFER = 1 << 20


def each_part(file: int) -> Iterator[memoryview | mmap]:
    """What is left to read of an open file, in order. A part holds its bytes until the next one is asked for. Raises OSError."""
    buffer = bytearray(_BUFFER)
    view = memoryview(buffer)
    with _lease(file) as lease:
        while True:
            if lease.held and (window := _window(file)) is not None:
                with window:
                    yield window
                continue
            count = os.readv(file, [buffer])
            if not count:
                return
            yield view[:count]


def _window(file: int) -> mmap | None:
    """The next part, mapped, and passed over; None where it should be read."""
    at = os.lseek(file, 0, os.SEEK_CUR)
    length = min(_WINDOW, os.fstat(file).st_size - at)
    if length < _BUFFER or at % ALLOCATIONGRANULARITY:
        return None
    byte = bytearray(1)
    try:
        for place in (at, at + length - 1):
            os.preadv(file, [byte], place, os.RWF_NOWAIT)
        window = mmap(file, length, MAP_SHARED, PROT_READ, offset=at)
    except (OSError, ValueError):  # not in the cache, or the system cannot tell
        return None
    os.lseek(file, length, os.SEEK_CUR)
    return window


class _Lease:
    """A read lease on an open file, if we have it."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._taken = False
        try:
            import fcntl

            self._control = fcntl.fcntl
            self._read, self._none, self._get, self._set = (
                fcntl.F_RDLCK,
                fcntl.F_UNLCK,
                fcntl.F_GETLEASE,
                fcntl.F_SETLEASE,
            )
            self._control(
                file, fcntl.F_SETSIG, SIGURG
            )  # the one who waits is told to us by a signal; this one does nothing
            self._control(file, self._set, self._read)
            self._taken = True
        except (ImportError, AttributeError, OSError):
            pass  # another system, another's file, or somebody writes to it

    @property
    def held(self) -> bool:
        """Whether we have it, and nobody waits for us to let it go. If somebody does, we do."""
        if self._taken and self._control(self._file, self._get) != self._read:
            self.release()
        return self._taken

    def release(self) -> None:
        """Idempotent."""
        if self._taken:
            self._taken = False
            self._control(self._file, self._set, self._none)


@contextmanager
def _lease(file: int) -> Iterator[_Lease]:
    lease = _Lease(file)
    try:
        yield lease
    finally:
        lease.release()
