"""The worker's own composition root: its environment, its store, its runtime, and the platform that it runs on."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache
from threading import Lock
from typing import Any

from helios_pipe import settings
from helios_pipe.errors import HeliosPipeError, UnusableError, UsageError
from helios_pipe.stores.artifacts import StoreArtifacts
from helios_pipe.stores.registry import open_store
from helios_pipe.worker.access import JobPrefixes
from helios_pipe.worker.aws import AwsHandler, AwsHandlerConfig, create_aws_handler
from helios_pipe.worker.cloudrun_server import CloudRunServer, CloudRunServerConfig, create_cloudrun_server
from helios_pipe.worker.config import WorkerConfig, worker_config
from helios_pipe.worker.dask_task import Task, listening
from helios_pipe.worker.runtime import WorkerRuntime
from helios_pipe.worker.wire import Body, crash_reply, error_reply, lambda_reply, result_reply

HANDLER = "helios_pipe.pipeline.workers.lambda_handler"
_making = Lock()
"""Held while a Dask worker's runtime is made, which two tasks may want at once."""


def lambda_handler(event: Any, context: Any) -> dict[str, Any]:
    """What Lambda calls. Set up by the environment at the first call; where that cannot be, each answer says why."""
    try:
        handler = _handler()
    except HeliosPipeError as error:
        return lambda_reply(*error_reply(error))
    return handler(event, context)


def serve_lambda() -> None:
    """`helios-pipe worker lambda`: ask the Lambda runtime API for events until it ends us. Raises UnusableError outside of
    Lambda."""
    try:
        from awslambdaric.__main__ import main
    except ImportError as error:
        raise UnusableError("awslambdaric is not installed", hint="pip install 'helios-pipe[lambda]'") from error
    if settings.text("AWS_LAMBDA_RUNTIME_API") is None:
        raise UnusableError(
            "AWS_LAMBDA_RUNTIME_API is not set: this is not AWS Lambda",
            hint="The image of docs/deploy/lambda runs there; an emulator of the runtime API sets the variable too.",
        )
    main(["awslambdaric", HANDLER])


def cloudrun_server() -> CloudRunServer:
    """The server that the environment describes: a WSGI application for any server, or for its own `serve`."""
    config = worker_config()
    storage, common = _common(config)
    identity, timeout_s, threads = config.identity, config.timeout_s, config.threads
    return create_cloudrun_server(
        CloudRunServerConfig(
            config.folder,
            config.port,
            storage,
            host=config.host,
            identity=identity,
            timeout_s=timeout_s,
            threads=threads,
            **common,
        )
    )


def serve_cloudrun() -> None:
    """`helios-pipe worker cloudrun`: serve on $PORT, or run one chunk where this is a task of a Cloud Run job."""
    if settings.text("CLOUD_RUN_TASK_INDEX") is not None:
        sys.exit(run_task())
    cloudrun_server().serve()


def run_task() -> int:
    """One task of a Cloud Run job, Helios' dialect: the job's URL in HELIOS_JOB_SPEC, the chunk in CLOUD_RUN_TASK_INDEX.
    Prints the reply as one line of JSON, and returns the command's exit code (1 where it failed with 0)."""
    url, index = settings.text("HELIOS_JOB_SPEC"), settings.text("CLOUD_RUN_TASK_INDEX")
    if url is None or index is None or not index.isdecimal():
        raise UsageError("HELIOS_JOB_SPEC and CLOUD_RUN_TASK_INDEX must say which chunk of which job to run")
    config = worker_config()
    storage, common = _common(config)
    runtime = WorkerRuntime(config.folder, storage, **common)
    result = runtime.run(url, int(index))
    _, body = result_reply(result, "stdout", None)
    sys.stdout.write(json.dumps(body) + "\n")
    return result.exit_code or (1 if result.failure is not None else 0)


def dask_chunk(task: Task) -> tuple[int, Body]:
    """What a task of a Dask cluster calls on its worker: the reply's status and body. The store is the run's; where this worker's
    environment names one, that stands."""
    url, chunk, store, name = task
    try:
        with listening(name) as cancel:
            with _making:
                runtime = _runtime(store)
            return result_reply(runtime.run(url, chunk, cancel=cancel), "stdout", None)
    except HeliosPipeError as error:
        return error_reply(error)
    except Exception as error:  # noqa: BLE001 - what cannot be sent back would be another error there
        return crash_reply(error)


@cache
def _runtime(store: str) -> WorkerRuntime:
    """What all tasks of this process use. A worker may be killed without any of its commands: a guard ends those."""
    config = worker_config()
    storage, common = _common(config if config.store is not None else replace(config, store=store))
    return WorkerRuntime(config.folder, storage, guarded=True, **common)


@cache
def _handler() -> AwsHandler:
    config = worker_config()
    storage, common = _common(config)
    return create_aws_handler(AwsHandlerConfig(config.folder, storage, **common))


def _common(config: WorkerConfig) -> tuple[StoreArtifacts, dict[str, Any]]:
    """The storage, and what every kind of worker is told beside it."""
    if config.store is None:
        raise UsageError(
            "HELIOS_PIPE_STORE is not set",
            hint="It says where this worker reads jobs and leaves results: s3://bucket/prefix",
        )
    storage = StoreArtifacts(open_store(config.store), signing_key=config.signing_key)
    prefixes = JobPrefixes(storage.blobs.url, config.job_prefixes)
    return storage, {"prefixes": prefixes, "signing_key": config.signing_key, "limit_bytes": config.limit_bytes}
