"""Copying a file's bytes, hashed on the way. Knows nothing of blobs or workspaces."""

from __future__ import annotations

import os
from hashlib import sha256

from helios_pipe.digest import BUFFER_SIZE, Digest

_FICLONE = 0x40049409
"""The ioctl that makes a file share another's blocks (linux/fs.h)."""


def copy_file(source: str, target: str) -> Digest:
    """Copy to the new file `target` and return the digest of the bytes that were read. Raises OSError, leaving no `target`."""
    hasher = sha256()
    with open(source, "rb", buffering=0) as reader:
        buffer = bytearray(min(BUFFER_SIZE, os.fstat(reader.fileno()).st_size + 1))
        view = memoryview(buffer)
        try:
            with open(target, "xb", buffering=0) as writer:
                cloned = clone(reader.fileno(), writer.fileno())
                while count := reader.readinto(buffer):
                    hasher.update(view[:count])
                    if not cloned:
                        _write_all(writer.fileno(), view[:count])
        except OSError as error:
            if not isinstance(error, FileExistsError):
                _remove(target)
            raise
    return Digest(hasher.hexdigest())


def clone(source: int, target: int) -> bool:
    """Make the open, empty `target` share all blocks of the open `source`; False where the file system cannot."""
    try:
        from fcntl import ioctl

        ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def _write_all(descriptor: int, data: memoryview) -> None:
    while len(data):
        data = data[os.write(descriptor, data) :]


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
