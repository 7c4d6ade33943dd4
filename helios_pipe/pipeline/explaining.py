"""Every ingredient of one node's key, with its place in the manifest, against what it was last. Reads, changes nothing."""

from __future__ import annotations

from helios_pipe.action.key import Change
from helios_pipe.engine.inputs import JobOutput
from helios_pipe.engine.reasons import Difference
from helios_pipe.engine.work import JobWork, State, Task
from helios_pipe.manifest.model import MarkPath
from helios_pipe.pipeline.session import Session
from helios_pipe.tuples import NamedTuple


class Line(NamedTuple):
    """One ingredient: its name, its value now, the manifest's line where it has one, and how it changed; `known` says whether
    that could be told."""

    name: str
    value: str | None
    place: str | None
    change: Change | None
    known: bool = True


class Explanation(NamedTuple):
    """A node's key and what it is made of. `compared` says whether there was a last result to compare with. Without a key,
    the node waits for what is still to be made."""

    node: str
    kind: str
    key: str | None
    last_key: str | None
    action: str
    reason: str
    compared: bool
    lines: tuple[Line, ...]


def explain(session: Session, name: str) -> Explanation:
    """Explain the node of that name. Raises UsageError where there is none."""
    task = session.task(name)
    outputs: dict[str, JobOutput] = {}
    for work in session.works:
        _resolve(session, work, outputs)
        if work is task.work:
            break
    session.sources.save()
    last = session.reasons.last.get(name)
    if not task.key:
        waits = next((n for n in task.work.nodes.needs if n not in outputs), "its chunks")
        return Explanation(name, task.kind, None, last, "run", f"waits for {waits}", False, ())
    differ = session.reasons.compare(task) if last is not None and last != task.key else Difference([])
    found = session.reasons.ingredients(task)
    changed, unknown = ({}, found.keys()) if differ is None else ({c.name: c for c in differ.changes}, differ.unknown)
    lines = [
        Line(n, value, _place(session, task, n), changed.pop(n, None), n not in unknown) for n, value in found.items()
    ]
    lines += [Line(n, None, _place(session, task, n), change) for n, change in changed.items()]
    action = "run" if task.state is State.READY else "cached"
    return Explanation(
        name, task.kind, task.key, last, action, session.reasons.why(task), differ is not None, tuple(lines)
    )


def _resolve(session: Session, work: JobWork, outputs: dict[str, JobOutput]) -> None:
    if any(given.job not in outputs for given in work.nodes.job.job_inputs):
        return
    session.resolver.start(work, outputs)
    ready = all(task.state is State.CACHED for task in work.chunks) and all(n in outputs for n in work.nodes.needs)
    if ready and work.final is not None and not work.final_started:
        session.resolver.start_final(work, outputs)
    work.open = sum(task.state is not State.CACHED for task in work.chunks)
    if (output := work.output()) is not None:
        outputs[work.name] = output


def _place(session: Session, task: Task, name: str) -> str | None:
    """The manifest's line that an ingredient comes from: the nearest one that is marked."""
    job = session.manifest.job(task.work.name)
    marks = session.manifest.marks
    for path in _candidates(job.where, task, *name.partition(".")[::2]):
        if path in marks:
            return f"{session.manifest.path.name}:{marks[path][0]}"
    return None


def _candidates(where: MarkPath, task: Task, head: str, rest: str) -> list[MarkPath]:
    chunk: MarkPath = (*where, "chunk") if task.work.nodes.job.chunk is not None else (*where, "chunks", task.index)
    own = {"chunk": chunk, "stitch": (*where, "stitch")}.get(task.kind, where)
    if head == "argv":
        return [(*own, "command")]
    if head == "env":
        return [(*own, "env", rest), (*where, "env", rest), ("env", rest)]
    if head == "tools":
        return [("tools", rest)]
    if head == "frames":
        return [(*where, "chunk", "size"), (*chunk, "frames"), (*where, "frames")]
    if head == "settings":
        return [(*where, "stitch", rest), (*where, rest), (*where, "stitch")]
    if head == "output":
        return [(*own, "output")]
    if head == "inputs":
        return [] if task.kind == "stitch" else [(*where, "inputs"), (*chunk, "inputs")]
    return [(*where, "stitch", head), (*where, head)]
