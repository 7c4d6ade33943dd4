"""Moves a file to a name that nothing has. Knows nothing of what is in it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from functools import cache

_HERE = -100
"""AT_FDCWD: paths that are not absolute are counted from the working directory."""
_NOREPLACE = 1
_UNKNOWN = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})

_Move = Callable[[bytes, bytes], int]


def move_to_new(source: str, target: str) -> bool:
    """Rename `source`, unless something has that name already: then False, and nothing is changed. In one step, where system and
    file system know how and this process has what it takes to ask them (whoever starts commands has); else somebody may be a
    moment quicker, and is replaced. Raises OSError."""
    known = "ctypes" in sys.modules  # for a few files, it takes longer to load than it saves
    move = _kernels_move() if known else None
    number = move(os.fsencode(source), os.fsencode(target)) if move is not None else errno.ENOSYS
    if number in _UNKNOWN:
        if os.path.lexists(target):
            return False
        os.rename(source, target)
    elif number == errno.EEXIST:
        return False
    elif number:
        raise OSError(number, os.strerror(number), source, None, target)
    return True


@cache
def _kernels_move() -> _Move | None:
    """Gives the number of the error, 0 where there is none."""
    if sys.platform != "linux":
        return None
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return None  # another C library, or an older one

    def move(source: bytes, target: bytes) -> int:
        return ctypes.get_errno() if rename(_HERE, source, _HERE, target, _NOREPLACE) else 0

    return move
