"""What is said on the wire, against requests and replies that were observed of Helios' own code (tests/data/wire.json)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.digest import Digest
from helios_pipe.errors import (
    AdapterError,
    BlobMissingError,
    StoreError,
    TransientAdapterError,
    TransientStoreError,
)
from helios_pipe.ports import Artifact, FailureClass, WorkerJob, WorkerResult
from helios_pipe.version import __version__
from helios_pipe.worker.wire import (
    chunk_of,
    error_reply,
    lambda_reply,
    read_http_reply,
    read_lambda_reply,
    request_body,
    result_reply,
)
from tests.kit.project import REPOSITORY

VECTORS: dict[str, Any] = json.loads(Path(REPOSITORY, "tests/data/wire.json").read_text())
DIGEST = Digest("a" * 64)


def test_a_request_is_what_helios_sends() -> None:
    sent = VECTORS["aws_adapter"]["sent"][1]["payload"]
    assert json.loads(request_body(sent["jobPath"], sent["chunkIndex"])) == sent


@pytest.mark.parametrize("name", ["ok", "nonzero"])
def test_a_lambda_reply_begins_as_helios_does(name: str) -> None:
    theirs = VECTORS["aws_handler"][name]["response"]
    body = json.loads(theirs["body"])
    result = WorkerResult(body["exitCode"], body["output"], body["stderr"])
    ours = lambda_reply(*result_reply(result, "output", None))
    assert ours["statusCode"] == theirs["statusCode"]
    assert ours["body"].startswith(theirs["body"].removesuffix("}"))


@pytest.mark.parametrize("name", ["ok", "nonzero"])
def test_a_cloud_run_reply_has_what_helios_has(name: str) -> None:
    theirs = VECTORS["cloudrun"][name]
    result = WorkerResult(theirs["body"]["exitCode"], theirs["body"]["stdout"], theirs["body"]["stderr"])
    status, body = result_reply(result, "stdout", None)
    assert status == theirs["status"]
    assert {key: body[key] for key in theirs["body"]} == theirs["body"]


def test_a_failure_tells_their_adapter_what_it_shows() -> None:
    _, body = result_reply(WorkerResult(3, "partial", "REAL ERROR TEXT\n"), "output", None)
    assert body["message"] == "REAL ERROR TEXT"


def test_their_lambda_replies_are_read() -> None:
    read = {name: read_lambda_reply(json.dumps(case["response"]).encode()) for name, case in _cases("aws_handler", 500)}
    assert (read["nonzero"].exit_code, read["nonzero"].stdout, read["nonzero"].stderr) == (
        3,
        "partial\n",
        "REAL ERROR TEXT\n",
    )
    assert read["nonzero"].failure is FailureClass.COMMAND
    assert (read["spawn_error"].exit_code, read["spawn_error"].stderr) == (1, "spawn no_such_binary_x ENOENT")
    assert read["missing_chunk"].reason == "Chunk with ID 9 not found in job spec"
    ok = read_lambda_reply(json.dumps(VECTORS["aws_handler"]["ok"]["response"]).encode())
    assert (ok.exit_code, ok.stdout, ok.stderr, ok.failure) == (0, "ok0\n", "", None)


def _cases(section: str, status: int) -> list[tuple[str, Any]]:
    return [(n, c) for n, c in VECTORS[section].items() if c["response"]["statusCode"] == status]


@pytest.mark.parametrize("name", ["str", "null_", "arr", "string"])
def test_a_refused_event_is_fatal(name: str) -> None:
    response = VECTORS["aws_handler"][name]["response"]
    with pytest.raises(AdapterError, match="the worker refused the request: Invalid payload") as caught:
        read_lambda_reply(json.dumps(response).encode())
    assert not caught.value.retryable


def test_their_cloud_run_replies_are_read() -> None:
    def read(name: str) -> WorkerResult:
        case = VECTORS["cloudrun"][name]
        return read_http_reply(case["status"], json.dumps(case["body"]).encode())

    assert (read("ok").exit_code, read("ok").stdout, read("ok").failure) == (0, "ok0\n", None)
    nonzero = read("nonzero")
    assert (nonzero.exit_code, nonzero.stdout, nonzero.stderr) == (3, "partial\n", "REAL ERROR TEXT\n")
    assert (read("missing").failure, read("missing").stderr) == (
        FailureClass.INFRASTRUCTURE,
        "Chunk with ID 9 not found in job spec",
    )
    for name in ("badjson", "strIndex"):
        with pytest.raises(AdapterError, match="the worker refused the request: "):
            read(name)


@pytest.mark.parametrize(
    "payload",
    [
        {"message": "Render complete", "chunkIndex": 0, "output": "s3://b/out.mp4"},
        {"statusCode": 200, "body": {"message": "Render complete", "chunkIndex": 0, "output": "s3://b/out.mp4"}},
        {"statusCode": 200, "body": '{"message": "Render complete", "chunkIndex": 0, "output": "s3://b/out.mp4"}'},
    ],
)
def test_the_second_dialect_is_read(payload: dict[str, Any]) -> None:
    result = read_lambda_reply(json.dumps(payload).encode())
    assert (result.exit_code, result.stdout, result.failure) == (0, "s3://b/out.mp4", None)


@pytest.mark.parametrize("payload", [b'"done"', b"null", b'{"anything": 1}', b"[1]"])
def test_without_a_body_stdout_is_the_payload(payload: bytes) -> None:
    assert read_lambda_reply(payload) == WorkerResult(0, stdout=payload.decode())


@pytest.mark.parametrize("payload", [b"", b"<html>bad gateway</html>", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_transient_and_shown(payload: bytes) -> None:
    with pytest.raises(TransientAdapterError, match="the function's answer is not JSON"):
        read_lambda_reply(payload)
    with pytest.raises(TransientAdapterError, match=r"the worker's answer \(200\) is not JSON"):
        read_http_reply(200, payload)


@pytest.mark.parametrize("payload", [b"[]", b"1", b"null", b"{}", b'{"error": "no"}'])
def test_json_that_is_no_reply_is_transient(payload: bytes) -> None:
    with pytest.raises(TransientAdapterError, match="is not a worker's"):
        read_http_reply(200, payload)


def test_half_a_character_in_a_reply_is_replaced() -> None:
    cut = rb'"said \ud83c"'
    http = read_http_reply(200, b'{"exitCode":1,"stdout":%s,"stderr":%s,"reason":%s,"tools":{"t":%s}}' % ((cut,) * 4))
    assert (http.stdout, http.stderr, http.reason, http.tools) == (*("said \ufffd",) * 3, {"t": "said \ufffd"})
    assert read_http_reply(500, b'{"message":%s}' % cut).reason == "said \ufffd"
    assert read_lambda_reply(b'{"statusCode":200,"body":{"exitCode":0,"output":%s}}' % cut).stdout == "said \ufffd"
    assert read_lambda_reply(b'{"message":"m","chunkIndex":1,"output":%s}' % cut).stdout == "said \ufffd"
    with pytest.raises(AdapterError, match="refused the request: said \ufffd"):
        read_http_reply(400, b'{"message":%s}' % cut)


def test_what_we_add_survives_the_wire() -> None:
    result = WorkerResult(
        0,
        "out",
        "err",
        duration_ms=1234,
        artifacts=(Artifact("chunk.mp4", DIGEST, 99),),
        log=Artifact("log.txt", DIGEST, 5),
        tools={"ffmpeg": "ffmpeg version 7"},
    )
    for stdout, read in (("output", _by_lambda), ("stdout", _by_http)):
        back = read(*result_reply(result, stdout, 512))
        assert back.artifacts == result.artifacts
        assert back.tools == {"ffmpeg": "ffmpeg version 7", "helios-pipe": __version__}
        assert (back.log, back.duration_ms, back.memory_mb) == (result.log, 1234, 512)


def _by_lambda(status: int, body: dict[str, Any]) -> WorkerResult:
    return read_lambda_reply(json.dumps(lambda_reply(status, body)).encode())


def _by_http(status: int, body: dict[str, Any]) -> WorkerResult:
    return read_http_reply(status, json.dumps(body).encode())


@pytest.mark.parametrize("failure", [FailureClass.COMMAND, FailureClass.INFRASTRUCTURE, FailureClass.PREEMPTED])
def test_a_failures_class_and_reason_survive_the_wire(failure: FailureClass) -> None:
    result = WorkerResult(0, failure=failure, reason="out.txt is empty")
    back = _by_http(*result_reply(result, "stdout", None))
    assert (back.exit_code, back.failure, back.reason) == (0, failure, "out.txt is empty")


@pytest.mark.parametrize(
    ("error", "failure", "lacking"),
    [
        (AdapterError("no", hint="do this"), FailureClass.FATAL, ()),
        (StoreError("access denied"), FailureClass.FATAL, ()),
        (TransientStoreError("reset"), FailureClass.INFRASTRUCTURE, ()),
        (BlobMissingError("gone", digest=DIGEST), FailureClass.INFRASTRUCTURE, (DIGEST,)),
    ],
)
def test_an_errors_class_survives_the_wire(
    error: StoreError, failure: FailureClass, lacking: tuple[Digest, ...]
) -> None:
    back = _by_lambda(*error_reply(error))
    assert (back.exit_code, back.failure, back.lacking, back.reason) == (1, failure, lacking, str(error))


@pytest.mark.parametrize(
    "artifact",
    [{}, "x", {"path": "a", "sha256": "x", "size": 1}, {"path": "a", "sha256": DIGEST, "size": -1}, {"path": 1}],
)
def test_an_artifact_that_is_none_is_transient_and_a_log_that_is_none_ignored(artifact: object) -> None:
    with pytest.raises(TransientAdapterError, match="the worker names an artifact that is none"):
        _by_http(200, {"exitCode": 0, "artifacts": [artifact]})
    assert _by_http(200, {"exitCode": 0, "stdout": "x", "log": artifact}) == WorkerResult(0, "x")


@pytest.mark.parametrize(
    "extra", [{"tools": 1}, {"artifacts": "x"}, {"durationMs": "x"}, {"failure": "?"}, {"lacking": [1]}]
)
def test_foreign_values_in_our_keys_are_ignored(extra: dict[str, object]) -> None:
    assert _by_http(200, {"exitCode": 0, "stdout": "x", **extra}) == WorkerResult(0, "x")


NULLS = dict.fromkeys(("stdout", "output", "stderr", "reason", "failure", "artifacts", "log", "tools", "worker"))


@pytest.mark.parametrize("read", [_by_lambda, _by_http])
def test_a_null_is_as_good_as_nothing(read: Callable[[int, dict[str, Any]], WorkerResult]) -> None:
    assert read(200, {"exitCode": 0, "message": None, **NULLS}) == WorkerResult(0)
    failed = read(500, {"exitCode": 3, **NULLS, "message": "the lamp is broken"})
    assert (failed.stderr, failed.reason, failed.tools) == ("the lamp is broken", "exit code 3", {})
    refused = read(500, {**NULLS, "message": "Chunk with ID 9 not found"})
    assert (refused.stderr, refused.failure) == ("Chunk with ID 9 not found", FailureClass.INFRASTRUCTURE)
    assert read(200, {"exitCode": 0, "stdout": None, "output": "said"}).stdout == "said"
    assert read(200, {"exitCode": 0, "tools": {"ffmpeg": None, "sh": "dash"}}).tools == {"sh": "dash"}
    killed = read(500, {"exitCode": None, **NULLS})  # Node's code of what a signal ended
    assert (killed.exit_code, killed.failure, killed.stderr) == (1, FailureClass.COMMAND, "")


def test_a_null_in_the_place_of_a_body_or_a_message_says_nothing() -> None:
    for body in (b"null", b'"null"'):
        assert read_lambda_reply(b'{"statusCode":200,"body":%s}' % body) == WorkerResult(0)
        failed = read_lambda_reply(b'{"statusCode":500,"body":%s}' % body)
        assert (failed.failure, failed.stderr) == (FailureClass.INFRASTRUCTURE, "")
    assert read_lambda_reply(b'{"message":"m","chunkIndex":1,"output":null}').stdout == ""
    with pytest.raises(TransientAdapterError, match="is not a worker's"):
        read_http_reply(500, b'{"message":null}')


def test_a_reply_of_the_largest_tails_fits_lambda() -> None:
    from helios_pipe.worker.orders import TAIL_BYTES

    worst = "\x01" * TAIL_BYTES
    reply = lambda_reply(*result_reply(WorkerResult(1, worst, worst), "output", None))
    assert len(json.dumps(reply)) < 6 * 1024 * 1024


def test_a_job_without_a_chunk_is_refused() -> None:
    with pytest.raises(AdapterError, match="must be told which chunk of which job to run"):
        chunk_of(WorkerJob("ffmpeg"), None)
    assert chunk_of(WorkerJob("x", meta={"chunkId": 3}), "s3://b/default") == ("s3://b/default", 3)
    meta = {"chunkId": 3, "jobSpecUrl": "s3://b/meta"}
    assert chunk_of(WorkerJob("x", meta=meta), "s3://b/default") == ("s3://b/meta", 3)
