"""The worker as Lambda and Cloud Run call it, against replies that were observed of Helios' own code."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.stores.artifacts import StoreArtifacts
from helios_pipe.stores.local import LocalStore
from helios_pipe.worker.access import JobPrefixes
from helios_pipe.worker.aws import AwsHandler, AwsHandlerConfig, create_aws_handler
from helios_pipe.worker.cloudrun_server import (
    LARGEST_BODY,
    CloudRunServer,
    CloudRunServerConfig,
    create_cloudrun_server,
    memory_limit_mb,
)
from helios_pipe.worker.config import Identity
from tests.kit.project import REPOSITORY
from tests.kit.remote import action, python, submit, submit_spec
from tests.kit.servers.google import EMAIL, FakeGoogle
from tests.kit.servers.http import serving

VECTORS: dict[str, Any] = json.loads(Path(REPOSITORY, "tests/data/wire.json").read_text())


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def url(store: LocalStore) -> str:
    """The job that Helios' replies were observed with, as its plain spec."""
    commands = [
        "echo ok0",
        """sh -c "echo partial; echo 'REAL ERROR TEXT' >&2; exit 3" """,
        "no_such_binary_x",
    ]
    chunks = [
        {"id": i, "startFrame": i, "frameCount": 1, "outputFile": f"c{i}.txt", "command": command}
        for i, command in enumerate(commands)
    ]
    return submit_spec(store, {"metadata": {"totalFrames": 3, "fps": 30}, "chunks": chunks})


@pytest.fixture
def handler(store: LocalStore, tmp_path: Path) -> AwsHandler:
    return create_aws_handler(AwsHandlerConfig(tmp_path / "work", StoreArtifacts(store)))


@pytest.fixture
def server(store: LocalStore, tmp_path: Path) -> CloudRunServer:
    return create_cloudrun_server(CloudRunServerConfig(tmp_path / "work", 0, StoreArtifacts(store)))


def ask(
    server: CloudRunServer, body: bytes, method: str = "POST", path: str = "/", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], Any]:
    """A request as a WSGI server makes it."""
    told: list[Any] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()},
    }
    data = b"".join(server(environ, lambda status, sent: told.extend((status, dict(sent)))))
    return int(told[0].split()[0]), told[1], json.loads(data)


@pytest.mark.parametrize("name", ["ok", "nonzero", "missing_chunk", "neg", "str", "null_", "arr", "string"])
def test_lambda_answers_as_helios_does(name: str, handler: AwsHandler, url: str) -> None:
    case = VECTORS["aws_handler"][name]
    event = case["event"]
    if isinstance(event, dict):
        event = {**event, "jobPath": url}
    reply = handler(event, None)
    theirs = json.loads(case["response"]["body"])
    ours = json.loads(reply["body"])
    assert reply["statusCode"] == case["response"]["statusCode"]
    assert {key: ours[key] for key in theirs} == theirs


def test_lambda_answers_nan_as_helios_does(handler: AwsHandler, url: str) -> None:
    reply = handler({"jobPath": url, "chunkIndex": math.nan}, None)
    assert reply == {"statusCode": 500, "body": '{"message":"Chunk with ID NaN not found in job spec"}'}


def test_a_number_is_taken_as_javascript_takes_it(handler: AwsHandler, url: str) -> None:
    assert json.loads(handler({"jobPath": url, "chunkIndex": 0.0}, None)["body"])["output"] == "ok0\n"
    assert "ID 0.5 not found" in handler({"jobPath": url, "chunkIndex": 0.5}, None)["body"]
    assert handler({"jobPath": url, "chunkIndex": True}, None)["statusCode"] == 400


def test_a_number_that_javascript_does_not_have_is_none(handler: AwsHandler, server: CloudRunServer, url: str) -> None:
    for digits in (309, 400, 4000):
        refused = {"message": "Missing jobPath or chunkIndex"}
        index = "9" * digits
        assert ask(server, f'{{"jobPath": "{url}", "chunkIndex": {index}}}'.encode())[::2] == (400, refused)
        assert handler({"jobPath": url, "chunkIndex": -int(index)}, None)["statusCode"] == 400
    assert "not found in job spec" in handler({"jobPath": url, "chunkIndex": 10**300}, None)["body"]


