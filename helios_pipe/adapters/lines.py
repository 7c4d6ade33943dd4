"""Requests over connections that are kept, each of which can be broken off while it waits. Knows nothing of what is asked,
or of who may ask it.

`requests` says how an address is reached: proxies and certificates as the environment has them. Its own way through a
request costs more than all the rest of a call; urllib3, which it stands on, carries the bytes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from threading import Event, Lock, local
from typing import Any

from helios_pipe.adapters.calls import Calls, CancelledCallError
from helios_pipe.adapters.descriptors import make_room
from helios_pipe.tuples import NamedTuple

CONNECT_S = 10.0
_KEEP_ALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
"""An answer may take an hour; what stands between would forget a connection that is so long silent."""


class Reply(NamedTuple):
    """An answer, whatever its status. Headers are found by their names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class BrokenLineError(Exception):
    """There is no answer: the connection could not be made, or it broke."""


class NoLineError(BrokenLineError):
    """The connection could not be made: whoever is asked has heard nothing."""


class EndlessReplyError(Exception):
    """The answer is larger than what is read."""


class Lines:
    """The connections to one origin, that of `url`. Thread-safe: there are as many as requests at once, of which `most` are
    kept. `verify` is where the certificates are; None leaves that to the environment."""

    def __init__(self, url: str, most: int, *, wait_s: float, largest: int, verify: str | None = None) -> None:
        from urllib3 import Timeout

        make_room(most)
        self._calls = Calls()
        self._timeout = Timeout(connect=CONNECT_S, read=wait_s)
        self._largest = largest
        self._now = local()
        try:
            self._way = _Way(url, most, verify)
        except (OSError, ValueError) as error:  # all of requests' own are OSErrors
            raise NoLineError(str(error)) from error
        pool = self._way.pool
        pool.ConnectionCls = type("Line", (_Line, pool.ConnectionCls), {"lines": self})

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, cancel: Event | None
    ) -> Reply:
        """The answer; a redirect is one like any other. Raises BrokenLineError (NoLineError where it did not get
        out), EndlessReplyError, CancelledCallError."""
        exchange = self._now.exchange = _Exchange(cancel)
        try:
            return self._calls.make_here(lambda: self._exchange(method, url, headers, body), cancel, exchange.break_off)
        except BrokenLineError as error:
            if exchange.connected:
                raise
            raise NoLineError(str(error)) from error

    def connect(self, connect: Callable[[], None]) -> None:
        """Connect for this thread's request: apart, as nobody can break off a look at the name service."""
        self._calls.make(connect, self._now.exchange.cancel)

    def goes_by(self, line: _Line) -> None:
        """This thread's request is on that connection."""
        self._now.exchange.goes_by(line)

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        from urllib3.exceptions import HTTPError

        target, usual = self._way.to(method, url)
        try:
            response = self._way.pool.urlopen(
                method, target, body, {**usual, **headers}, retries=False, redirect=False, assert_same_host=False,
                timeout=self._timeout, preload_content=False,
            )  # fmt: skip
            data = response.read(self._largest + 1, decode_content=True)
        except (HTTPError, ValueError) as error:  # a header that cannot be sent is a ValueError
            raise BrokenLineError(str(error)) from error
        if len(data) > self._largest:
            response.close()
            raise EndlessReplyError
        return Reply(response.status, response.headers, data)


class _Exchange:
    """A request under way, and where."""

    def __init__(self, cancel: Event | None) -> None:
        self.cancel = cancel
        self._line: _Line | None = None
        self._socket: Any = None

    def goes_by(self, line: _Line) -> None:
        with line.lock:
            line.exchange = self
        self._line, self._socket = line, line.sock

    @property
    def connected(self) -> bool:
        """Whether there was a connection for it."""
        return self._socket is not None

    def break_off(self) -> None:
        """Whoever waits for the connection's other end is told that there is none any more."""
        line, end = self._line, self._socket
        if line is None:
            return
        while end is not None and not isinstance(end, socket.socket):  # TLS within TLS, to a proxy
            end = getattr(end, "socket", None)
        with line.lock:
            if line.exchange is not self or end is None:  # it serves another request already
                return
            try:
                socket.socket.shutdown(end, socket.SHUT_RDWR)  # an SSLSocket's own would go on in the clear
            except OSError:
                pass  # it was closed meanwhile


class _Line:
    """What a connection of urllib3's is besides: it says whom it serves."""

    lines: Lines
    sock: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.lock = Lock()
        self.exchange: _Exchange | None = None
        self._given_up = False

    def connect(self) -> None:
        try:
            self.lines.connect(self._connect)
        except CancelledCallError:
            self._given_up = True
            self.close()  # type: ignore[attr-defined]
            raise
        self.lines.goes_by(self)

    def _connect(self) -> None:
        """Nobody waits any more for what is connected after it was given up: the other end shall not, either."""
        super().connect()  # type: ignore[misc]
        if self._given_up:
            self.close()  # type: ignore[attr-defined]

    def request(self, *args: Any, **options: Any) -> None:
        self.lines.goes_by(self)
        super().request(*args, **options)  # type: ignore[misc]


class _Way:
    """How `url`'s origin is reached."""

    def __init__(self, url: str, most: int, verify: str | None) -> None:
        import requests
        from requests.adapters import HTTPAdapter

        # The environment's proxies and certificates are looked up once: for each request it takes as long as all the rest.
        self._session = requests.Session()
        around = self._session.merge_environment_settings(url, {}, None, verify, None)
        self._session.trust_env = False  # a login in ~/.netrc must not take the token's place, either
        self._proxies = around["proxies"]
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=most)
        request = self._session.prepare_request(requests.Request("GET", url))
        pool: Any = self._adapter.get_connection_with_tls_context(request, around["verify"], self._proxies)
        self._adapter.cert_verify(pool, url, around["verify"], None)  # type: ignore[no-untyped-call]
        _read_certificates(pool)
        usual = pool.conn_kw.get("socket_options", pool.ConnectionCls.default_socket_options)
        pool.conn_kw["socket_options"] = [*usual, _KEEP_ALIVE]
        self.pool = pool
        self._known: dict[tuple[str, str], tuple[str, dict[str, str]]] = {}

    def to(self, method: str, url: str) -> tuple[str, dict[str, str]]:
        """What the request's line names, and the headers that it has by itself."""
        known = self._known.get((method, url))
        if known is None:
            import requests

            request = self._session.prepare_request(requests.Request(method, url))
            usual = {str(name): str(value) for name, value in request.headers.items() if name != "Content-Length"}
            known = self._known[method, url] = (self._adapter.request_url(request, self._proxies), usual)
        return known


def _read_certificates(pool: Any) -> None:
    """Once for all connections: to read a bundle takes ten times as long as to connect."""
    bundle = getattr(pool, "ca_certs", None)
    if bundle is None or pool.proxy is not None:  # a proxy may have certificates of its own
        return
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    context.load_verify_locations(bundle)
    pool.conn_kw["ssl_context"], pool.ca_certs = context, None
