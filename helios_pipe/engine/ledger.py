"""The account of a run: where each node stands, how many of each, and the telling of it. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from helios_pipe.engine.options import AttemptNote, Failure, Placed, RunState, Stop, Summary
from helios_pipe.engine.reasons import Reasons
from helios_pipe.engine.work import FINISHED, GOOD, JobWork, State, Task
from helios_pipe.events import Listener
from helios_pipe.ports import Outcome

_STATUS = {State.DONE: "executed", State.CACHED: "cached", State.FAILED: "failed", State.SKIPPED: "skipped"}


class Ledger:
    """Counts and events of one run. executed + cached + failed + skipped + open == total, at any time."""

    def __init__(
        self,
        works: list[JobWork],
        reasons: Reasons,
        listener: Listener | None,
        clock: Callable[[], float],
        every_s: float,
    ) -> None:
        self._works = works
        self._reasons = reasons
        self._listener = listener
        self.told_of_each = listener is not None and not getattr(listener, "tallies", False)
        """Whether somebody wants to hear of each node, also of those that were found, and why."""
        self._clock = clock
        self._every_s = every_s
        self._next_progress = 0.0
        self.total = sum(len(work.chunks) + (work.final is not None) for work in works)
        self.counts = dict.fromkeys(FINISHED, 0)
        self.failures: list[Failure] = []
        self._history: dict[str, list[AttemptNote]] = {}
        self.warnings: list[str] = []

    def finish(self, task: Task, state: State, outcome: Outcome | None = None) -> None:
        """A node came to its end, for now."""
        if self._listener is not None:
            duration = round(outcome.duration_s, 6) if outcome is not None else 0.0
            reason = outcome.reason if outcome is not None and state is State.FAILED else self._why(task, state)
            task.state = state
            self.tell(
                "node_finished", node=task.name, status=_STATUS[state], attempt=task.attempts, duration_s=duration,
                reason=reason,
            )  # fmt: skip
        task.state = state
        self.counts[state] += 1
        if state in GOOD and task.span is not None:
            task.work.open -= 1

    def found(self, tasks: Sequence[Task]) -> None:
        """These need not be made."""
        if self._listener is not None:
            for task in tasks:
                self.finish(task, State.CACHED)
            return
        self.counts[State.CACHED] += len(tasks)
        for task in tasks:
            task.work.open -= task.span is not None

    def found_at_once(self, work: JobWork, count: int) -> None:
        """So many of a job's chunks need not be made, and nobody wants to hear of each."""
        self.counts[State.CACHED] += count
        work.open -= count
        if count:
            self._tell_progress([])

    def reopen(self, task: Task) -> None:
        """A node that had come to its end must be made after all."""
        if task.state in FINISHED:
            self.counts[task.state] -= 1
            if task.state in GOOD and task.span is not None:
                task.work.open += 1

    def started(self, task: Task, *, copy: bool = False) -> None:
        """A slot took a node up, or a second copy of one that takes long."""
        if self._listener is not None:
            name, reason = ("hedge", "takes far longer than the others") if copy else ("node_started", "")
            self.tell(name, node=task.name, attempt=task.attempts, reason=reason or self._why(task))

    def attempt_failed(self, task: Task, outcome: Outcome) -> None:
        """An attempt failed, which may not be the last."""
        note = AttemptNote(task.attempts, str(outcome.failure), outcome.reason, outcome.duration_s, outcome.worker)
        self._history.setdefault(task.name, []).append(note)

    def retry(self, task: Task, outcome: Outcome, delay_s: float) -> None:
        """There will be another attempt."""
        self.tell("retry", node=task.name, attempt=task.attempts, delay_s=round(delay_s, 3), reason=outcome.reason)

    def failed(self, task: Task, outcome: Outcome, hints: tuple[str, ...]) -> None:
        """A node failed for good."""
        self.finish(task, State.FAILED, outcome)
        log, kept = (None if path is None else str(path) for path in (outcome.log, outcome.kept))
        history = tuple(self._history.get(task.name, ()))
        self.failures.append(
            Failure(task.name, outcome.reason, task.attempts, outcome.tail, log, kept, outcome.repeat, hints, history)
        )

    def warn(self, text: str) -> None:
        """Something that is no failure, but must not go unsaid."""
        self.warnings.append(text)
        self.tell("warning", message=text)

    def tell(self, name: str, **fields: object) -> None:
        """Pass an event on."""
        if self._listener is not None:
            self._listener({"event": name, **fields})

    def progress(self, running: list[str]) -> None:
        """Tell how far the run is, but not too often."""
        if self._listener is None or (now := self._clock()) < self._next_progress:
            return
        self._next_progress = now + self._every_s
        self._tell_progress(running)

    def _tell_progress(self, running: list[str]) -> None:
        done = sum(self.counts.values())
        self.tell(
            "progress", done=done, total=self.total, running=sorted(running)[:16], failed=self.counts[State.FAILED]
        )

    def summary(self, duration_s: float, stop: Stop | None, fatal: bool, placed: list[Placed]) -> Summary:
        """What the run came to; what was not made by now is skipped."""
        for work in self._works:
            for task in work.single():
                if task.state not in FINISHED:
                    self.finish(task, State.SKIPPED)
        if self.counts[State.FAILED]:
            state, code = Stop.FAILURE.state, 3 if fatal else 1
            if stop is not None and stop.exit_code in (130, 143):
                state, code = stop.state, stop.exit_code
        elif stop is not None:
            state, code = stop.state, stop.exit_code
        else:
            state, code = RunState.COMPLETED, 0
        counts = self.counts
        return Summary(
            state, code, self.total, counts[State.DONE], counts[State.CACHED], counts[State.FAILED], counts[State.SKIPPED],
            duration_s, tuple(placed), tuple(self.failures), tuple(self.warnings),
        )  # fmt: skip

    def _why(self, task: Task, state: State | None = None) -> str:
        if state is State.SKIPPED:
            return "something it needs was not made"
        return self._reasons.why(task) if self.told_of_each else ""
