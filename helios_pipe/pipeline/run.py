"""A run, put together: lock, journal, slots, loop, outputs."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

from helios_pipe import settings
from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.adapters.local_runner import LocalRunner
from helios_pipe.digest import Digest
from helios_pipe.engine.ledger import Ledger
from helios_pipe.engine.loop import Loop, Surroundings
from helios_pipe.engine.options import Placed, RunOptions, Stop, Summary
from helios_pipe.engine.pool import Message, Pool
from helios_pipe.engine.settle import Settler
from helios_pipe.engine.work import JobWork, Task
from helios_pipe.events import Listener
from helios_pipe.jobs.journal import Journal
from helios_pipe.jobs.lock import JobLock
from helios_pipe.pipeline.hints import undeclared_inputs
from helios_pipe.pipeline.session import Session
from helios_pipe.ports import Outcome
from helios_pipe.stitch.runner import JoinRunner
from helios_pipe.worker.workspace import Workspaces

_ASKED = {"pause": (Stop.PAUSE, False), "pause now": (Stop.PAUSE, True), "cancel": (Stop.CANCEL, True)}


def run(session: Session, listener: Listener | None, on_wait: Callable[[str], None]) -> Summary:
    """Make everything that is out of date. One run of a job at a time: waits for another one, or raises LockedError."""
    session.check_forced()
    lock = JobLock(session.cache, session.job_id)
    lock.acquire(wait=session.request.wait, on_wait=on_wait)
    try:
        return _Run(session, listener).run()
    finally:
        lock.release()


class _Run:
    def __init__(self, session: Session, listener: Listener | None) -> None:
        self.session = session
        self.listener = listener
        self.journal = Journal(session.database)
        self.told: SimpleQueue[Message] = SimpleQueue()
        self.pools: dict[str, Pool] = {}
        self.asked: list[tuple[Stop, bool]] = []
        self.made: set[Path] = set()

    def run(self) -> Summary:
        session, now = self.session, time.time()
        resolver = session.resolver  # asks the tools first: a missing one ends it before anything is written
        ledger = Ledger(session.works, session.reasons, self.listener, time.monotonic, 0.5)
        self.number = self.journal.begin(
            session.job_id, session.manifest.path, session.manifest.name, session.request.describe(), ledger.total, now
        )
        settler = Settler(session.job_id, self.number, str(session.root), session.results, resolver)
        around = Surroundings(
            self.pool_of, self.told, self.place, self.control, self.hints, time.monotonic, time.time, random.random
        )
        options = RunOptions(session.request.keep_going, session.request.deadline_s)
        loop = Loop(session.works, resolver, session.results, settler, session.reasons, ledger, around, options)
        summary = None
        try:
            with self._signals():
                summary = loop.run()
        finally:
            if summary is None:
                for pool in self.pools.values():
                    pool.cancel.set()
            for pool in self.pools.values():
                pool.close()
            state = str(summary.state) if summary is not None else "failed"
            record = _plain(summary) if summary is not None else {}
            self.journal.end(session.job_id, self.number, state, record, time.time())
            session.sources.save()
        return summary

    def pool_of(self, task: Task) -> Pool:
        """The slots that a task runs on, made when they are first needed."""
        name = self._pool_name(task)
        if name not in self.pools:
            self.pools[name] = self._make_pool(name)
        return self.pools[name]

    def _pool_name(self, task: Task) -> str:
        job = task.work.nodes.job
        if task.kind == "stitch" and job.stitch is not None:
            return "join" if job.stitch.method != "command" else job.stitch.adapter
        return self.session.request.adapter or job.adapter

    def _make_pool(self, name: str) -> Pool:
        session = self.session
        announce = self.listener is not None
        if name == "join":
            return Pool(JoinRunner(session.blobs), 1, self.told, announce=announce)
        config = session.manifest.adapters.get(name)
        size = session.request.concurrency
        if config is None or config.type == "local":
            given = config.options.get("concurrency") if config is not None else None
            size = size or (given if isinstance(given, int) else settings.default_concurrency())
            return Pool(self._local_runner(size), size, self.told, announce=announce)
        from helios_pipe.pipeline.remote import remote_pool

        return remote_pool(session, config, size, self.told, self.number)

    def _local_runner(self, size: int) -> LocalRunner:
        session = self.session
        folder = session.cache / "work" / f"{os.getpid()}-{self.number}"
        workspaces = Workspaces(folder, session.inputs.locate, project=session.root)
        return LocalRunner(
            workspaces, LocalWorkerAdapter(size), session.blobs, session.inputs.locate, settings.environment(), session.path,
            self.log_path, session.cache / "failed" / session.job_id,
        )  # fmt: skip

    def log_path(self, node: str, attempt: int) -> Path:
        """Where an attempt's output goes."""
        path = self.session.cache / "logs" / session_folder(self.session.job_id, self.number) / f"{node}.{attempt}.log"
        if path.parent not in self.made:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.made.add(path.parent)
        return path

    def place(self, work: JobWork) -> Placed | None:
        """Put a finished job's output where the manifest wants it."""
        path = self.session.output_path(work)
        final = work.final
        if path is None or final is None or final.digest is None:
            return None
        size = self.session.placer.place(Digest(final.digest), final.folder, str(path))
        return Placed(os.path.relpath(path, self.session.root), Digest(final.digest), size)

    def hints(self, task: Task, outcome: Outcome) -> tuple[str, ...]:
        """What may have been forgotten where a node failed."""
        declared = {entry.path for entry in (*task.work.shared.tree.entries, *task.extra.tree.entries)}
        return undeclared_inputs(outcome.tail, self.session.root, declared)

    def control(self) -> tuple[Stop, bool] | None:
        """What a signal, or another terminal, asked for."""
        if self.asked:
            return self.asked[-1]
        verb = self.journal.control(self.session.job_id)
        return _ASKED.get(verb) if verb is not None else None

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C once drains, twice kills; SIGTERM drains. Only in the main thread, where Python lets signals arrive."""

        def interrupted(number: int, _: FrameType | None) -> None:
            again = any(stop is Stop.INTERRUPT for stop, _ in self.asked)
            self.asked.append((Stop.TERMINATE, False) if number == signal.SIGTERM else (Stop.INTERRUPT, again))
            self.told.put(None)

        try:
            old = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: whoever runs us there stops us by the journal
            yield
            return
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def session_folder(job_id: str, run: int) -> str:
    """The folder of one run's logs, below the cache's."""
    return f"{job_id}/{run}"


def _plain(summary: Summary) -> dict[str, object]:
    """For the journal: canonical JSON has no floats."""
    record = asdict(summary)
    record["duration_s"] = f"{summary.duration_s:.6f}"
    return record
