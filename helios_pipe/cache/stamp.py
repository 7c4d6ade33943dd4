"""The stamp of the last complete run of a request: proof, by `stat` alone, that there is nothing to do.

It is looked at before anything else is loaded, so this module imports nothing that takes time. It errs on one side only:
anything off or unprovable, and the exact way is gone.
"""

from __future__ import annotations

import marshal
import os
import zlib
from operator import attrgetter

TYPE_CHECKING = False  # typing takes longer to load than all the rest of a run with nothing to do
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

FORMAT = 3
_LOOK = attrgetter("st_size", "st_mtime_ns", "st_ctime_ns", "st_ino")
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


class Kept:
    """What was kept with a request: how files looked that the run stood on, what was not there, and the note."""

    def __init__(self, present: list[Signature], absent: list[str], note: Any) -> None:
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
        except (OSError, ValueError, EOFError, TypeError):
            continue
        if isinstance(found, tuple) and len(found) == 5 and found[:2] == ((FORMAT, product), request):
            return Kept(*found[2:])
    return None


def write(
    folder: str, request: Request, product: str, present: Sequence[Signature], absent: Sequence[str], note: Any
) -> None:
    """Keep a stamp: it holds while all of `present` look the same and none of `absent` exists. `note` is given back by
    `find`. The folder's oldest stamps make room. A stamp that cannot be written is not missed."""
    place = f"{folder}/stamps"
    temp = f"{place}/{os.getpid()}.tmp"
    try:
        os.makedirs(place, exist_ok=True)
        with open(temp, "wb") as file:
            file.write(seal(((FORMAT, product), request, list(present), list(absent), note)))
        there = f"{place}/{_name(request)}"
        if os.path.lexists(there):
            os.unlink(there)  # to put a file in the place of another, some file systems write it to the disk first
        os.replace(temp, there)
        names = os.listdir(place)
        if len(names) > _KEPT:
            by_age = sorted(names, key=lambda name: os.stat(f"{place}/{name}").st_mtime_ns)
            for name in by_age[: len(names) - _KEPT]:
                os.unlink(f"{place}/{name}")
    except OSError:
        return


def changed(signatures: Sequence[Signature]) -> list[str]:
    """The paths of those that look otherwise now."""
    try:  # all in one go, which takes half the time
        now = list(map(_LOOK, map(os.stat, [seen[0] for seen in signatures])))
        return [seen[0] for seen, look in zip(signatures, now, strict=True) if seen[1:] != look]
    except OSError:  # one is gone
        return [seen[0] for seen in signatures if seen != signature(seen[0])]


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
