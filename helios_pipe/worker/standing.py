"""Inputs that stay laid out from one run to the next: of one node, and so many that bringing them costs more than using
them. Knows nothing of commands.

<folder>/<node>/w/…      the inputs, as the node's command saw them last
<folder>/<node>/index    what each file was, and how files and folders looked, when that was known

Nothing here is believed for longer than it looks untouched: files by size, dates (the one of the inode too, which nobody can
set), inode and mode, folders by the same, so that no file can have come or gone. Who finds something else brings everything
anew. While an attempt uses the inputs, they are its own: they move to it and back by rename.
"""

from __future__ import annotations

import marshal
import os
import time
from collections.abc import Iterable, Sequence

from helios_pipe.action.model import Entry
from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import StaleInputError
from helios_pipe.worker.bring import Locate, bring
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.staging import parents

FEWEST = 64
"""From this many inputs on."""
MOST_BYTES = 256 << 20
"""Of all of them together: there is a second copy of each while they stand."""
_VERSION = 1
_TICK_NS = 20_000_000
"""A folder that changed less than this before it was looked at may change again without its date moving."""
Look = tuple[int, int, int, int, int]
_NEVER: Look = (0, 0, 0, 0, 0)
_File = tuple[str, bool, Look]
"""Digest, whether it may be executed, how it looked."""


def worth_it(entries: Sequence[Entry], link_size: int) -> bool:
    """Whether these inputs are to stay laid out: copies do, links do not."""
    if len(entries) < FEWEST:
        return False
    sizes = [entry.size for entry in entries]
    return sum(sizes) <= MOST_BYTES and max(sizes) < link_size


class Standing:
    """The inputs of one node, in the folder `root` of one attempt."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._inner = f"{root}/w"
        self._files: dict[str, _File] = {}
        self._folders: dict[str, Look] = {}
        self._noted_ns = 0

    def take(self, place: str) -> None:
        """Move what stands at `place` to the attempt. Nothing stands there, or something else than was left: begin with an
        empty folder. Raises OSError."""
        os.makedirs(os.path.dirname(self.root), exist_ok=True)
        try:
            os.rename(place, self.root)
        except FileNotFoundError:
            os.makedirs(self._inner)
            return
        try:
            with open(f"{self.root}/index", "rb") as file:
                version, self._files, self._folders = marshal.load(file)  # noqa: S302 - written by us, and only by us
            if version == _VERSION and self._folders_untouched():
                return
        except (OSError, EOFError, ValueError, TypeError):
            pass
        remove_tree(self.root)
        self._files, self._folders = {}, {}
        os.makedirs(self._inner)

    def prepare(self, entries: Sequence[Entry], folders: Sequence[str], locate: Locate, link_size: int) -> None:
        """Make it hold these entries and folders, and nothing else: what is right already stays. Raises as `bring`."""
        wanted = {entry.path: entry for entry in entries}
        changed = {""}
        for path in [path for path, kept in self._files.items() if not _same(wanted.get(path), kept)]:
            os.unlink(f"{self._inner}/{path}")
            del self._files[path]
            changed.add(path.rpartition("/")[0])
        new = [entry for entry in entries if entry.path not in self._files]
        changed.update(entry.path.rpartition("/")[0] for entry in new)
        self._have_folders({*parents(list(wanted)), *folders}, changed)
        self._bring(new, locate, link_size)
        self._note(changed & {"", *self._folders})

    def _have_folders(self, wanted: set[str], changed: set[str]) -> None:
        """Make and remove folders; those that this changes are added to `changed`."""
        gone, new = self._folders.keys() - wanted - {""}, wanted - self._folders.keys()
        for folder in sorted(gone, reverse=True):
            os.rmdir(f"{self._inner}/{folder}")
            del self._folders[folder]
        for folder in sorted(new):
            os.mkdir(f"{self._inner}/{folder}")
            self._folders[folder] = _NEVER
        changed.update(new, (folder.rpartition("/")[0] for folder in gone | new))

    def _bring(self, entries: Sequence[Entry], locate: Locate, link_size: int) -> None:
        """By way of one folder: some file systems take ten times as long to make files in a folder each."""
        scratch = f"{self.root}/new"
        os.mkdir(scratch)
        for serial, entry in enumerate(entries):
            bring(entry, locate, f"{scratch}/{serial}", link_size)
            os.rename(f"{scratch}/{serial}", f"{self._inner}/{entry.path}")
        os.rmdir(scratch)
        for entry in entries:
            self._files[entry.path] = (entry.digest, entry.executable, _look(f"{self._inner}/{entry.path}"))

    def _note(self, folders: Iterable[str]) -> None:
        self._noted_ns = time.time_ns()
        for folder in folders:
            self._folders[folder] = _look(f"{self._inner}/{folder}")

    def untouched(self) -> bool:
        """Whether the files look as they did. False: somebody touched one, but the bytes are right. Raises StaleInputError
        where they are not."""
        whole = True
        for path, (digest, _, seen) in self._files.items():
            place = f"{self._inner}/{path}"
            try:
                if _look(place) == seen:
                    continue
                whole, right = False, digest_file(place) == Digest(digest)
            except OSError:
                right = False
            if not right:
                raise StaleInputError(
                    f"the input {path} is not what it was: a command wrote into it",
                    hint="A command that edits an input must copy it first.",
                )
        return whole

    def leave(self, place: str, used: Iterable[str]) -> bool:
        """Move it to `place` for the next run; False where it is not as it was. `used` are the folders that others made files
        in, which are gone by now. Raises OSError."""
        unsure = {*used, *(folder for folder, seen in self._folders.items() if seen[1] > self._noted_ns - _TICK_NS)}
        inside = self._inside()
        if any(set(os.listdir(f"{self._inner}/{folder}")) != inside.get(folder, set()) for folder in unsure):
            return False
        self._note(used)  # the others are looked at when it is taken
        with open(f"{self.root}/index", "wb") as file:
            marshal.dump((_VERSION, self._files, self._folders), file)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        remove_tree(place)  # of another attempt meanwhile
        os.rename(self.root, place)
        return True

    def _inside(self) -> dict[str, set[str]]:
        """The names in each folder."""
        found: dict[str, set[str]] = {}
        for path in (*self._files, *self._folders):
            folder, _, name = path.rpartition("/")
            if name:
                found.setdefault(folder, set()).add(name)
        return found

    def _folders_untouched(self) -> bool:
        return all(_look(f"{self._inner}/{folder}") == seen for folder, seen in self._folders.items())


def _same(entry: Entry | None, kept: _File) -> bool:
    return entry is not None and (entry.digest, entry.executable) == kept[:2]


def _look(path: str) -> Look:
    found = os.stat(path, follow_symlinks=False)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_mode
