"""Tells what became of the names in some folders, as the kernel saw it (inotify). Knows nothing of what the folders are for.

To look through four folders takes longer than to hear that nothing happened in them. Linux alone; elsewhere, and where the
system's limits are reached, nothing is heard, and whoever asks has to look.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Sequence
from threading import Lock

_ATTRIB, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x4, 0x40, 0x80, 0x100, 0x200
_ONLYDIR, _DONT_FOLLOW = 0x0100_0000, 0x0200_0000
_MASK = _ATTRIB | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR | _DONT_FOLLOW
_IGNORED = 0x8000
_EVENT, _EVENT_SIZE = struct.Struct("iIII").unpack_from, struct.calcsize("iIII")
_BUFFER = 1 << 12
"""Bytes; the kernel gives whole events, and none is longer than a name of 255 bytes makes it."""
_MOST_KEPT = 1000
"""Names of one set of folders. After so many it is quicker to look."""

_Add = Callable[[int, bytes, int], int]
Happened = tuple[int, bytes]
"""Which folder, by its place in the list, and the name in it (b"" for the folder itself)."""


class Watched:
    """A set of folders that is watched."""

    def __init__(self) -> None:
        self.heard: set[Happened] = set()
        self.lost = False


class Watches:
    """One channel to the kernel, for many sets of folders. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._places: dict[int, tuple[Watched, int]] = {}
        self._file, self._add = _open()

    def watch(self, folders: Sequence[str]) -> Watched | None:
        """Begin to watch these folders; None where that cannot be done."""
        if self._add is None:
            return None
        found = Watched()
        with self._lock:
            for place, folder in enumerate(folders):
                number = self._add(self._file, os.fsencode(folder), _MASK)
                if number < 0:
                    return None
                self._places[number] = found, place
        return found

    def happened(self, watched: Watched) -> set[Happened] | None:
        """What names were made, removed, renamed or given other attributes since this was last asked, in folders that nobody
        can be in any more. None where something may have been missed."""
        with self._lock:
            self._read()
            heard, watched.heard = watched.heard, set()
            lost, watched.lost = watched.lost, False
        return None if lost else heard

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            if self._add is not None:
                os.close(self._file)
            self._file, self._add = -1, None

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._file, _BUFFER)
            except BlockingIOError:
                return
            self._take(data)
            if len(data) < _BUFFER // 2:
                return

    def _take(self, data: bytes) -> None:
        at, end, places = 0, len(data), self._places
        while at < end:
            number, mask, _, length = _EVENT(data, at)
            at += _EVENT_SIZE + length
            found = places.get(number)
            if found is None:
                if number == -1:  # more happened than the kernel keeps
                    for watched, _ in places.values():
                        watched.lost = True
            elif mask & _IGNORED:  # the folder is gone
                del places[number]
            else:
                watched, place = found
                watched.heard.add((place, data[at - length : at].rstrip(b"\0")))
                if len(watched.heard) > _MOST_KEPT:
                    watched.lost = True
                    watched.heard.clear()


def _open() -> tuple[int, _Add | None]:
    """A channel, and what adds a folder to it."""
    if sys.platform != "linux":
        return -1, None
    import ctypes

    try:
        library = ctypes.CDLL(None)
        file, add = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), library.inotify_add_watch
    except (AttributeError, OSError):
        return -1, None
    return (file, add) if file >= 0 else (-1, None)
