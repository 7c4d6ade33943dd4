"""Blobs in a Google Cloud Storage bucket, by its JSON API. Knows nothing of keys or actions.

Small blobs go up in one request with their MD5 for the server to check; large ones by a resumable upload that goes on
where a broken connection left it. `ifGenerationMatch=0` makes a creation atomic.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable
from hashlib import md5
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from helios_pipe.digest import Digest
from helios_pipe.errors import BlobDamagedError, StoreError, TransientStoreError
from helios_pipe.stores.files import Departure, receive
from helios_pipe.stores.gcs_upload import LostUploadError, send_resumably
from helios_pipe.stores.known import Known
from helios_pipe.stores.naming import blob_name, check_name, check_new_name, check_prefix
from helios_pipe.stores.parallel import WORKERS
from helios_pipe.stores.problems import NotFoundError, PreconditionFailedError
from helios_pipe.stores.retry import PATIENT, Backoff
from helios_pipe.stores.web import Web

if TYPE_CHECKING:
    from requests import Session

ENDPOINT = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
RESUMABLE_FROM = 8 << 20
"""Bytes. What is larger goes up in blocks of this size, which is what memory a large upload takes."""
_RESTARTS = 3
_BOUNDARY = "5d2c0b3f9a6e4c718f3e"
_HINT = "Sign in with `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS."


class GcsStore:
    """A BlobStore below `gs://bucket/prefix`. Credentials are Google's default ones, looked for when first needed; an
    `endpoint_url` that is not Google's is an emulator, which gets none."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        session: Session | None = None,
        backoff: Backoff = PATIENT,
        block_size: int = RESUMABLE_FROM,
    ) -> None:
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.url = f"gs://{bucket}/{self._prefix}".rstrip("/")
        self._endpoint = (endpoint_url or ENDPOINT).rstrip("/")
        self._objects = f"/storage/v1/b/{quote(bucket, safe='')}/o"
        self._session = session
        self._lock = Lock()
        self._made: Web | None = None
        self._backoff = backoff
        self._block_size = block_size
        self._known = Known(lambda digest: self._size(blob_name(digest)))

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return self._known.missing(digests)

    def put(self, digest: Digest, source: Path) -> None:
        name = blob_name(digest)
        with Departure(source, digest) as file:
            if self._known.needed(digest, file.size):
                overwrite = self._known.is_damaged(digest)
                if file.size <= self._block_size:
                    self._put_bytes(name, file.whole(), overwrite=overwrite)
                else:
                    self._put_large(name, source, digest, overwrite=overwrite)
        self._known.stored(digest)

    def get(self, digest: Digest, target: Path) -> None:
        address = self._address(blob_name(digest), alt="media")
        try:
            receive(target, digest, lambda file: self._web.fetch(address, file))
        except BlobDamagedError:
            self._known.came_damaged(digest)
            raise

    def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        return self._put_bytes(check_new_name(name), data, overwrite=not if_absent)

    def get_object(self, name: str) -> bytes | None:
        check_name(name)
        try:
            return self._web.ask("GET", self._address(name, alt="media"), expect=(200,)).content
        except NotFoundError:
            return None

    def delete_object(self, name: str) -> None:
        check_name(name)
        try:
            self._web.ask("DELETE", self._address(name), expect=(200, 204))
        except NotFoundError:
            pass

    def list_objects(self, prefix: str) -> list[str]:
        query = {"prefix": self._prefix + check_prefix(prefix), "fields": "nextPageToken,items(name)"}
        names: list[str] = []
        while True:
            url = f"{self._endpoint}{self._objects}?{urlencode(query)}"
            page = self._answer(self._web.ask("GET", url, expect=(200,)).content)
            names += [item["name"][len(self._prefix) :] for item in page.get("items", ())]
            if not page.get("nextPageToken"):
                return sorted(names)
            query["pageToken"] = page["nextPageToken"]

    def _size(self, name: str) -> int | None:
        try:
            answer = self._web.ask("GET", self._address(name, fields="size"), expect=(200,))
        except NotFoundError:
            return None
        return int(self._answer(answer.content)["size"])

    def _put_bytes(self, name: str, data: bytes, *, overwrite: bool) -> bool:
        checksum = b64encode(md5(data, usedforsecurity=False).digest()).decode()
        about = json.dumps({"name": self._prefix + name, "md5Hash": checksum}).encode()
        lines = (
            b"--%b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%b\r\n" % (_BOUNDARY.encode(), about),
            b"--%b\r\nContent-Type: application/octet-stream\r\n\r\n" % _BOUNDARY.encode(),
            data,
            b"\r\n--%b--" % _BOUNDARY.encode(),
        )
        url = self._upload_address("multipart", overwrite=overwrite)
        headers = {"Content-Type": f"multipart/related; boundary={_BOUNDARY}"}
        try:
            self._web.ask("POST", url, expect=(200,), headers=headers, body=b"".join(lines))
        except PreconditionFailedError:
            return False
        return True

    def _put_large(self, name: str, source: Path, digest: Digest, *, overwrite: bool) -> None:
        url = self._upload_address("resumable", overwrite=overwrite)
        for restarts_left in reversed(range(_RESTARTS)):
            try:
                with Departure(source, digest) as file:
                    blocks = file.blocks(self._block_size)
                    stored = send_resumably(self._web, self._backoff, url, self._prefix + name, blocks, file.size)
                break
            except PreconditionFailedError:
                return  # somebody else stored the same bytes meanwhile
            except LostUploadError as error:
                if not restarts_left:
                    raise TransientStoreError(f"{self.url}: {name}: {error.message}") from error
        if not stored.right:
            address = self._address(name, ifGenerationMatch=stored.generation)
            self._web.ask("DELETE", address, expect=(200, 204))
            raise TransientStoreError(f"{self.url}: {name} was damaged on its way up, and was deleted")

    def _answer(self, data: bytes) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise StoreError(f"{self.url}: {self._endpoint} does not speak the storage JSON API") from error
        return answer

    def _address(self, name: str, **query: str) -> str:
        address = f"{self._endpoint}{self._objects}/{quote(self._prefix + name, safe='')}"
        return f"{address}?{urlencode(query)}" if query else address

    def _upload_address(self, kind: str, *, overwrite: bool) -> str:
        condition = {} if overwrite else {"ifGenerationMatch": "0"}
        return f"{self._endpoint}/upload{self._objects}?{urlencode({'uploadType': kind, **condition})}"

    @property
    def _web(self) -> Web:
        with self._lock:
            if self._made is None:
                session = self._session or _session(self.url, self._endpoint)
                self._made = Web(session, self.url, self._backoff, _HINT)
            return self._made


def _session(where: str, endpoint: str) -> Session:
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession
    from requests.adapters import HTTPAdapter

    anonymous: Any = AnonymousCredentials
    authorized: Any = AuthorizedSession
    try:
        emulated = not endpoint.endswith(".googleapis.com")
        credentials = anonymous() if emulated else google.auth.default(scopes=[SCOPE])[0]
    except GoogleAuthError as error:
        raise StoreError(f"{where}: no Google credentials: {error}", hint=_HINT) from error
    session: Session = authorized(credentials)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=2 * WORKERS))
    return session