@pytest.mark.parametrize(
    "path", ["/nope.json", "/etc/hostname", "/etc/passwd", "s3://b/j/job.json", "http://169.254.169.254/"]
)
def test_what_helios_would_open_is_refused_and_nothing_of_it_shown(path: str, handler: AwsHandler) -> None:
    reply = handler({"jobPath": path, "chunkIndex": 0}, None)
    body = json.loads(reply["body"])
    assert reply["statusCode"] == 500
    assert body["failure"] == "fatal"
    assert body["message"].startswith(f"the job URL {path!r} is refused: ")
    assert "root:" not in reply["body"]


def test_a_program_that_is_not_there_is_the_commands_failure(handler: AwsHandler, url: str) -> None:
    body = json.loads(handler({"jobPath": url, "chunkIndex": 2}, None)["body"])
    assert (body["exitCode"], body["failure"]) == (127, "command")
    assert "no_such_binary_x" in body["stderr"]


class Context:
    """What awslambdaric gives a handler."""

    memory_limit_in_mb = "1769"

    def get_remaining_time_in_millis(self) -> int:
        return 1500


def test_lambda_ends_a_command_in_time_and_says_how_much_memory_it_has(handler: AwsHandler, store: LocalStore) -> None:
    url = submit(store, action(python("import time; print('begun', flush=True); time.sleep(60)")))
    body = json.loads(handler({"jobPath": url, "chunkIndex": 0}, Context())["body"])
    assert "before this worker's own time limit" in body["reason"]
    assert (body["output"], body["memoryMb"]) == ("begun\n", 1769)


class Broken(LocalStore):
    """A store with a mistake in it."""

    def get_object(self, name: str) -> bytes | None:
        raise ZeroDivisionError("nobody thought of this")


def test_what_nobody_thought_of_is_answered_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = Broken(tmp_path / "store")
    storage = StoreArtifacts(store)
    event = {"jobPath": f"{store.url}/jobs/{'a' * 64}.json", "chunkIndex": 0}
    reply = create_aws_handler(AwsHandlerConfig(tmp_path / "work", storage))(event, None)
    body = json.loads(reply["body"])
    assert (reply["statusCode"], body["failure"]) == (500, "infrastructure")
    assert body["message"] == "ZeroDivisionError: nobody thought of this"
    server = create_cloudrun_server(CloudRunServerConfig(tmp_path / "work", 0, storage))
    assert ask(server, json.dumps(event).encode())[::2] == (500, body)
    assert caplog.text.count("a request crashed") == 2


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("ok", '{"jobPath": "URL", "chunkIndex": 0}'),
        ("nonzero", '{"jobPath": "URL", "chunkIndex": 1}'),
        ("missing", '{"jobPath": "URL", "chunkIndex": 9}'),
        ("badjson", "{not json"),
        ("empty", ""),
        ("strIndex", '{"jobPath": "URL", "chunkIndex": "0"}'),
        ("numbody", "5"),
    ],
)
def test_cloud_run_answers_as_helios_does(name: str, body: str, server: CloudRunServer, url: str) -> None:
    theirs = VECTORS["cloudrun"][name]
    status, headers, ours = ask(server, body.replace("URL", url).encode())
    assert (status, headers["Content-Type"]) == (theirs["status"], theirs["ct"])
    assert {key: ours[key] for key in theirs["body"]} == theirs["body"]


def test_cloud_run_takes_posts_only(server: CloudRunServer) -> None:
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        assert ask(server, b"", method)[::2] == (405, VECTORS["cloudrun"]["get"]["body"])


def test_a_null_body_is_answered_where_helios_hangs(server: CloudRunServer) -> None:
    assert ask(server, b"null")[::2] == (400, {"message": "Missing jobPath or chunkIndex"})


def test_a_body_that_is_too_large_is_refused(server: CloudRunServer) -> None:
    status, _, body = ask(server, b"x" * (LARGEST_BODY + 1))
    assert (status, body) == (413, {"message": f"The request's body is larger than {LARGEST_BODY} bytes"})


def test_a_body_without_a_length_is_bounded_too(server: CloudRunServer) -> None:
    told: list[str] = []
    environ = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(b"x" * (1 << 20))}
    b"".join(server(environ, lambda status, _: told.append(status)))
    assert told == ["413 Content Too Large"]


