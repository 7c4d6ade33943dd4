"""What a benchmark finds: one row for each question, with its goal. Values only; knows nothing of measuring or printing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from benchmarks.timing import Sample, middle, ratios

Unit = Literal["x", "s", "MB", ""]
"""`x` is a ratio to what `against` names, the empty one a count."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a row is to be: at most `limit`, or at least. `reach` is what would be better still."""

    limit: float
    at_least: bool = False
    reach: float | None = None

    def met(self, value: float) -> bool:
        """Whether a value is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One question's answer: `values` round by round, whose median counts. `seconds` are the medians of all who took part,
    `note` what else there is to say."""

    work: str
    what: str
    values: tuple[float, ...]
    unit: Unit = "x"
    against: str = ""
    goal: Goal | None = None
    seconds: Mapping[str, float] | None = None
    note: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other rows, from run to run."""
        return self.work, self.what

    @property
    def value(self) -> float:
        """The median of the rounds."""
        return median(self.values)

    @property
    def met(self) -> bool:
        """Whether it reaches its goal, if it has one."""
        return self.goal is None or self.goal.met(self.value)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Row:
        """The row that `to_dict` wrote."""
        goal = Goal(**row["goal"]) if row["goal"] else None
        return cls(**{**row, "values": tuple(row["values"]), "goal": goal})


OURS = "helios-pipe"


def compared(
    work: str,
    what: str,
    samples: Mapping[str, Sequence[Sample]],
    *,
    base: str = "ninja",
    goal: Goal | None = None,
    note: str = "",
) -> Row:
    """Our samples held against those of `base`, round by round."""
    others = [
        f"{name} {median(ratios(taken, samples[base])):.2f} x"
        for name, taken in samples.items()
        if name not in (OURS, base)
    ]
    return Row(
        work,
        what,
        tuple(ratios(samples[OURS], samples[base])),
        against=base,
        goal=goal,
        seconds={name: middle(taken) for name, taken in samples.items()},
        note="; ".join(filter(None, [", ".join(others), note])),
    )


def limited(work: str, what: str, values: Sequence[float], unit: Unit, goal: Goal | None, note: str = "") -> Row:
    """Values that are held against a limit of their own."""
    return Row(work, what, tuple(values), unit, goal=goal, note=note)
