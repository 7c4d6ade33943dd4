"""What inputs that stay laid out were when they were left: one file, of which a run reads no more than it needs. Knows nothing of
how they are used.

    length and checksum of each of the three parts, then the parts:
    what      paths, digests, executable bits, and the paths of all else that was laid out with them
    looks     how each file and each folder looked
    news      what is otherwise than these two say: a run that brings one of ten thousand inputs anew writes only this
"""

from __future__ import annotations

import marshal
import os
import zlib
from bisect import bisect_left
from functools import cached_property, partial
from operator import attrgetter

from helios_pipe.columns import Looks, all_digests

TYPE_CHECKING = False  # typing takes as long to load as to look at a thousand files
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from helios_pipe.action.model import Entry
    from helios_pipe.ahead import BothEnds

_VERSION = 5
_PARTS = 3
_HEAD = 12
"""Bytes of a part's length and checksum."""
_FEW_FOLDERS = 8
_MOST_NEWS = 32
"""More than one file in so many is news: then all is written anew."""
_AFTER_SLASH = "0"
"""The character after it: all that is below `a` sorts between `a/` and `a0`."""
Look = tuple[int, ...]
"""Size, mtime_ns, ctime_ns, inode and mode."""
_WIDTH = 5
_LOOK = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino", "st_mode")
_AllLooks = tuple[Looks, list[str], Looks]
"""Of the files, and of folders by their paths."""