def test_health_says_which_version_answers(server: CloudRunServer) -> None:
    from helios_pipe.version import __version__

    assert ask(server, b"", "GET", "/health")[::2] == (200, {"status": "ok", "worker": __version__})


def test_a_worker_that_is_shut_down_says_that_it_was_preempted(server: CloudRunServer, store: LocalStore) -> None:
    url = submit(store, action(python("import time; time.sleep(60)")))
    server.stop()
    status, _, body = ask(server, json.dumps({"jobPath": url, "chunkIndex": 0}).encode())
    assert (status, body["failure"]) == (500, "preempted")


def test_a_prefix_lets_a_worker_read_elsewhere_and_redirects_lead_nowhere(store: LocalStore, tmp_path: Path) -> None:
    from tests.kit.servers.bazel import BuildCache
    from tests.kit.servers.http import Answer

    cache = BuildCache()
    with serving(cache):
        prefixes = JobPrefixes(store.url, [f"{cache.url}/specs"])
        storage = StoreArtifacts(store)
        server = create_cloudrun_server(CloudRunServerConfig(tmp_path / "work", 0, storage, prefixes=prefixes))
        chunk = {"id": 0, "startFrame": 0, "frameCount": 1, "outputFile": "c", "command": "echo hello"}
        spec = {"metadata": {"totalFrames": 1, "fps": 30}, "chunks": [chunk]}
        cache.objects["/specs/job.json"] = json.dumps(spec).encode()

        def run(path: str) -> tuple[int, Any]:
            return ask(server, json.dumps({"jobPath": f"{cache.url}{path}", "chunkIndex": 0}).encode())[::2]

        assert run("/specs/job.json?X-Signature=abc")[1]["stdout"] == "hello\n"
        assert "is refused" in run("/other/job.json")[1]["message"]
        assert "is refused" in run("/specs/../other/job.json")[1]["message"]
        cache.fail("GET", "/specs/moved", Answer(302, headers={"Location": "http://169.254.169.254/"}))
        status, body = run("/specs/moved?sig=secret")
        assert (status, body["failure"]) == (500, "fatal")
        assert "cannot be read: it is redirected elsewhere" in body["message"]
        assert "secret" not in body["message"]
        cache.fail("GET", "/specs/busy", Answer(503))
        assert run("/specs/busy")[1]["failure"] == "infrastructure"
        assert run("/specs/none")[1]["failure"] == "fatal"


AUDIENCE = "https://worker.example"


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    service = FakeGoogle()
    with serving(service):
        yield service


@pytest.mark.parametrize(
    ("claims", "status", "text"),
    [
        ({}, 200, ""),
        ({"aud": "https://other.example"}, 401, "is for 'https://other.example', expected 'https://worker.example'"),
        ({"iss": "https://evil.example"}, 401, "is by 'https://evil.example'"),
        ({"email": "mallory@evil.example"}, 403, "'mallory@evil.example' may not call this worker"),
        ({"email_verified": False}, 403, "may not call this worker"),
        ({"exp": 1}, 401, "The id token is not valid"),
    ],
)
def test_a_caller_must_show_a_token_for_us(
    claims: dict[str, Any], status: int, text: str, google: FakeGoogle, store: LocalStore, tmp_path: Path, url: str
) -> None:
    identity = Identity(AUDIENCE, (EMAIL,), certs_url=f"{google.url}/certs")
    config = CloudRunServerConfig(tmp_path / "work", 0, StoreArtifacts(store), identity=identity)
    server = create_cloudrun_server(config)
    token = google.signer.token(AUDIENCE, **claims)
    body = json.dumps({"jobPath": url, "chunkIndex": 0}).encode()
    got, _, answer = ask(server, body, headers={"Authorization": f"Bearer {token}"})
    assert got == status
    assert text in answer.get("message", "")
    assert ask(server, body)[0] == 401
    assert ask(server, b"", "GET", "/health")[0] == 200


def test_the_memory_limit_is_read_from_the_container(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("536870912\n")
    assert memory_limit_mb(limit) == 512
    limit.write_text("max\n")
    assert memory_limit_mb(limit) is None
    assert memory_limit_mb(tmp_path / "none") is None
