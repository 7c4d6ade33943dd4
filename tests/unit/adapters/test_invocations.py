"""Invocations as Lambda's front door sees them: signed, for the right address, by credentials that are still good."""

from __future__ import annotations

import datetime
import json
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from helios_pipe.adapters.aws_lambda import AwsLambdaAdapter, LambdaConfig
from helios_pipe.errors import AdapterError
from helios_pipe.ports import FailureClass, WorkerJob
from tests.kit.loopback import HOST

SECRET = "wJalrXUtnFEMI-secret"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:render"


class Door:
    """Takes what is signed with SECRET, and answers as a function would; `seen` has each request's line, key and token."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[tuple[str, str, str | None]] = []

    def refusal(self, request: BaseHTTPRequestHandler, body: bytes) -> str | None:
        """What is wrong with the signature."""
        given = request.headers["Authorization"]
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/([\w-]+)/lambda/aws4_request, SignedHeaders=([\w;-]+), Signature=\w+",
            given,
        )
        if found is None:
            return f"this is no signature: {given}"
        key, region, names = found.groups()
        if not {"host", "x-amz-date", "x-amz-invocation-type", "x-amz-log-type"} <= set(names.split(";")):
            return f"only {names} are signed"
        url = f"http://{request.headers['Host']}{request.path}"
        ours = AWSRequest("POST", url, {name: request.headers[name] for name in names.split(";")}, body)
        ours.context["timestamp"] = request.headers["X-Amz-Date"]
        auth = SigV4Auth(Credentials(key, SECRET), "lambda", region)
        signature = auth.signature(auth.string_to_sign(ours, auth.canonical_request(ours)), ours)
        self.seen.append((request.path, key, request.headers["X-Amz-Security-Token"]))
        return None if given.endswith(f"Signature={signature}") else "the signature does not match"


@pytest.fixture
def door() -> Iterator[Door]:
    service = Door()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            refusal = service.refusal(self, self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps({"message": refusal} if refusal else {"statusCode": 200, "body": "done"}).encode()
            self.send_response(403 if refusal else 200)
            self.send_header("x-amzn-ErrorType" if refusal else "X-Said", "InvalidSignatureException")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        service.url = f"http://{HOST}:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield service
        server.shutdown()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials but those that a test gives."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


def keys_from_the_environment(monkeypatch: pytest.MonkeyPatch, secret: str = SECRET) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-session")


def keys_from_a_program(folder: Path, body: str, lifetime_s: int = 60) -> None:
    """The config's `credential_process`: each of its runs gives another key, good for `lifetime_s`."""
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=lifetime_s)
    told = {"Version": 1, "AccessKeyId": "", "SecretAccessKey": SECRET, "SessionToken": "t"}
    told["Expiration"] = expires.isoformat()
    (folder / "keys.py").write_text(
        f"import json, pathlib, time\n{body}\nruns = pathlib.Path({str(folder / 'runs')!r})\n"
        "runs.write_text((runs.read_text() if runs.exists() else '') + 'x')\n"
        f"print(json.dumps({told!r} | {{'AccessKeyId': f'KEY{{len(runs.read_text())}}'}}))\n"
    )
    (folder / "config").write_text(f"[default]\ncredential_process = {sys.executable} {folder / 'keys.py'}\n")


def call(worker: AwsLambdaAdapter, cancel: Event | None = None) -> str:
    result = worker.execute(WorkerJob("x", cancel=cancel or Event(), meta={"chunkId": 0, "jobSpecUrl": "s3://b/x"}))
    return result.stdout if result.failure is None else result.failure


@pytest.mark.parametrize(
    ("function", "qualifier", "path"),
    [
        ("render", None, "/2015-03-31/functions/render/invocations"),
        ("render", "live-2", "/2015-03-31/functions/render/invocations?Qualifier=live-2"),
        (ARN, "$LATEST", f"/2015-03-31/functions/{ARN.replace(':', '%3A')}/invocations?Qualifier=%24LATEST"),
    ],
)
def test_every_way_to_name_a_function_is_signed_as_it_is_sent(
    function: str, qualifier: str | None, path: str, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys_from_the_environment(monkeypatch)
    worker = AwsLambdaAdapter(LambdaConfig(function, "eu-west-1", qualifier, door.url))
    assert [call(worker) for _ in range(2)] == ["done", "done"]
    assert door.seen == [(path, "AKID", "of-a-session")] * 2


def test_the_address_and_the_region_are_those_of_the_environment(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    keys_from_the_environment(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", door.url)
    with pytest.raises(AdapterError, match="Lambda render: You must specify a region") as caught:
        call(AwsLambdaAdapter(LambdaConfig("render")))
    assert caught.value.hint == "Set `region`, or AWS_REGION."
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert call(AwsLambdaAdapter(LambdaConfig("render"))) == "done"


def test_a_signature_that_is_refused_says_to_sign_in_again(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    keys_from_the_environment(monkeypatch, secret="another")
    with pytest.raises(AdapterError, match="InvalidSignatureException: the signature does not match") as caught:
        call(AwsLambdaAdapter(LambdaConfig("render", "eu-west-1", endpoint_url=door.url)))
    assert caught.value.hint.startswith("Sign in again")


def test_credentials_that_expire_are_fetched_again(door: Door, tmp_path: Path) -> None:
    keys_from_a_program(tmp_path, "")
    worker = AwsLambdaAdapter(LambdaConfig("render", "eu-west-1", endpoint_url=door.url))
    assert [call(worker) for _ in range(2)] == ["done", "done"]
    keys = [int(key.removeprefix("KEY")) for _, key, _ in door.seen]
    assert keys[0] < keys[1]


def test_credentials_that_last_are_fetched_once(door: Door, tmp_path: Path) -> None:
    keys_from_a_program(tmp_path, "", lifetime_s=7200)
    worker = AwsLambdaAdapter(LambdaConfig("render", "eu-west-1", endpoint_url=door.url))
    assert [call(worker) for _ in range(3)] == ["done"] * 3
    assert {key for _, key, _ in door.seen} == {"KEY1"}


def test_nobody_waits_for_credentials_once_it_is_cancelled(door: Door, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    keys_from_a_program(tmp_path, f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)")
    worker = AwsLambdaAdapter(LambdaConfig("render", "eu-west-1", endpoint_url=door.url))
    cancel = Event()
    threading.Timer(0.3, cancel.set).start()
    assert call(worker, cancel) == FailureClass.CANCELLED
    gate.touch()
    assert call(worker) == "done"
