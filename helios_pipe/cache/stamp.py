"""The stamp of the last complete run of a request: proof, by `stat` alone, that there is nothing to do.

It is looked at before anything else is loaded, so this module imports nothing that takes time. It errs on one side only:
anything off or unprovable, and the exact way is gone.
"""

from __future__ import annotations

import marshal
import os
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

FORMAT = 2
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


def find(folders: Iterable[str], request: Request, product: str) -> object | None:
    """The note that `write` kept with this request, where everything it named is as it was; else None."""
    name = _name(request)
    for folder in folders:
        try:
            with open(f"{folder}/stamps/{name}", "rb") as file:
                found = _read(file.read())
        except (OSError, ValueError, EOFError, TypeError):
            continue
        if isinstance(found, tuple) and len(found) == 5 and found[:2] == ((FORMAT, product), request):
            _, _, present, absent, note = found
            if _unchanged(present) and not any(map(os.path.lexists, absent)):
                return note  # type: ignore[no-any-return]
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
            data = marshal.dumps(((FORMAT, product), request, list(present), list(absent), note))
            file.write(zlib.crc32(data).to_bytes(4, "big") + data)
        os.replace(temp, f"{place}/{_name(request)}")
        names = os.listdir(place)
        if len(names) > _KEPT:
            by_age = sorted(names, key=lambda name: os.stat(f"{place}/{name}").st_mtime_ns)
            for name in by_age[: len(names) - _KEPT]:
                os.unlink(f"{place}/{name}")
    except OSError:
        return


def _unchanged(signatures: list[Signature]) -> bool:
    look = os.stat
    try:
        for path, size, mtime_ns, ctime_ns, inode in signatures:
            stat = look(path)
            if (
                stat.st_mtime_ns != mtime_ns
                or stat.st_size != size
                or stat.st_ctime_ns != ctime_ns
                or stat.st_ino != inode
            ):
                return False
    except OSError:
        return False
    return True


def _read(data: bytes) -> object:
    """What was written. None where a bit of it is not: the loader trusts what it is given."""
    if zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
        return None
    return marshal.loads(data[4:])  # noqa: S302 - our own file; no other format loads as fast


def _name(request: Request) -> str:
    return f"{zlib.crc32(repr(request).encode()):08x}"  # not marshal: its bytes depend on who else holds the values
