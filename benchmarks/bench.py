"""What every workload is given: the place, the sizes, the rounds. Knows no workload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.place import Place
from benchmarks.rows import Goal, Row

ROUNDS_OF_SHORT_ONES = 5
"""How many times the rounds where a sample takes a fraction of a second: there noise is the larger part."""


@dataclass(frozen=True, slots=True)
class Bench:
    """`sizes` are the numbers of chunks, `quick` asks for sizes that only show that all works."""

    place: Place
    sizes: Sequence[int]
    rounds: int
    quick: bool
    say: Callable[[str], None] = field(default=print)

    @property
    def short_rounds(self) -> int:
        """Rounds of what takes a fraction of a second."""
        return self.rounds if self.quick else self.rounds * ROUNDS_OF_SHORT_ONES

    def goal(self, limit: float, *, at_least: bool = False) -> Goal | None:
        """The goal of a row; there is none for the tiny sizes."""
        return None if self.quick else Goal(limit, at_least)

    def folder(self, name: str) -> Path:
        """A new folder of that name."""
        path = self.place.folder / name
        path.mkdir(parents=True)
        return path


Workload = Callable[[Bench], Iterable[Row]]
