"""An HTTP server in a thread of the test, with a record of what it was asked and faults on demand."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kit.loopback import HOST


@dataclass(frozen=True)
class Request:
    """One request as it came. `path` is decoded and without the query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is sent back. `cut` bytes are left out at the end of the body, and the connection is closed there."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0


@dataclass
class Fault:
    """An answer that is given in place of the right one, `times` times, to requests of this method with `part` in their path.
    Without an answer the connection is closed with nothing said."""

    method: str
    part: str
    answer: Answer | None
    times: int = 1


class HttpService:
    """What a server does. Subclasses answer; `seen` holds every request but its body's bytes, in order of arrival."""

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.received = 0
        self.faults: list[Fault] = []
        self.url = ""
        self.lock = threading.RLock()

    def answer(self, request: Request) -> Answer:
        raise NotImplementedError

    def fail(self, method: str, part: str, answer: Answer | None, times: int = 1) -> None:
        """Give a wrong answer, soon."""
        self.faults.append(Fault(method, part, answer, times))

    def count(self, method: str, part: str = "") -> int:
        """How many requests of that method had `part` in their path."""
        return sum(r.method == method and part in r.path for r in self.seen)

    def respond(self, request: Request) -> Answer | None:
        with self.lock:
            self.seen.append(
                Request(request.method, request.path, request.query, request.headers, request.body[: 64 << 10])
            )
            self.received += len(request.body)
            for fault in self.faults:
                if fault.times and fault.method == request.method and fault.part in request.path:
                    fault.times -= 1
                    return fault.answer
        return self.answer(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that the client broke is what some tests are about."""


@contextmanager
def serving(service: HttpService, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """`service` on a free port of the loopback, behind TLS where that is given; its `url` says where."""

    class Handler(_Handler):
        pass

    Handler.service = service
    server = _Server((HOST, 0), Handler)
    service.url = f"{'https' if tls else 'http'}://{HOST}:{server.server_port}"
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: HttpService

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: `seen` is the record."""

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        request = Request(
            self.command,
            unquote(parts.path),
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): value for name, value in self.headers.items()},
            self._body(),
        )
        answer = self.service.respond(request)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) - answer.cut])
        self.close_connection = self.close_connection or answer.cut > 0

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any