class Index:
    """Files in order, and folders; `others` are the paths of all else that they were laid out with."""

    def __init__(
        self, paths: list[str], digests: str, executable: bytes, others: tuple[str, ...], looks: Callable[[], _AllLooks],
        newest_ns: int, folders: int,
    ) -> None:  # fmt: skip
        """`looks` are asked for when somebody needs them: how each file looked, and each of so many `folders` by its path. No
        date that counts among them is later than `newest_ns`."""
        self.paths, self.others = paths, others
        self._joined = digests
        self.executable = bytearray(executable)
        self._given = looks
        self._newest_ns = newest_ns
        self._folder_count = folders
        self._stored: bytes | None = None
        self._new_files: dict[int, tuple[str, bool, Look]] = {}
        self._new_folders: dict[str, Look] = {}

    @classmethod
    def of(cls, files: dict[str, tuple[str, bool, Look]], folders: dict[str, Look], others: tuple[str, ...]) -> Index:
        """One that was never written: of each file its digest, whether it may be executed, and how it looks."""
        looks = _all_looks(files, folders)
        executable = bytes(x for _, x, _ in files.values())
        digests = "".join(digest for digest, _, _ in files.values())
        return cls(list(files), digests, executable, others, lambda: looks, _newest(looks), len(folders))

    @classmethod
    def read(cls, path: str) -> tuple[Index, bytes]:
        """The one that was written to `path`, and its identity. Raises OSError where it is not what was written."""
        with open(path, "rb") as file:
            data = file.read()
        head, parts = data[: _PARTS * _HEAD], _parts(data)
        for at, part in enumerate(parts):
            if zlib.crc32(part) != int.from_bytes(head[at * _HEAD + 8 : at * _HEAD + _HEAD], "big"):
                raise OSError("torn")
        version, *what = marshal.loads(parts[0])  # noqa: S302 - our own, whole
        if version != _VERSION:
            raise OSError("of another version")
        paths, digests, executable, others, newest_ns, folders = what
        looks = partial(_opened, parts[1])
        index = cls(paths.split("\0"), digests.hex(), executable, others, looks, newest_ns, folders)
        index._take(*marshal.loads(parts[2]))  # noqa: S302
        index._stored = data
        return index, head

    @cached_property
    def digests(self) -> list[str]:
        """The digest of each file."""
        digests: list[str] = [*all_digests(self._joined)]
        for at, (digest, _, _) in self._new_files.items():
            digests[at] = digest
        return digests

    @staticmethod
    def identity(path: str) -> bytes:
        """That of the one that was written to `path`. Raises OSError."""
        with open(path, "rb") as file:
            return file.read(_PARTS * _HEAD)

    def _take(self, files: dict[int, tuple[str, bool, Look]], folders: dict[str, Look]) -> None:
        self._new_files |= files
        self._new_folders |= folders
        for at, (_, executable, _) in files.items():
            self.executable[at] = executable

    def put(self, at: int, digest: str, *, executable: bool, look: Look) -> None:
        """Another file is in the place of the one there."""
        self.digests[at], self.executable[at] = digest, executable
        self._new_files[at] = (digest, executable, look)

    def note(self, folder: str, look: Look) -> None:
        """How a folder looks now."""
        self._new_folders[folder] = look

    @cached_property
    def _looks(self) -> _AllLooks:
        return self._given()

    def files(self) -> dict[str, tuple[str, bool, Look]]:
        """Of each file its digest, whether it may be executed, and how it looked."""
        rows = list(zip(self.digests, map(bool, self.executable), self._looks[0], strict=True))
        for at, row in self._new_files.items():
            rows[at] = row
        return dict(zip(self.paths, rows, strict=True))

    def folders(self) -> dict[str, Look]:
        """How each folder looked."""
        _, folders, looks = self._looks
        return dict(zip(folders, looks, strict=True)) | self._new_folders

    def __len__(self) -> int:
        """Of files and folders."""
        return len(self.paths) + self._folder_count

    def moved(self, inner: str) -> Callable[[range], list[int]]:
        """Looks at some of them, folders first, below `inner`: the places of those that do not look as they did; one of them,
        where one is gone."""

        def look(places: range) -> list[int]:
            names, then = self._row
            if len(names) != len(self) or len(then) != len(self):  # it is not what it says: some would not be looked at
                return [places.start]
            try:
                return then.unlike(places, looks_of(inner, names[places.start : places.stop]))
            except OSError:
                return [places.start]

        return look

    @cached_property
    def _row(self) -> tuple[list[str], Looks]:
        """The paths of folders and files as they were read, and how they looked."""
        files, folders, looks = self._looks
        row = looks + files
        place = {folder: at for at, folder in enumerate(folders)}
        more = [folder for folder in self._new_folders if folder not in place]
        for folder, look in self._new_folders.items():
            if folder in place:
                row.put(place[folder], look)
        for at, (_, _, look) in self._new_files.items():
            row.put(len(folders) + at, look)
        return [*folders, *self.paths, *more], row

    def otherwise(self, entries: Sequence[Entry]) -> list[int] | None:
        """The places at which another file is wanted; None where files are wanted elsewhere."""
        paths, digests, _, bits = zip(*entries, strict=True)
        if list(paths) != self.paths:
            return None
        off = [at for at, (new, old) in enumerate(zip(digests, self.digests, strict=True)) if new != old]
        executable = bytes(bits)
        if executable != self.executable:
            off += [at for at, (x, y) in enumerate(zip(executable, self.executable, strict=True)) if x != y]
        return sorted(set(off))

    # -- what is not sure ---------------------------------------------------------------------------------------------

    def folders_since(self, time_ns: int) -> set[str]:
        """The folders that changed later than that."""
        folders = self.folders() if self._newest_ns > time_ns else self._new_folders
        return {folder for folder, look in folders.items() if look[1] > time_ns}

    def files_since(self, time_ns: int) -> Iterator[tuple[str, str]]:
        """The files that changed later than that: path and digest."""
        if self._newest_ns > time_ns:
            yield from ((path, digest) for path, (digest, _, look) in self.files().items() if look[2] > time_ns)
            return
        for at, (digest, _, look) in self._new_files.items():
            if look[2] > time_ns:
                yield self.paths[at], digest

    def inside(self, folders: set[str]) -> dict[str, set[str]]:
        """The names in each of these folders."""
        if len(folders) <= _FEW_FOLDERS:
            empty = sorted(filter(None, (path.rpartition("/")[0] for path in self.others)))  # by now
            return {folder: _names_in(folder, self.paths) | _names_in(folder, empty) for folder in folders}
        found: dict[str, set[str]] = {}
        for path in (*self.paths, *self.folders()):
            folder, _, name = path.rpartition("/")
            if name and folder in folders:
                found.setdefault(folder, set()).add(name)
        return found

    # -- writing ------------------------------------------------------------------------------------------------------

    def write(self, path: str) -> None:
        """Put it there whole, by way of a name beside it. Raises OSError."""
        if self._stored is not None and len(self._new_files) * _MOST_NEWS <= len(self.paths):
            parts = _parts(self._stored)[:2]
            news: tuple[Any, Any] = self._new_files, self._new_folders
        else:
            files, folders = self.files(), self.folders()
            looks = _all_looks(files, folders)
            digests, executable = bytes.fromhex("".join(self.digests)), bytes(self.executable)
            what = _VERSION, "\0".join(self.paths), digests, executable, self.others, _newest(looks), len(folders)
            parts, news = [marshal.dumps(what), marshal.dumps(_plain(looks))], ({}, {})
        parts.append(marshal.dumps(news))
        with open(f"{path}.new", "wb") as file:
            file.writelines(len(part).to_bytes(8, "big") + zlib.crc32(part).to_bytes(4, "big") for part in parts)
            file.writelines(parts)
        os.replace(f"{path}.new", path)


