"""One large upload to GCS that survives broken connections. Knows nothing of where the bytes come from."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import md5
from typing import TYPE_CHECKING

from helios_pipe.errors import BlobDamagedError, StoreError, TransientStoreError
from helios_pipe.stores.problems import NotFoundError
from helios_pipe.stores.retry import Backoff
from helios_pipe.stores.web import Web
from helios_pipe.tuples import NamedTuple

if TYPE_CHECKING:
    from requests import Response

_DONE = (200, 201)
_GO_ON = 308


class LostUploadError(StoreError):
    """The server forgot the upload; it must begin anew."""


class Stored(NamedTuple):
    """The object's generation, and whether the server holds the bytes that were sent, by their MD5."""

    generation: str
    right: bool


def send_resumably(web: Web, backoff: Backoff, url: str, name: str, blocks: Iterator[bytes], size: int) -> Stored:
    """Store `blocks`, `size` bytes together, as the object `name`. It appears when all of them are there, or not at all.
    Raises PreconditionFailedError, LostUploadError; what `blocks` raises ends the upload too."""
    headers = {"X-Upload-Content-Type": "application/octet-stream", "X-Upload-Content-Length": str(size)}
    about = json.dumps({"name": name}).encode()
    started = web.ask("POST", url, expect=_DONE, headers={**headers, "Content-Type": "application/json"}, body=about)
    upload = _Upload(web, backoff, started.headers["Location"], size)
    hasher = md5(usedforsecurity=False)
    try:
        for block in blocks:
            hasher.update(block)
            upload.send(block)
    except BlobDamagedError:
        upload.give_up()
        raise
    if upload.answer is None:
        raise StoreError(f"{name} was sent wholly, and the server still waits for more")
    return Stored(upload.answer["generation"], upload.answer.get("md5Hash") == b64encode(hasher.digest()).decode())


class _Upload:
    """A session on the server. `stored` is how many bytes it has for certain."""

    def __init__(self, web: Web, backoff: Backoff, session: str, size: int) -> None:
        self._web = web
        self._backoff = backoff
        self._session = session
        self._size = size
        self._unsure = False
        self.stored = 0
        self.answer: dict[str, str] | None = None

    def send(self, block: bytes) -> None:
        """Send the next block, as often and from wherever it takes until the server has all of it."""
        begin, end = self.stored, self.stored + len(block)

        def once() -> None:
            if self._unsure:
                self._put(b"", f"bytes */{self._size}")
            if self.stored < begin:
                raise LostUploadError(f"the upload went back from {begin} bytes to {self.stored}")
            if self.stored < end and self.answer is None:
                self._put(block[self.stored - begin :], f"bytes {self.stored}-{end - 1}/{self._size}")
            if self.stored < end and self.answer is None:
                raise TransientStoreError(f"the server took {self.stored - begin} of {len(block)} bytes")

        self._backoff.call(once, lambda: self.stored)

    def give_up(self) -> None:
        """Tell the server to forget what it has."""
        try:
            self._web.ask("DELETE", self._session, expect=(204, 404, 410, 499), retry=False)
        except StoreError:
            pass  # it forgets by itself after a week; the first error is the one to show

    def _put(self, data: bytes, content_range: str) -> None:
        self._unsure = True
        headers = {"Content-Range": content_range}
        try:
            answer = self._web.ask(
                "PUT", self._session, expect=(*_DONE, _GO_ON), headers=headers, body=data, retry=False
            )
        except NotFoundError as error:
            raise LostUploadError(f"the server forgot the upload: {error.message}") from error
        if answer.status_code == _GO_ON:
            self.stored = _range_end(answer)
        else:
            self.stored, self.answer = self._size, answer.json()
        self._unsure = False


def _range_end(answer: Response) -> int:
    """How many bytes the server says it has: `Range: bytes=0-42` is 43."""
    end = answer.headers.get("Range", "").rpartition("-")[2]
    return int(end) + 1 if end.isdigit() else 0
