"""What orchestrators and workers say to each other, both ways: Helios' formats, and our keys beside theirs. Knows nothing of
how the words travel.

Theirs ignore what we add: `artifacts`, `log`, `durationMs`, `tools`, `failure`, `reason`, `lacking`, `memoryMb`.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from helios_pipe.digest import Digest, is_digest
from helios_pipe.errors import AdapterError, BlobError, HeliosPipeError, TransientAdapterError
from helios_pipe.ports import Artifact, FailureClass, WorkerJob, WorkerResult
from helios_pipe.texts import encodable
from helios_pipe.tuples import NamedTuple
from helios_pipe.version import __version__

_MESSAGE_CHARACTERS = 2000
_log = logging.getLogger("helios_pipe.worker")
Body = dict[str, Any]


def request_body(job_url: str, chunk_id: int) -> bytes:
    """What both platforms are asked."""
    return json.dumps({"jobPath": job_url, "chunkIndex": chunk_id}, separators=(",", ":")).encode()


def chunk_of(job: WorkerJob, job_url: str | None) -> tuple[str, int]:
    """The job's URL and the chunk's number, which a remote worker needs. A URL in `meta` wins. Raises AdapterError."""
    url = job.meta.get("jobSpecUrl") or job_url
    chunk = job.meta.get("chunkId")
    if not isinstance(url, str) or type(chunk) is not int:
        raise AdapterError(
            "a remote worker must be told which chunk of which job to run: `chunkId` and `jobSpecUrl` in the job's meta"
        )
    return url, chunk


class ChunkRequest(NamedTuple):
    """A chunk that is asked for. `chunk_id` is None where the number is no whole one, which `spelled` then shows."""

    job_url: str
    chunk_id: int | None
    spelled: str


def read_request(event: object) -> ChunkRequest | None:
    """What an event or a request's JSON asks for; None where it is no request. Numbers are JavaScript's: 2.0 is 2."""
    if not isinstance(event, dict):
        return None
    url, index = event.get("jobPath"), event.get("chunkIndex")
    if not isinstance(url, str) or not url or not _is_number(index):
        return None
    chunk_id = int(index) if math.isfinite(index) and index == int(index) else None
    return ChunkRequest(url, chunk_id, "NaN" if math.isnan(index) else str(index))


def _is_number(value: object) -> TypeGuard[int | float]:
    """A whole number that is none of JavaScript's, for having hundreds of digits, is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def no_such_chunk(request: ChunkRequest) -> tuple[int, Body]:
    """Status and body for a chunk that no spec can have."""
    return 500, {"message": f"Chunk with ID {request.spelled} not found in job spec"}


# -- what a worker says


def lambda_reply(status: int, body: Body) -> Body:
    """A Lambda function's answer: Helios wraps the body as text."""
    return {"statusCode": status, "body": json.dumps(body, separators=(",", ":"), ensure_ascii=False)}


def result_reply(result: WorkerResult, stdout: str, memory_mb: int | None) -> tuple[int, Body]:
    """Status and body of a command's end. `stdout` is what the platform's dialect calls it (`output` or `stdout`)."""
    body: Body = {"exitCode": result.exit_code, stdout: result.stdout, "stderr": result.stderr}
    failed = result.failure is not None or result.exit_code != 0
    if failed:
        body["message"] = (result.stderr.strip() or result.reason)[-_MESSAGE_CHARACTERS:]
        body |= {"failure": result.failure or FailureClass.COMMAND, "reason": result.reason}
    body |= {"artifacts": [_artifact(artifact) for artifact in result.artifacts], "durationMs": result.duration_ms}
    body |= {"tools": dict(result.tools), "worker": __version__}
    if result.log is not None:
        body["log"] = _artifact(result.log)
    if memory_mb is not None:
        body["memoryMb"] = memory_mb
    return (500 if failed else 200), body


def error_reply(error: HeliosPipeError) -> tuple[int, Body]:
    """Status and body where the machinery failed, and no command ended."""
    body: Body = {"message": str(error), "worker": __version__}
    if isinstance(error, BlobError):  # whoever uploaded it can do so again
        lacking = [error.digest] if error.digest else []
        return 500, {**body, "failure": FailureClass.INFRASTRUCTURE, "lacking": lacking}
    return 500, {**body, "failure": FailureClass.INFRASTRUCTURE if error.retryable else FailureClass.FATAL}


def crash_reply(error: Exception) -> tuple[int, Body]:
    """Status and body where something broke that nobody thought of. The log gets the whole story."""
    _log.error("a request crashed", exc_info=error)
    message = f"{type(error).__name__}: {error}"
    return 500, {"message": message, "failure": FailureClass.INFRASTRUCTURE, "worker": __version__}


def _artifact(artifact: Artifact) -> Body:
    return {"path": artifact.path, "sha256": artifact.sha256, "size": artifact.size}


# -- what an orchestrator hears


