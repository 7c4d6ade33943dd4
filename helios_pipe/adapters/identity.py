"""Google id tokens for an audience: fetched when first needed, kept until shortly before they expire. Knows nothing of who
wants them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from threading import Lock
from typing import Any

from helios_pipe.errors import AdapterError, TransientAdapterError

EARLY_S = 300.0
"""A token is renewed so long before it expires, for it must be good until the request has reached the worker."""
_HINT = (
    "Set GOOGLE_APPLICATION_CREDENTIALS to a service account's key, or run on Google Cloud as a service account"
    " that has roles/run.invoker."
)


class IdTokens:
    """Tokens for one audience. Thread-safe: one thread fetches, the others wait for it."""

    def __init__(
        self, audience: str, fetch: Callable[[str], str] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._audience = audience
        self._fetch = fetch or fetch_id_token
        self._clock = clock
        self._lock = Lock()
        self._token = ""
        self._expires = 0.0

    def headers(self, refresh: bool = False) -> dict[str, str]:
        """What shows who we are. Cloud Run looks at the first, takes its signature away, and leaves the second as it is,
        so that the worker can look for itself. With `refresh`, the token at hand was refused."""
        token = f"Bearer {self.token(refresh=refresh)}"
        return {"X-Serverless-Authorization": token, "Authorization": token}

    def token(self, *, refresh: bool = False) -> str:
        """A token that is good for some minutes. Raises AdapterError, TransientAdapterError."""
        with self._lock:
            if refresh or self._clock() > self._expires - EARLY_S:
                self._token = self._fetch(self._audience)
                self._expires = _expiry(self._token)
            return self._token


def fetch_id_token(audience: str) -> str:
    """A new token by Google's default credentials: a service account's key, else the metadata server."""
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
    from google.auth.transport.requests import Request
    from google.oauth2 import id_token

    transport: Any = Request
    credentials_for: Any = id_token.fetch_id_token_credentials
    try:
        request = transport()
        credentials = credentials_for(audience, request=request)
        credentials.refresh(request)
    except DefaultCredentialsError as error:
        raise AdapterError(f"no Google credentials that give id tokens: {error}", hint=_HINT) from error
    except GoogleAuthError as error:
        text = f"no id token for {audience}: {error}"
        if isinstance(error, TransportError) or getattr(error, "retryable", False):
            raise TransientAdapterError(text) from error
        raise AdapterError(text, hint=_HINT) from error
    return str(credentials.token)


def _expiry(token: str) -> float:
    """When it expires, by its own word; 0 where it does not say: then it is used once."""
    try:
        part = token.split(".")[1]
        return float(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["exp"])
    except (ValueError, IndexError, KeyError, TypeError):
        return 0.0
