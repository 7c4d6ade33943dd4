"""The output of a job's commands as it comes, and how far the job is. Knows nothing of how it is shown."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from helios_pipe.jobs.board import Board, JobView
from helios_pipe.jobs.nodes import Log, attempts_of, count_attempts, log_of_attempt, log_of_running, logs_of
from helios_pipe.tuples import NamedTuple

_PIECE = 1 << 16
_TICK_S = 0.2


class Piece(NamedTuple):
    """Some bytes that an attempt printed; `final`: there will be no more of it."""

    node: str
    attempt: int
    data: bytes
    final: bool


class Tail:
    """A file that may still grow, and may not be there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def read(self) -> Iterator[bytes]:
        """What is there by now and was not given yet, in pieces."""
        try:
            file = open(self._path, "rb", buffering=0)  # noqa: SIM115 - not there, and nothing to read, are the same
        except OSError:
            return
        with file:
            file.seek(self._at)
            while piece := file.read(_PIECE):
                self._at += len(piece)
                yield piece


def read_log(log: Log, last_lines: int | None = None) -> Iterator[bytes]:
    """The output of an attempt in pieces, in bounded memory; with `last_lines` only the end of it."""
    try:
        with open(log.path, "rb", buffering=0) as file:
            if last_lines is not None:
                file.seek(_start_of_last(file.fileno(), last_lines))
            while piece := file.read(_PIECE):
                yield piece
    except FileNotFoundError:
        if log.tail:
            lines = log.tail.encode("utf-8", "replace").splitlines(keepends=True)
            yield b"".join(lines if last_lines is None else lines[len(lines) - last_lines :])


def _start_of_last(descriptor: int, lines: int) -> int:
    """Where the last so many lines begin: read backwards, a piece at a time."""
    end = os.fstat(descriptor).st_size
    at = end
    wanted = lines
    while at > 0:
        start = max(0, at - _PIECE)
        piece = os.pread(descriptor, at - start, start)
        where = len(piece)
        while (where := piece.rfind(b"\n", 0, where)) >= 0:
            if start + where + 1 < end:  # the newline that ends the file begins no line
                wanted -= 1
                if wanted <= 0:
                    return start + where + 1
        at = start
    return 0


def follow_node(board: Board, job: str, node: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[Piece]:
    """What a node's attempts print, from the latest one's beginning until the node is made or the job stops."""
    current: tuple[Log, Tail] | None = None
    while True:
        view = board.view(job)
        logs = logs_of(board, view, node) if view is not None else []
        if logs and (current is None or (logs[-1].run, logs[-1].attempt) != (current[0].run, current[0].attempt)):
            if current is not None:
                yield from _drain(current[0], current[1], final=True)
            current = (logs[-1], Tail(logs[-1].path))
        over = view is None or not view.going or (bool(logs) and logs[-1].status in ("done", "cancelled"))
        if current is not None:
            yield from _drain(*current, final=over)
        if over:
            return
        sleep(_TICK_S)


def follow_all(board: Board, job: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[Piece]:
    """What all commands of a job print from now on (those that run now, from their beginning) until it stops."""
    view = board.view(job)
    over = {(a.node, a.attempt) for a in attempts_of(board.database, view.record.id)} if view is not None else set()
    tails: dict[tuple[str, int], tuple[Log, Tail]] = {}
    while view is not None:
        for running in view.progress.running if view.going else ():
            if (running.node, running.attempt) not in over:
                log = log_of_running(board, view, running)
                tails.setdefault((running.node, running.attempt), (log, Tail(log.path)))
        ended = _newly_ended(board, view, over)
        for key, log in ended.items():
            tails.setdefault(key, (log, Tail(log.path)))
        for key, (log, tail) in list(tails.items()):
            yield from _drain(log, tail, final=key in ended or not view.going)
            if key in ended:
                del tails[key]
        if not view.going:
            return
        sleep(_TICK_S)
        view = board.view(job)


def _newly_ended(board: Board, view: JobView, over: set[tuple[str, int]]) -> dict[tuple[str, int], Log]:
    if count_attempts(board.database, view.record.id) <= len(over):
        return {}
    found = {
        (attempt.node, attempt.attempt): log_of_attempt(board, view.id, attempt)
        for attempt in attempts_of(board.database, view.record.id)
        if (attempt.node, attempt.attempt) not in over
    }
    over.update(found)
    return found


def _drain(log: Log, tail: Tail, *, final: bool) -> Iterator[Piece]:
    for data in tail.read():
        yield Piece(log.node, log.attempt, data, False)
    if final:
        yield Piece(log.node, log.attempt, b"", True)
