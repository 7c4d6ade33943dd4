"""Who gets a second copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helios_pipe.action.model import Action, Output
from helios_pipe.engine.hedge import Hedges
from helios_pipe.engine.slot import Flight
from helios_pipe.engine.work import JobWork, Task
from helios_pipe.graph.nodes import JobNodes
from helios_pipe.manifest.model import Job


class Slots:
    def __init__(self, hedges: bool = False) -> None:
        self.hedges = hedges


def work(hedge: bool | None) -> JobWork:
    return JobWork(JobNodes(Job("film", (), hedge=hedge), (), ()))


def task(job: JobWork, index: int) -> Task:
    return Task(f"film/{index:04d}", "chunk", job, index=index)


def flight(of: Task, began: float, *, copy: bool = False) -> Flight:
    return Flight(of, Action(of.name, "chunk", (), Output("part.txt")), 1, copy, began=began)


def hedges(job: JobWork, took: Sequence[float], *, pool: bool = False, before: Sequence[float] = ()) -> Hedges:
    slots: Any = Slots(pool)
    found = Hedges(lambda _: slots, lambda _: before)
    for index, seconds in enumerate(took):
        found.note(task(job, 100 + index), seconds)
    return found


def test_a_chunk_far_beyond_the_others_is_a_straggler() -> None:
    job = work(True)
    quick, slow = task(job, 1), task(job, 2)
    found = hedges(job, [1.0, 1.0, 1.5]).stragglers([flight(quick, 98.0), flight(slow, 95.0)], 100.0)
    assert found == [slow]


def test_the_longest_comes_first() -> None:
    job = work(True)
    one, two = task(job, 1), task(job, 2)
    assert hedges(job, [1.0] * 3).stragglers([flight(one, 90.0), flight(two, 80.0)], 100.0) == [two, one]


def test_nothing_is_said_of_a_job_that_nothing_is_known_of() -> None:
    job = work(True)
    assert hedges(job, [1.0, 1.0]).stragglers([flight(task(job, 1), 0.0)], 100.0) == []


def test_earlier_runs_count_where_this_one_has_made_too_little() -> None:
    job = work(True)
    one = task(job, 1)
    assert hedges(job, [], before=[1.0] * 5).stragglers([flight(one, 90.0)], 100.0) == [one]
    assert hedges(job, [9.0] * 3, before=[1.0] * 9).stragglers([flight(one, 90.0)], 100.0) == []


def test_what_is_quick_anyway_is_not_hedged() -> None:
    job = work(True)
    assert hedges(job, [0.01] * 9).stragglers([flight(task(job, 1), 98.5)], 100.0) == []


def test_there_is_one_copy_at_most() -> None:
    job = work(True)
    one = task(job, 1)
    found = hedges(job, [1.0] * 3)
    found.started(one)
    assert found.stragglers([flight(one, 80.0), flight(one, 99.0, copy=True)], 100.0) == []
    assert found.stragglers([flight(one, 80.0)], 100.0) == []


def test_it_is_on_where_the_manifest_or_the_adapter_says_so() -> None:
    for manifest, adapter, expected in (
        (None, False, False),
        (None, True, True),
        (True, False, True),
        (False, True, False),
    ):
        job = work(manifest)
        one = task(job, 1)
        found = hedges(job, [1.0] * 3, pool=adapter).stragglers([flight(one, 80.0)], 100.0)
        assert found == ([one] if expected else []), (manifest, adapter)


def test_a_join_is_never_hedged() -> None:
    job = work(True)
    join = Task("film/stitch", "stitch", job)
    assert hedges(job, [1.0] * 3).stragglers([flight(join, 0.0)], 100.0) == []
