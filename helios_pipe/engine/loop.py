"""The loop: takes up what is ready, waits for slots, settles what they made. The only place that waits.

It knows nothing of where commands run, how joins are done, or who listens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from helios_pipe.cache.results import Results
from helios_pipe.engine.brake import Brake
from helios_pipe.engine.cost import Meter
from helios_pipe.engine.dispatch import Dispatcher
from helios_pipe.engine.heal import Healer
from helios_pipe.engine.hedge import Hedges
from helios_pipe.engine.inputs import JobOutput
from helios_pipe.engine.ledger import Ledger
from helios_pipe.engine.options import Placed, RunOptions, Stop, Summary
from helios_pipe.engine.reasons import Reasons
from helios_pipe.engine.resolve import Resolver
from helios_pipe.engine.retry import delay_before_retry
from helios_pipe.engine.settle import Settler
from helios_pipe.engine.slot import Ended, Started
from helios_pipe.engine.surroundings import Surroundings
from helios_pipe.engine.work import JobWork, State, Task, limits_of
from helios_pipe.errors import BlobDamagedError, BlobMissingError
from helios_pipe.ports import FailureClass, Outcome

_POLL_S = 0.2
"""The longest that the loop sleeps without looking for a word from another terminal."""
_LULL_S = 0.03
"""After so much silence the slots are at something longer than what need not wait for them."""


class Loop:
    """One run."""

    def __init__(
        self,
        works: Sequence[JobWork],
        resolver: Resolver,
        results: Results,
        settler: Settler,
        reasons: Reasons,
        ledger: Ledger,
        around: Surroundings,
        options: RunOptions,
        meter: Meter,
    ) -> None:
        self._works, self._resolver, self._settler = works, resolver, settler
        self._reasons, self._ledger, self._around, self._options = reasons, ledger, around, options
        self._outputs: dict[str, JobOutput] = {}
        self._placed: dict[str, Placed] = {}
        self._by_name = {work.name: work for work in works}
        self._takers: dict[str, list[JobWork]] = {}
        for work in works:
            for name in work.nodes.needs:
                self._takers.setdefault(name, []).append(work)
        self._touched: deque[JobWork] = deque(works)
        self._followers: dict[Task, list[Task]] = {}
        self._traffic = Dispatcher(around.pool_of, resolver.action, around.told, around.clock)
        self._hedges = Hedges(around.pool_of, around.durations)
        self._brake = Brake(self._traffic, ledger)
        self._healer = Healer(works, resolver, results, ledger, self._traffic, self._outputs, self._touched)
        self._meter = meter
        self._fatal = False
        self._next_look = self._ready_by = 0.0

    def run(self) -> Summary:
        """Make all that can be made. Raises only where the machinery is broken."""
        began = self._around.clock()
        self._ready_by = began + _POLL_S
        deadline = None if self._options.deadline_s is None else began + self._options.deadline_s
        self._ledger.tell("plan", total=self._ledger.total, jobs=[work.name for work in self._works])
        self._advance()
        while self._traffic.flying or (self._traffic.waiting and self._brake.reason is None):
            if self._brake.reason is None:
                self._traffic.dispatch()
            self._settle(self._collect())
            if self._meter.over:
                self._brake.stop(Stop.LIMIT)
            self._advance()
            self._look_up(deadline)
        self._settler.note_known()
        placed = [self._placed[work.name] for work in self._works if work.name in self._placed]
        summary = self._ledger.summary(self._around.clock() - began, self._brake.reason, self._fatal, placed)
        meter = self._meter
        return summary._replace(billed_s=meter.billed_s, billed_gb_s=meter.billed_gb_s, cost=meter.cost)

    # -- what is next ---------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Start jobs and stitches whose needs are there, and hand on outputs, until nothing moves."""
        while self._touched and self._brake.reason is None:
            work = self._touched.popleft()
            while self._advance_job(work):
                pass

    def _advance_job(self, work: JobWork) -> bool:
        missing = [name for name in work.nodes.needs if name not in self._outputs]
        if not work.started:
            if any(given.job in missing for given in work.nodes.job.job_inputs):
                return False
            self._resolver.start(work, self._outputs)
            self._around.given(work)
            self._take_up_job(work)
            return True
        if work.final is not None and not work.final_started and not missing and work.open == 0:
            self._resolver.start_final(work, self._outputs)
            self._settler.expect(work.final)
            self._take_up([work.final])
            return True
        if work.name not in self._outputs and (output := work.output()) is not None:
            try:
                placed = self._around.place(work)
            except (BlobMissingError, BlobDamagedError) as error:
                self._healer.heal_output(work, error)
                return False
            if placed is not None:
                self._placed[work.name] = placed
            self._outputs[work.name] = output
            self._touched.extend(self._takers.get(work.name, ()))
        return False

    def _take_up_job(self, work: JobWork) -> None:
        if not work.chunks:
            self._take_up([work.final] if work.final is not None and work.final_started else [])
            return
        single = list(work.chunks) if self._ledger.told_of_each else work.chunks.single()
        self._ledger.found_at_once(work, len(work.chunks) - len(single))
        self._settler.found_known(work)
        self._take_up(single)

    def _take_up(self, tasks: Sequence[Task]) -> None:
        found = [task for task in tasks if task.state is State.CACHED]
        self._traffic.add(task for task in tasks if task.state is State.READY)
        for task in tasks:
            if task.twin is not None and task.state is State.WAITING:
                self._follow(task, task.twin)
        last = self._last_of(tasks)
        lost = [t.name for t in tasks if t.state is State.READY and not t.forced and last.get(t.name) == t.key]
        if lost:
            shown = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
            self._ledger.warn(f"missing or damaged in the cache, made again: {shown}")
        if found:
            self._resolver.note_cutoff(found, self._by_name)
        self._ledger.found(found)
        self._settler.note_found([task for task in found if task.digest is not None], last)

    def _last_of(self, tasks: Sequence[Task]) -> Mapping[str, str]:
        return self._reasons.last if self._ledger.told_of_each else self._reasons.last_of(tasks)

    def _follow(self, task: Task, first: Task) -> None:
        """What is being made for another node is made for this one, too."""
        if first.state is State.DONE:
            self._share(task, first)
        else:
            self._followers.setdefault(first, []).append(task)

    def _share(self, task: Task, first: Task) -> None:
        task.digest, task.folder = first.digest, first.folder
        self._ledger.finish(task, State.CACHED)
        self._settler.note_found([task], self._last_of([task]))
        self._touched.append(task.work)

    # -- what came back -------------------------------------------------------------------------------------------

    def _collect(self) -> list[Ended]:
        """Wait for a word from the slots, then take all that is there. What need not wait for them is done while they are silent,
        or when it is time."""
        messages = self._traffic.collect(_LULL_S if self._settler.behind else _POLL_S)
        if not messages or self._around.clock() >= self._ready_by:
            self._settler.make_ready()
            self._ready_by = self._around.clock() + _POLL_S
        batch: list[Ended] = []
        for message in messages:
            if isinstance(message, Ended):
                batch.append(message)
            elif isinstance(message, Started):
                self._ledger.started(message.flight.task, copy=message.flight.copy)
            else:  # a signal: look at once
                self._next_look = 0.0
        return batch

    def _settle(self, batch: list[Ended]) -> None:
        if not batch:
            return
        counted, beaten = self._counted(batch)
        settled = self._settler.settle(counted, beaten, self._around.wall(), self._around.clock())
        for text in settled.warnings:
            self._ledger.warn(text)
        for message in batch:
            self._meter.add(message.outcome)
        for task, outcome in settled.made:
            self._hedges.note(task, outcome.duration_s)
            self._ledger.finish(task, State.DONE, outcome)
            task.step, task.preimage = None, b""  # ten thousand of them need not be kept
            if task.span is None or task.work.open == 0:
                self._touched.append(task.work)
            for follower in self._followers.pop(task, ()):
                self._share(follower, task)
        for task, outcome in settled.failed:
            self._failed(task, outcome)
        for message in batch:
            if message.outcome.digest is None:
                message.flight.decided()

    def _counted(self, batch: list[Ended]) -> tuple[list[Ended], list[Ended]]:
        """The attempts whose outcome counts, and those that another attempt at the same task makes up for: the first good
        one wins and ends the others; one that fails while another is under way is not missed."""
        counted: list[Ended] = []
        beaten: list[Ended] = []
        won: set[Task] = set()
        for message in batch:
            others = self._traffic.land(message)
            if message.crash is not None:
                raise message.crash
            good = message.outcome.digest is not None
            if message.task in won or message.task.state is not State.RUNNING or (others and not good):
                beaten.append(message)
                continue
            counted.append(message)
            if good:
                won.add(message.task)
                for other in others:
                    other.cancel.set()
        return counted, beaten

    def _failed(self, task: Task, outcome: Outcome) -> None:
        failure = outcome.failure or FailureClass.COMMAND
        if failure is FailureClass.CANCELLED:
            if self._brake.ended:
                task.state = State.WAITING  # neither made nor failed
                return
            failure = FailureClass.PREEMPTED  # not by us
        if outcome.damaged and self._healer.heal_inputs(task, outcome):
            return
        if task.kind == "stitch" and task.work.covered:
            self._healer.give_up_cover(task.work)
            return
        task.command_failures += failure is FailureClass.COMMAND
        task.machine_failures += failure is FailureClass.INFRASTRUCTURE
        lost = task.attempts - task.command_failures - task.machine_failures
        delay = delay_before_retry(
            failure, task.command_failures, task.machine_failures, limits_of(task), self._around.random, lost
        )
        self._ledger.attempt_failed(task, outcome)
        if delay is None:
            self._give_up(task, outcome)
            return
        self._traffic.add_later(task, delay)
        if self._brake.reason is None:  # else it is neither made nor failed: the next run tries again
            self._ledger.retry(task, outcome, delay)

    def _give_up(self, task: Task, outcome: Outcome) -> None:
        self._ledger.failed(task, outcome, self._around.hints(task, outcome))
        if outcome.failure is FailureClass.FATAL and not outcome.stale:
            self._fatal = True
        if self._fatal or not self._options.keep_going:
            self._brake.stop(Stop.FAILURE)

    def _look_up(self, deadline: float | None) -> None:
        """Look for a word from outside, at the time, and for stragglers."""
        now = self._around.clock()
        if now < self._next_look:
            return
        self._next_look = now + _POLL_S
        flights = self._traffic.under_way()
        self._ledger.progress([flight.task.name for flight in flights])
        self._around.report(self._ledger.counts, flights)
        if deadline is not None and now >= deadline:
            self._brake.stop(Stop.LIMIT, now=True)
        if (asked := self._around.control()) is not None:
            self._brake.release() if asked.stop is None else self._brake.stop(asked.stop, now=asked.now)
        if self._brake.reason is None:
            for task in self._hedges.stragglers(flights, now):
                if self._traffic.send_copy(task):
                    self._hedges.started(task)
