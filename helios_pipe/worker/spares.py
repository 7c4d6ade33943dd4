"""Folders that attempts have left as they were given them, for the next attempts under other names. Knows nothing of
attempts.

Making and removing folders is most of what a small attempt costs, and each shared input is one link more. A set of folders
is given on only if nobody can be in it any more and nothing of it is other than it was: then the next attempt cannot tell
it from a new one, and nobody can reach it by its old name. The kernel tells whether anything happened in it but what was
asked for; where it does not, or something did, the set is looked through.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from threading import Lock

from helios_pipe.tuples import NamedTuple
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.staging import Stage
from helios_pipe.worker.watches import Happened, Watched, Watches

_FEW = 200
"""So many sets are looked through before any is watched: that is as quick as to stop watching, for which the kernel waits 20 ms
until nobody can be telling of anything any more."""


class Layout(NamedTuple):
    """What attempts of one kind find: a stage's folders and files, and more folders."""

    stage: Stage
    folders: tuple[str, ...]


Folder = tuple[int, int, int, int, list[str], dict[str, int]]
"""Kind and mode, owner, group, inode and attributes of a folder, and what is in it by name and inode."""


class Seen(NamedTuple):
    """How a set of folders looked when it was laid out, and what tells of it since. `places`: folder -> its place in both."""

    looked: list[Folder]
    places: dict[str, int]
    watched: Watched | None


class Spares:
    """The spare folders of one `Workspaces`. Thread-safe. `deserted` tells whether nothing is left of any command that has
    ended; None where nobody can tell, and then nothing is ever given on."""

    def __init__(self, deserted: Callable[[], bool] | None) -> None:
        self._deserted = deserted
        self._watches: Watches | None = None
        self._lock = Lock()
        self._given_on = 0
        self._spares: dict[Layout, list[tuple[str, Seen]]] = {}
        self._passed: tuple[Layout | None, tuple[str, ...], set[Happened]] = (None, (), set())
        """The last paths that passed through folders of a layout, and what the kernel tells of them."""

    def take(self, layout: Layout, root: str) -> Seen | None:
        """Make `root` a set of folders laid out like this, where there is one to spare, and say how it looks. Raises OSError."""
        spares = self._spares.get(layout)
        try:
            old, seen = spares.pop() if spares else ("", None)
        except IndexError:  # another thread was quicker
            return None
        if seen is None:
            return None
        if seen.watched is None and self._given_on > _FEW and (seen := self._watch(old, seen)) is None:
            remove_tree(old)
            return None
        os.rename(old, root)
        return seen

    def note(self, root: str, folders: Sequence[str]) -> Seen | None:
        """How the new set `root` looks, which was just laid out; None where nothing is given on. Raises OSError."""
        if self._deserted is None:
            return None
        return Seen(_look(root, folders), {folder: place for place, folder in enumerate(("", *folders))}, None)

    def _watch(self, root: str, seen: Seen) -> Seen | None:
        """Have a set watched. None where it is not as it was before anybody did."""
        with self._lock:  # slots come here at the same time
            watches = self._watches = self._watches or Watches()
        watched = watches.watch([f"{root}/{folder}".rstrip("/") for folder in seen.places])
        return seen._replace(watched=watched) if _look(root, list(seen.places)[1:]) == seen.looked else None

    def deserted(self) -> bool:
        """Whether nothing is left of any command that has ended, as far as anybody can tell. What has come to its end
        meanwhile is waited for."""
        return self._deserted is not None and self._deserted()

    def give_back(self, layout: Layout, root: str, seen: Seen, passing: tuple[str, ...]) -> bool:
        """Keep the set for another attempt if it is as it was; False where it has to be removed. `passing` are the paths in
        its `w` that were there for a time and are gone now. Raises OSError."""
        if not self.deserted():
            return False
        if not self._silent(layout, seen, passing) and _look(root, list(seen.places)[1:]) != seen.looked:
            return False
        self._given_on += 1
        self._spares.setdefault(layout, []).append((root, seen))
        return True

    def _silent(self, layout: Layout, seen: Seen, passing: tuple[str, ...]) -> bool:
        """Whether surely nothing happened to any name but these."""
        if self._watches is None or seen.watched is None:
            return False
        happened = self._watches.happened(seen.watched)
        if happened is None:
            return False
        return happened <= self._expected(layout, seen, passing)

    def _expected(self, layout: Layout, seen: Seen, passing: tuple[str, ...]) -> set[Happened]:
        """What is told of these paths, which are mostly those of the attempt before."""
        for_layout, paths, told = self._passed
        if paths != passing or for_layout != layout:
            parts = (f"w/{path}".rpartition("/") for path in passing)
            told = {(seen.places[folder], os.fsencode(name)) for folder, _, name in parts}
            self._passed = layout, passing, told
        return told

    def close(self) -> None:
        """Watch no more. Idempotent."""
        if self._watches is not None:
            self._watches.close()


def _look(root: str, folders: Sequence[str]) -> list[Folder]:
    """How the set looks, its own folder first."""
    found = []
    for path in (root, *(f"{root}/{folder}" for folder in folders)):
        stat = os.lstat(path)
        with os.scandir(path) as entries:
            inside = {entry.name: entry.inode() for entry in entries}
        found.append((stat.st_mode, stat.st_uid, stat.st_gid, stat.st_ino, _attributes(path), inside))
    return found


def _attributes(path: str) -> list[str]:
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []  # this file system has none
