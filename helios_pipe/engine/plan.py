"""What a run would do, and why: the same decisions as the loop's, with nothing made. Reads the cache, changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from helios_pipe.engine.inputs import JobOutput
from helios_pipe.engine.reasons import Reasons
from helios_pipe.engine.resolve import Resolver
from helios_pipe.engine.work import JobWork, State, Task
from helios_pipe.tuples import NamedTuple


class PlannedNode(NamedTuple):
    """One row of the plan: `action` is `run` or `cached`."""

    node: str
    kind: str
    action: str
    reason: str


def plan(works: Sequence[JobWork], resolver: Resolver, reasons: Reasons) -> list[PlannedNode]:
    """Every node, in order. A node that needs what is still to be made is planned as `run`: its key is not known yet."""
    outputs: dict[str, JobOutput] = {}
    rows: list[PlannedNode] = []
    for work in works:
        missing = [name for name in work.nodes.needs if name not in outputs]
        inputs_missing = [given.job for given in work.nodes.job.job_inputs if given.job in missing]
        if inputs_missing:
            rows += [PlannedNode(t.name, t.kind, "run", f"waits for {inputs_missing[0]}") for t in work.tasks()]
            continue
        resolver.start(work, outputs)
        work.open = sum(task.state is not State.CACHED for task in work.chunks)
        rows += [_row(task, reasons) for task in work.chunks]
        if work.final is not None:
            rows.append(_final_row(work, work.final, missing, outputs, resolver, reasons))
        if (output := work.output()) is not None:
            outputs[work.name] = output
    return rows


def _final_row(
    work: JobWork, final: Task, missing: list[str], outputs: dict[str, JobOutput], resolver: Resolver, reasons: Reasons
) -> PlannedNode:
    to_make = work.open
    if missing:
        return PlannedNode(final.name, final.kind, "run", f"waits for {missing[0]}")
    if to_make:
        return PlannedNode(final.name, final.kind, "run", f"waits for {to_make} chunk{'s' if to_make > 1 else ''}")
    if not work.final_started:
        resolver.start_final(work, outputs)
    return _row(final, reasons)


def _row(task: Task, reasons: Reasons) -> PlannedNode:
    return PlannedNode(task.name, task.kind, "run" if task.state is State.READY else "cached", reasons.why(task))
