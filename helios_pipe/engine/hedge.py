"""Which attempts take so long that a second copy is worth starting. Decides; starts nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from helios_pipe.engine.pool import Pool
from helios_pipe.engine.slot import Flight
from helios_pipe.engine.work import JobWork, Task

FACTOR = 3.0
"""A straggler takes more than so many times the median of its job's chunks,"""
LEAST_S = 2.0
"""and longer than this: a copy costs a start, too."""
_LEAST_KNOWN = 3
"""Chunks that must have been made before anything is said of the others."""


class Hedges:
    """How long the chunks of each job take, and who is far beyond it. `before` tells how long they took in earlier runs."""

    def __init__(self, pool_of: Callable[[Task], Pool], before: Callable[[JobWork], Sequence[float]]) -> None:
        self._pool_of = pool_of
        self._before = before
        self._took: dict[JobWork, list[float]] = {}
        self._copied: set[Task] = set()
        self._usual: dict[JobWork, tuple[int, float]] = {}

    def note(self, task: Task, duration_s: float) -> None:
        """A chunk was made in so many seconds."""
        if self._wanted(task):
            self._took.setdefault(task.work, []).append(duration_s)

    def stragglers(self, flights: Sequence[Flight], now: float) -> list[Task]:
        """The tasks that deserve a second copy now, the longest first."""
        late = [(now - f.began, f.task) for f in flights if f.began is not None and now - f.began > LEAST_S]
        late = [(elapsed, task) for elapsed, task in late if task not in self._copied and self._wanted(task)]
        late = [(elapsed, task) for elapsed, task in late if elapsed > FACTOR * self._median(task.work)]
        return [task for _, task in sorted(late, key=lambda pair: -pair[0])]

    def started(self, task: Task) -> None:
        """A second copy of the task was started: there will be no third."""
        self._copied.add(task)

    def _wanted(self, task: Task) -> bool:
        hedge = task.work.nodes.job.hedge
        return task.kind == "chunk" and (self._pool_of(task).hedges if hedge is None else hedge)

    def _median(self, work: JobWork) -> float:
        from statistics import median  # it takes a while to load, and few runs have stragglers

        """Of this run where it has made enough, else of earlier ones too; infinite where nothing is known."""
        took = self._took.setdefault(work, [])
        count, usual = self._usual.get(work, (-1, 0.0))
        if count != len(took):
            known = took if len(took) >= _LEAST_KNOWN else [*took, *self._before(work)]
            usual = median(known) if len(known) >= _LEAST_KNOWN else inf
            self._usual[work] = (len(took), usual)
        return usual
