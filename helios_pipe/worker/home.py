"""The one folder of one worker process, below a folder that several may be given. Knows nothing of what is kept in it.

A home belongs to whoever holds the lock beside it, which ends with the process. A new process moves into a home whose owner
is gone, and finds there what that one left; other empty homes are cleared away.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from helios_pipe.errors import UnusableError
from helios_pipe.worker.removal import remove_tree

_LOCK = ".lock"


class Home:
    """A folder of our own for as long as we live, or until `leave`."""

    def __init__(self, below: Path) -> None:
        """Raises UnusableError where nothing can be written there."""
        below = Path(os.path.abspath(below))
        try:
            below.mkdir(parents=True, exist_ok=True)
            taken = [home for path in sorted(below.glob(f"*{_LOCK}")) if (home := _take(path)) is not None]
            self.folder, self.lock = taken.pop(0) if taken else _new(below)
            for folder, lock in taken:
                remove_tree(str(folder))
                Path(f"{folder}{_LOCK}").unlink()
                os.close(lock)
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UnusableError(f"the worker's folder {below} cannot be used: {error.strerror}") from error

    def leave(self) -> None:
        """Let another process have it. Idempotent."""
        if self.lock != -1:
            os.close(self.lock)
            self.lock = -1


def _new(below: Path) -> tuple[Path, int]:
    while True:
        taken = _take(below / f"{os.urandom(6).hex()}{_LOCK}")
        if taken is not None:
            return taken


def _take(path: Path) -> tuple[Path, int] | None:
    """The home whose lock file that is, and its lock, now ours; None where somebody lives there, or it was just cleared away."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        if path.exists():
            return None  # another user's
        raise
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), os.stat(path)):
            return path.with_suffix(""), lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None
