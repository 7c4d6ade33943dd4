"""The nodes of a job as the journal knows them: what became of each, how often it was tried, what it printed. Reads only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from helios_pipe.cache.database import Database
from helios_pipe.cache.results import Attempt, Result
from helios_pipe.engine.options import RunState
from helios_pipe.graph.nodes import chunk_names
from helios_pipe.jobs.board import Board, JobView
from helios_pipe.jobs.journal import RunningNode, log_path
from helios_pipe.tuples import NamedTuple

_ATTEMPT = ", ".join(Attempt._fields)
_RESULT = ", ".join(f"results.{name}" for name in Result._fields)
_STATES = {"done": "executed", "beaten": "beaten", "cancelled": "cancelled"}


class NodeView(NamedTuple):
    """One node. `state` is running, executed, failed or cancelled in the run that is looked at; `interrupted` where its
    process died meanwhile; `earlier` where another run made it (and this one found it, or did not look at it); else `waiting`
    while the run goes on, or where its process died, and `skipped` after its end. Durations are those of the last
    attempt's command, in seconds."""

    node: str
    state: str
    attempts: int
    duration_s: float | None
    worker: str
    began: float | None
    reason: str
    log: str | None


class Log(NamedTuple):
    """The output of one attempt: its file where it is kept, else (where that is gone) the end that the journal has."""

    node: str
    run: int
    attempt: int
    status: str
    reason: str
    path: Path
    tail: str


def attempts_of(database: Database, run: int, node: str | None = None) -> list[Attempt]:
    """The finished attempts of a run (at one node), in order."""
    where, values = ("AND node=?", (run, node)) if node is not None else ("", (run,))
    query = f"SELECT {_ATTEMPT} FROM attempts WHERE run=? {where} ORDER BY node, attempt"  # noqa: S608 - our own names
    return [Attempt(*row) for row in database.connection.execute(query, values)]


def count_attempts(database: Database, run: int) -> int:
    """How many attempts of a run have ended."""
    row = database.connection.execute("SELECT count(*) FROM attempts WHERE run=?", (run,)).fetchone()
    return int(row[0])


def nodes_of(board: Board, view: JobView) -> list[NodeView]:
    """Every node of the run, in its order; where that is not known (of an old run), every one that is known of the job."""
    database = board.database
    attempts, made = attempts_of(database, view.record.id), results_of(database, view)
    return nodes_from(view, run_names(board, view), attempts, made)


def nodes_from(
    view: JobView, names: Sequence[str], attempts: Sequence[Attempt], made: Mapping[str, Result]
) -> list[NodeView]:
    """The same from what was read already: `run_names`, `attempts_of`, `results_of`."""
    nodes = {
        node: NodeView(node, "earlier", 0, row.duration_s, row.worker, row.time - row.duration_s, "", row.log)
        for node, row in made.items()
    }
    tried: set[tuple[str, int]] = set()
    for attempt in attempts:
        tried.add((attempt.node, attempt.attempt))
        if attempt.status != "beaten":
            nodes[attempt.node] = _node(attempt)
    nodes |= {row.node: _running(row, view) for row in view.progress.running if (row.node, row.attempt) not in tried}
    left = "skipped" if view.progress.skipped else "earlier"  # there as a part of others
    if view.going or view.state is RunState.INTERRUPTED:
        left = "waiting"
    return [nodes.get(name) or NodeView(name, left, 0, None, "", None, "", None) for name in names or sorted(nodes)]


def run_names(board: Board, view: JobView) -> list[str]:
    """The names of the run's nodes, jobs in the order in which they come; none of an old run."""
    names: list[str] = []
    for job in board.journal.jobs_of(view.record.id):
        names += chunk_names(job.name, job.chunks)
        names += [job.final] if job.final is not None else []
    return names


