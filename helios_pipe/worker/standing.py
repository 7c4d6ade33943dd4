"""Inputs that stay laid out from one run to the next: of one node, and so many that bringing them costs more than using
them. Knows nothing of commands.

<folder>/<node>/w/…      the inputs, as the node's command saw them last
<folder>/<node>.index    what each file was, and how files and folders looked, when that was known

Nothing here is believed for longer than it looks untouched: files by size, dates (the one of the inode too, which nobody can
set), inode and mode, folders by the same, so that no file can have come or gone. Who finds anything else brings everything
anew. While an attempt uses the inputs, they are its own: they move to it and back by rename, and a command may do with them
what it likes, only that they do not stay then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence

from helios_pipe.action.model import Entry
from helios_pipe.ahead import Ahead, standing_at
from helios_pipe.digest import digest_file
from helios_pipe.worker.bring import Locate, bring
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.standing_index import Index, Look, look_at

FEWEST = 64
"""From this many inputs on."""
MOST_BYTES = 256 << 20
"""Of all of them together: there is a second copy of each while they stand."""
_TICK_NS = 20_000_000
"""A folder that changed less than this before it was looked at may change again without its date moving."""
_NEVER: Look = (0, 0, 0, 0, 0)
Fit = Callable[[], tuple[str, ...]]
"""Finds the folders that the inputs need, or raises where they find no room."""


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
        self._index = Index.of({}, {}, ())
        self._noted_ns = 0

    def take(self, place: str, ahead: Ahead) -> None:
        """Move what stands at `place` to the attempt. Nothing stands there, or something else than was left, or it cannot be
        had: begin with an empty folder. It is looked at, if `ahead` did not do so just now. Raises OSError."""
        os.makedirs(os.path.dirname(self.root), exist_ok=True)
        place_index = f"{place}.index"
        try:
            index, identity = Index.read(place_index)
            moved = ahead.look(standing_at(place), identity, range(len(index)), index.moved(f"{place}/w"))
        except OSError:
            index, identity, moved = self._index, b"", [0]
        try:
            os.rename(place, self.root)
            same = Index.identity(place_index) == identity
            os.unlink(place_index)  # it says nothing any more
            if same and not moved and os.listdir(self.root) == ["w"]:
                self._index = index
                return
        except OSError:
            pass
        remove_tree(self.root)
        os.makedirs(self._inner)

    def prepare(
        self, entries: Sequence[Entry], others: tuple[str, ...], fit: Fit, locate: Locate, link_size: int
    ) -> None:
        """Make it hold these entries, the folders that `fit` finds for them and for the paths of `others` (the output, say),
        and nothing else: what is right already stays. `fit` is not asked where all of them stand where they stood. Raises as
        `fit` and `bring`."""
        off = self._index.otherwise(entries) if others == self._index.others else None
        if off is None:
            self._rearrange(entries, others, fit, locate, link_size)
            return
        new = [entries[at] for at in off]
        for entry in new:
            os.unlink(f"{self._inner}/{entry.path}")
        self._bring(new, locate, link_size)
        for at, entry in zip(off, new, strict=True):
            look = look_at(f"{self._inner}/{entry.path}")
            self._index.put(at, entry.digest, executable=entry.executable, look=look)
        self._note({"", *(_folder_of(entry.path) for entry in new)})

    def _rearrange(
        self, entries: Sequence[Entry], others: tuple[str, ...], fit: Fit, locate: Locate, link_size: int
    ) -> None:
        """The same where files or folders come, or go."""
        files, folders = self._index.files(), self._index.folders()
        wanted = {path: (digest, executable) for path, digest, _, executable in entries}
        wanted_folders = set(fit())
        gone = [path for path, kept in files.items() if wanted.get(path) != kept[:2]]
        for path in gone:
            os.unlink(f"{self._inner}/{path}")
            del files[path]
        new = [entry for entry in entries if entry.path not in files]
        changed = {"", *(_folder_of(path) for path in (*gone, *(entry.path for entry in new)))}
        self._have_folders(folders, wanted_folders, changed)
        self._bring(new, locate, link_size)
        for entry in new:
            files[entry.path] = (entry.digest, entry.executable, look_at(f"{self._inner}/{entry.path}"))
        self._index = Index.of({path: files[path] for path in wanted}, folders, others)
        self._note(changed & {"", *folders})

    def _have_folders(self, folders: dict[str, Look], wanted: set[str], changed: set[str]) -> None:
        """Make and remove folders; those that this changes are added to `changed`."""
        gone, new = folders.keys() - wanted - {""}, wanted - folders.keys()
        for folder in sorted(gone, reverse=True):
            os.rmdir(f"{self._inner}/{folder}")
            del folders[folder]
        for folder in sorted(new):
            os.mkdir(f"{self._inner}/{folder}")
            folders[folder] = _NEVER
        changed.update(new, map(_folder_of, gone | new))

    def _bring(self, entries: Sequence[Entry], locate: Locate, link_size: int) -> None:
        """By way of one folder: some file systems take ten times as long to make files in a folder each."""
        scratch = f"{self.root}/new"
        os.mkdir(scratch)
        for serial, entry in enumerate(entries):
            bring(entry, locate, f"{scratch}/{serial}", link_size)
            os.rename(f"{scratch}/{serial}", f"{self._inner}/{entry.path}")
        os.rmdir(scratch)

    def _note(self, folders: Iterable[str]) -> None:
        self._noted_ns = time.time_ns()
        for folder in folders:
            self._index.note(folder, look_at(f"{self._inner}/{folder}"))

    def leave(self, place: str, used: Iterable[str]) -> bool:
        """Move it to `place` for the next run; False where it is not as it was, as far as can be told: the rest is found when
        it is taken. `used` are the folders that others made files in, which are gone by now. Raises OSError."""
        if os.listdir(self.root) != ["w"] or not self._sure(used):
            return False
        self._note(used)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        remove_tree(place)  # of another attempt meanwhile
        self._index.write(f"{place}.index")
        os.rename(self.root, place)
        return True

    def _sure(self, used: Iterable[str]) -> bool:
        """Whether what may have changed without its date moving is right: names in folders, bytes in files."""
        since = self._noted_ns - _TICK_NS
        unsure = {*used, *self._index.folders_since(since)}
        inside = self._index.inside(unsure)
        if any(set(os.listdir(f"{self._inner}/{folder}")) != inside.get(folder, set()) for folder in unsure):
            return False
        fresh = self._index.files_since(since)
        return all(digest_file(f"{self._inner}/{path}") == digest for path, digest in fresh)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]