def _parts(data: bytes) -> list[bytes]:
    """The three parts. Raises OSError where they are not all there."""
    found, start = [], _PARTS * _HEAD
    for at in range(_PARTS):
        size = int.from_bytes(data[at * _HEAD : at * _HEAD + 8], "big")
        found.append(data[start : start + size])
        start += size
    if start != len(data):
        raise OSError("torn")
    return found


def _names_in(folder: str, paths: Sequence[str]) -> set[str]:
    """The names in a folder, by sorted paths of what is below it; of paths that are not sorted it may miss some."""
    prefix = f"{folder}/" if folder else ""
    found: set[str] = set()
    at = bisect_left(paths, prefix)
    while at < len(paths) and paths[at].startswith(prefix):
        name, below, _ = paths[at][len(prefix) :].partition("/")
        found.add(name)
        at = bisect_left(paths, f"{prefix}{name}{_AFTER_SLASH}", at) if below else at + 1
    return found


def _all_looks(files: dict[str, tuple[str, bool, Look]], folders: dict[str, Look]) -> _AllLooks:
    return Looks.of((row[2] for row in files.values()), _WIDTH), list(folders), Looks.of(folders.values(), _WIDTH)


def _newest(looks: _AllLooks) -> int:
    """The latest date that says whether something changed: a file's of its inode, a folder's of its names."""
    files, _, folders = looks
    return max((*files.column(2), *folders.column(1)), default=0)


def _plain(looks: _AllLooks) -> Any:
    files, folders, folder_looks = looks
    return files.plain, "\0".join(folders), folder_looks.plain


def _opened(data: bytes) -> _AllLooks:
    files, folders, folder_looks = marshal.loads(data)  # noqa: S302 - our own, whole
    looks = Looks.opened(folder_looks, _WIDTH)
    return Looks.opened(files, _WIDTH), folders.split("\0") if len(looks) else [], looks


def look(place: str, ends: BothEnds) -> tuple[bytes, list[int]]:
    """The identity of the index of what stands at `place`, and the places of what does not look untouched, from the end on.
    Raises OSError. For a process of its own: from inside that folder, which spares the way to it."""
    index, identity = Index.read(f"{place}.index")
    os.chdir(f"{place}/w")
    return identity, ends.from_the_end(range(len(index)), index.moved("."))


def looks_of(inner: str, paths: Iterable[str]) -> list[Look]:
    """How these look, below `inner`: from there, so that the way to it is gone once and not ten thousand times. Raises
    OSError."""
    names = [path or "." for path in paths]
    if inner == ".":
        return list(map(_LOOK, map(os.lstat, names)))
    way = os.open(inner, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return list(map(_LOOK, map(partial(os.lstat, dir_fd=way), names)))
    finally:
        os.close(way)


def look_at(path: str) -> Look:
    """How one looks. Raises OSError."""
    return _LOOK(os.lstat(path))
