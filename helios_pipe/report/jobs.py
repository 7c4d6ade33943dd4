"""What people read of jobs, their nodes and their logs. Knows nothing of where it comes from: it is given plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from helios_pipe.report.texts import duration

_MOST_NODES = 60
_MOST_RUNNING = 4


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows in columns, the first one being the heads."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def jobs(views: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line for each job."""
    rows = [["job", "state", "nodes", "run", "started", "took", "manifest"], *map(_job_row, views)]
    return table(rows)


def _job_row(view: Mapping[str, Any]) -> list[str]:
    started, took = clock_time(view["started"]), duration(view["elapsed_s"])
    return [view["job"], state(view), node_count(view), str(view["run"]), started, took, view["manifest"]]


def state(view: Mapping[str, Any]) -> str:
    """`running`, `running (pausing)`, `interrupted`."""
    notes = [view["asked"]] if view["asked"] else []
    notes += [f"{view['waiting']} waiting"] if view["waiting"] else []
    return f"{view['state']} ({', '.join(notes)})" if notes else str(view["state"])


def node_count(view: Mapping[str, Any]) -> str:
    """`7 of 9, 1 failed`."""
    failed = f", {view['failed']} failed" if view["failed"] else ""
    total = "?" if view["total"] is None else view["total"]
    made = view["executed"] + view["cached"]
    return f"{made} of {total}{failed}"


def show(
    view: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[str, Any]], *, everything: bool
) -> Iterator[str]:
    """A job in full."""
    yield f"{view['job']}: {state(view)}"
    yield f"  manifest  {view['manifest']}"
    took = duration(view["elapsed_s"])
    at = f", process {view['pid']}" if view["state"] in ("running", "pending") else ""
    yield f"  run       {view['run']}, started {clock_time(view['started'])}, {took}{at}"
    yield f"  nodes     {node_count(view)}: {view['executed']} executed, {view['cached']} cached"
    if view["running"]:
        yield f"  now       {running(view['running'])}"
    if view["state"] == "interrupted":
        yield f"  its process died; what was finished is kept: helios-pipe resume {view['job']}"
    if view.get("stopped"):
        yield f"  stopped   {view['stopped']}"
    metrics = _metrics(nodes)
    if metrics:
        yield f"  commands  {metrics}"
    if nodes:
        yield ""
        yield from node_table(nodes, everything=everything)
    if len(runs) > 1:
        yield ""
        yield from _run_table(runs)


def running(nodes: Sequence[Mapping[str, Any]]) -> str:
    """`film/0003 (2.1 s), film/0004 (0.2 s), +3`."""
    shown = [f"{node['node']} ({duration(node['elapsed_s'])})" for node in nodes[:_MOST_RUNNING]]
    more = len(nodes) - _MOST_RUNNING
    return ", ".join([*shown, f"+{more}"] if more > 0 else shown)


def _metrics(nodes: Sequence[Mapping[str, Any]]) -> str:
    took = [node["duration_s"] for node in nodes if node["state"] == "executed"]
    if not took:
        return ""
    slowest = max((node for node in nodes if node["state"] == "executed"), key=lambda node: float(node["duration_s"]))
    mean = duration(sum(took) / len(took))
    return f"{duration(sum(took))} in all, {mean} on average, {slowest['node']} {duration(slowest['duration_s'])} the longest"


def node_table(nodes: Sequence[Mapping[str, Any]], *, everything: bool) -> Iterator[str]:
    """One line for each node; of many, those that run or failed come first and the rest is only counted."""
    shown = list(nodes)
    if not everything and len(nodes) > _MOST_NODES:
        rank = {"running": 0, "interrupted": 0, "failed": 1, "cancelled": 2}
        by_weight = sorted(nodes, key=lambda node: (rank.get(node["state"], 3), -(node["duration_s"] or 0.0)))
        shown = by_weight[:_MOST_NODES]
    rows = [["node", "state", "attempts", "took", "worker", "reason"]]
    for node in shown:
        took = "" if node["duration_s"] is None else duration(node["duration_s"])
        attempts = str(node["attempts"]) if node["attempts"] else ""
        rows.append([node["node"], node["state"], attempts, took, node["worker"], node["reason"][:80]])
    yield from table(rows)
    if len(shown) < len(nodes):
        yield f"… and {len(nodes) - len(shown)} more nodes (--all)"


def _run_table(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = [["run", "state", "started", "took", "nodes"]]
    for run in runs:
        took = duration(run["elapsed_s"])
        rows.append([str(run["run"]), str(run["state"]), clock_time(run["started"]), took, node_count(run)])
    return table(rows)


def clock_time(iso: str | None) -> str:
    """An ISO time as the wall clock here shows it: `2026-03-01 14:02:11`."""
    return "" if iso is None else f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d %H:%M:%S}"


def log_head(log: Mapping[str, Any]) -> str:
    """What stands above one attempt's output."""
    reason = f": {log['reason']}" if log["reason"] else ""
    return f"==> {log['node']}, attempt {log['attempt']} of run {log['run']}, {log['status']}{reason} <=="