def read_lambda_reply(payload: bytes) -> WorkerResult:
    """The result in a function's payload. Raises TransientAdapterError on what is no JSON, AdapterError on a bad event."""
    reply = _json(payload, "the function's answer")
    if not isinstance(reply, dict):
        return WorkerResult(0, stdout=payload.decode("utf-8", "replace"))
    if "body" not in reply:
        return _second_dialect(reply) or WorkerResult(0, stdout=payload.decode("utf-8", "replace"))
    status = reply.get("statusCode", 200)
    body = reply["body"]
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            body = {"output": body} if status == 200 else {"message": body}
    if not isinstance(body, dict):
        body = {} if body is None else {"output": str(body)}
    return _second_dialect(body) or read_body(status if isinstance(status, int) else 500, body)


def read_http_reply(status: int, payload: bytes) -> WorkerResult:
    """The result in an HTTP answer of 200, 400 or 500. Raises TransientAdapterError where it is not a worker's."""
    body = _json(payload, f"the worker's answer ({status})")
    if not isinstance(body, dict) or ("exitCode" not in body and body.get("message") is None):
        raise TransientAdapterError(f"the answer ({status}) is not a worker's: {_start(payload)}")
    return read_body(status, body)


def read_body(status: int, body: Mapping[str, Any]) -> WorkerResult:
    """The result that a body of either dialect tells of. Raises AdapterError where the worker refused the request,
    TransientAdapterError where an artifact is none."""
    message = _text(body, "message")
    if "exitCode" not in body and status != 200:
        if status == 400:
            raise AdapterError(
                f"the worker refused the request: {message}",
                hint="Deploy the worker and the orchestrator from the same version of helios-pipe.",
            )
        crashed = _failure(body) or FailureClass.INFRASTRUCTURE
        return WorkerResult(1, stderr=message, failure=crashed, reason=message, lacking=_lacking(body))
    code = body.get("exitCode", 0)
    code = code if type(code) is int else 1
    failure = _failure(body) or (FailureClass.COMMAND if code or status != 200 else None)
    reason = _text(body, "reason") or (f"exit code {code}" if failure else "")
    return WorkerResult(
        code,
        stdout=_text(body, "output" if body.get("stdout") is None else "stdout"),
        stderr=_text(body, "stderr") or (message if failure else ""),
        duration_ms=_whole(body.get("durationMs")) or 0,
        failure=failure,
        reason=reason,
        artifacts=tuple(_read_artifact(item) for item in _list(body, "artifacts")),
        log=_artifact_of(body.get("log")),
        lacking=_lacking(body),
        tools=_tools(body),
        memory_mb=_whole(body.get("memoryMb")),
    )


def _second_dialect(body: Mapping[str, Any]) -> WorkerResult | None:
    if {"message", "chunkIndex", "output"} <= body.keys() and "exitCode" not in body:
        return WorkerResult(0, stdout=_text(body, "output"))
    return None


def _json(payload: bytes, what: str) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise TransientAdapterError(f"{what} is not JSON: {_start(payload)}") from error


def _start(payload: bytes) -> str:
    return " ".join(payload[:300].decode("utf-8", "replace").split()) or "(nothing)"


def _text(body: Mapping[str, Any], name: str) -> str:
    """What is null was not said. JSON may hold halves of characters, where a worker cut its output in the middle of one."""
    value = body.get(name)
    return "" if value is None else encodable(str(value))


def _failure(body: Mapping[str, Any]) -> FailureClass | None:
    try:
        return FailureClass(body["failure"])
    except (KeyError, ValueError):
        return None


def _lacking(body: Mapping[str, Any]) -> tuple[Digest, ...]:
    return tuple(Digest(item) for item in _list(body, "lacking") if isinstance(item, str) and is_digest(item))


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    found = body.get(name)
    return found if isinstance(found, list) else []


def _tools(body: Mapping[str, Any]) -> dict[str, str]:
    """What the worker's programs say of themselves, the worker among them."""
    given = body.get("tools")
    named = given.items() if isinstance(given, dict) else ()
    tools = {encodable(str(name)): encodable(str(line)) for name, line in named if line is not None}
    worker = _text(body, "worker")
    return {**tools, "helios-pipe": worker} if worker else tools


def _whole(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _artifact_of(item: object) -> Artifact | None:
    """The artifact that a value stands for; None where it is none."""
    if isinstance(item, dict):
        path, digest, size = item.get("path"), item.get("sha256"), item.get("size")
        if isinstance(path, str) and isinstance(digest, str) and is_digest(digest) and _whole(size) is not None:
            return Artifact(path, Digest(digest), int(size or 0))
    return None


def _read_artifact(item: object) -> Artifact:
    artifact = _artifact_of(item)
    if artifact is not None:
        return artifact
    raise TransientAdapterError(
        f"the worker names an artifact that is none: {str(item)[:200]}",
        hint="Deploy the worker and the orchestrator from the same version of helios-pipe.",
    )
