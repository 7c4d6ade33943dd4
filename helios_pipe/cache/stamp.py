"""The stamp of the last complete run of a request: proof, by `stat` alone, that there is nothing to do.

It is looked at before anything else is loaded, so this module imports nothing that takes time. It errs on one side only:
anything off or unprovable, and the exact way is gone.
"""

from __future__ import annotations

import marshal
import os
import zlib
from operator import attrgetter

from helios_pipe.columns import Looks

TYPE_CHECKING = False  # typing takes longer to load than all the rest of a run with nothing to do
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from typing import Any

FORMAT = 4
_LOOK = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
_WIDTH = 4
_KEPT = 100

Request = tuple[tuple[str, ...], str, tuple[tuple[str, str], ...]]
"""What was asked: arguments, folder, and the variables that matter."""
Signature = tuple[str, int, int, int, int]
"""A path, and its size, mtime_ns, ctime_ns and inode."""


def signature(path: str) -> Signature | None:
    """How `path` looks now; None where there is nothing."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


class Seen:
    """Many files as they looked: their paths, and of each what its signature says besides."""

    def __init__(self, paths: list[str], looks: Looks) -> None:
        self.paths, self.looks = paths, looks

    @classmethod
    def of(cls, signatures: Iterable[Signature]) -> Seen:
        """Those of these signatures."""
        rows = list(signatures)
        return cls([row[0] for row in rows], Looks.of((row[1:] for row in rows), _WIDTH))

    @classmethod
    def opened(cls, plain: Any) -> Seen:
        """Those that were `plain`. Raises ValueError, TypeError where they are no such thing."""
        paths, looks = plain
        seen = cls(paths.split("\0") if paths else [], Looks.opened(looks, _WIDTH))
        if len(seen.paths) != len(seen.looks):
            raise ValueError("more paths than looks, or fewer")
        return seen

    @property
    def plain(self) -> tuple[str, bytes | list[int]]:
        """As they are stored."""
        return "\0".join(self.paths), self.looks.plain

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, at: int) -> Signature:
        return self.paths[at], *self.looks[at]  # type: ignore[return-value]

    def __add__(self, other: Seen) -> Seen:
        return Seen(self.paths + other.paths, self.looks + other.looks)

    def without(self, places: Collection[int]) -> Seen:
        """All but those at these places."""
        paths = [path for at, path in enumerate(self.paths) if at not in places] if places else self.paths
        return Seen(paths, self.looks.without(places))

    def changed(self, places: range) -> list[str]:
        """The paths of those, at these places, that look otherwise now."""
        paths = self.paths[places.start : places.stop]
        try:  # all in one go, which takes half the time
            return [self.paths[at] for at in self.looks.unlike(places, map(_LOOK, map(os.stat, paths)))]
        except OSError:  # one is gone
            return [self.paths[at] for at in places if self[at] != signature(self.paths[at])]


class Kept:
    """What was kept with a request: how files looked that the run stood on, what was not there, and the note."""

    def __init__(self, present: Seen, absent: list[str], note: Any) -> None:
        self.present, self.absent, self.note = present, absent, note

    def nothing_came(self) -> bool:
        """Whether all that was not there is not there still."""
        return not any(map(os.path.lexists, self.absent))


def find(folders: Iterable[str], request: Request, product: str) -> Kept | None:
    """What `write` kept with this request; None where nothing was."""
    name = _name(request)
    for folder in folders:
        try:
            with open(f"{folder}/stamps/{name}", "rb") as file:
                found = unseal(file.read())
            if isinstance(found, tuple) and len(found) == 5 and found[:2] == ((FORMAT, product), request):
                present, absent, note = found[2:]
                return Kept(Seen.opened(present), absent, note)
        except (OSError, ValueError, EOFError, TypeError):
            continue
    return None


def write(folder: str, request: Request, product: str, present: Seen, absent: Sequence[str], note: Any) -> None:
    """Keep a stamp: it holds while all of `present` look the same and none of `absent` exists. `note` is given back by
    `find`. The folder's oldest stamps make room. A stamp that cannot be written is not missed."""
    place = f"{folder}/stamps"
    try:
        put_sealed(f"{place}/{_name(request)}", ((FORMAT, product), request, present.plain, list(absent), note))
        names = os.listdir(place)
        if len(names) > _KEPT:
            by_age = sorted(names, key=lambda name: os.stat(f"{place}/{name}").st_mtime_ns)
            for name in by_age[: len(names) - _KEPT]:
                os.unlink(f"{place}/{name}")
    except OSError:
        return


def put_sealed(place: str, value: Any) -> None:
    """Keep plain values in a file, for `unseal`: whole or not at all, and not asked of the disk. Raises OSError, leaving no
    half."""
    temp = f"{place}.{os.getpid()}.tmp"
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(temp, "wb") as file:
            file.write(seal(value))
        if os.path.lexists(place):
            os.unlink(place)  # to put a file in the place of another, some file systems write it to the disk first
        os.replace(temp, place)
    except OSError:
        if os.path.lexists(temp):
            os.unlink(temp)
        raise


def seal(value: Any) -> bytes:
    """Plain values as bytes that show it when one of them is another."""
    data = marshal.dumps(value)
    return zlib.crc32(data).to_bytes(4, "big") + data


def unseal(data: bytes) -> object:
    """What was sealed. None where a bit of it is not: the loader trusts what it is given."""
    body = memoryview(data)[4:]
    if not body or zlib.crc32(body) != int.from_bytes(checksum_of(data), "big"):
        return None
    return marshal.loads(body)  # noqa: S302 - our own file; no other format loads as fast


def checksum_of(data: bytes) -> bytes:
    """The checksum that sealed values begin with."""
    return data[:4]


def _name(request: Request) -> str:
    return f"{zlib.crc32(repr(request).encode()):08x}"  # not marshal: its bytes depend on who else holds the values
