"""Content digests and canonical bytes. Knows nothing of what the bytes mean.

A digest is the lower-case hex SHA-256 of a content, so that it means the same to S3's checksums, to OCI, to in-toto and
to any Bazel-compatible HTTP cache.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NewType

    Digest = NewType("Digest", str)
else:
    Digest = str

BUFFER_SIZE = 1 << 20
"""Bytes read at a time when a file is hashed or copied."""

_SMALL = 1 << 16
"""Most files that come by the ten thousand are shorter than this many bytes: they need no buffer."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: Any) -> bytes:
    """`value` as canonical JSON: sorted keys, no spaces, UTF-8. Floats are a programming error: they have no one spelling."""
    return _encode(value).encode("utf-8", "surrogateescape")


def read_canonical(data: bytes) -> Any:
    """The value that canonical JSON spells: file names that are no UTF-8 stand in it as they are. Raises ValueError and
    RecursionError where it is none."""
    return json.loads(data.decode("utf-8", "surrogateescape"))


def digest_bytes(data: bytes) -> Digest:
    """The digest of `data`."""
    return Digest(sha256(data).hexdigest())


def digest_file(path: str | os.PathLike[str]) -> Digest:
    """The digest of the file's bytes, in one pass and constant memory. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return digest_open(file)
    finally:
        os.close(file)


def digest_open(file: int, size: int = -1) -> Digest:
    """The digest of what is left to read of an open file; of one that nobody writes to any more, `size` says how many bytes
    that are. Raises OSError."""
    hasher = sha256()
    most = size + 1 if 0 <= size < _SMALL else _SMALL
    while 0 < len(data := os.read(file, most)) < most:
        hasher.update(data)
        if len(data) == size:
            return Digest(hasher.hexdigest())
    if data:
        hasher.update(data)
        buffer = bytearray(BUFFER_SIZE)
        view = memoryview(buffer)
        while count := os.readv(file, [buffer]):
            hasher.update(view[:count])
    return Digest(hasher.hexdigest())


def is_digest(text: str) -> bool:
    """Whether `text` is spelled as a digest: 64 lower-case hex digits, and so safe as a file name."""
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)
