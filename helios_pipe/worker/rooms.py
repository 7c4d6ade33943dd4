"""The workspaces of a worker that outlives its requests. Knows nothing of what runs in them.

A `Workspaces` keeps what its attempts have in common staged, which is what makes a second chunk of a job start at once.
Staged files take room, so when another job comes and the room is short, the old stages go.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock

from helios_pipe.action.model import Action
from helios_pipe.digest import Digest
from helios_pipe.worker.bring import Locate
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.workspace import Workspace, Workspaces

_LOCK = ".lock"


class Rooms:
    """Workspaces below `folder`, with stages of `limit_bytes` at most, unless one request needs more. Thread-safe. What a
    process that died left there is removed; whoever lives holds a lock."""

    def __init__(self, folder: Path, locate: Locate, limit_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        self._folder, self._lock_file = _claim(folder)
        self._locate = locate
        self._limit = limit_bytes
        self._lock = Lock()
        self._serial = count()
        self._now = self._make()

    @contextmanager
    def workspace(self, action: Action) -> Iterator[Workspace]:
        """A clean workspace for one attempt at the action, gone when the block ends."""
        room = self._enter(action)
        try:
            workspace = room.workspaces.open(action)
            try:
                yield workspace
            finally:
                workspace.discard()
        finally:
            self._leave(room)

    def _enter(self, action: Action) -> _Room:
        tree = action.shared
        with self._lock:
            room = self._now
            if tree.digest not in room.stages and room.size + tree.size > self._limit and room.stages:
                self._now = self._make()
                if not room.users:
                    room.workspaces.close()
                room.old, room = True, self._now
            if tree.digest not in room.stages:
                room.stages.add(tree.digest)
                room.size += tree.size
            room.users += 1
        return room

    def _leave(self, room: _Room) -> None:
        with self._lock:
            room.users -= 1
            last = room.old and not room.users
        if last:
            room.workspaces.close()

    def _make(self) -> _Room:
        return _Room(Workspaces(self._folder / f"room-{next(self._serial)}", self._locate, project=self._folder))


def _claim(folder: Path) -> tuple[Path, int]:
    """A folder of our own, and the lock that says so for as long as this process lives."""
    own = folder / os.urandom(6).hex()
    lock = os.open(f"{own}{_LOCK}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return own, lock


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"*{_LOCK}"):
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(str(path).removesuffix(_LOCK))
            path.unlink()
        except OSError:
            continue  # somebody lives there
        finally:
            os.close(lock)


class _Room:
    """One Workspaces, what is staged in it, and how many attempts are in it. An old one closes when the last has left."""

    def __init__(self, workspaces: Workspaces) -> None:
        self.workspaces = workspaces
        self.stages: set[Digest] = set()
        self.size = 0
        self.users = 0
        self.old = False
