"""What is wrong with a manifest, each problem with its place. Knows nothing of what a manifest means."""

from __future__ import annotations

from collections.abc import Iterable

from helios_pipe.errors import UsageError
from helios_pipe.manifest.marks import MarkTree
from helios_pipe.manifest.model import MarkPath
from helios_pipe.tuples import NamedTuple

MAX_PROBLEMS = 1000
"""More than these in one manifest are not listed."""


class Problem(NamedTuple):
    """One thing that is wrong: `file:line:column: path: message`. Line and column count from 1; line 0 means the whole
    file, an empty path the whole document."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ManifestError(UsageError):
    """A manifest that cannot be used. `problems` holds all that is wrong with it, by position; the text has a line for
    each."""

    def __init__(self, problems: Iterable[Problem], *, more: bool = False) -> None:
        self.problems = tuple(sorted(set(problems), key=_position))
        lines = [str(problem) for problem in self.problems]
        if more:
            lines.append(f"there are more problems than the {len(self.problems):,} that are listed")
        super().__init__("\n".join(lines))


class FatalProblemError(Exception):
    """Nothing more can be said of the document: a syntax error, a limit. Ends the look at it; never leaves the package."""


class Report:
    """Gathers problems and warnings, so that they are all told in one go."""

    def __init__(self, file: str, marks: MarkTree | None = None) -> None:
        self.file = file
        self.marks = MarkTree() if marks is None else marks
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.unlisted = False

    def error(self, where: MarkPath, message: str) -> None:
        """Note a problem at a place in the document, or at the nearest place above it that exists."""
        self._note(self.errors, self._problem(where, message))

    def warn(self, where: MarkPath, message: str) -> None:
        """Note what does not stop a run but is worth knowing."""
        self._note(self.warnings, self._problem(where, message))

    def error_at(self, line: int, column: int, message: str, where: MarkPath = ()) -> None:
        """Note a problem at a position of the text."""
        self._note(self.errors, Problem(self.file, line, column, spell_path(where), message))

    def raise_if_any(self) -> None:
        """End with everything found so far. Raises ManifestError."""
        if self.errors:
            raise ManifestError(self.errors, more=self.unlisted)

    def rendered_warnings(self) -> tuple[str, ...]:
        """The warnings as texts, each once, by position."""
        return tuple(str(warning) for warning in sorted(set(self.warnings), key=_position))

    def _problem(self, where: MarkPath, message: str) -> Problem:
        line, column = self.marks.nearest(where)
        return Problem(self.file, line, column, spell_path(where), message)

    def _note(self, problems: list[Problem], problem: Problem) -> None:
        if len(problems) < MAX_PROBLEMS:
            problems.append(problem)
        else:
            self.unlisted |= problems is self.errors


def spell_path(where: MarkPath) -> str:
    """A place as people write it: `jobs.zoom.inputs[0]`."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _position(problem: Problem) -> tuple[int, int, str, str]:
    return problem.line, problem.column, problem.path, problem.message
