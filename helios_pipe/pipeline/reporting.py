"""All that is known of one run of a job, gathered for its report. Reads the journal, the cache and the manifest; changes
nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helios_pipe.cache.folders import REPORTS
from helios_pipe.cache.results import Attempt, Result
from helios_pipe.errors import HeliosPipeError, UsageError
from helios_pipe.graph.chunking import Span
from helios_pipe.jobs.board import Board, JobView, iso
from helios_pipe.jobs.nodes import (
    NodeView,
    attempts_of,
    failed_logs,
    nodes_from,
    results_of,
    run_names,
    state_of,
)
from helios_pipe.pipeline.again import request_again
from helios_pipe.report.page import Findings, Shot
from helios_pipe.report.svg import svg
from helios_pipe.report.timeline import Bar
from helios_pipe.tuples import NamedTuple
from helios_pipe.version import __version__

_MOST_RUNS = 20


def gather(board: Board, view: JobView, most_shots: int) -> Findings:
    """The findings of the run that is looked at, with pictures of at most so many chunks."""
    now = time.time()
    names, made = run_names(board, view), results_of(board.database, view)
    attempts = attempts_of(board.database, view.record.id)
    nodes = nodes_from(view, names, attempts, made)
    states = {node.node: node.state for node in nodes}
    drawing = _draw(board, view, names, states)
    shots, chunks = _shots(board, states, made, drawing.spans, most_shots)
    bars = _bars(attempts, nodes)
    records = board.journal.runs(view.id, limit=_MOST_RUNS)
    last = records[0].id == view.record.id
    return Findings(
        view=view.to_dict(now),
        nodes=[node._asdict() for node in nodes],
        bars=bars,
        began=min([view.record.started, *(bar.began for bar in bars)]),
        ended=max([view.record.started + view.elapsed_s(now), *(bar.ended for bar in bars)]),
        runs=[(view if r.id == view.record.id else board.view_of_run(r)).to_dict(now) for r in records],
        failures=view.summary.get("failures", []) if view.summary else _failures(board, view),
        outputs=view.summary.get("outputs", []),
        warnings=view.summary.get("warnings", []),
        saved_s=_saved(view, states, made) if last else None,  # of an earlier one nobody knows any more
        shots=shots,
        shots_of=chunks,
        graph=drawing.svg,
        graph_note=drawing.note,
        written=iso(now) or "",
        program=f"helios-pipe {__version__}",
    )


def page_path(cache: Path, job: str) -> Path:
    """Where the page about a job goes if nobody says: into the cache, where it is nobody's input."""
    return cache / REPORTS / f"{job}.html"


def view_of_run(board: Board, view: JobView, number: int) -> JobView:
    """The job as its run of that number left it. Raises UsageError naming those that there are."""
    if number == view.record.id:
        return view
    record = board.journal.run(number)
    if record is None or record.job != view.id:
        known = ", ".join(str(run.id) for run in reversed(board.journal.runs(view.id, limit=_MOST_RUNS)))
        raise UsageError(f"{view.id} has no run {number}; the last ones are: {known}")
    return board.view_of_run(record)


def _bars(attempts: Sequence[Attempt], nodes: Sequence[NodeView]) -> list[Bar]:
    ended = [
        Bar(a.node, state_of(a), a.worker, a.started, a.started + max(0.0, a.duration_s), a.reason) for a in attempts
    ]
    workers = {bar.worker for bar in ended}
    worker = workers.pop() if len(workers) == 1 else ""  # of what is under way that is not known
    under_way = [node for node in nodes if node.state in ("running", "interrupted")]
    return ended + [
        Bar(node.node, node.state, worker, node.began, node.began + (node.duration_s or 0.0))
        for node in under_way
        if node.began is not None
    ]


def _failures(board: Board, view: JobView) -> Sequence[Mapping[str, Any]]:
    """What failed in a run that has not ended, or was not able to say how: as far as the journal knows."""
    return [
        {
            "node": log.node, "reason": log.reason, "attempts": log.attempt, "tail": log.tail, "log": str(log.path),
            "kept": None, "repeat": "", "hints": [], "history": [],
        }
        for log in failed_logs(board, view)
    ]  # fmt: skip


def _saved(view: JobView, states: Mapping[str, str], made: Mapping[str, Result]) -> float | None:
    """How long it took once to make what this run found. None where it is not known of each node whether it was found."""
    found = [made[name] for name, state in states.items() if state == "earlier" and name in made]
    if not found or len(found) != view.progress.cached or len(found) != list(states.values()).count("earlier"):
        return None
    before = {row.key: row.duration_s for row in found if row.time < view.record.started}
    return sum(before.values()) if before else None


def _shots(
    board: Board, states: Mapping[str, str], made: Mapping[str, Result], spans: Mapping[str, Span], most: int
) -> tuple[list[Shot], int]:
    if most == 0:
        return [], 0
    from helios_pipe.pipeline.shots import Shots

    return Shots(board.database, board.cache).take(states, made, spans, most)


class _Drawing(NamedTuple):
    """The job's graph as SVG, what to say of it, and which frames each chunk has, where it is the run's. Where the manifest
    cannot be read any more, there is only a word on why."""

    svg: str
    note: str
    spans: Mapping[str, Span]


def _draw(board: Board, view: JobView, names: Sequence[str], states: Mapping[str, str]) -> _Drawing:
    from helios_pipe.graph.dag import digraph, generations
    from helios_pipe.pipeline.session import open_manifest

    try:
        graph = open_manifest(request_again(board, board.cache, view.record)).graph
        edited = os.stat(view.manifest).st_mtime > view.record.started
    except (HeliosPipeError, OSError) as error:
        return _Drawing("", f"Not drawn: {error}", {})
    other = edited or (bool(names) and names != [node.name for node in graph.nodes()])
    spans = {} if other else {job.chunk_name(span.index): span for job in graph.jobs for span in job.spans}
    whole = digraph(graph)
    shown = {name: states.get(name, "waiting") for name in whole if whole.nodes[name]["kind"] != "group"}
    note = "As the manifest is now, which is not as it was when this run began." if other else ""
    return _Drawing(svg(whole, generations(whole), shown), note, spans)
