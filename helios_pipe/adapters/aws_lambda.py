"""Runs chunks in an AWS Lambda function. Knows nothing of what is rendered, or of where inputs and outputs lie."""

from __future__ import annotations

from dataclasses import dataclass

from helios_pipe.adapters.calls import Calls, CancelledCallError, Once
from helios_pipe.adapters.invocations import Answer, Invocations
from helios_pipe.adapters.lambda_errors import function_error, translated
from helios_pipe.adapters.patience import Patience
from helios_pipe.ports import Capabilities, WorkerJob, WorkerResult
from helios_pipe.regex import regex
from helios_pipe.worker.wire import chunk_of, read_lambda_reply, request_body

LONGEST_S = 900
"""What a function may take at most, in seconds. The client waits a little longer."""
_REPORT = regex(r"Billed Duration: (\d+) ms\s+Memory Size: (\d+) MB")


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
    """A WorkerAdapter. Each `execute` is one invocation, never more: what may still be running must not be tried again.
    A cancelled job's function runs on until its own time limit; what it leaves in the store harms nothing. So does one that
    has not answered when the job's own time limit and its grace are over: it is lost."""

    def __init__(self, config: LambdaConfig) -> None:
        self.config = config
        self.capabilities = Capabilities(remote=True, costs_money=True, concurrency=config.concurrency)
        self._invocations = Once(Calls(), self._connect)

    def execute(self, job: WorkerJob) -> WorkerResult:
        """See WorkerAdapter. Raises ThrottledError, UnreachedError, TransientAdapterError, AdapterError."""
        payload = request_body(*chunk_of(job, self.config.job_url))
        patience = Patience(job)
        cancel = job.cancel if job.timeout_s is None else patience
        try:
            with translated(self.config.function):
                answer = self._invocations.get(cancel).invoke(payload, cancel)
        except CancelledCallError:
            return patience.given_up(f"Lambda {self.config.function}")
        return _with_bill(_result(answer), answer)

    def probe(self) -> str:
        """The version of the deployed function, asked without running it. Raises AdapterError with what to do."""
        with translated(self.config.function):
            return self._invocations.get(None).version() or self.config.qualifier or "$LATEST"

    def _connect(self) -> Invocations:
        config = self.config
        request = {
            "FunctionName": config.function,
            "InvocationType": "RequestResponse",
            "LogType": "Tail",  # it ends with what the call is billed
            "Payload": b"",
        }
        if config.qualifier:
            request["Qualifier"] = config.qualifier
        return Invocations(request, config.region, config.endpoint_url, config.concurrency, LONGEST_S + 10)


def _result(answer: Answer) -> WorkerResult:
    return function_error(answer.payload, answer.log) if answer.error else read_lambda_reply(answer.payload)


def _with_bill(result: WorkerResult, answer: Answer) -> WorkerResult:
    """What the platform's report line says of time and memory."""
    report = _REPORT.search(answer.log)
    if report is None:
        return result
    return result._replace(billed_ms=int(report[1]), memory_mb=int(report[2]))
