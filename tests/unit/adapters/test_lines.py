"""Requests over kept connections: how they are reached, and that each can be broken off wherever it waits."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from helios_pipe.adapters.calls import CancelledCallError
from helios_pipe.adapters.lines import BrokenLineError, EndlessReplyError, Lines, NoLineError, Reply
from tests.kit.loopback import HOST, free_port
from tests.kit.servers.http import Answer, HttpService, Request, serving
from tests.kit.servers.tls import certificate
from tests.kit.servers.toxic import toxic


class Echo(HttpService):
    """Answers with what it was sent."""

    def answer(self, request: Request) -> Answer:
        return Answer(200, request.body)


@pytest.fixture
def echo() -> Iterator[Echo]:
    service = Echo()
    with serving(service):
        yield service


def lines(url: str) -> Lines:
    return Lines(url, 4, wait_s=60, largest=1000)


def send(to: Lines, url: str, body: bytes | None = b"x", cancel: Event | None = None) -> Reply:
    return to.send("POST", url, {"X-Team": "render"}, body, cancel or Event())


@contextmanager
def saying(text: bytes, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, Event]]:
    """A server that hears a request, says `text` and then nothing more; the event is set when the caller has gone."""
    gone = Event()
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            end, _ = server.accept()
            with tls.wrap_socket(end, server_side=True) if tls else end as caller:
                caller.recv(65536)
                caller.sendall(text)
                try:
                    while caller.recv(65536):
                        pass
                except OSError:
                    pass
                gone.set()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http{'s' if tls else ''}://{HOST}:{server.getsockname()[1]}", gone


@contextmanager
def deaf() -> Iterator[str]:
    """A port where connecting takes for ever: its queue is full."""
    with socket.create_server((HOST, 0), backlog=0) as server:
        port = server.getsockname()[1]
        queue = [socket.socket() for _ in range(3)]
        for caller in queue:
            caller.setblocking(False)
            caller.connect_ex((HOST, port))
        yield f"http://{HOST}:{port}"
        for caller in queue:
            caller.close()


def cancelled_soon() -> Event:
    cancel = Event()
    threading.Timer(0.3, cancel.set).start()
    return cancel


def test_connections_are_kept(echo: Echo) -> None:
    with toxic(int(echo.url.rpartition(":")[2])) as proxy:
        to = lines(proxy.url)
        assert [send(to, proxy.url, text).body for text in (b"a", b"", b"c")] == [b"a", b"", b"c"]
        assert proxy.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_made_anew(echo: Echo) -> None:
    echo.fail("POST", "/", Answer(200, b"last", {"Connection": "close"}))
    to = lines(echo.url)
    assert [send(to, echo.url).body for _ in range(2)] == [b"last", b"x"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nno end",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    ],
    ids=["silent", "headers", "body", "last-body", "endless-body", "chunks"],
)
def test_a_request_is_broken_off_wherever_it_waits(text: bytes) -> None:
    with saying(text) as (url, gone):
        with pytest.raises(CancelledCallError):
            send(lines(url), url, cancel=cancelled_soon())
        assert gone.wait(30), "the other end is told"


def test_a_connection_that_comes_after_it_was_given_up_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    real, begun = socket.socket.connect, Event()

    def late(*args: Any) -> None:
        begun.set()
        assert given_up.wait(30)
        real(*args)

    given_up = Event()
    with saying(b"") as (url, gone):
        monkeypatch.setattr(socket.socket, "connect", late)
        with pytest.raises(CancelledCallError):
            send(lines(url), url, cancel=cancelled_soon())
        assert begun.is_set()
        given_up.set()
        assert gone.wait(30), "the other end is told"


def test_a_request_is_broken_off_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, tls = certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    with saying(b"HTTP/1.1 200 OK\r\n", tls) as (url, gone):
        with pytest.raises(CancelledCallError):
            send(lines(url), url, cancel=cancelled_soon())
        assert gone.wait(30)


def test_nobody_waits_for_a_connection_once_it_is_cancelled() -> None:
    with deaf() as url, pytest.raises(CancelledCallError):
        send(lines(url), url, cancel=cancelled_soon())


def test_a_request_that_is_cancelled_beforehand_is_not_sent(echo: Echo) -> None:
    cancel = Event()
    cancel.set()
    with pytest.raises(CancelledCallError):
        send(lines(echo.url), echo.url, cancel=cancel)
    assert echo.seen == []


def test_breaking_one_request_off_leaves_the_others_alone() -> None:
    class Slow(Echo):
        def answer(self, request: Request) -> Answer:
            release.wait(60)
            return super().answer(request)

    release, service = Event(), Slow()
    with serving(service):
        to, replies = lines(service.url), []
        thread = Thread(target=lambda: replies.append(send(to, service.url, b"other")))
        thread.start()
        with pytest.raises(CancelledCallError):
            send(to, service.url, cancel=cancelled_soon())
        release.set()
        thread.join(30)
        assert [reply.body for reply in replies] == [b"other"]
        assert send(to, service.url, b"next").body == b"next"


def test_a_redirect_is_an_answer(echo: Echo) -> None:
    echo.fail("POST", "/", Answer(307, b"there", {"Location": "http://169.254.169.254/"}))
    reply = send(lines(echo.url), echo.url)
    assert (reply.status, reply.body, reply.headers["location"]) == (307, b"there", "http://169.254.169.254/")


def test_an_answer_is_read_up_to_its_bound(echo: Echo) -> None:
    to = lines(echo.url)
    assert len(send(to, echo.url, b"x" * 1000).body) == 1000
    with pytest.raises(EndlessReplyError):
        send(to, echo.url, b"x" * 1001)
    assert send(to, echo.url, b"next").body == b"next"


def test_a_broken_connection_says_why() -> None:
    url = f"http://{HOST}:{free_port()}"
    with pytest.raises(NoLineError, match="Connection refused"):
        send(lines(url), url)


def test_a_request_that_got_out_is_another_matter_than_one_that_did_not(echo: Echo) -> None:
    to = lines(echo.url)
    echo.fail("POST", "/", None)
    with pytest.raises(BrokenLineError) as raised:
        send(to, echo.url)
    assert type(raised.value) is BrokenLineError


def test_an_answer_is_waited_for_as_long_as_was_said() -> None:
    with saying(b"") as (url, _), pytest.raises(BrokenLineError, match=r"read timeout=0\.5\)"):
        send(Lines(url, 4, wait_s=0.5, largest=1000), url)


def test_an_answer_may_take_longer_than_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Echo):
        def answer(self, request: Request) -> Answer:
            Event().wait(1)
            return super().answer(request)

    monkeypatch.setattr("helios_pipe.adapters.lines.CONNECT_S", 0.2)
    service = Late()
    with serving(service):
        assert send(lines(service.url), service.url).body == b"x"


def test_an_address_that_is_none_is_a_broken_line() -> None:
    with pytest.raises(NoLineError, match="No scheme supplied"):
        lines("render.example")


def test_certificates_are_those_of_the_environment(echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, tls = certificate(tmp_path)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    service = Echo()
    with serving(service, tls):
        with pytest.raises(BrokenLineError, match="CERTIFICATE_VERIFY_FAILED"):
            send(lines(service.url), service.url)
        told = Lines(service.url, 4, wait_s=60, largest=1000, verify=str(trusted))
        assert send(told, service.url).body == b"x"
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
        assert send(lines(service.url), service.url).body == b"x"


def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    trusted, tls = certificate(tmp_path)
    service = Echo()
    with serving(service, tls):
        url = service.url.replace(HOST, "localhost")
        to = Lines(url, 4, wait_s=60, largest=1000, verify=str(trusted))
        with pytest.raises(BrokenLineError, match=r"Hostname mismatch|doesn't match"):
            send(to, url)


def test_a_login_in_the_address_is_shown_and_one_in_netrc_is_not(
    echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(f"machine {HOST} login me password there\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    send(lines(echo.url), echo.url)
    url = echo.url.replace("//", "//me:here@")
    send(lines(url), url)
    assert [request.headers.get("authorization") for request in echo.seen] == [None, "Basic bWU6aGVyZQ=="]
    assert echo.seen[0].headers["x-team"] == "render"


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets a proxy for everything."""

    def set_proxy(url: str) -> None:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, url)

    return set_proxy


