"""Requests over HTTP with their failures told apart. Knows nothing of any one store's protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from helios_pipe.digest import BUFFER_SIZE
from helios_pipe.errors import BlobMissingError, StoreError, TransientStoreError
from helios_pipe.stores.files import Arrival, Body
from helios_pipe.stores.problems import BusyStoreError, NotFoundError, PreconditionFailedError
from helios_pipe.stores.retry import Backoff

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two arrivals of bytes."""
_TRANSIENT = frozenset({408, 425, 500, 502, 504})
_BUSY = frozenset({429, 503})
_REFUSED = {
    401: "The credentials are missing, wrong or expired.",
    403: "The credentials do not allow it.",
    404: "It does not exist, or the credentials may not see it.",
    405: "The server does not offer this.",
    413: "The server takes no object of this size.",
    507: "The server's disk is full.",
}


class Web:
    """One place that is reached by HTTP. Thread-safe as its session is; every call ends in a time limit."""

    def __init__(self, session: Session, where: str, backoff: Backoff, hint: str = "") -> None:
        self._session = session
        self._where = where
        self._backoff = backoff
        self._hint = hint

    def ask(
        self,
        method: str,
        url: str,
        *,
        expect: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        retry: bool = True,
    ) -> Response:
        """The answer, its status one of `expect` and its body read. Raises StoreError, TransientStoreError."""

        def once() -> Response:
            with self._open(method, url, expect, headers or {}, body, stream=False) as response:
                return response

        return self._backoff.call(once) if retry else once()

    def fetch(self, url: str, arrival: Arrival) -> None:
        """Write the body into `arrival`; where the connection breaks, go on from there."""

        def once() -> None:
            headers = {"Accept-Encoding": "identity"}
            if arrival.size:
                if arrival.whole:
                    return  # it broke after the last byte
                headers["Range"] = f"bytes={arrival.size}-"
            with self._open("GET", url, (200, 206), headers, None, stream=True) as response:
                if response.status_code == 200 and arrival.size:
                    arrival.restart()
                for block in response.iter_content(BUFFER_SIZE):
                    arrival.write(block)

        try:
            self._backoff.call(once, lambda: arrival.size)
        except NotFoundError as error:
            raise BlobMissingError(
                f"blob {arrival.expected} is not in {self._where}", digest=arrival.expected
            ) from error

    @contextmanager
    def _open(
        self,
        method: str,
        url: str,
        expect: Collection[int],
        headers: Mapping[str, str],
        body: bytes | Body | None,
        *,
        stream: bool,
    ) -> Iterator[Response]:
        import requests
        from google.auth.exceptions import GoogleAuthError, TransportError

        try:
            with self._session.request(
                method, url, headers=dict(headers), data=body, stream=stream, timeout=TIMEOUT_S, allow_redirects=False
            ) as response:
                if response.status_code not in expect:
                    raise self._refusal(method, url, response)
                yield response
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise TransientStoreError(f"{self._where}: {method} {_path(url)} broke: {error}") from error
        except TransportError as error:
            raise TransientStoreError(f"{self._where}: no access token could be fetched: {error}") from error
        except (requests.RequestException, GoogleAuthError) as error:
            raise StoreError(f"{self._where}: {method} {_path(url)} failed: {error}", hint=self._hint) from error

    def _refusal(self, method: str, url: str, response: Response) -> StoreError:
        status = response.status_code
        text = f"{self._where}: {method} {_path(url)} was answered {status} {response.reason}: {_said(response)}"
        if status == 412:
            return PreconditionFailedError(text)
        if status in (404, 410):
            return NotFoundError(text, hint=" ".join(filter(None, (_REFUSED[404], self._hint))))
        if status in _BUSY:
            return BusyStoreError(text, retry_after_s=retry_after_s(response.headers.get("Retry-After", "")))
        if status in _TRANSIENT:
            return TransientStoreError(text)
        return StoreError(text, hint=" ".join(filter(None, (_REFUSED.get(status, ""), self._hint))))


def retry_after_s(text: str) -> float:
    """Seconds that a Retry-After header asks for; 0 where it gives a date or nothing."""
    return float(text) if text.isdigit() else 0.0


def _said(response: Response) -> str:
    text = response.text.strip()
    return " ".join(text.split())[:300] or "(no body)"


def _path(url: str) -> str:
    """A URL without its query, which may hold a session's id or a signature."""
    return url.partition("?")[0]
