"""The worker as an HTTP service: a WSGI application with Helios' replies, and gunicorn to serve it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Timer
from types import FrameType
from typing import Any

from helios_pipe.errors import HeliosPipeError, UnusableError
from helios_pipe.ports import ArtifactStorage, FailureClass, WorkerResult
from helios_pipe.version import __version__
from helios_pipe.worker.access import JobPrefixes
from helios_pipe.worker.config import NOBODY_ASKED, Identity
from helios_pipe.worker.deadline import Deadline
from helios_pipe.worker.oidc import NotAllowedError, TokenVerifier
from helios_pipe.worker.runtime import WorkerRuntime
from helios_pipe.worker.wire import Body, crash_reply, error_reply, no_such_chunk, read_request, result_reply

LARGEST_BODY = 64 << 10
"""Bytes of a request; ours have some two hundred."""
HEALTH = "/health"
_DRAIN_S, _TELL_S = 7.0, 2.0
"""After SIGTERM: commands may go on for so long, and are then ended so that the answer gets out. Cloud Run kills after 10 s."""
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    405: "Method Not Allowed",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@dataclass(frozen=True, slots=True)
class CloudRunServerConfig:
    """Where a service works, on which storage and port. `timeout_s` is the service's own request timeout, which the platform
    does not tell. Without `prefixes`, it reads jobs from that storage only."""

    workspace_dir: Path
    port: int
    storage: ArtifactStorage
    host: str = "0.0.0.0"  # noqa: S104 - a container is reached from outside
    prefixes: JobPrefixes | None = None
    signing_key: bytes | None = None
    limit_bytes: int | None = None
    identity: Identity = NOBODY_ASKED
    timeout_s: float | None = None
    threads: int = 8


def create_cloudrun_server(config: CloudRunServerConfig) -> CloudRunServer:
    """A WSGI application, which also knows how to serve itself."""
    return CloudRunServer(config)


class CloudRunServer:
    """Answers POSTs of `{"jobPath", "chunkIndex"}` on any path, and GETs of `/health`. Thread-safe."""

    def __init__(self, config: CloudRunServerConfig) -> None:
        self.config = config
        self.stopping = Event()
        self._verifier = TokenVerifier(config.identity)
        self._memory_mb = memory_limit_mb()
        self._runtime = WorkerRuntime(
            config.workspace_dir,
            config.storage,
            prefixes=config.prefixes,
            signing_key=config.signing_key,
            limit_bytes=config.limit_bytes,
        )

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        status, body = self._answer(environ)
        data = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
        start_response(
            f"{status} {_REASONS[status]}", [("Content-Type", "application/json"), ("Content-Length", str(len(data)))]
        )
        return [data]

    def serve(self) -> None:
        """Serve on the configured port until told to stop. Raises UnusableError where gunicorn is not installed."""
        application(self).run()

    def stop(self) -> None:
        """End what runs, soon: it is answered as preempted."""
        self.stopping.set()

    def _answer(self, environ: dict[str, Any]) -> tuple[int, Body]:
        deadline = Deadline(self.config.timeout_s)
        if environ["REQUEST_METHOD"] == "GET" and environ.get("PATH_INFO") == HEALTH:
            return 200, {"status": "ok", "worker": __version__}
        if environ["REQUEST_METHOD"] != "POST":
            return 405, {"message": "Method Not Allowed"}
        try:
            self._verifier.check(_headers(environ))
        except NotAllowedError as error:
            return error.status, {"message": error.message}
        payload = _read(environ)
        if payload is None:
            return 413, {"message": f"The request's body is larger than {LARGEST_BODY} bytes"}
        return self._run(payload, deadline)

    def _run(self, payload: bytes, deadline: Deadline) -> tuple[int, Body]:
        try:
            event = json.loads(payload)
        except (ValueError, RecursionError):
            return 400, {"message": "Invalid JSON payload"}
        request = read_request(event)
        if request is None:
            return 400, {"message": "Missing jobPath or chunkIndex"}
        if request.chunk_id is None:
            return no_such_chunk(request)
        try:
            result = self._runtime.run(request.job_url, request.chunk_id, deadline=deadline, cancel=self.stopping)
        except HeliosPipeError as error:
            return error_reply(error)
        except Exception as error:  # noqa: BLE001 - whatever breaks is answered, not left to a timeout
            return crash_reply(error)
        return result_reply(self._preempted(result), "stdout", self._memory_mb)

    def _preempted(self, result: WorkerResult) -> WorkerResult:
        if result.failure is not FailureClass.CANCELLED:
            return result
        return result._replace(failure=FailureClass.PREEMPTED, reason="the worker was shut down while the command ran")


def application(server: CloudRunServer) -> Any:
    """The gunicorn application that serves it: one process, threads, no time limit of its own, drained on SIGTERM."""
    try:
        from gunicorn.app.base import BaseApplication
    except ImportError as error:
        raise UnusableError("gunicorn is not installed", hint="pip install 'helios-pipe[cloudrun]'") from error

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            options = {
                "bind": f"{server.config.host}:{server.config.port}",
                "workers": 1,
                "worker_class": "gthread",
                "threads": server.config.threads,
                "timeout": 0,
                "graceful_timeout": int(_DRAIN_S + _TELL_S),
                "control_socket_disable": True,
                "post_worker_init": lambda _: _stop_on_sigterm(server),
            }
            for name, value in options.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> CloudRunServer:
            return server

    return Application()


def _stop_on_sigterm(server: CloudRunServer) -> None:
    """What gunicorn does on SIGTERM, and a while later: end the commands that still run."""
    before = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: FrameType | None) -> None:
        timer = Timer(_DRAIN_S, server.stop)
        timer.daemon = True
        timer.start()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, drain)


def memory_limit_mb(path: Path = Path("/sys/fs/cgroup/memory.max")) -> int | None:
    """What the container may use, which is what it is billed by; None where nothing limits it."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) >> 20 if text.isdecimal() else None


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    return {
        re.sub("_", "-", name[5:]).lower(): str(value) for name, value in environ.items() if name.startswith("HTTP_")
    }


def _read(environ: dict[str, Any]) -> bytes | None:
    """The body; None where it is too large."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    if length.isdecimal() and int(length) > LARGEST_BODY:
        return None
    stream = environ["wsgi.input"]
    data: bytes = stream.read(int(length)) if length.isdecimal() else stream.read(LARGEST_BODY + 1)
    return data if len(data) <= LARGEST_BODY else None
