"""Taking in what slots made: guards, one transaction for all that is there, then the telling. Decides nothing of what is
next."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from helios_pipe.action.model import Join, Step
from helios_pipe.cache.memo import Known
from helios_pipe.cache.results import Attempt, Commit, Result, Results, packed, proof_key
from helios_pipe.columns import nth_digest, nth_digests
from helios_pipe.digest import Digest, canonical
from helios_pipe.engine.slot import Ended, Flight
from helios_pipe.engine.work import JobWork, State, Task
from helios_pipe.errors import DiskFullError
from helios_pipe.ports import LOCAL, FailureClass, Outcome
from helios_pipe.texts import encodable, readable
from helios_pipe.tuples import NamedTuple

_TOOLS = "\0tools"
"""No job has this name."""
_TAIL = 4096
"""Bytes of a failed attempt's output that the journal keeps; its log has all."""


class _When(NamedTuple):
    """Now, and when the clock by which flights begin stood at zero, both in seconds since 1970."""

    now: float
    epoch: float


class Settled:
    """What came of a batch: tasks made (with how long they took), attempts that failed, texts worth a warning."""

    __slots__ = ("failed", "made", "warnings")

    def __init__(self) -> None:
        self.made: list[tuple[Task, Outcome]] = []
        self.failed: list[tuple[Task, Outcome]] = []
        self.warnings: list[str] = []


