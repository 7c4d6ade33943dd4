"""`run --detach`: the same run in a process of its own, that outlives this terminal."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helios_pipe import settings
from helios_pipe.errors import HeliosPipeError

if TYPE_CHECKING:
    from helios_pipe.events import Event
    from helios_pipe.pipeline.request import Request

_PATIENCE_S = 600.0
"""A run tells of itself in less than a second; one that waits for a slow disk is not given up on."""


class _DetachedError(HeliosPipeError):
    """What the background process had to say before it could begin."""

    def __init__(self, message: str, exit_code: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = exit_code


def run_detached(request: Request, *, as_json: bool) -> int:
    """Start the run in the background, and return as soon as it is in the journal. Raises what is wrong with the request."""
    from helios_pipe.pipeline.session import open_manifest

    opened = open_manifest(request)
    folder = settings.cache_dir(opened.manifest.root, request.cache_dir) / "logs" / opened.job_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        output = os.open(folder / "detached.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    except OSError as error:
        raise _DetachedError(f"{folder} cannot be written: {error.strerror}", 3) from error
    mine, its = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork() == 0:
        _become_a_daemon(output, (mine,))
        os._exit(_run(request, its))
    os.close(its)
    os.close(output)
    answer = _answer(mine, folder / "detached.log")
    os.wait()
    if as_json:
        click.echo(json.dumps({"job": opened.job_id, "pid": answer["pid"], "log": str(folder / "detached.log")}))
    else:
        click.echo(opened.job_id)
    return 0


def _become_a_daemon(output: int, close: tuple[int, ...]) -> None:
    """A session without a terminal, no child of anybody, nothing on stdin, all that is said in the file."""
    for descriptor in close:
        os.close(descriptor)
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, standard in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(ours, standard)


def _run(request: Request, ready: int) -> int:
    from helios_pipe.cli.running import tell_machines

    waiting = [ready]

    def on_event(event: Event) -> None:
        if waiting:
            said = {"pid": os.getpid(), **{key: event.get(key) for key in ("event", "message", "hint", "exit_code")}}
            os.write(ready, json.dumps(said).encode())
            os.close(waiting.pop())

    try:
        code = tell_machines(request, on_event)
    except BaseException:  # noqa: BLE001 - nobody above us: what happened stands in the file
        import traceback

        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _answer(pipe: int, log: Path) -> dict[str, Any]:
    """The first thing that the run says, or its death. Raises its error."""
    import select

    until = time.monotonic() + _PATIENCE_S
    data = b""
    while select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
        piece = os.read(pipe, 65536)
        if not piece:
            break
        data += piece
    os.close(pipe)
    if not data:
        raise _DetachedError(f"the run ended before it began; what it said is in {log}", 1)
    said: dict[str, Any] = json.loads(data)
    if said["event"] == "error":
        raise _DetachedError(str(said["message"]), int(said["exit_code"]), str(said["hint"] or ""))
    return said
