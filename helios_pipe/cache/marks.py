"""How blobs' files look. Knows nothing of whose they are; loads nothing that takes time."""

from __future__ import annotations

import os
from operator import attrgetter

from helios_pipe.cache.folders import blob_paths
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MARK = attrgetter("st_size", "st_mtime_ns", "st_ino")
PlainMark = tuple[int, int, int]
"""A mark as it is stored and compared by the thousand."""
NO_MARK = (-1, -1, -1)
"""That of a blob that is not there."""


class Mark(NamedTuple):
    """What a blob's file looked like when it was known to be right: size in bytes, mtime in ns, inode."""

    size: int
    mtime_ns: int
    inode: int


def mark_of(path: str) -> PlainMark | None:
    """How the blob at `path` looks now; None where there is none."""
    try:
        mark: PlainMark = _MARK(os.stat(path))
    except OSError:
        return None
    return mark


def marks_of(cache: str, digests: Sequence[str]) -> Sequence[PlainMark]:
    """How these blobs of a cache folder look now, all in one go, which takes half the time."""
    paths = blob_paths(cache, digests)
    try:
        return list(map(_MARK, map(os.stat, paths)))
    except OSError:  # one is gone
        return [mark_of(path) or NO_MARK for path in paths]
