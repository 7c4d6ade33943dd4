"""AWS Lambda on the loopback: boto3's Invoke API in front of real `awslambdaric` processes.

Each execution environment is one process with a Runtime API of its own, frozen between calls, as on the real thing. A function
that times out, dies or answers too much is ended and reported as Lambda does. IAM and memory limits are not there.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from uuid import uuid4

from tests.kit.loopback import end
from tests.kit.servers.http import Answer, HttpService, Request, serving

LIMIT = 6 * 1024 * 1024
MEMORY_MB = 1769


@dataclass(frozen=True)
class Function:
    """A deployed function: its handler, the folder it lies in, its limits."""

    handler: str
    folder: Path
    timeout_s: float = 10.0
    concurrency: int = 10
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How an invocation ended: FunctionError (None: well), payload, the log's tail, whether the environment can be used again."""

    error: str | None
    payload: bytes
    log: str = ""
    reusable: bool = True


class RuntimeApi(HttpService):
    """What `awslambdaric` talks to: hands out one event at a time, takes in what comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.events: SimpleQueue[Answer] = SimpleQueue()
        self.ended: SimpleQueue[Ended | int] = SimpleQueue()

    def answer(self, request: Request) -> Answer:
        if request.method == "GET":
            return self.events.get()
        kind = request.path.rpartition("/")[2]
        if kind == "response" and len(request.body) > LIMIT:
            message = f"Response payload size exceeded maximum allowed payload size ({LIMIT} bytes)."
            self.ended.put(Ended("Unhandled", error_payload("Function.ResponseSizeTooLarge", message)))
            return Answer(413, b'{"errorType": "RequestEntityTooLarge"}')
        failed = "Unhandled" if kind == "error" else None
        self.ended.put(Ended(failed, request.body, reusable="/init/" not in request.path))
        return Answer(202, b'{"status": "OK"}')


class Environment:
    """One execution environment: a process and its Runtime API."""

    def __init__(self, name: str, function: Function, stack: ExitStack) -> None:
        self._function = function
        self._api = RuntimeApi()
        stack.enter_context(serving(self._api))
        self._log = bytearray()
        self._reading = threading.Lock()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", function.handler],
            cwd=function.folder,
            env=self._variables(name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self._output = self.process.stdout.fileno()
        stack.callback(self.close)
        threading.Thread(target=self._read, daemon=True).start()

    def invoke(self, request_id: str, payload: bytes) -> Ended:
        function = self._function
        self._signal(signal.SIGCONT)
        began = time.time()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((began + function.timeout_s) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:test",
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
        }
        self._api.events.put(Answer(200, payload, headers))
        ended = self._wait(request_id)
        took_ms = (time.time() - began) * 1000
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {took_ms:.2f} ms\tBilled Duration: {int(took_ms) + 1} ms\t"
            f"Memory Size: {MEMORY_MB} MB\tMax Memory Used: 90 MB\t\n"
        )
        self._drain()  # what was printed before the answer is in the pipe by now
        log = self._log.decode(errors="replace")[-3500:] + report
        if ended.reusable:
            self._signal(signal.SIGSTOP)
        else:
            self.close()
        return Ended(ended.error, ended.payload, log, ended.reusable)

    def close(self) -> None:
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGKILL)
        end(self.process, grace_s=0.1)
        self._api.events.put(Answer(403))  # lets the thread that waits for an event go

    def _wait(self, request_id: str) -> Ended:
        try:
            ended = self._api.ended.get(timeout=self._function.timeout_s)
        except Empty:
            return _ended(
                request_id, "Sandbox.Timedout", f"Task timed out after {self._function.timeout_s:.2f} seconds"
            )
        if isinstance(ended, Ended):
            return ended
        how = f"exit status {ended}" if ended >= 0 else f"signal: {signal.strsignal(-ended) or -ended}".lower()
        return _ended(request_id, "Runtime.ExitError", f"Runtime exited with error: {how}")

    def _read(self) -> None:
        while self._drain():
            select.select([self._output], [], [])
        self._api.ended.put(self.process.wait())

    def _drain(self) -> bool:
        """Take what is in the pipe; False when there comes no more."""
        with self._reading:
            while select.select([self._output], [], [], 0)[0]:
                chunk = os.read(self._output, 65536)
                if not chunk:
                    return False
                self._log += chunk
        return True

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _variables(self, name: str) -> dict[str, str]:
        function = self._function
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
            **function.env,
            "AWS_LAMBDA_RUNTIME_API": self._api.url.removeprefix("http://"),
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(MEMORY_MB),
            "LAMBDA_TASK_ROOT": str(function.folder),
            "PYTHONPATH": str(function.folder),
            "_HANDLER": function.handler,
        }


class LambdaEmulator(HttpService):
    """The Invoke API. `payloads` are the events that came; functions may be added at any time."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__()
        self.functions: dict[str, Function] = {}
        self.payloads: list[bytes] = []
        self.cold_starts = 0
        self._stack = stack
        self._idle: dict[str, list[Environment]] = {}
        self._busy: dict[str, int] = {}

    def answer(self, request: Request) -> Answer:
        match = re.fullmatch(r"/2015-03-31/functions/([^/]+)/invocations", request.path)
        name = match[1] if match else ""
        if "Credential=" not in request.headers.get("authorization", ""):
            return _refused(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        if name not in self.functions:
            return _refused(404, "ResourceNotFoundException", f"Function not found: {name}")
        if request.headers.get("x-amz-invocation-type") == "DryRun":
            return Answer(204)
        if len(request.body) > LIMIT:
            return _refused(413, "RequestTooLargeException", f"{len(request.body)} byte payload is too large")
        with self.lock:
            self.payloads.append(request.body)
            if self._busy.get(name, 0) >= self.functions[name].concurrency:
                return _refused(429, "TooManyRequestsException", "Rate Exceeded.", {"Retry-After": "1"})
            self._busy[name] = self._busy.get(name, 0) + 1
        try:
            return self._invoke(name, request)
        finally:
            with self.lock:
                self._busy[name] -= 1

    def _invoke(self, name: str, request: Request) -> Answer:
        with self.lock:
            idle = self._idle.setdefault(name, [])
            environment = idle.pop() if idle else None
            self.cold_starts += environment is None
        environment = environment or Environment(name, self.functions[name], self._stack)
        request_id = str(uuid4())
        ended = environment.invoke(request_id, request.body)
        if ended.reusable:
            with self.lock:
                self._idle[name].append(environment)
        headers = {"X-Amz-Executed-Version": "$LATEST", "x-amzn-RequestId": request_id}
        if ended.error:
            headers["X-Amz-Function-Error"] = ended.error
        if request.headers.get("x-amz-log-type") == "Tail":
            headers["X-Amz-Log-Result"] = b64encode(ended.log.encode()).decode()
        return Answer(200, ended.payload, headers)


@contextmanager
def lambda_emulator() -> Iterator[LambdaEmulator]:
    """An emulator with no functions yet."""
    with ExitStack() as stack:
        emulator = LambdaEmulator(stack)
        stack.enter_context(serving(emulator))
        yield emulator


def error_payload(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _ended(request_id: str, kind: str, message: str) -> Ended:
    text = f"RequestId: {request_id} Error: {message}"
    return Ended("Unhandled", error_payload(kind, text), reusable=False)


def _refused(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps({"Type": "User", "Message": message}).encode()
    return Answer(status, body, {"x-amzn-ErrorType": kind, "Content-Type": "application/json", **(headers or {})})
