"""A run, put together: lock, journal, slots, loop, outputs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from types import MappingProxyType

from helios_pipe.cache.backlog import recover
from helios_pipe.digest import Digest
from helios_pipe.engine.cost import Meter
from helios_pipe.engine.ledger import Ledger
from helios_pipe.engine.loop import Loop
from helios_pipe.engine.options import Placed, RunOptions, RunState, Stop, Summary, as_record
from helios_pipe.engine.settle import Settler
from helios_pipe.engine.slot import Flight, Message
from helios_pipe.engine.surroundings import Surroundings
from helios_pipe.engine.work import JobWork, State, Task
from helios_pipe.errors import HeliosPipeError, StoreError
from helios_pipe.events import Listener
from helios_pipe.jobs.journal import Entry, Journal, Progress, RunJob, RunningNode
from helios_pipe.jobs.lock import JobLock
from helios_pipe.pipeline.pools import Given, Pools, prices_of
from helios_pipe.pipeline.session import Session
from helios_pipe.pipeline.steering import Own, Steering
from helios_pipe.ports import FailureClass, Outcome
from helios_pipe.stitch.naming import proof_path
from helios_pipe.tuples import NamedTuple

_REPORT_S = 0.4
"""How often a run says in the journal how far it is."""


class Hooks(NamedTuple):
    """What a program adds to a run of its own: adapters in the place of those of a name, a word to stop, and which tasks of a
    job that was just keyed are made already. `ours`: nothing but this run goes on in this process."""

    adapters: Mapping[str, Given] = MappingProxyType({})
    own: Own | None = None
    given: Callable[[JobWork], None] = lambda _: None
    ours: bool = False


def run(
    session: Session, listener: Listener | None, on_wait: Callable[[str], None], hooks: Hooks | None = None
) -> Summary:
    """Make everything that is out of date. One run of a job at a time: waits for another one, or raises LockedError."""
    lock = JobLock(session.cache, session.job_id)
    one = _Run(session, listener, hooks or Hooks())
    with one.steering.signals():
        got = lock.acquire(
            wait=session.request.wait, on_wait=lambda text: one.wait(text, on_wait), give_up=one.given_up
        )
    if not got:
        return one.never_begun()
    if one.given_up():  # the one that we waited for was ended by the same word, and was quicker
        lock.release()
        return one.never_begun()
    try:
        recover(session.database)  # whoever held the lock until now may have been killed
        return one.run()
    finally:
        lock.release()


class _Run:
    def __init__(self, session: Session, listener: Listener | None, hooks: Hooks) -> None:
        self.session = session
        self.hooks = hooks
        self.listener = listener
        self.journal = Journal(session.database)
        self.told: SimpleQueue[Message] = SimpleQueue()
        self.pools = Pools(
            session, self.told, lambda: self.entry.run, announce=listener is not None, given=hooks.adapters,
            ours=hooks.ours,
        )  # fmt: skip
        self.steering = Steering(self.journal, session.job_id, lambda: self.told.put(None), hooks.own)
        self.waited: Entry | None = None
        self.next_report = time.monotonic() + _REPORT_S

    # -- before it begins -----------------------------------------------------------------------------------------

    def wait(self, text: str, on_wait: Callable[[str], None]) -> None:
        """Another run holds the job: say so, and let the journal say it."""
        on_wait(text)
        session = self.session
        self.waited = self.journal.wait(
            session.job_id, session.manifest.path, session.manifest.name, session.request.describe(), time.time()
        )

    def given_up(self) -> bool:
        """Whether somebody wants this run no more, while it still waits."""
        asked = self.steering.asked(self.waited) if self.waited is not None else None
        return asked is not None and asked.stop is not None

    def never_begun(self) -> Summary:
        """What a run comes to that was paused or cancelled while it waited for another one."""
        assert self.waited is not None
        asked = self.steering.asked(self.waited)
        stop = asked.stop if asked is not None and asked.stop is not None else Stop.CANCEL
        total = self.session.graph.total
        summary = Summary(stop.state, stop.exit_code, total, 0, 0, 0, skipped=total, duration_s=0.0)
        self.journal.end(self.session.job_id, self.waited.run, str(stop.state), _plain(summary), time.time())
        return summary

    # -- the run --------------------------------------------------------------------------------------------------

    def run(self) -> Summary:
        """Put it together, and let it go."""
        session = self.session
        session.fetches = True
        session.keep_reading()
        resolver = session.resolver  # asks the tools first: a missing one ends it before anything is written
        ledger = Ledger(session.works, session.reasons, self.listener, time.monotonic, 0.5)
        self.entry = self._begin(ledger.total)
        settler = Settler(session.job_id, self.entry.run, str(session.root), session.results, session.tools.changed)
        around = Surroundings(
            self.pools.of, self.told, self.place, lambda: self.steering.asked(self.entry), self.report, self.hints,
            lambda work: session.results.durations(session.job_id, work.name), self.hooks.given,
            time.monotonic, time.time, _chance,
        )  # fmt: skip
        options = RunOptions(session.request.keep_going, session.request.deadline_s)
        meter = Meter(prices_of(session.manifest), session.request.max_cost)
        loop = Loop(session.works, resolver, session.results, settler, session.reasons, ledger, around, options, meter)
        session.warn = ledger.warn
        for warning in session.warnings:
            ledger.warn(warning)
        began = time.monotonic()

        def failed(error: HeliosPipeError) -> Summary:
            summary = ledger.summary(time.monotonic() - began, None, True, [])
            return summary._replace(state=RunState.FAILED, exit_code=error.exit_code, stopped=str(error))

        with self._recorded(failed) as record, self.steering.signals():
            record.append(self._judged(loop.run()))
            self._push()
            self._remember()
        return record[0]

    def _judged(self, summary: Summary) -> Summary:
        """Nodes that failed because nobody could be reached where they were to be made: that is no fault of theirs."""
        if summary.exit_code != Stop.FAILURE.exit_code:
            return summary
        last = [failure.history[-1] for failure in summary.failures if failure.history]
        error = self.pools.out_of_reach(n.worker for n in last if n.failure == FailureClass.INFRASTRUCTURE)
        return summary if error is None else summary._replace(exit_code=error.exit_code, stopped=str(error))

    def _begin(self, total: int) -> Entry:
        session = self.session
        return self.journal.begin(
            session.job_id, session.manifest.path, session.manifest.name, session.request.describe(), total,
            time.time(), self.waited, [RunJob(n.job.name, len(n.spans), n.final) for n in session.graph.jobs],
        )  # fmt: skip

    def _push(self) -> None:
        """Give what was made to others, where the manifest says so."""
        if self.session.shared is not None and self.session.manifest.cache.push:
            made = [task.key for work in self.session.works for task in work.tasks() if task.state is State.DONE]
            self.session.shared.push(list(self.session.results.find(made).values()))

    def _remember(self) -> None:
        """Make the next run quicker. What cannot be written is not missed."""
        with suppress(StoreError):
            self.session.results.flush()
        for work in self.session.works:
            with suppress(StoreError):
                self.session.recall.keep(work)

    @contextmanager
    def _recorded(self, failed: Callable[[HeliosPipeError], Summary]) -> Iterator[list[Summary]]:
        """Whatever happens inside is ended in order and goes into the journal. Where the machinery failed, the record is
        what `failed` makes of it: what was made until then was made."""
        record: list[Summary] = []
        try:
            yield record
        except BaseException as error:
            self._close(cancel=True)
            if isinstance(error, HeliosPipeError):
                record[:] = [failed(self.session.in_full(error))]
            with suppress(StoreError):  # the first error is the one to tell
                self.session.results.flush()
                summary = _plain(record[0]) if record else {}
                state = "paused" if isinstance(error, KeyboardInterrupt) else "failed"
                self.journal.end(self.session.job_id, self.entry.run, state, summary, time.time())
            if not isinstance(error, HeliosPipeError):
                raise
            return
        self._close()
        try:
            self.session.results.flush()
            self.journal.end(self.session.job_id, self.entry.run, str(record[0].state), _plain(record[0]), time.time())
            self.session.sources.save()
        except StoreError as error:  # what was made is made: that nobody wrote down how it ended takes nothing back
            self.session.warn(f"the journal does not say how this run ended: {error.message}")

    def _close(self, *, cancel: bool = False) -> None:
        for pool in self.pools:
            if cancel:
                pool.cancel()
        for pool in self.pools:
            pool.close()
        self.pools.tidy()
        self.session.placer.close()

    def report(self, counts: Mapping[State, int], flights: Sequence[Flight]) -> None:
        """Say in the journal how far the run is, for other terminals, and let them see what was made."""
        now = time.monotonic()
        if now < self.next_report:
            return
        self.next_report = now + _REPORT_S
        self.session.results.flush()
        wall = time.time()
        running = [RunningNode(f.task.name, f.attempt, wall - (now - (f.began or now))) for f in flights]
        progress = Progress(
            counts[State.DONE], counts[State.CACHED], counts[State.FAILED], counts[State.SKIPPED], running
        )
        with suppress(StoreError):  # nothing is lost by it
            self.journal.report(self.entry.run, progress, wall)

    # -- what the loop asks for -----------------------------------------------------------------------------------

    def place(self, work: JobWork) -> Placed | None:
        """Put a finished job's output where the manifest wants it."""
        path = self.session.output_path(work)
        final = work.final
        if path is None or final is None or final.digest is None:
            return None
        size = self.session.placer.place(Digest(final.digest), final.folder, str(path))
        if (stitch := work.nodes.job.stitch) is not None and not final.folder:
            proof = self.session.results.proof(final.key, final.digest) if stitch.proof else None
            self.session.placer.place_text(proof, str(proof_path(path)))
        return Placed(os.path.relpath(path, self.session.root), Digest(final.digest), size)

    def hints(self, task: Task, outcome: Outcome) -> tuple[str, ...]:
        """What may have been forgotten where a node failed."""
        from helios_pipe.pipeline.hints import NO_ROOM, full_disk, made_by_others, undeclared_inputs

        hints: tuple[str, ...] = ()
        if task.work.nodes.job.workspace != "project":  # there the command sees all that there is
            declared = {entry.path for entry in (*task.work.shared.tree.entries, *task.extra.tree.entries)}
            others = made_by_others(self.session.manifest, task.work.nodes.job)
            hints = undeclared_inputs(outcome.tail, self.session.root, declared, others)
        if outcome.failure is not FailureClass.COMMAND:
            return hints
        session, job = self.session, task.work.name
        made = session.results.sizes(session.job_id, job)
        full = full_disk(session.cache, job, made, task.work.open, NO_ROOM in outcome.tail, outcome.room)
        return hints if full is None else (full, *hints)


def _chance() -> float:
    """Between 0 and 1; loaded when something is tried again."""
    from random import random

    return random()  # noqa: S311 - it spreads attempts, and keeps no secret


def _plain(summary: Summary) -> dict[str, object]:
    """For the journal: canonical JSON has no floats."""
    record: dict[str, object] = as_record(summary)
    for name in ("duration_s", "billed_s", "billed_gb_s", "cost"):
        record[name] = f"{record[name]:.6f}"
    return record