class Settler:
    """Commits outcomes. For the loop's thread."""

    def __init__(
        self,
        job_id: str,
        run: int,
        root: str,
        results: Results,
        tools_changed: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`tools_changed` names a tool of this machine that is no longer the one that the keys speak of."""
        self._tools_changed = tools_changed
        self._job_id = job_id
        self._run = run
        self._root = root
        self._results = results
        self._coming: list[Task] = []
        self._found: list[tuple[JobWork, list[int]]] = []
        self._packed: dict[str, bytes] = {}
        self._recipes: set[str] = set()
        """Those whose records this run has written."""

    def expect(self, task: Task) -> None:
        """This one is about to be made."""
        self._coming.append(task)

    @property
    def behind(self) -> bool:
        """Whether `make_ready` has something to do."""
        return bool(self._coming or self._found)

    def make_ready(self) -> None:
        """Do now, while slots are at work, what need not wait for them: the record of a join of ten thousand is long."""
        self.note_known()
        for task in self._coming:
            if task.state is State.RUNNING:
                self._packed[task.key] = packed(task.preimage)
        self._coming.clear()

    def settle(self, batch: Sequence[Ended], beaten: Sequence[Ended], now: float, moment: float) -> Settled:
        """Check each outcome's guards, commit what is right in one transaction, and say what came of it. Of attempts that
        were beaten by another one at the same task only a note is kept. `now` is in seconds since 1970, `moment` the same
        on the clock by which flights begin."""
        settled = Settled()
        flights = {message.task: message.flight for message in batch}
        when = _When(now, now - moment)
        shared: dict[str, str | None] = {}
        for message in batch:
            task, outcome = message.task, message.outcome
            if outcome.digest is not None and (name := self._changed(task, outcome, shared)) is not None:
                outcome = self._stale(task, outcome, name)
            (settled.made if outcome.digest is not None else settled.failed).append((task, outcome))
        attempts = [self._attempt(message.flight, message.outcome, when, beaten=True) for message in beaten]
        for task, outcome in (*settled.made, *settled.failed):
            attempts.append(self._attempt(flights[task], outcome, when))
        try:
            self._commit(settled, {message.task: message.flight.step for message in batch}, attempts, now)
        except DiskFullError as error:
            if settled.made:
                raise
            settled.warnings.append(f"not in the journal: {error.message}")  # why they failed is the news
        return settled

    def note_found(self, tasks: Sequence[Task], last: Mapping[str, str]) -> None:
        """Record the keys of nodes that were found, where they had another one."""
        rows = [(self._job_id, task.name, task.key) for task in tasks if last.get(task.name) != task.key]
        if rows:
            self._results.commit(Commit(last=rows))

    def found_known(self, work: JobWork) -> None:
        """The chunks of a job that are known, and no tasks by now, were found. That is noted by `make_ready`, or in the end by
        `note_known`."""
        self._found.append((work, [task.index for task in work.chunks.single()]))

    def note_known(self) -> None:
        """The same as `note_found`, for those that `found_known` was told of, as far as that is still to be done."""
        for work, tasks in self._found:
            self._note_known(work, tasks)
        self._found.clear()

    def _note_known(self, work: JobWork, tasks: Sequence[int]) -> None:
        """`tasks` are the places of the others."""
        known, nodes = work.chunks.known, work.nodes
        if known is None:
            return
        count = len(known)
        last = self._results.last_keys_between(self._job_id, nodes.chunk_name(0), nodes.chunk_name(count - 1))
        same = len(last) == len(known.keys)
        news: list[int] = []
        for stretch in _between(tasks, count):
            if not same or nth_digests(last, stretch) != nth_digests(known.keys, stretch):
                news += [at for at in stretch if not same or nth_digest(last, at) != known.key(at)]
        if news:
            self._results.commit(Commit(last=[(self._job_id, nodes.chunk_name(at), known.key(at)) for at in news]))

    def _commit(self, settled: Settled, steps: Mapping[Task, Step], attempts: Sequence[Attempt], now: float) -> None:
        results: list[Result] = []
        preimages: dict[str, bytes] = {}
        fresh: set[str] = set()
        saved = self._recipes
        for task, outcome in settled.made:
            results.append(_result(task, outcome, now))
            preimages[task.key] = self._packed.pop(task.key, b"") or _preimage(task, steps[task])
            if outcome.proof:
                preimages[proof_key(task.key, results[-1].digest)] = outcome.proof
            if task.recipe is not None and (recipe := task.recipe.record).digest not in saved:
                preimages[recipe.digest] = recipe.data
                fresh.add(recipe.digest)
        last = [(self._job_id, task.name, task.key) for task, _ in settled.made]
        forced = any(task.forced for task, _ in settled.made)
        differ = dict(self._results.commit(Commit(results, preimages, last, attempts, forced)))
        saved |= fresh
        for (task, _), result in zip(settled.made, results, strict=True):
            task.state, task.digest, task.folder = State.DONE, result.digest, result.folder
            task.found = Known(task.key, result.digest, result.folder, result.size, result.mtime_ns, result.inode)
            if result in differ:
                settled.warnings.append(_not_deterministic(task, result, differ[result]))
                if not forced and (kept := self._results.find([task.key]).get(task.key)) is not None:
                    task.digest = kept.digest

    def _changed(self, task: Task, outcome: Outcome, shared: dict[str, str | None]) -> str | None:
        """What the result stands on that is another thing by now; None where all is as it was keyed. `shared` is what was
        looked at in this batch."""
        work: JobWork = task.work
        if work.name not in shared:
            shared[work.name] = work.shared.changed()
        path = shared[work.name] or task.extra.changed()
        if path is not None:
            return os.path.relpath(path, self._root)
        if outcome.worker != LOCAL or task.recipe is None:
            return None
        if _TOOLS not in shared:
            shared[_TOOLS] = self._tools_changed()
        return None if shared[_TOOLS] is None else f"tool {shared[_TOOLS]}"

    def _stale(self, task: Task, outcome: Outcome, name: str) -> Outcome:
        return Outcome(
            failure=FailureClass.FATAL,
            reason=f"{name} changed while {task.name} was rendering: its result was not kept; run again",
            exit_code=outcome.exit_code,
            duration_s=outcome.duration_s,
            worker=outcome.worker,
            stale=True,
        )

    def _attempt(self, flight: Flight, outcome: Outcome, when: _When, *, beaten: bool = False) -> Attempt:
        """The journal's note of an attempt. Here a command begins when its slot takes it up; elsewhere it may wait there, and is
        recorded as soon as it is over."""
        assert flight.began is not None
        began = when.epoch + flight.began
        if outcome.worker != LOCAL:
            began = max(began, when.now - outcome.duration_s)
        good = outcome.digest is not None
        log = str(outcome.log) if outcome.log is not None else None
        tail = None if good or beaten else encodable(outcome.tail[-_TAIL:])
        status = "beaten" if beaten else "done" if good else str(outcome.failure)
        reason = "another copy was quicker" if beaten and (good or not outcome.reason) else readable(outcome.reason)
        return Attempt(
            self._run, flight.task.name, flight.attempt, status, began, outcome.duration_s, outcome.worker,
            outcome.exit_code, reason, log, tail,
        )  # fmt: skip


def _between(places: Sequence[int], count: int) -> list[range]:
    """The stretches of numbers below `count` that these, in order, leave."""
    return [range(low + 1, high) for low, high in zip((-1, *places), (*places, count), strict=True)]


def _preimage(task: Task, step: Step) -> bytes:
    if task.preimage or task.recipe is None or isinstance(step, Join):
        return task.preimage
    return task.recipe.key(step).data


def _result(task: Task, outcome: Outcome, now: float) -> Result:
    assert outcome.digest is not None
    span = task.span if task.recipe is not None and task.recipe.family is not None else None
    family = task.recipe.family.digest if task.recipe is not None and task.recipe.family is not None else None
    size, mtime_ns, inode = outcome.mark
    return Result(
        task.key, task.name, task.kind, Digest(outcome.digest), outcome.folder, size, mtime_ns, inode,
        family, span.start if span else None, span.count if span else None, span.step if span else None,
        outcome.exit_code, outcome.duration_s, outcome.worker,
        canonical({encodable(name): encodable(line) for name, line in outcome.tools.items()}).decode() if outcome.tools else "",
        str(outcome.log) if outcome.log is not None else None, now,
    )  # fmt: skip


def _not_deterministic(task: Task, result: Result, kept: Digest) -> str:
    return (
        f"{task.name} is not deterministic: the same key gave {kept[:12]}… before and {result.digest[:12]}… now "
        "(pin threads, seeds and dates in its command; `helios-pipe verify --rerender` compares frames)"
    )
