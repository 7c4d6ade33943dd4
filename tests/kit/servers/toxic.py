"""A TCP proxy that misbehaves: between a client and a server on the loopback, it breaks, stalls, delays and damages."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.kit.loopback import HOST


@dataclass
class Trouble:
    """What happens to the bytes of one direction of each connection, for the next `times` connections that reach it.

    `reset_after`: a TCP reset once so many bytes went through; `close_after`: a clean end instead; `flip_at`: one bit of the
    byte at that place is turned, with `flip_again` at each multiple of it too; `stall_after`: nothing more goes through.
    """

    reset_after: int | None = None
    close_after: int | None = None
    stall_after: int | None = None
    flip_at: int | None = None
    flip_again: bool = False
    times: int = 1

    @property
    def limit(self) -> int | None:
        return next((n for n in (self.reset_after, self.close_after, self.stall_after) if n is not None), None)


class Toxic:
    """The proxy. `down` troubles what the server says, `up` what the client says; `connections` counts."""

    def __init__(self, server_port: int) -> None:
        self.down: Trouble | None = None
        self.up: Trouble | None = None
        self.connections = 0
        self.lock = threading.Lock()
        self._server_port = server_port
        self._socket = socket.create_server((HOST, 0), backlog=256)
        self._closed = False
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"

    def accept(self) -> None:
        """Serve until closed."""
        while not self._closed:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self) -> None:
        """Refuse new connections, and end those that stall."""
        self._closed = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection((HOST, self._server_port))
        except OSError:
            return _reset(client)
        up, down = _Way(self, client, server, "up"), _Way(self, server, client, "down")
        ways = {client: up, server: down}
        try:
            while ways:
                for ready in select.select(list(ways), [], [])[0]:
                    if not ways[ready].pass_on():
                        del ways[ready]
        except _BreakError as broken:
            self._break(broken.trouble, client, server)
        except OSError:
            pass
        client.close()
        return server.close()

    def _break(self, trouble: Trouble, client: socket.socket, server: socket.socket) -> None:
        while trouble.stall_after is not None and not self._closed:
            time.sleep(0.05)
        if trouble.reset_after is not None:
            _reset(client)
            _reset(server)


class _BreakError(Exception):
    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble)
        self.trouble = trouble


class _Way:
    """One direction of a connection."""

    def __init__(self, proxy: Toxic, source: socket.socket, sink: socket.socket, side: str) -> None:
        self._proxy = proxy
        self._source = source
        self._sink = sink
        self._side = side
        self._passed = 0

    def pass_on(self) -> bool:
        """Take what came and send it on; False when there comes no more."""
        data = self._source.recv(16384)
        if not data:
            self._sink.shutdown(socket.SHUT_WR)
            return False
        trouble: Trouble | None = getattr(self._proxy, self._side)
        if trouble is not None:
            data = self._troubled(trouble, data)
        self._sink.sendall(data)
        self._passed += len(data)
        return True

    def _troubled(self, trouble: Trouble, data: bytes) -> bytes:
        with self._proxy.lock:
            if not trouble.times:
                return data
            if trouble.limit is not None and self._passed + len(data) > trouble.limit:
                trouble.times -= 1
                self._sink.sendall(data[: trouble.limit - self._passed])
                raise _BreakError(trouble)
            at = trouble.flip_at
            while at and trouble.flip_again and at < self._passed:
                at += trouble.flip_at or 0
            if at is None or not self._passed <= at < self._passed + len(data):
                return data
            trouble.times -= 1
            at -= self._passed
            return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


@contextmanager
def toxic(server_port: int) -> Iterator[Toxic]:
    """A proxy in front of the server on that port; harmless until `up` or `down` is set."""
    proxy = Toxic(server_port)
    thread = threading.Thread(target=proxy.accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
