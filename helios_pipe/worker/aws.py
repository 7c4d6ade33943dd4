"""The worker as an AWS Lambda function: events in, Helios' replies out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helios_pipe.errors import HeliosPipeError
from helios_pipe.ports import ArtifactStorage
from helios_pipe.worker.access import JobPrefixes
from helios_pipe.worker.deadline import Deadline
from helios_pipe.worker.runtime import WorkerRuntime
from helios_pipe.worker.wire import (
    Body,
    crash_reply,
    error_reply,
    lambda_reply,
    no_such_chunk,
    read_request,
    result_reply,
)

AwsHandler = Callable[[Any, Any], Body]


@dataclass(frozen=True, slots=True)
class AwsHandlerConfig:
    """Where a function works, and on which storage. Without `prefixes`, it reads jobs from that storage only."""

    workspace_dir: Path
    storage: ArtifactStorage
    prefixes: JobPrefixes | None = None
    signing_key: bytes | None = None
    limit_bytes: int | None = None


def create_aws_handler(config: AwsHandlerConfig) -> AwsHandler:
    """A handler `(event, context) -> reply`. It never raises what it can say in a reply; the context's remaining time is the
    command's limit, less what answering takes."""
    runtime = WorkerRuntime(
        config.workspace_dir,
        config.storage,
        prefixes=config.prefixes,
        signing_key=config.signing_key,
        limit_bytes=config.limit_bytes,
    )

    def handler(event: Any, context: Any = None) -> Body:
        if not isinstance(event, (dict, list)):
            return lambda_reply(400, {"message": "Invalid payload: must be an object"})
        request = read_request(event)
        if request is None:
            return lambda_reply(400, {"message": "Invalid payload: missing jobPath or chunkIndex"})
        if request.chunk_id is None:
            return lambda_reply(*no_such_chunk(request))
        try:
            result = runtime.run(request.job_url, request.chunk_id, deadline=Deadline(_remaining_s(context)))
        except HeliosPipeError as error:
            return lambda_reply(*error_reply(error))
        except Exception as error:  # noqa: BLE001 - whatever breaks is answered, not left to a timeout
            return lambda_reply(*crash_reply(error))
        return lambda_reply(*result_reply(result, "output", _memory_mb(context)))

    return handler


def _remaining_s(context: Any) -> float | None:
    ask = getattr(context, "get_remaining_time_in_millis", None)
    return None if ask is None else ask() / 1000


def _memory_mb(context: Any) -> int | None:
    given = str(getattr(context, "memory_limit_in_mb", ""))
    return int(given) if given.isdecimal() else None
