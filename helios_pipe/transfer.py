"""Copying a file's bytes, hashed on the way, comparing those of two, and what to say where a disk takes no more. Knows
nothing of blobs or workspaces."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from io import FileIO
from itertools import count

from helios_pipe.digest import BUFFER_SIZE, Digest, digest_bytes
from helios_pipe.errors import DiskFullError, StoreError

_SMALL = 1 << 16
"""Up to so many bytes are read and written in one go: to ask the file system to share them takes as long."""
_LARGE = 16 << 20
"""From this many bytes on, a second thread is worth starting."""
_FICLONE = 0x40049409
"""The ioctl that makes a file share another's blocks (linux/fs.h)."""


def copy_file(source: str, target: str) -> Digest:
    """Copy to the new file `target` and return the digest of the bytes that were read. Raises OSError, leaving no `target`."""
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size <= _SMALL and len(data := os.read(descriptor, size + 1)) <= size:
            _write_new(target, data)
            return digest_bytes(data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return _copy_new(target, descriptor, size)
    finally:
        os.close(descriptor)


def _write_new(target: str, data: bytes) -> None:
    writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        _write_all(writer, memoryview(data))
    except OSError:
        _remove(target)
        raise
    finally:
        os.close(writer)


def _copy_new(target: str, source: int, size: int) -> Digest:
    with open(source, "rb", buffering=0, closefd=False) as reader, open(target, "xb", buffering=0) as writer:
        try:
            put = _nowhere if clone(source, writer.fileno()) else partial(_write_all, writer.fileno())
            return _copy_large(reader, put) if size > _LARGE else _copy_small(reader, put, size)
        except OSError:
            _remove(target)
            raise


def _copy_small(reader: FileIO, put: Callable[[memoryview], None], size: int) -> Digest:
    hasher = sha256()
    buffer = bytearray(min(BUFFER_SIZE, size + 1))
    view = memoryview(buffer)
    while count := reader.readinto(buffer):
        hasher.update(view[:count])
        put(view[:count])
    return Digest(hasher.hexdigest())


def _copy_large(reader: FileIO, put: Callable[[memoryview], None]) -> Digest:
    """With two buffers: while one is hashed in another thread, it is written here, and then the other one is read."""
    from concurrent.futures import Future, ThreadPoolExecutor

    hasher = sha256()
    views = [memoryview(bytearray(BUFFER_SIZE)) for _ in range(2)]
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as thread:
        hashed: Future[None] | None = None
        for turn in count():
            view = views[turn % 2]
            length = reader.readinto(view)
            if hashed is not None:
                hashed.result()  # of the other buffer, which is read into next
            if not length:
                break
            hashed = thread.submit(hasher.update, view[:length])
            put(view[:length])
    return Digest(hasher.hexdigest())


def _nowhere(_: memoryview) -> None:
    """The target has the bytes already."""


def same_bytes(first: str, second: str) -> bool:
    """Whether two files have the same bytes, all of them read. Raises OSError."""
    with open(first, "rb", buffering=0) as one, open(second, "rb", buffering=0) as other:
        size = os.fstat(one.fileno()).st_size
        if os.fstat(other.fileno()).st_size != size:
            return False
        mine, its = (bytearray(min(BUFFER_SIZE, size + 1)) for _ in range(2))
        while count := one.readinto(mine):
            view = memoryview(its)[:count]
            if other.readinto(view) != count or not mine.startswith(view):
                return False
    return True


def clone(source: int, target: int) -> bool:
    """Make the open, empty `target` share all blocks of the open `source`; False where the file system cannot."""
    try:
        from fcntl import ioctl

        ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def write_failed(what: str, path: str | os.PathLike[str], error: OSError, needed: int | None = None) -> StoreError:
    """The error of a write at `path` that failed; `what` says what was not done. Where the disk is full, it says how much of
    the `needed` bytes (None: not known) is missing."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"{what}: {error.strerror or error}")
    return DiskFullError(f"{what}: {missing_room(path, needed)}", hint=MAKE_ROOM)


MAKE_ROOM = "Make room (`helios-pipe cache gc` helps) and run again: what is finished is kept."


def missing_room(path: str | os.PathLike[str], needed: int | None) -> str:
    """How full the disk is that `path` is on, or would be."""
    free = free_bytes(path)
    if needed is None:
        return f"the disk is full: {free:,} bytes free"
    return f"the disk is full: {needed:,} bytes to write, {free:,} free, {max(1, needed - free):,} missing"


def free_bytes(path: str | os.PathLike[str]) -> int:
    """Bytes that we may still write to the disk that `path` is on, or would be; 0 where nobody knows."""
    disk = _disk_of(path)
    return disk.f_bavail * disk.f_frsize if disk is not None else 0


def room_of(size: int, path: str | os.PathLike[str]) -> int:
    """The bytes that a file of `size` bytes takes of that disk: it has whole blocks."""
    disk = _disk_of(path)
    block = disk.f_frsize if disk is not None and disk.f_frsize else 1
    return -(-size // block) * block


def _disk_of(path: str | os.PathLike[str]) -> os.statvfs_result | None:
    place = os.path.abspath(path)
    while True:
        try:
            return os.statvfs(place)
        except OSError:
            above = os.path.dirname(place)
            if above == place:
                return None
            place = above


def _write_all(descriptor: int, data: memoryview) -> None:
    while len(data):
        data = data[os.write(descriptor, data) :]


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
