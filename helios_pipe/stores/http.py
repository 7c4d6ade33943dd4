"""Blobs on an HTTP server, as Bazel's build caches keep them: GET, HEAD and PUT of `/cas/<sha256>` and `/ac/<key>`.

Any server that stores what is PUT will do. bazel-remote needs `--disable_http_ac_validation`, since our results are no
protobufs, and serves nothing outside `/cas` and `/ac`: it is a remote cache, not a store for workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

from helios_pipe.digest import Digest
from helios_pipe.errors import BlobDamagedError, StoreError
from helios_pipe.stores.files import Body, receive
from helios_pipe.stores.known import UNKNOWN_SIZE, Known
from helios_pipe.stores.naming import blob_name, check_name, check_new_name, check_prefix
from helios_pipe.stores.parallel import WORKERS
from helios_pipe.stores.retry import PATIENT, Backoff
from helios_pipe.stores.web import Web

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

_STORED = (200, 201, 202, 204)
_HINT = "Give a token with `token_env`, or a login in ~/.netrc."


class HttpStore:
    """A BlobStore below `url`. A listing is refused: the protocol has none."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        backoff: Backoff = PATIENT,
    ) -> None:
        address, login = _split_login(url.rstrip("/"))
        self.url = address
        self._web = Web(_session(headers or {}, token, login), address, backoff, _HINT)
        self._known = Known(lambda digest: self._size(blob_name(digest)))

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return self._known.missing(digests)

    def put(self, digest: Digest, source: Path) -> None:
        name, body = blob_name(digest), Body(source, digest)
        if self._known.needed(digest, len(body)):
            # The digest is checked before the last block leaves: where it is wrong, the promised length is never reached.
            self._web.ask("PUT", self._address(name), expect=_STORED, body=body if len(body) else b"")
        self._known.stored(digest)

    def get(self, digest: Digest, target: Path) -> None:
        address = self._address(blob_name(digest))
        try:
            receive(target, digest, lambda file: self._web.fetch(address, file))
        except BlobDamagedError:
            self._known.came_damaged(digest)
            raise

    def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        address = self._address(check_new_name(name))
        if not if_absent:
            self._web.ask("PUT", address, expect=_STORED, body=data)
            return True
        if self._size(name) is not None:
            return False  # for servers that do not know the header below
        answer = self._web.ask("PUT", address, expect=(*_STORED, 412), headers={"If-None-Match": "*"}, body=data)
        return answer.status_code != 412

    def get_object(self, name: str) -> bytes | None:
        answer = self._web.ask("GET", self._address(check_name(name)), expect=(200, 404))
        return answer.content if answer.status_code == 200 else None

    def delete_object(self, name: str) -> None:
        self._web.ask("DELETE", self._address(check_name(name)), expect=(200, 202, 204, 404))

    def list_objects(self, prefix: str) -> list[str]:
        raise StoreError(
            f"{self.url} cannot list what begins with {check_prefix(prefix)!r}: HTTP has no listing",
            hint="Use a file://, s3:// or gs:// store for this.",
        )

    def _size(self, name: str) -> int | None:
        answer = self._web.ask("HEAD", self._address(name), expect=(200, 204, 404))
        return None if answer.status_code == 404 else int(answer.headers.get("Content-Length", UNKNOWN_SIZE))

    def _address(self, name: str) -> str:
        return f"{self.url}/{quote(name)}"


def _split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without a login in it, which must not be seen in messages, and the login."""
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        raise StoreError(f"{parts.scheme}://{parts.hostname}{parts.path}: a store's URL has no query and no fragment")
    host = parts.netloc.rpartition("@")[2]
    login = (parts.username, parts.password or "") if parts.username else None
    return urlunsplit((parts.scheme, host, parts.path, "", "")), login


def _session(headers: Mapping[str, str], token: str | None, login: tuple[str, str] | None) -> Session:
    import requests
    from requests.adapters import HTTPAdapter

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=2 * WORKERS))
    session.headers.update(headers)
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
        session.auth = _as_it_is  # or a login in ~/.netrc would take the token's place
    if login:
        session.auth = login
    return session


def _as_it_is(request: PreparedRequest) -> PreparedRequest:
    return request
