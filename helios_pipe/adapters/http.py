"""Runs chunks on any HTTP worker that takes Helios' requests. Knows nothing of what is rendered.

Azure Functions, Modal, Fly, Knative, one's own box with `helios-pipe worker cloudrun`: all that differs is who may call.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock

from helios_pipe.adapters.calls import Calls, CancelledCallError
from helios_pipe.adapters.lines import BrokenLineError, EndlessReplyError, Lines, NoLineError, Reply
from helios_pipe.adapters.patience import Patience
from helios_pipe.errors import AdapterError, ThrottledError, TransientAdapterError, UnreachedError
from helios_pipe.ports import Capabilities, FailureClass, WorkerJob, WorkerResult
from helios_pipe.worker.wire import chunk_of, read_http_reply, request_body

LONGEST_S = 3600.0
"""How long an answer may take; Cloud Run's longest request."""
LARGEST_REPLY = 32 << 20
"""Bytes."""
_BILLING_STEP_MS = 100
Headers = Callable[[bool], Mapping[str, str]]
"""What shows who we are. True: the last was refused, get a new one."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """Where the worker is. `job_url` is where chunks are read from, unless a job says otherwise."""

    url: str
    concurrency: int = 16
    job_url: str | None = None
    timeout_s: float = LONGEST_S
    costs_money: bool = False


class HttpAdapter:
    """A WorkerAdapter. Each `execute` is one request. A cancelled job's command runs on until the worker's own time limit;
    what it leaves in the store harms nothing. A worker that answers nobody for as long as a job's time limit and its grace
    is lost; while it answers others, the request may still wait there for its turn."""

    def __init__(self, config: HttpConfig, headers: Headers | Mapping[str, str] | None = None) -> None:
        self.config = config
        self.capabilities = Capabilities(remote=True, costs_money=config.costs_money, concurrency=config.concurrency)
        self._headers = headers if headers is not None else {}
        self._lock = Lock()
        self._made: Lines | None = None
        self._calls = Calls()
        self._heard = -math.inf

    def execute(self, job: WorkerJob) -> WorkerResult:
        """See WorkerAdapter. Raises ThrottledError, UnreachedError, TransientAdapterError, AdapterError."""
        payload = request_body(*chunk_of(job, self.config.job_url))
        patience = Patience(job, lambda: self._heard)
        try:
            return self._post(payload, job.cancel if job.timeout_s is None else patience)
        except CancelledCallError:
            return patience.given_up(self.config.url)

    def probe(self) -> str:
        """The version of the worker that answers there. Raises AdapterError with what to do."""
        reply = self._send("GET", f"{self.config.url.rstrip('/')}/health", None, None)
        if reply.status != 200:
            raise self._refusal(reply)
        try:
            version = json.loads(reply.body)["worker"]
        except (ValueError, KeyError, TypeError):
            version = None
        if version is None:
            raise AdapterError(f"{self.config.url} is no helios-pipe worker: its /health says something else")
        return str(version)

    def _post(self, payload: bytes, cancel: Event | None) -> WorkerResult:
        began = time.monotonic()
        reply = self._send("POST", self.config.url, payload, cancel)
        if reply.status == 401:  # an id token that expired on the way
            reply = self._send("POST", self.config.url, payload, cancel, refresh=True)
        if reply.status == 504:
            return WorkerResult(1, failure=FailureClass.COMMAND, reason=_TIMED_OUT)
        if reply.status not in (200, 400, 500):
            raise self._refusal(reply)
        result = read_http_reply(reply.status, reply.body)
        if not self.config.costs_money:
            return result
        took_ms = round((time.monotonic() - began) * 1000)
        return result._replace(billed_ms=-(-took_ms // _BILLING_STEP_MS) * _BILLING_STEP_MS)

    def _send(
        self, method: str, url: str, payload: bytes | None, cancel: Event | None, *, refresh: bool = False
    ) -> Reply:
        headers = {"Content-Type": "application/json", **self._shown(cancel, refresh=refresh)}
        try:
            reply = self._lines.send(method, url, headers, payload, cancel)
        except NoLineError as error:
            raise UnreachedError(f"{self.config.url} cannot be reached: {error}") from error
        except BrokenLineError as error:
            raise TransientAdapterError(f"{self.config.url}: the connection broke: {error}") from error
        except EndlessReplyError as error:
            raise AdapterError(f"the worker's answer is larger than {LARGEST_REPLY >> 20} MiB") from error
        self._heard = time.monotonic()
        return reply

    def _shown(self, cancel: Event | None, *, refresh: bool) -> Mapping[str, str]:
        """What shows who we are, which may have to be fetched from somewhere."""
        give = self._headers
        return self._calls.make(lambda: give(refresh), cancel) if callable(give) else give

    def _refusal(self, reply: Reply) -> AdapterError:
        said = " ".join(reply.body[:300].decode("utf-8", "replace").split()) or "(nothing said)"
        text = f"{self.config.url} was answered {reply.status}: {said}"
        after = reply.headers.get("Retry-After", "")
        if reply.status == 429 or (reply.status == 503 and after):
            return ThrottledError(text, retry_after_s=float(after) if after.isdecimal() else None)
        if reply.status >= 500 or reply.status in (408, 425):
            return TransientAdapterError(text)
        return AdapterError(text, hint=_HINTS.get(reply.status, "Is this the address of a worker?"))

    @property
    def _lines(self) -> Lines:
        with self._lock:
            if self._made is None:
                wait_s = self.config.timeout_s + 10
                self._made = Lines(self.config.url, self.config.concurrency, wait_s=wait_s, largest=LARGEST_REPLY)
            return self._made


_TIMED_OUT = "the service's request timeout was reached: give it more time, or make the chunks smaller"
_HINTS = {
    401: "The worker wants an id token for its audience: set `audience` as the worker has it, or `token_env`.",
    403: "The caller may not call this worker: grant it roles/run.invoker, or name it in the worker's HELIOS_PIPE_CALLERS.",
    404: "Deploy the worker (docs/deploy), or correct the address.",
    413: "Something in front of the worker takes no request of a few hundred bytes.",
}
