"""A recorded run asked for once more, as it was asked for then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helios_pipe.errors import UsageError
from helios_pipe.jobs.board import Board
from helios_pipe.jobs.journal import RunRecord
from helios_pipe.jobs.nodes import attempts_of
from helios_pipe.pipeline.request import Request


def request_again(board: Board, cache: Path, record: RunRecord) -> Request:
    """The request that goes on with that run. What was forced and is made by now is not made again. Raises UsageError for a
    job that was submitted from Python: only its own program has the adapter and the callbacks."""
    asked: dict[str, Any] = json.loads(record.request)
    if asked.get("python"):
        raise UsageError(
            f"job {record.job} was submitted from Python", hint="Go on with it there: JobManager.resume_job."
        )
    made = _made(board, record) if asked["force"] or asked["force_nodes"] else frozenset()
    deadline = asked.get("deadline_s")
    return Request(
        manifest=Path(record.manifest),
        jobs=tuple(asked["jobs"]),
        overrides=asked["set"],
        concurrency=asked["concurrency"],
        adapter=asked["adapter"],
        keep_going=asked["keep_going"],
        force=asked["force"],
        force_nodes=tuple(asked["force_nodes"]),
        cache_dir=str(cache),
        stitch=asked["stitch"],
        durable=asked.get("durable", False),
        keep_merge=asked.get("keep_merge", False),
        deadline_s=None if deadline is None else float(deadline),
        max_cost=None if asked.get("max_cost") is None else float(asked["max_cost"]),
        made=made,
        resumes=record.id,
    )


def _made(board: Board, record: RunRecord | None) -> frozenset[str]:
    """What the run made, and those that it went on with."""
    names: set[str] = set()
    while record is not None:
        names |= {a.node for a in attempts_of(board.database, record.id) if a.status == "done"}
        before = json.loads(record.request).get("resumes")
        record = board.journal.run(before) if before is not None else None
    return frozenset(names)
