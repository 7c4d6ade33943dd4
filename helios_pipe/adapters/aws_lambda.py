"""Runs chunks in an AWS Lambda function. Knows nothing of what is rendered, or of where inputs and outputs lie."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from helios_pipe.adapters.calls import Calls, CancelledCallError
from helios_pipe.adapters.descriptors import make_room
from helios_pipe.adapters.lambda_errors import function_error, translated
from helios_pipe.ports import Capabilities, FailureClass, WorkerJob, WorkerResult
from helios_pipe.worker.wire import chunk_of, read_lambda_reply, request_body

LONGEST_S = 900
"""What a function may take at most, in seconds. The client waits a little longer."""
_REPORT = re.compile(r"Billed Duration: (\d+) ms\s+Memory Size: (\d+) MB")


@dataclass(frozen=True, slots=True)
class LambdaConfig:
    """Which function, and how it is reached. `job_url` is where chunks are read from, unless a job says otherwise."""

    function: str
    region: str | None = None
    qualifier: str | None = None
    endpoint_url: str | None = None
    concurrency: int = 100
    job_url: str | None = None


class AwsLambdaAdapter:
    """A WorkerAdapter. Each `execute` is one invocation, never more: the SDK must not try again what may still be running.
    A cancelled job's function runs on until its own time limit; what it leaves in the store harms nothing."""

    def __init__(self, config: LambdaConfig, client: Any = None) -> None:
        self.config = config
        self.capabilities = Capabilities(remote=True, costs_money=True, concurrency=config.concurrency)
        self._made = client
        self._lock = Lock()
        self._calls = Calls()

    def execute(self, job: WorkerJob) -> WorkerResult:
        """See WorkerAdapter. Raises ThrottledError, TransientAdapterError, AdapterError."""
        payload = request_body(*chunk_of(job, self.config.job_url))
        try:
            answer = self._calls.make(lambda: self._invoke(payload), job.cancel)
        except CancelledCallError:
            return WorkerResult(1, failure=FailureClass.CANCELLED, reason="cancelled")
        return _with_bill(_result(answer), answer)

    def probe(self) -> str:
        """The version of the deployed function, asked without running it. Raises AdapterError with what to do."""
        request = {"FunctionName": self.config.function, "InvocationType": "DryRun", **self._qualifier()}
        with translated(self.config.function):
            answer = self._client.invoke(**request)
        return str(answer.get("ExecutedVersion") or self.config.qualifier or "$LATEST")

    def _invoke(self, payload: bytes) -> _Answer:
        request = {
            "FunctionName": self.config.function,
            "InvocationType": "RequestResponse",
            "LogType": "Tail",  # it ends with what the call is billed
            "Payload": payload,
            **self._qualifier(),
        }
        with translated(self.config.function):
            answer = self._client.invoke(**request)
            return _Answer(answer["Payload"].read(), answer.get("FunctionError"), _log_tail(answer))

    def _qualifier(self) -> dict[str, str]:
        return {"Qualifier": self.config.qualifier} if self.config.qualifier else {}

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = _connect(self.config)
            return self._made


@dataclass(frozen=True, slots=True)
class _Answer:
    payload: bytes
    error: str | None
    log: str


def _result(answer: _Answer) -> WorkerResult:
    return function_error(answer.payload, answer.log) if answer.error else read_lambda_reply(answer.payload)


def _with_bill(result: WorkerResult, answer: _Answer) -> WorkerResult:
    """What the platform's report line says of time and memory."""
    report = _REPORT.search(answer.log)
    if report is None:
        return result
    return replace(result, billed_ms=int(report[1]), memory_mb=int(report[2]))


def _log_tail(answer: dict[str, Any]) -> str:
    return b64decode(answer.get("LogResult") or "").decode("utf-8", "replace")


def _connect(config: LambdaConfig) -> Any:
    import boto3
    from botocore.config import Config

    make_room(config.concurrency)
    options = Config(
        connect_timeout=10,
        read_timeout=LONGEST_S + 10,
        retries={"total_max_attempts": 1},
        max_pool_connections=config.concurrency,
        tcp_keepalive=True,
    )
    connect: Any = boto3.session.Session().client
    return connect("lambda", region_name=config.region, endpoint_url=config.endpoint_url, config=options)
