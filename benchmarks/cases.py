"""A runner's folder with the tiny job in it: built, changed, run and judged. Knows no question that is asked of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.place import Place
from benchmarks.timing import Sample, WrongOutcomeError, measure
from benchmarks.tinyjob import RUNNERS, TinyJob, right_line

_SETTLED_S = 0.05
"""So long after its inputs changed a runner is started: time stamps of before and after cannot be the same."""


class Case:
    """One runner and one job. Every run is judged: the bytes of `final`, and which commands really ran."""

    def __init__(self, place: Place, runner: str, job: TinyJob, folder: Path) -> None:
        self.place, self.runner, self.job, self.folder = place, runner, job, folder
        self.log = folder.parent / f"{folder.name}.log"
        self.argv: list[str] = []
        self.texts: list[str] = []
        self.built = False

    def fresh(self) -> None:
        """Inputs and a description, nothing made yet."""
        self.remove()
        for name in ("in", "out"):
            (self.folder / name).mkdir(parents=True)
        self.texts = [f"input {source} v0" for source in self.job.sources()]
        for source, text in zip(self.job.sources(), self.texts, strict=True):
            (self.folder / source).write_text(text + "\n")
        self.argv = RUNNERS[self.runner](self.job, self.place, self.folder)

    def remove(self) -> None:
        """Take it all away."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        self.built = False

    def build(self) -> Sample:
        """Make everything from nothing."""
        self.fresh()
        os.sync()  # what the last one left to be written is not this one's to pay for
        sample = self.run(chunks=self.job.n, joins=1)
        self.built = True
        return sample

    def change(self, index: int) -> None:
        """Give one input another content."""
        self.texts[index] = f"input {self.job.source(index)} v{time.time_ns()}"
        (self.folder / self.job.source(index)).write_text(self.texts[index] + "\n")
        time.sleep(_SETTLED_S)

    def touch(self) -> None:
        """Give every input a new time and the same content."""
        for source in self.job.sources():
            os.utime(self.folder / source)
        time.sleep(_SETTLED_S)

    def run(self, *, chunks: int, joins: int) -> Sample:
        """Run it, measured. Raises WrongOutcomeError where it does not run exactly so many commands, or `final` is not right."""
        self.log.unlink(missing_ok=True)
        sample = measure(self.place, self.argv, self.folder, env={"TINY_LOG": str(self.log)})
        begun, done = self.ran()
        found = len(begun) - begun.count("join"), begun.count("join")
        if found != (chunks, joins) or sorted(begun) != sorted(done):
            raise WrongOutcomeError(
                f"{self.runner} in {self.folder.name} ran {found[0]} chunks and {found[1]} joins, expected {chunks} and {joins}"
            )
        if wrong := self.wrong():
            raise WrongOutcomeError(
                f"{self.runner} in {self.folder.name}: {wrong} of {self.job.n} chunks are wrong in final"
            )
        return sample

    def ran(self) -> tuple[list[str], list[str]]:
        """Which commands began and which got done since the log was last taken away."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        marks: tuple[list[str], list[str]] = ([], [])
        for line in lines:
            marks["+-".index(line[0])].append(line[1:])
        return marks

    def wrong(self) -> int:
        """How many chunks of `final` are not what they should be."""
        data = self._final()
        right = [right_line(i, self.texts[i if self.job.split else 0]).encode() for i in range(self.job.n)]
        if data == b"".join(right):
            return 0
        return max(1, sum(line not in data for line in right))

    def _final(self) -> bytes:
        try:
            return (self.folder / "final").read_bytes()
        except FileNotFoundError:
            return b""


class Cases:
    """One case for each of the runners, built before anything is measured, all in the same state at all times."""

    def __init__(self, place: Place, names: Sequence[str], job: TinyJob) -> None:
        self.job = job
        kind = "split" if job.split else "shared"
        self.all = {name: Case(place, name, job, place.folder / f"{name}-{kind}-{job.n}") for name in names}

    def build(self) -> None:
        """Build those that are not."""
        for case in self.all.values():
            if not case.built:
                case.build()

    def remove(self) -> None:
        """Take them all away."""
        for case in self.all.values():
            case.remove()
