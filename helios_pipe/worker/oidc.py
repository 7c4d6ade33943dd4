"""Whether an id token is what it must be: signed by the issuer, for us, not expired, of a caller that we know."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from helios_pipe.errors import HeliosPipeError
from helios_pipe.worker.config import Identity

_SKEW_S = 30
_LEAST_AGE_S, _MOST_AGE_S, _USUAL_AGE_S = 60.0, 86400.0, 3600.0
"""How long certificates are kept: as their server says, within these bounds."""
_UNSIGNED = "SIGNATURE_REMOVED_BY_GOOGLE"


class NotAllowedError(HeliosPipeError):
    """The caller did not show who it is (`status` 401), or may not call us (403)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class TokenVerifier:
    """Checks id tokens. The issuer's certificates are kept until they get old, and looked for again, not too often, when a
    token names one that we do not know. Thread-safe."""

    def __init__(
        self,
        identity: Identity,
        fetch: Callable[[str], tuple[Mapping[str, str], float]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identity = identity
        self._fetch = fetch or fetch_certs
        self._clock = clock
        self._lock = Lock()
        self._certs: Mapping[str, str] = {}
        self._fetched_at = 0.0
        self._good_until = 0.0

    def check(self, headers: Mapping[str, str]) -> str:
        """The caller's e-mail address (empty where its token has none). `headers` have lower-case names. Raises
        NotAllowedError."""
        if self._identity.audience is None:
            return ""
        token = bearer(headers.get("authorization", "")) or bearer(headers.get("x-serverless-authorization", ""))
        if not token:
            raise NotAllowedError(401, "An id token is needed: Authorization: Bearer …")
        claims = self._claims(token)
        self._check_claims(claims)
        return str(claims.get("email", ""))

    def _claims(self, token: str) -> Mapping[str, Any]:
        if self._identity.trust_iam:
            return _unverified(token)
        if token.endswith(f".{_UNSIGNED}"):
            raise NotAllowedError(
                401,
                "The token's signature was taken away in front of us; set HELIOS_PIPE_TRUST_IAM if IAM checks callers",
            )
        return self._verified(token)

    def _verified(self, token: str) -> Mapping[str, Any]:
        from google.auth import jwt
        from google.auth.exceptions import GoogleAuthError

        key_id = str(_part(token, 0).get("kid", ""))
        decode: Callable[..., Mapping[str, Any]] = jwt.decode
        try:
            return decode(token, certs=self._known_certs(key_id), clock_skew_in_seconds=_SKEW_S)
        except (ValueError, GoogleAuthError) as error:
            raise NotAllowedError(401, f"The id token is not valid: {error}") from error

    def _known_certs(self, key_id: str) -> Mapping[str, str]:
        with self._lock:
            now = self._clock()
            unknown = key_id not in self._certs and now > self._fetched_at + _LEAST_AGE_S
            if now >= self._good_until or unknown:
                self._certs, age = self._fetch(self._identity.certs_url)
                self._fetched_at, self._good_until = now, now + min(_MOST_AGE_S, max(_LEAST_AGE_S, age))
            return self._certs

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        identity = self._identity
        issuers = {identity.issuer, identity.issuer.removeprefix("https://")}
        expires = claims.get("exp")
        if claims.get("iss") not in issuers:
            raise NotAllowedError(401, f"The id token is by {claims.get('iss')!r}, expected {identity.issuer!r}")
        if claims.get("aud") != identity.audience:
            raise NotAllowedError(401, f"The id token is for {claims.get('aud')!r}, expected {identity.audience!r}")
        if type(expires) not in (int, float) or float(expires or 0) + _SKEW_S < self._clock():
            raise NotAllowedError(401, "The id token has expired")
        if identity.callers:
            email = claims.get("email")
            if email not in identity.callers or claims.get("email_verified") is not True:
                raise NotAllowedError(403, f"{email!r} may not call this worker")


def bearer(header: str) -> str:
    """The token in an Authorization header; empty where there is none."""
    kind, _, token = header.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def fetch_certs(url: str) -> tuple[Mapping[str, str], float]:
    """Key id -> certificate, and for how many seconds they are good. Raises NotAllowedError (503) where they cannot be had."""
    import requests

    try:
        response = requests.get(url, timeout=10, allow_redirects=False)
        response.raise_for_status()
        certs = response.json()
    except (requests.RequestException, ValueError) as error:
        raise NotAllowedError(503, f"The issuer's certificates cannot be fetched: {type(error).__name__}") from error
    age = re.search(r"max-age=(\d+)", response.headers.get("Cache-Control", ""))
    return {str(key): str(cert) for key, cert in certs.items()}, float(age[1]) if age else _USUAL_AGE_S


def _unverified(token: str) -> Mapping[str, Any]:
    return _part(token, 1)


def _part(token: str, number: int) -> dict[str, Any]:
    try:
        part = token.split(".")[number]
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, IndexError) as error:
        raise NotAllowedError(401, "The id token is not a JWT") from error
    if not isinstance(value, dict):
        raise NotAllowedError(401, "The id token is not a JWT")
    return value
