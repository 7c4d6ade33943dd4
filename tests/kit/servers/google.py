"""Google's identity on the loopback: a metadata server, a token endpoint, certificates; real RSA-signed tokens."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from tests.kit.servers.http import Answer, HttpService, Request

rsa_signer: Any = crypt.RSASigner.from_string
jwt_encode: Any = jwt.encode
jwt_decode: Any = jwt.decode
EMAIL = "runner@helios.iam.gserviceaccount.com"
ISSUER = "https://accounts.google.com"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Signer:
    """A key and its certificate."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = serialization.Encoding.PEM
        private = self._key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.private = private.decode()
        self._signer = rsa_signer(self.private, key_id)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - day)
            .not_valid_after(now + 30 * day)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(pem).decode()

    def token(self, audience: str, **claims: Any) -> str:
        """An id token as Google makes them; `claims` change it, None takes one away."""
        now = int(time.time())
        plain = {
            "iss": ISSUER,
            "aud": audience,
            "sub": "1",
            "email": EMAIL,
            "email_verified": True,
            "iat": now - 10,
            "exp": now + 3600,
        }
        kept = {name: value for name, value in {**plain, **claims}.items() if value is not None}
        return str(jwt_encode(self._signer, kept).decode())


class FakeGoogle(HttpService):
    """Everything that google-auth asks for. `lifetime_s` of the tokens that it gives; `tokens` counts id tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.signer = Signer("key-1")
        self.account = Signer("account-1")
        self.lifetime_s = 3600
        self.tokens = 0

    def service_account(self, folder: Path) -> Path:
        """A key file that leads here."""
        path = folder / "service-account.json"
        about = {
            "type": "service_account",
            "project_id": "helios",
            "private_key_id": self.account.key_id,
            "private_key": self.account.private,
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        path.write_text(json.dumps(about))
        return path

    def answer(self, request: Request) -> Answer:
        if request.path == "/certs":
            return _json({self.signer.key_id: self.signer.certificate}, {"Cache-Control": "public, max-age=3600"})
        if request.path == "/token":
            return self._token(request)
        if request.headers.get("metadata-flavor") != "Google":
            return Answer(403, b"Missing Metadata-Flavor:Google header.")
        return self._metadata(request)

    def _token(self, request: Request) -> Answer:
        form = dict(parse_qsl(request.body.decode()))
        public = self.account.certificate
        try:
            assertion = jwt_decode(form["assertion"], certs=public, verify=True, audience=None)
        except ValueError as error:
            return Answer(400, json.dumps({"error": "invalid_grant", "error_description": str(error)}).encode())
        if form["grant_type"] != _GRANT or assertion["iss"] != EMAIL:
            return Answer(400, b'{"error": "invalid_grant"}')
        if "target_audience" in assertion:
            return _json({"id_token": self._id_token(assertion["target_audience"])})
        return _json({"access_token": "ya29.loopback", "expires_in": 3599, "token_type": "Bearer"})

    def _metadata(self, request: Request) -> Answer:
        path = request.path
        text: str | None = None
        if path == "/":
            text = "computeMetadata/\n"
        elif path.endswith("/identity"):
            text = self._id_token(request.query["audience"])
        elif path.endswith(("/universe-domain", "/universe_domain")):
            text = "googleapis.com"
        elif path.endswith("/project-id"):
            text = "helios"
        if text is not None:
            return Answer(200, text.encode(), {"Metadata-Flavor": "Google", "Content-Type": "text/plain"})
        if path.endswith("/token"):
            return _json({"access_token": "ya29.loopback", "expires_in": 3599, "token_type": "Bearer"})
        if "service-accounts/" in path:
            return _json({"email": EMAIL, "aliases": ["default"], "scopes": []})
        return Answer(404)

    def _id_token(self, audience: str) -> str:
        self.tokens += 1
        return self.signer.token(audience, exp=int(time.time()) + self.lifetime_s)


def _json(value: object, headers: dict[str, str] | None = None) -> Answer:
    about = {"Content-Type": "application/json", "Metadata-Flavor": "Google", **(headers or {})}
    return Answer(200, json.dumps(value).encode(), about)
