"""Making again what the cache turned out to have lost, in the same run. Knows nothing of slots or of telling how far it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from helios_pipe.cache.results import Results
from helios_pipe.digest import Digest
from helios_pipe.engine.dispatch import Dispatcher
from helios_pipe.engine.inputs import JobOutput
from helios_pipe.engine.ledger import Ledger
from helios_pipe.engine.resolve import Resolver
from helios_pipe.engine.retry import MACHINE_RETRIES
from helios_pipe.engine.work import GOOD, JobWork, State, Task
from helios_pipe.errors import StoreError
from helios_pipe.ports import Outcome

_PAUSE_S = 0.2
"""How long a command waits before it looks again for inputs that are being made anew."""


class Healer:
    """Sets tasks back that must be made after all. `outputs` and `touched` are the loop's own."""

    def __init__(
        self,
        works: Sequence[JobWork],
        resolver: Resolver,
        results: Results,
        ledger: Ledger,
        traffic: Dispatcher,
        outputs: dict[str, JobOutput],
        touched: deque[JobWork],
    ) -> None:
        self._works, self._resolver, self._results, self._ledger = works, resolver, results, ledger
        self._traffic, self._outputs, self._touched = traffic, outputs, touched

    def heal_inputs(self, task: Task, outcome: Outcome) -> bool:
        """Blobs that a task needed were lost or damaged: forget them and make them again. False where nobody here makes
        them, or where that happened too often."""
        damaged = frozenset(outcome.damaged)
        self._results.forget(damaged)
        again: list[Task] = []
        for work in self._works:
            if any(row.digest in damaged for row in work.covered.values()):
                again += self._resolver.uncover(work)
            again += self._lost(work, damaged)
        remade = any(name not in self._outputs for name in task.work.nodes.needs)
        task.machine_failures += 1
        if task.machine_failures > MACHINE_RETRIES or (not again and not remade and task.kind != "stitch"):
            return False
        self._ledger.warn(f"{task.name} found inputs in the cache missing or damaged; they are made again")
        self._again(again)
        if task.kind == "stitch":
            self._rejoin(task.work)
        else:
            self._traffic.add_later(task, _PAUSE_S)
        return True

    def heal_output(self, work: JobWork, error: StoreError) -> None:
        """A finished job's bytes turned out to be lost or damaged when they were put in place: make them again. Raises
        `error` where they were made a moment ago: then the disk itself cannot be trusted."""
        final = work.final
        assert final is not None
        assert final.digest is not None
        if final.state is State.DONE:
            raise error
        self._ledger.warn(f"the result of {final.name} in the cache was missing or damaged; it is made again")
        chunks = [(Digest(task.digest), task.folder) for task in work.chunks if task.digest is not None]
        damaged = {digest for digest, folder in chunks if not self._results.sound(digest, folder=folder)}
        damaged.add(final.digest)
        self._results.forget(damaged)
        self._again(self._lost(work, frozenset(damaged)))

    def give_up_cover(self, work: JobWork) -> None:
        """A join refused intervals from the cache: make the chunks that they stood for."""
        self._again(self._resolver.uncover(work))
        self._rejoin(work)

    def _lost(self, work: JobWork, damaged: frozenset[str]) -> list[Task]:
        """The nodes of a job that must be made again. A stitch whose chunks are there is joined again instead."""
        lost = [task for task in work.tasks() if task.state in GOOD and task.digest in damaged]
        for task in lost:
            task.digest, task.reason = None, "its result was missing or damaged"
            if task.span is None or work.final is None:
                self._outputs.pop(work.name, None)
        if work.final in lost and work.nodes.job.stitch is not None:
            lost.remove(work.final)
            self._rejoin(work)
        return lost

    def _again(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            self._ledger.reopen(task)
            task.state = State.READY
        self._traffic.add(tasks)

    def _rejoin(self, work: JobWork) -> None:
        assert work.final is not None
        self._ledger.reopen(work.final)
        work.final.state, work.final_started = State.WAITING, False
        self._touched.append(work)