def results_of(database: Database, view: JobView) -> dict[str, Result]:
    """What each node of a job was when it was last made or found, by its name; none that a later run made than the one that is
    looked at. Whether the blobs are there is another question; the results' own names may be others, where something else
    made the same first."""
    query = f"SELECT last.node, {_RESULT} FROM last JOIN results ON results.key = last.key WHERE last.job=?"  # noqa: S608
    later = (
        "SELECT DISTINCT node FROM attempts WHERE status='done' AND run IN (SELECT id FROM runs WHERE job=? AND id>?)"
    )
    run = database.connection.execute
    since = {row[0] for row in run(later, (view.id, view.record.id))}
    return {row[0]: Result(*row[1:]) for row in run(query, (view.id,)) if row[0] not in since}


def state_of(attempt: Attempt) -> str:
    """What an attempt came to: executed, failed, beaten or cancelled."""
    return _STATES.get(attempt.status, "failed")


def _node(attempt: Attempt) -> NodeView:
    return NodeView(
        attempt.node, state_of(attempt), attempt.attempt, max(0.0, attempt.duration_s), attempt.worker, attempt.started,
        attempt.reason, attempt.log,
    )  # fmt: skip


def _running(running: RunningNode, view: JobView) -> NodeView:
    """What an attempt under way is by now, or was when its process died."""
    until = time.time() if view.going else view.heard or view.record.ended or running.began
    state, took = "running" if view.going else "interrupted", max(0.0, until - running.began)
    return NodeView(running.node, state, running.attempt, took, "", running.began, "", None)


def logs_of(board: Board, view: JobView, node: str) -> list[Log]:
    """The outputs of all attempts at a node: in this run where it has any, also those under way; else in the last run that
    has. Empty where the node was never tried."""
    database = board.database
    run = view.record.id
    found = attempts_of(database, run, node)
    running = [r for r in view.progress.running if r.node == node] if view.going else []
    if not found and not running:
        query = (
            "SELECT attempts.run FROM attempts JOIN runs ON runs.id = attempts.run"
            " WHERE runs.job=? AND attempts.node=? ORDER BY attempts.run DESC LIMIT 1"
        )
        row = database.connection.execute(query, (view.id, node)).fetchone()
        if row is None:
            return []
        run = row[0]
        found = attempts_of(database, run, node)
    return [log_of_attempt(board, view.id, attempt) for attempt in found] + [
        log_of_running(board, view, r) for r in running
    ]


def failed_logs(board: Board, view: JobView) -> list[Log]:
    """The output of the last attempt at each node that failed in this run."""
    last: dict[str, Attempt] = {}
    for attempt in attempts_of(board.database, view.record.id):
        if attempt.status != "beaten":
            last[attempt.node] = attempt
    return [log_of_attempt(board, view.id, a) for a in last.values() if a.status not in ("done", "cancelled")]


def log_of_running(board: Board, view: JobView, running: RunningNode) -> Log:
    """The output so far of an attempt under way."""
    path = log_path(board.cache, view.id, view.record.id, running.node, running.attempt)
    return Log(running.node, view.record.id, running.attempt, "running", "", path, "")


def log_of_attempt(board: Board, job: str, attempt: Attempt) -> Log:
    """The output of a finished attempt."""
    path = Path(attempt.log) if attempt.log else log_path(board.cache, job, attempt.run, attempt.node, attempt.attempt)
    return Log(attempt.node, attempt.run, attempt.attempt, attempt.status, attempt.reason, path, attempt.tail or "")


def names_of(board: Board, view: JobView) -> Sequence[str]:
    """The names of all nodes that anything is known of."""
    query = (
        "SELECT node FROM last WHERE job=? UNION SELECT attempts.node FROM attempts JOIN runs ON runs.id = attempts.run"
        " WHERE runs.job=?"
    )
    rows = board.database.connection.execute(query, (view.id, view.id))
    return sorted({row[0] for row in rows} | {running.node for running in view.progress.running})
