"""Servers on the loopback that a test starts, waits for, and ends by their process id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"


def free_port() -> int:
    """A port of the loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, its process and its output so far."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def running(
    argv: Sequence[str | Path],
    *,
    port: int,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    ready: Callable[[], bool] | None = None,
    within_s: float = 30.0,
) -> Iterator[Server]:
    """The server that `argv` starts, from when it accepts connections on `port` (or `ready` says so) until the block ends.

    Raises RuntimeError with its output if it ends or is not ready in time.
    """
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    server = Server(port, process, log)
    try:
        _await(server, ready or (lambda: listens(port)), within_s)
        yield server
    finally:
        end(process)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on the loopback's `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def end(process: subprocess.Popen[Any], grace_s: float = 5.0) -> None:
    """Terminate a process that leads its own session, wait, then kill what is left of its group."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _await(server: Server, ready: Callable[[], bool], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        if server.process.poll() is not None:
            raise RuntimeError(f"{server.process.args!r} ended with {server.process.returncode}:\n{server.output}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{server.process.args!r} was not ready in {within_s} s:\n{server.output}")
        time.sleep(0.02)
