"""W1 to W4: the tiny job from nothing, with nothing to do, with one input changed, with all inputs touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.bench import Bench
from benchmarks.cases import Case, Cases
from benchmarks.rows import OURS, Goal, Row, compared
from benchmarks.timing import Sample, interleave
from benchmarks.tinyjob import TinyJob, runners

LARGEST_RERUN = 10_000
"""Jobs with more chunks are built once and then only run with nothing to do."""
_GOALS_FROM = 10_000
_JOBS = 2


def from_nothing(bench: Bench) -> Iterator[Row]:
    """W1: dispatch `n` chunks and a join."""
    for n in _up_to(bench, LARGEST_RERUN):
        cases = Cases(bench.place, runners(bench.place), TinyJob(n, jobs=_JOBS))
        samples = _measure(bench, "W1", cases, bench.rounds, _after_a_build)
        cases.remove()
        yield compared("W1", f"{n:,} tiny chunks and a join, from nothing", samples, goal=_goal(n, 0.8, 0.65))
        memory = [sample.rss_mb for sample in samples[OURS]]
        peer = max(sample.rss_mb for sample in samples["ninja"])
        limit = Goal(80) if n >= _GOALS_FROM else None
        what = f"memory at its peak, {n:,} tiny chunks"
        yield Row("W1", what, tuple(memory), "MB", goal=limit, note=f"ninja {peer:.0f} MB")


def nothing_to_do(bench: Bench) -> Iterator[Row]:
    """W2: everything is there; all chunks read one input."""
    goals = {10_000: Goal(1.0), 100_000: Goal(0.2)}
    for n in bench.sizes:
        with _built(bench, TinyJob(n, jobs=_JOBS)) as cases:
            samples = _measure(bench, "W2", cases, bench.short_rounds, _with_nothing_to_do)
        yield compared("W2", f"nothing to do, {n:,} chunks, one input", samples, goal=goals.get(n))


def nothing_to_do_with_inputs(bench: Bench) -> Iterator[Row]:
    """W2s: everything is there; each chunk reads an input of its own."""
    goals = {10_000: Goal(1.8), 100_000: Goal(1.1)}
    for n in bench.sizes:
        with _built(bench, TinyJob(n, split=True, jobs=_JOBS)) as cases:
            samples = _measure(bench, "W2s", cases, bench.short_rounds, _with_nothing_to_do)
        yield compared("W2s", f"nothing to do, {n:,} chunks, {n:,} inputs", samples, goal=goals.get(n))


def one_changed(bench: Bench) -> Iterator[Row]:
    """W3: one of the inputs has another content."""
    for n in _up_to(bench, LARGEST_RERUN):
        with _built(bench, TinyJob(n, split=True, jobs=_JOBS)) as cases:
            samples = _measure(bench, "W3", cases, bench.short_rounds, _after_a_change)
        yield compared("W3", f"one of {n:,} inputs changed", samples, goal=_goal(n, 2.2), note="1 + 1 commands")


def all_touched(bench: Bench) -> Iterator[Row]:
    """W4: all inputs have new times and the old contents."""
    note = "nothing runs; peers rerun all"
    for n in _up_to(bench, LARGEST_RERUN):
        with _built(bench, TinyJob(n, split=True, jobs=_JOBS)) as cases:
            samples = _measure(bench, "W4", cases, bench.rounds, _after_a_touch)
        yield compared("W4", f"all {n:,} inputs touched", samples, goal=_goal(n, 0.12), note=note)


@contextmanager
def _built(bench: Bench, job: TinyJob) -> Iterator[Cases]:
    """The job as every runner has built it, until the block ends."""
    cases = Cases(bench.place, runners(bench.place), job)
    bench.say(f"building {job.n:,} chunks with {'an input each' if job.split else 'one input'}")
    cases.build()
    yield cases
    cases.remove()


def _measure(
    bench: Bench, work: str, cases: Cases, rounds: int, run: Callable[[Case, int], Sample]
) -> dict[str, list[Sample]]:
    contenders = {name: partial(run, case) for name, case in cases.all.items()}
    return interleave(f"{work} n={cases.job.n}", contenders, rounds, bench.say)


def _with_nothing_to_do(case: Case, _: int) -> Sample:
    return case.run(chunks=0, joins=0)


def _after_a_build(case: Case, _: int) -> Sample:
    return case.build()


def _after_a_change(case: Case, turn: int) -> Sample:
    case.change((7 + 31 * turn) % case.job.n)
    return case.run(chunks=1, joins=1)


def _after_a_touch(case: Case, _: int) -> Sample:
    case.touch()
    ours = case.runner == OURS
    return case.run(chunks=0 if ours else case.job.n, joins=0 if ours else 1)


def _up_to(bench: Bench, largest: int) -> list[int]:
    return [n for n in bench.sizes if n <= largest]


def _goal(n: int, limit: float, reach: float | None = None) -> Goal | None:
    """Goals are for sizes at which starting up no longer counts."""
    return Goal(limit, reach=reach) if n >= _GOALS_FROM else None
