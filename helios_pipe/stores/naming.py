"""How things are called in a store. Knows nothing of any store.

| name                    | what                                                        |
|-------------------------|-------------------------------------------------------------|
| `cas/<sha256>`          | a blob: bytes that have that digest                         |
| `ac/<key>`              | the result of an action, by its key                         |
| `jobs/<sha256>.json`    | a job spec, by the digest of its bytes                      |
| `bundles/<job>/….json`  | which tree of assets a job uploaded                         |

A blob may be read, listed and deleted as the object of its name. It is written only as a blob, so that what stands under
`cas/` always has the digest that its name promises.
"""

from __future__ import annotations

from helios_pipe.digest import Digest, is_digest
from helios_pipe.errors import StoreError

CAS = "cas/"
LONGEST_NAME = 900
"""Bytes. S3 and GCS allow 1,024 for the whole key, the store's own prefix included."""


def blob_name(digest: str) -> str:
    """The object name of a blob. Raises StoreError where `digest` is not spelled as one."""
    if not is_digest(digest):
        raise StoreError(f"{digest!r} is not a SHA-256 digest")
    return CAS + digest


def blob_of(name: str) -> Digest | None:
    """The digest of the blob that `name` is the name of; None for any other object."""
    rest = name.removeprefix(CAS)
    return Digest(rest) if rest is not name and is_digest(rest) else None


def check_name(name: str) -> str:
    """`name`, if it may be an object's. Raises StoreError."""
    if not name or name.endswith("/"):
        raise StoreError(f"{name!r} is not the name of an object")
    _check_parts(name, name.split("/"))
    return name


def check_new_name(name: str) -> str:
    """`name`, if an object may be written under it. Raises StoreError."""
    check_name(name)
    if name.startswith(CAS):
        raise StoreError(f"{name!r} is a blob's name", hint="Store blobs with `put`, which checks their digest.")
    return name


def check_prefix(prefix: str) -> str:
    """`prefix`, if names may begin with it; the empty one begins all. Raises StoreError."""
    if prefix:
        _check_parts(prefix, prefix.removesuffix("/").split("/"))
    return prefix


def _check_parts(name: str, parts: list[str]) -> None:
    if any(part in ("", ".", "..") for part in parts):
        raise StoreError(f"{name!r} has an empty part, `.` or `..` in it")
    if any(ord(c) < 32 or c in "\\\x7f" for c in name):
        raise StoreError(f"{name!r} has a control character or a backslash in it")
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise StoreError(f"{name!r} cannot be written as UTF-8") from error
    if length > LONGEST_NAME:
        raise StoreError(f"{name[:60]!r}… is longer than {LONGEST_NAME} bytes")
