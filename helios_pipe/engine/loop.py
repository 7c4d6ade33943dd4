"""The loop: takes up what is ready, waits for slots, settles what they made. The only place that waits.

It knows nothing of where commands run, how joins are done, or who listens.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from helios_pipe.cache.results import Results
from helios_pipe.digest import Digest
from helios_pipe.engine.inputs import JobOutput
from helios_pipe.engine.ledger import Ledger
from helios_pipe.engine.options import Placed, RunOptions, Stop, Summary
from helios_pipe.engine.pool import Ended, Message, Pool, Started
from helios_pipe.engine.reasons import Reasons
from helios_pipe.engine.resolve import Resolver
from helios_pipe.engine.retry import delay_before_retry
from helios_pipe.engine.settle import Settler
from helios_pipe.engine.work import GOOD, JobWork, State, Task, limits_of
from helios_pipe.errors import BlobDamagedError, BlobMissingError, StoreError
from helios_pipe.ports import FailureClass, Outcome

_POLL_S = 0.2
"""The longest that the loop sleeps without looking for a word from another terminal."""
_LOOK_BEHIND = 8
"""How many tasks whose pool is full the loop looks behind for one whose pool is not."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the loop calls. `pool_of` gives the slots that a task runs on, `place` puts a finished job's output where it
    belongs, `control` tells whether someone asked to stop, and whether at once, `hints` what may have been forgotten where
    a node failed; the rest are clock (monotonic seconds), wall time (since 1970) and randomness (0 to 1)."""

    pool_of: Callable[[Task], Pool]
    told: SimpleQueue[Message]
    place: Callable[[JobWork], Placed | None]
    control: Callable[[], tuple[Stop, bool] | None]
    hints: Callable[[Task, Outcome], tuple[str, ...]]
    clock: Callable[[], float]
    wall: Callable[[], float]
    random: Callable[[], float]


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
    ) -> None:
        self._works, self._resolver, self._results, self._settler = works, resolver, results, settler
        self._reasons, self._ledger, self._around, self._options = reasons, ledger, around, options
        self._outputs: dict[str, JobOutput] = {}
        self._placed: dict[str, Placed] = {}
        self._by_name = {work.name: work for work in works}
        self._takers: dict[str, list[JobWork]] = {}
        for work in works:
            for name in work.nodes.needs:
                self._takers.setdefault(name, []).append(work)
        self._touched: deque[JobWork] = deque(works)
        self._ready: deque[Task] = deque()
        self._later: list[tuple[float, int, Task]] = []
        self._running: set[Task] = set()
        self._stop: Stop | None = None
        self._fatal = False
        self._next_look = 0.0

    def run(self) -> Summary:
        """Make all that can be made. Raises only where the machinery is broken."""
        began = self._around.clock()
        deadline = None if self._options.deadline_s is None else began + self._options.deadline_s
        self._ledger.tell("plan", total=self._ledger.total, jobs=[work.name for work in self._works])
        self._advance()
        while self._running or ((self._ready or self._later) and self._stop is None):
            self._dispatch()
            self._settle(self._collect())
            self._advance()
            self._look_up(deadline)
        placed = [self._placed[work.name] for work in self._works if work.name in self._placed]
        return self._ledger.summary(self._around.clock() - began, self._stop, self._fatal, placed)

    # -- what is next ---------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Start jobs and stitches whose needs are there, and hand on outputs, until nothing moves."""
        while self._touched and self._stop is None:
            work = self._touched.popleft()
            while self._advance_job(work):
                pass

    def _advance_job(self, work: JobWork) -> bool:
        missing = [name for name in work.nodes.needs if name not in self._outputs]
        if not work.started:
            if any(given.job in missing for given in work.nodes.job.job_inputs):
                return False
            self._resolver.start(work, self._outputs)
            self._take_up(
                work.chunks if work.chunks or work.final is None else [work.final] if work.final_started else []
            )
            return True
        if work.final is not None and not work.final_started and not missing and work.open == 0:
            self._resolver.start_final(work, self._outputs)
            self._take_up([work.final])
            return True
        if work.name not in self._outputs and (output := work.output()) is not None:
            try:
                placed = self._around.place(work)
            except (BlobMissingError, BlobDamagedError) as error:
                return self._heal_output(work, error)
            if placed is not None:
                self._placed[work.name] = placed
            self._outputs[work.name] = output
            self._touched.extend(self._takers.get(work.name, ()))
        return False

    def _take_up(self, tasks: Sequence[Task]) -> None:
        found = [task for task in tasks if task.state is State.CACHED]
        self._ready.extend(task for task in tasks if task.state is State.READY)
        for task in found:
            if task.span is None:
                self._resolver.note_cutoff(task, self._reasons.last.get(task.name), self._by_name)
            self._ledger.finish(task, State.CACHED)
        self._settler.note_found([task for task in found if task.digest is not None], self._reasons.last)

    def _dispatch(self) -> None:
        now = self._around.clock()
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        if self._stop is not None:
            return
        held: list[Task] = []
        while self._ready and len(held) < _LOOK_BEHIND:
            task = self._ready.popleft()
            pool = self._around.pool_of(task)
            if pool.room <= 0:
                held.append(task)
                continue
            task.attempts += 1
            task.state = State.RUNNING
            self._running.add(task)
            pool.submit(task, task.step or self._resolver.action(task), task.attempts)
        self._ready.extendleft(reversed(held))

    # -- what came back -------------------------------------------------------------------------------------------

    def _collect(self) -> list[Ended]:
        """Wait for a word from the slots, then take all that is there: one transaction serves the lot."""
        batch: list[Ended] = []
        try:
            message = self._around.told.get(timeout=self._patience())
            while True:
                if isinstance(message, Ended):
                    batch.append(message)
                elif isinstance(message, Started):
                    self._ledger.started(message.task)
                message = self._around.told.get_nowait()
        except Empty:
            return batch

    def _patience(self) -> float:
        return _POLL_S if not self._later else min(_POLL_S, max(0.0, self._later[0][0] - self._around.clock()))

    def _settle(self, batch: list[Ended]) -> None:
        if not batch:
            return
        for message in batch:
            self._running.discard(message.task)
            self._around.pool_of(message.task).given -= 1
            if message.crash is not None:
                raise message.crash
        settled = self._settler.settle(batch, self._around.wall())
        for text in settled.warnings:
            self._ledger.warn(text)
        for task, outcome in settled.made:
            self._ledger.finish(task, State.DONE, outcome)
            task.step, task.preimage = None, b""  # ten thousand of them need not be kept
            if task.span is None or task.work.open == 0:
                self._touched.append(task.work)
        for task, outcome in settled.failed:
            self._failed(task, outcome)
        for message in batch:
            if message.outcome.digest is None:
                self._around.pool_of(message.task).failure_handled()

    def _failed(self, task: Task, outcome: Outcome) -> None:
        failure = outcome.failure or FailureClass.COMMAND
        if failure is FailureClass.CANCELLED:
            task.state = State.WAITING  # neither made nor failed
            return
        if outcome.damaged and self._heal(task, outcome):
            return
        if task.kind == "stitch" and task.work.covered:
            self._again(self._resolver.uncover(task.work))
            self._rejoin(task.work)
            return
        task.command_failures += failure is FailureClass.COMMAND
        task.machine_failures += failure is FailureClass.INFRASTRUCTURE
        delay = delay_before_retry(
            failure, task.command_failures, task.machine_failures, limits_of(task), self._around.random
        )
        if delay is not None and self._stop is None:
            self._ledger.tell(
                "retry", node=task.name, attempt=task.attempts, delay_s=round(delay, 3), reason=outcome.reason
            )
            heapq.heappush(self._later, (self._around.clock() + delay, id(task), task))
            return
        self._give_up(task, outcome)

    def _give_up(self, task: Task, outcome: Outcome) -> None:
        self._ledger.failed(task, outcome, self._around.hints(task, outcome))
        if outcome.failure is FailureClass.FATAL and not outcome.stale:
            self._fatal = True
        if self._fatal or not self._options.keep_going:
            self.stop(Stop.FAILURE)

    # -- healing --------------------------------------------------------------------------------------------------

    def _heal(self, task: Task, outcome: Outcome) -> bool:
        """Blobs that a task needed were damaged: forget them and make them again. False where nobody here made them."""
        damaged = frozenset(outcome.damaged)
        self._results.forget(damaged)
        again: list[Task] = []
        for work in self._works:
            if any(row.digest in damaged for row in work.covered.values()):
                again += self._resolver.uncover(work)
            again += self._lost(work, damaged)
        remade = any(name not in self._outputs for name in task.work.nodes.needs)
        if not again and not remade and task.kind != "stitch":
            return False
        self._ledger.warn(f"{task.name} found inputs in the cache missing or damaged; they are made again")
        self._again(again)
        if task.kind == "stitch":
            self._rejoin(task.work)
        else:
            heapq.heappush(self._later, (self._around.clock() + _POLL_S, id(task), task))
        return True

    def _heal_output(self, work: JobWork, error: StoreError) -> bool:
        """A finished job's bytes turned out to be gone or damaged when they were put in place: make them again."""
        assert work.final is not None
        assert work.final.digest is not None
        if work.final.state is State.DONE:
            raise error  # made a moment ago: the disk itself cannot be trusted
        self._ledger.warn(f"the result of {work.final.name} in the cache was missing or damaged; it is made again")
        damaged = {
            work.final.digest,
            *(
                task.digest
                for task in work.chunks
                if task.digest and not self._results.sound(task.digest, folder=task.folder)
            ),
        }
        self._results.forget([Digest(digest) for digest in damaged])
        self._again(self._lost(work, frozenset(damaged)))
        return False

    def _lost(self, work: JobWork, damaged: frozenset[str]) -> list[Task]:
        """The nodes of a job that must be made again. A stitch whose chunks are there is joined again instead."""
        lost = [task for task in work.tasks() if task.state in GOOD and task.digest in damaged]
        for task in lost:
            task.digest, task.reason = None, "its result was missing or damaged"
            if task.span is None or work.final is None:
                self._outputs.pop(work.name, None)
        if work.final in lost and (work.chunks or work.nodes.job.stitch):
            lost.remove(work.final)
            self._rejoin(work)
        return lost

    def _again(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self._ledger.reopen(task)
            task.state = State.READY
            self._ready.append(task)

    def _rejoin(self, work: JobWork) -> None:
        assert work.final is not None
        self._ledger.reopen(work.final)
        work.final.state, work.final_started = State.WAITING, False
        self._touched.append(work)

    # -- stopping -------------------------------------------------------------------------------------------------

    def stop(self, why: Stop, *, now: bool = False) -> None:
        """Take up no new work; with `now`, end what is running too. What was asked for first stays the reason."""
        self._stop = self._stop or why
        for pool in {id(pool): pool for pool in map(self._around.pool_of, self._running)}.values():
            for task in pool.take_back():
                self._running.discard(task)
                task.attempts -= 1
                task.state = State.READY
            if now:
                pool.cancel.set()

    def _look_up(self, deadline: float | None) -> None:
        """Look for a word from outside, and at the time."""
        now = self._around.clock()
        self._ledger.progress([task.name for task in self._running] if now >= self._next_look else [])
        if now < self._next_look:
            return
        self._next_look = now + _POLL_S
        if deadline is not None and now >= deadline:
            self.stop(Stop.LIMIT, now=True)
        if (asked := self._around.control()) is not None:
            self.stop(asked[0], now=asked[1])
