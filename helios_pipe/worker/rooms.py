"""The workspaces of a worker that outlives its requests. Knows nothing of what runs in them.

A `Workspaces` keeps what its attempts have in common staged, which is what makes a second chunk of a job start at once.
Staged files take room, so when another job comes and the room is short, the old stages go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock

from helios_pipe.action.model import Action
from helios_pipe.digest import Digest
from helios_pipe.worker.bring import Locate
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.workspace import Workspace
from helios_pipe.worker.workspaces import Workspaces


class Rooms:
    """Workspaces below `folder`, with stages of `limit_bytes` at most, unless one request needs more. Thread-safe. What an
    earlier process left there is removed."""

    def __init__(self, folder: Path, locate: Locate, limit_bytes: int) -> None:
        remove_tree(str(folder))
        self._folder = folder
        self._locate = locate
        self._limit = limit_bytes
        self._lock = Lock()
        self._serial = count()
        self._now = self._make()

    def close(self) -> None:
        """Remove the stages. Nobody may be in a workspace."""
        self._now.workspaces.close()

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


class _Room:
    """One Workspaces, what is staged in it, and how many attempts are in it. An old one closes when the last has left."""

    def __init__(self, workspaces: Workspaces) -> None:
        self.workspaces = workspaces
        self.stages: set[Digest] = set()
        self.size = 0
        self.users = 0
        self.old = False
