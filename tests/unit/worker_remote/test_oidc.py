"""Id tokens, real RSA-signed ones, as a worker checks them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest

from helios_pipe.worker.config import Identity
from helios_pipe.worker.oidc import NotAllowedError, TokenVerifier
from tests.kit.servers.google import EMAIL, FakeGoogle, Signer
from tests.kit.servers.http import Answer, serving

AUDIENCE = "https://worker.example"


@pytest.fixture(scope="module")
def other() -> Signer:
    return Signer("key-2")


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    service = FakeGoogle()
    with serving(service):
        yield service


class Clock:
    """Google's tokens carry real times, so this one runs along and can be set ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        import time

        return time.time() + self.ahead


def verifier(google: FakeGoogle, clock: Clock | None = None, **options: object) -> TokenVerifier:
    identity = Identity(AUDIENCE, certs_url=f"{google.url}/certs", **options)  # type: ignore[arg-type]
    return TokenVerifier(identity, clock=clock or Clock())


def headers(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_token_of_the_issuer_for_us_is_good(google: FakeGoogle) -> None:
    assert verifier(google).check(headers(google.signer.token(AUDIENCE))) == EMAIL
    assert verifier(google).check({"x-serverless-authorization": f"Bearer {google.signer.token(AUDIENCE)}"}) == EMAIL


def test_without_an_audience_nobody_is_asked(google: FakeGoogle) -> None:
    assert TokenVerifier(Identity()).check({}) == ""
    assert google.seen == []


def test_certificates_are_fetched_once(google: FakeGoogle) -> None:
    checker = verifier(google)
    for _ in range(5):
        checker.check(headers(google.signer.token(AUDIENCE)))
    assert google.count("GET", "/certs") == 1


def test_certificates_are_fetched_again_when_they_are_old(google: FakeGoogle) -> None:
    clock = Clock()
    checker = verifier(google, clock)
    checker.check(headers(google.signer.token(AUDIENCE)))
    clock.ahead = 3500
    checker.check(headers(google.signer.token(AUDIENCE)))
    assert google.count("GET", "/certs") == 1
    clock.ahead = 3599 + 10
    checker.check(headers(google.signer.token(AUDIENCE)))
    assert google.count("GET", "/certs") == 2


def test_a_new_key_is_looked_for_and_an_unknown_one_not_again_and_again(google: FakeGoogle, other: Signer) -> None:
    clock = Clock()
    checker = verifier(google, clock)
    checker.check(headers(google.signer.token(AUDIENCE)))
    for _ in range(5):
        with pytest.raises(NotAllowedError, match="The id token is not valid"):
            checker.check(headers(other.token(AUDIENCE)))
    assert google.count("GET", "/certs") == 1
    google.signer = other
    clock.ahead = 61
    assert checker.check(headers(other.token(AUDIENCE))) == EMAIL
    assert google.count("GET", "/certs") == 2


def test_a_token_signed_by_somebody_else_under_our_issuers_key_id_is_refused(google: FakeGoogle, other: Signer) -> None:
    forged = Signer("key-1")
    with pytest.raises(NotAllowedError, match="The id token is not valid: Could not verify token signature") as caught:
        verifier(google).check(headers(forged.token(AUDIENCE)))
    assert caught.value.status == 401


def test_a_token_that_claims_no_algorithm_is_refused(google: FakeGoogle) -> None:
    good = google.signer.token(AUDIENCE)
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "key-1"}).encode()).decode().rstrip("=")
    for token in (f"{head}.{good.split('.')[1]}.", f"{head}.{good.split('.')[1]}.{good.split('.')[2]}"):
        with pytest.raises(NotAllowedError):
            verifier(google).check(headers(token))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "e30.e30.e30", "W10.W10.W10"])
def test_what_is_no_token_is_refused(token: str, google: FakeGoogle) -> None:
    for trust_iam in (False, True):
        with pytest.raises(NotAllowedError) as caught:
            verifier(google, trust_iam=trust_iam).check(headers(token))
        assert caught.value.status == 401


def test_an_expired_token_is_refused(google: FakeGoogle) -> None:
    clock = Clock()
    checker = verifier(google, clock)
    token = google.signer.token(AUDIENCE)
    clock.ahead = 3700
    with pytest.raises(NotAllowedError, match="The id token has expired"):
        checker.check(headers(token))


def stripped(token: str) -> str:
    return f"{token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"


def test_a_token_whose_signature_iam_took_away_needs_trust(google: FakeGoogle) -> None:
    token = stripped(google.signer.token(AUDIENCE))
    with pytest.raises(NotAllowedError, match="set HELIOS_PIPE_TRUST_IAM if IAM checks callers"):
        verifier(google).check(headers(token))
    assert verifier(google, trust_iam=True).check(headers(token)) == EMAIL


@pytest.mark.parametrize(
    "claims",
    [{"aud": "https://other.example"}, {"iss": "https://evil.example"}, {"exp": 1}, {"exp": None}, {"aud": None}],
)
def test_what_iam_is_trusted_with_is_the_signature_only(claims: dict[str, object], google: FakeGoogle) -> None:
    token = stripped(google.signer.token(AUDIENCE, **claims))
    with pytest.raises(NotAllowedError):
        verifier(google, trust_iam=True).check(headers(token))


def test_both_spellings_of_googles_name_are_known(google: FakeGoogle) -> None:
    assert verifier(google).check(headers(google.signer.token(AUDIENCE, iss="accounts.google.com"))) == EMAIL


def test_only_callers_that_are_named_may_call(google: FakeGoogle) -> None:
    checker = verifier(google, callers=(EMAIL,))
    assert checker.check(headers(google.signer.token(AUDIENCE))) == EMAIL
    for claims in ({"email": "mallory@evil.example"}, {"email": None}, {"email_verified": None}):
        with pytest.raises(NotAllowedError) as caught:
            checker.check(headers(google.signer.token(AUDIENCE, **claims)))
        assert caught.value.status == 403


def test_certificates_that_cannot_be_had_are_no_yes(google: FakeGoogle) -> None:
    google.fail("GET", "/certs", Answer(500), times=1)
    with pytest.raises(NotAllowedError) as caught:
        verifier(google).check(headers(google.signer.token(AUDIENCE)))
    assert (caught.value.status, caught.value.message) == (
        503,
        "The issuer's certificates cannot be fetched: HTTPError",
    )
