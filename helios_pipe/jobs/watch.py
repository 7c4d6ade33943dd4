"""A job that runs elsewhere, told as the events that its own process would tell. Knows nothing of how they are shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from helios_pipe.events import Event
from helios_pipe.jobs.board import Board, JobView
from helios_pipe.jobs.nodes import attempts_of, count_attempts

_TICK_S = 0.25
_STATUS = {"done": "executed"}


def watch(board: Board, view: JobView, sleep: Callable[[float], None] = time.sleep) -> Iterator[Event]:
    """The events of the job's run from now on, until it ends: `plan`, `progress`, `node_finished` for what was executed or
    failed. What was made before is in the first `progress`. The last value of the job is its `view_of_run`."""
    run = view.record.id
    seen = {(a.node, a.attempt): a.status for a in attempts_of(board.database, run)}
    planned = False
    asked = ""
    while True:
        now = board.view(view.id)
        if now is not None and now.record.total is not None and not planned:
            planned = True
            yield {"event": "plan", "total": now.record.total, "jobs": [view.name]}
        yield from _ended(board, run, seen)
        if now is None or now.record.id != run or not now.going:
            return
        if now.asked != asked:
            asked = now.asked
            stopping: Event = {
                "event": "stopping",
                "reason": {"cancelling": "cancel"}.get(asked, "pause"),
                "now": False,
            }
            yield stopping if asked else {"event": "resumed"}
        running = [r.node for r in now.progress.running]
        yield {
            "event": "progress",
            "done": max(now.progress.done, now.progress.cached + sum(status == "done" for status in seen.values())),
            "total": now.record.total or 0,
            "running": running,
            "failed": now.progress.failed,
        }
        sleep(_TICK_S)


def _ended(board: Board, run: int, seen: dict[tuple[str, int], str]) -> Iterator[Event]:
    if count_attempts(board.database, run) <= len(seen):
        return
    for attempt in attempts_of(board.database, run):
        if (attempt.node, attempt.attempt) in seen:
            continue
        seen[attempt.node, attempt.attempt] = attempt.status
        if attempt.status in ("beaten", "cancelled"):
            continue
        yield {
            "event": "node_finished",
            "node": attempt.node,
            "status": _STATUS.get(attempt.status, "failed"),
            "attempt": attempt.attempt,
            "duration_s": max(0.0, attempt.duration_s),
            "reason": attempt.reason,
        }
