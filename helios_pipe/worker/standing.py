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

import marshal
import os
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter

from helios_pipe.action.model import Entry
from helios_pipe.ahead import Ahead, standing_at
from helios_pipe.digest import all_digests, digest_file
from helios_pipe.worker.bring import Locate, bring
from helios_pipe.worker.removal import remove_tree

FEWEST = 64
"""From this many inputs on."""
MOST_BYTES = 256 << 20
"""Of all of them together: there is a second copy of each while they stand."""
_VERSION = 2
_FEW_FOLDERS = 8
_TICK_NS = 20_000_000
"""A folder that changed less than this before it was looked at may change again without its date moving."""
Look = tuple[int, int, int, int, int]
_LOOK = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_mode")
_NEVER: Look = (0, 0, 0, 0, 0)
_Content = tuple[str, bool]
"""Digest, and whether it may be executed."""
_Index = tuple[dict[str, _Content], dict[str, Look], dict[str, Look], tuple[str, ...]]
"""What files hold and how they looked, how folders looked, and the paths of all else that they were laid out with."""
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
        self._clear()

    def _clear(self) -> None:
        self._contents: dict[str, _Content] = {}
        self._files: dict[str, Look] = {}
        self._folders: dict[str, Look] = {}
        self._others: tuple[str, ...] = ()
        self._noted_ns = 0

    def take(self, place: str, ahead: Ahead) -> None:
        """Move what stands at `place` to the attempt. Nothing stands there, or something else than was left, or it cannot be
        had: begin with an empty folder. It is looked at, if `ahead` did not do so just now. Raises OSError."""
        os.makedirs(os.path.dirname(self.root), exist_ok=True)
        seen = ahead.answer(standing_at(place))  # before it is somewhere else
        try:
            os.rename(place, self.root)
            index, checksum = _read_index(f"{place}.index")
            self._contents, self._files, self._folders, self._others = index
            os.unlink(f"{place}.index")  # it says nothing any more
            if seen is None:
                seen = checksum, _untouched(index, self._inner)
            if os.listdir(self.root) == ["w"] and seen == (checksum, True):
                return
        except OSError:
            pass
        remove_tree(self.root)
        self._clear()
        os.makedirs(self._inner)

    def prepare(
        self, entries: Sequence[Entry], others: tuple[str, ...], fit: Fit, locate: Locate, link_size: int
    ) -> None:
        """Make it hold these entries, the folders that `fit` finds for them and for the paths of `others` (the output, say),
        and nothing else: what is right already stays. `fit` is not asked where all of them stand where they stood. Raises as
        `fit` and `bring`."""
        there, wanted = self._contents, {path: (digest, executable) for path, digest, _, executable in entries}
        at_home = others == self._others and there.keys() == wanted.keys()
        folders = set(self._folders) - {""} if at_home else set(fit())
        gone = [path for path, content in there.items() if wanted.get(path) != content] if there != wanted else []
        for path in gone:
            os.unlink(f"{self._inner}/{path}")
            del there[path], self._files[path]
        new = [entry for entry in entries if entry.path not in there] if len(there) < len(wanted) else []
        changed = {"", *(path.rpartition("/")[0] for path in (*gone, *(entry.path for entry in new)))}
        self._have_folders(folders, changed)
        self._bring(new, locate, link_size)
        self._others = others
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
            self._contents[entry.path] = (entry.digest, entry.executable)
            self._files[entry.path] = _look(f"{self._inner}/{entry.path}")

    def _note(self, folders: Iterable[str]) -> None:
        self._noted_ns = time.time_ns()
        for folder in folders:
            self._folders[folder] = _look(f"{self._inner}/{folder}")

    def leave(self, place: str, used: Iterable[str]) -> bool:
        """Move it to `place` for the next run; False where it is not as it was, as far as can be told: the rest is found when
        it is taken. `used` are the folders that others made files in, which are gone by now. Raises OSError."""
        if os.listdir(self.root) != ["w"] or not self._sure(used):
            return False
        self._note(used)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        remove_tree(place)  # of another attempt meanwhile
        _write_index(f"{place}.index", (self._contents, self._files, self._folders, self._others))
        os.rename(self.root, place)
        return True

    def _sure(self, used: Iterable[str]) -> bool:
        """Whether what may have changed without its date moving is right: names in folders, bytes in files."""
        since = self._noted_ns - _TICK_NS
        unsure = {*used, *(folder for folder, seen in self._folders.items() if seen[1] > since)}
        inside = self._inside(unsure)
        if any(set(os.listdir(f"{self._inner}/{folder}")) != inside.get(folder, set()) for folder in unsure):
            return False
        fresh = [path for path, seen in self._files.items() if seen[2] > since]
        return all(digest_file(f"{self._inner}/{path}") == self._contents[path][0] for path in fresh)

    def _inside(self, folders: set[str]) -> dict[str, set[str]]:
        """The names in each of these folders."""
        found: dict[str, set[str]] = {}
        paths: Iterable[str] = chain(self._files, self._folders)
        if len(folders) <= _FEW_FOLDERS:
            below = tuple(f"{folder}/" for folder in folders if folder)
            paths = [path for path in paths if path.startswith(below) or "/" not in path]
        for path in paths:
            folder, _, name = path.rpartition("/")
            if name and folder in folders:
                found.setdefault(folder, set()).add(name)
        return found


def look(place: str) -> tuple[bytes, bool]:
    """The checksum of the index of what stands at `place`, and whether it looks untouched. Raises OSError."""
    index, checksum = _read_index(f"{place}.index")
    return checksum, _untouched(index, f"{place}/w")


def _untouched(index: _Index, inner: str) -> bool:
    _, files, folders, _ = index
    return _looks(inner, folders) == list(folders.values()) and _looks(inner, files) == list(files.values())


def _read_index(path: str) -> tuple[_Index, bytes]:
    """What was written there, and its checksum. Raises OSError where it is not that."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) <= 4 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
        raise OSError("torn")
    version, *columns = marshal.loads(data[4:])  # noqa: S302 - our own file, whole
    if version != _VERSION:
        raise OSError("of another version")
    paths, digests, executable, looks, folders, others = columns
    contents = zip(all_digests(digests), map(bool, executable), strict=True)
    return (dict(zip(paths, contents, strict=True)), dict(zip(paths, looks, strict=True)), folders, others), data[:4]


def _write_index(path: str, index: _Index) -> None:
    """In columns, the digests in one text: so it is read in half the time."""
    contents, files, folders, others = index
    looks = [files[name] for name in contents]
    digests, executable = "".join([digest for digest, _ in contents.values()]), bytes([x for _, x in contents.values()])
    data = marshal.dumps((_VERSION, list(contents), digests, executable, looks, folders, others))
    with open(f"{path}.new", "wb") as file:
        file.write(zlib.crc32(data).to_bytes(4, "big") + data)
    os.replace(f"{path}.new", path)


def _looks(inner: str, paths: Iterable[str]) -> list[Look]:
    """How these look, below `inner`: from there, so that the way to it is gone once and not ten thousand times. Raises
    OSError."""
    way = os.open(inner, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return list(map(_LOOK, map(partial(os.lstat, dir_fd=way), (path or "." for path in paths))))
    finally:
        os.close(way)


def _look(path: str) -> Look:
    return _LOOK(os.lstat(path))