def test_a_proxy_is_asked_for_the_whole_address(echo: Echo, through: Callable[[str], None]) -> None:
    through(echo.url)
    url = "http://worker.example/render"
    assert send(lines(url), url).body == b"x"
    assert (echo.seen[0].path, echo.seen[0].headers["host"]) == ("/render", "worker.example")


@contextmanager
def tunnel(port: int) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that takes CONNECT, whatever the host, and leads to `port`; it keeps what it was asked."""
    asked: list[bytes] = []
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            caller, _ = server.accept()
            asked.append(caller.recv(65536))
            with caller, socket.create_connection((HOST, port)) as target:
                caller.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = Thread(target=pump, args=(target, caller), daemon=True)
                back.start()
                pump(caller, target)
                back.join()

        def pump(source: socket.socket, sink: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        Thread(target=serve, daemon=True).start()
        yield f"http://{HOST}:{server.getsockname()[1]}", asked


def test_tls_goes_through_a_proxy(tmp_path: Path, through: Callable[[str], None]) -> None:
    trusted, tls = certificate(tmp_path)
    service = Echo()
    with serving(service, tls), tunnel(int(service.url.rpartition(":")[2])) as (proxy, asked):
        through(proxy)
        to = Lines(service.url, 4, wait_s=60, largest=1000, verify=str(trusted))
        assert [send(to, service.url, text).body for text in (b"a", b"b")] == [b"a", b"b"]
        assert asked[0].startswith(f"CONNECT {service.url.removeprefix('https://')} HTTP/1".encode())
        assert len(asked) == 1
