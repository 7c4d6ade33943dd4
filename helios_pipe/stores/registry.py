"""Which store a URL means. Knows the names of all of them, and loads the one that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from helios_pipe import settings
from helios_pipe.errors import UsageError
from helios_pipe.ports import BlobStore

SCHEMES = ("file", "gs", "http", "https", "memory", "s3")


def open_store(url: str, **options: Any) -> BlobStore:
    """The store at `url`. Nothing is connected to before its first use. Raises UsageError where the URL means none.

    Options by scheme: `s3` takes `region` and `endpoint_url`, `gs` takes `endpoint_url`, `http` and `https` take `headers`
    and `token`. Each SDK finds its own credentials.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise UsageError(
            f"{url!r} is not the URL of a store; expected one of {', '.join(f'{s}://' for s in SCHEMES)}",
            hint="A folder is written as file:///its/absolute/path." if "://" not in url else "",
        )
    if parts.query or parts.fragment:
        raise UsageError(f"{parts.scheme}://{parts.hostname}{parts.path}: a store's URL has no query and no fragment")
    if parts.scheme == "file":
        return _local(url, parts.netloc, unquote(parts.path))
    if parts.scheme == "memory":
        from helios_pipe.stores.memory import MemoryStore

        return MemoryStore(parts.netloc + parts.path)
    if parts.scheme in ("http", "https"):
        from helios_pipe.stores.http import HttpStore

        return HttpStore(url, **options)
    return _bucket(url, parts.scheme, parts.netloc, parts.path.strip("/"), options)


def _local(url: str, host: str, path: str) -> BlobStore:
    from helios_pipe.stores.local import LocalStore

    if host not in ("", "localhost") or not path.startswith("/"):
        raise UsageError(f"{url!r} names a host; a folder is written as file:///its/absolute/path")
    if Path(path) == Path("/"):
        raise UsageError("file:/// is the whole file system; name a folder in it")
    return LocalStore(Path(path))


def _bucket(url: str, scheme: str, bucket: str, prefix: str, options: dict[str, Any]) -> BlobStore:
    if not bucket or "@" in bucket or ":" in bucket:
        raise UsageError(f"{url!r} must be {scheme}://BUCKET or {scheme}://BUCKET/PREFIX")
    if any(part in ("", ".", "..") for part in prefix.split("/")) and prefix:
        raise UsageError(f"{url!r} has an empty part, `.` or `..` in its prefix")
    if scheme == "s3":
        from helios_pipe.stores.s3 import S3Store

        return S3Store(bucket, prefix, **options)
    from helios_pipe.stores.gcs import GcsStore

    return GcsStore(bucket, prefix, **{"endpoint_url": settings.storage_emulator(), **options})
