"""Job specs and trees, read from where the configuration allows. Knows nothing of what is done with them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from helios_pipe.action.model import Tree
from helios_pipe.action.tree import read_tree
from helios_pipe.digest import Digest, digest_bytes, is_digest
from helios_pipe.errors import AdapterError, BlobDamagedError, BlobMissingError, TransientAdapterError
from helios_pipe.ports import BlobStore
from helios_pipe.worker.access import JobPrefixes, shown
from helios_pipe.worker.signing import check_signature
from helios_pipe.worker.spec import parse_spec

LARGEST_SPEC = 32 << 20
"""Bytes."""
_REMEMBERED = 32
Value = TypeVar("Value")


class Recent(Generic[Value]):
    """The last few values, by key. Thread-safe."""

    def __init__(self, size: int = _REMEMBERED) -> None:
        self._size = size
        self._values: OrderedDict[str, Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, make: Callable[[], Value]) -> Value:
        """The value of `key`, made where it is not remembered."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return value


class Library:
    """What a worker reads: specs below the allowed prefixes, trees from the store. What is named by its digest is remembered."""

    def __init__(self, blobs: BlobStore, prefixes: JobPrefixes, signing_key: bytes | None) -> None:
        self._blobs = blobs
        self._prefixes = prefixes
        self._key = signing_key
        self._specs: Recent[dict[str, Any]] = Recent()
        self._trees: Recent[Tree] = Recent()

    def spec(self, url: str) -> dict[str, Any]:
        """The spec at `url`, its signature checked. Raises AdapterError where it is refused, TransientAdapterError and what
        the store raises where it cannot be had."""
        self._prefixes.check(url)
        name = url.removeprefix(f"{self._blobs.url}/")
        digest = name.removeprefix("jobs/").removesuffix(".json")
        if name is not url and is_digest(digest):
            return self._specs.get(url, lambda: self._signed(self._named(name, digest, url), url))
        return self._signed(self._read(url, name), url)

    def tree(self, digest: Digest | None) -> Tree:
        """The tree of that digest; None is the empty one. Raises BlobMissingError, BlobDamagedError."""
        return Tree() if digest is None else self._trees.get(digest, lambda: self._fetch_tree(digest))

    def _signed(self, data: bytes, url: str) -> dict[str, Any]:
        spec = parse_spec(data, shown(url))
        check_signature(spec, self._key, shown(url))
        return spec

    def _named(self, name: str, digest: str, url: str) -> bytes:
        data = self._object(name, url)
        if digest_bytes(data) != digest:
            raise BlobDamagedError(f"the job spec {url} is damaged", digest=digest)
        return data

    def _read(self, url: str, name: str) -> bytes:
        if name is not url:
            return self._object(name, url)
        scheme = urlsplit(url).scheme
        if scheme in ("http", "https"):
            return read_url(url)
        raise AdapterError(
            f"the job URL {shown(url)!r} is refused: a {scheme}:// URL must be below this worker's store {self._blobs.url}"
        )

    def _object(self, name: str, url: str) -> bytes:
        data = self._blobs.get_object(name)
        if data is None:
            raise BlobMissingError(
                f"there is no job spec {shown(url)}", digest=name[5:-5] if is_digest(name[5:-5]) else ""
            )
        return data

    def _fetch_tree(self, digest: Digest) -> Tree:
        data = self._blobs.get_object(f"cas/{digest}")
        if data is None:
            raise BlobMissingError(f"the tree {digest} is not in {self._blobs.url}", digest=digest)
        if digest_bytes(data) != digest:
            raise BlobDamagedError(f"the tree {digest} is damaged in {self._blobs.url}", digest=digest)
        return read_tree(data)


def read_url(url: str) -> bytes:
    """What stands at an http(s) URL. No redirect is followed: it would lead where nobody looked. Raises AdapterError,
    TransientAdapterError."""
    import requests

    try:
        with requests.get(url, stream=True, timeout=(10, 60), allow_redirects=False) as response:
            status = response.status_code
            if status in (408, 429) or status >= 500:
                raise TransientAdapterError(f"the job URL {shown(url)!r} was answered {status}")
            if status != 200:
                why = "it is redirected elsewhere" if 300 <= status < 400 else f"it was answered {status}"
                raise AdapterError(
                    f"the job URL {shown(url)!r} cannot be read: {why}",
                    hint="A pre-signed URL that has expired is answered 403; a redirect is never followed.",
                )
            return _bounded(response.iter_content(1 << 16), url)
    except requests.RequestException as error:
        raise TransientAdapterError(f"the job URL {shown(url)!r} cannot be read: {type(error).__name__}") from error


def _bounded(blocks: Any, url: str) -> bytes:
    data = b""
    for block in blocks:
        data += block
        if len(data) > LARGEST_SPEC:
            raise AdapterError(f"the job spec {shown(url)} is larger than {LARGEST_SPEC >> 20} MiB")
    return data
