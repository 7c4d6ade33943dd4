"""One mapping of the document and how its values are read. Whatever is wrong goes to the report; None stands for it."""

from __future__ import annotations

from collections.abc import Iterator

from helios_pipe.manifest.model import Frames, MarkPath
from helios_pipe.manifest.paths import PathError, clean_output
from helios_pipe.manifest.schema import FLAWED
from helios_pipe.manifest.scope import Scope, spelled_text
from helios_pipe.manifest.units import UnitError, frame_range, parse_duration, parse_frames
from helios_pipe.regex import regex
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fractions import Fraction
    from typing import Any

NAME = regex(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
NAME_RULE = "letters, digits, '.', '_' and '-', beginning with a letter or a digit"
VARIABLE = regex(r"[A-Za-z_][A-Za-z0-9_]*\Z")
VARIABLE_RULE = "letters, digits and '_', not beginning with a digit"


class Section(NamedTuple):
    """A mapping, its place and the names that are known in it. A value that was found flawed counts as given, but is None."""

    data: dict[str, Any]
    where: MarkPath
    scope: Scope

    def has(self, key: str) -> bool:
        """Whether the key is given at all."""
        return key in self.data

    def get(self, key: str) -> Any:
        """The value, None where it is missing or flawed."""
        value = self.data.get(key)
        return None if value is FLAWED else value

    def at(self, *steps: str | int) -> MarkPath:
        """A place below this one."""
        return (*self.where, *steps)

    def error(self, message: str, *steps: str | int) -> None:
        """Note what is wrong with the value below."""
        self.scope.report.error(self.at(*steps), message)

    def warn(self, message: str, *steps: str | int) -> None:
        """Note what is worth knowing of the value below."""
        self.scope.report.warn(self.at(*steps), message)

    def below(self, key: str) -> Section | None:
        """The mapping under the key."""
        value = self.get(key)
        return Section(value, self.at(key), self.scope) if isinstance(value, dict) else None

    def items(self, key: str) -> Iterator[tuple[int, Any]]:
        """The sound entries of a list, each with its place in it."""
        for index, value in enumerate(self.get(key) or ()):
            if value is not FLAWED:
                yield index, value

    def text(self, key: str) -> str | None:
        """A text with its placeholders filled in."""
        return self.scope.text(self.get(key), self.at(key))

    def env(self, key: str = "env") -> dict[str, str]:
        """Variables and their values, placeholders filled in."""
        found: dict[str, str] = {}
        for name, value in (self.get(key) or {}).items():
            if not VARIABLE.match(name):
                self.error(f"{name!r} is no name of a variable, expected {VARIABLE_RULE}", key, name)
            spelled = spelled_text(value, self.at(key, name), self.scope.report.marks)
            filled = self.scope.text(spelled, self.at(key, name))
            if filled is not None:
                found[name] = filled
        return found

    def duration(self, key: str, *, zero: bool = False) -> float | None:
        """Seconds of a duration; more than none unless `zero` is allowed."""
        text = self.get(key)
        if text is None:
            return None
        try:
            seconds = parse_duration(text)
        except UnitError as error:
            self.error(str(error), key)
            return None
        if seconds == 0 and not zero:
            self.error("is no time at all, expected more than 0s", key)
        return seconds

    def rate(self, key: str = "fps") -> Fraction | None:
        """A frame rate, exact."""
        spelled = spelled_text(self.get(key), self.at(key), self.scope.report.marks)
        if spelled is None:
            return None
        from helios_pipe.manifest.rates import parse_rate

        try:
            return parse_rate(spelled)
        except UnitError as error:
            self.error(str(error), key)
            return None

    def frames(self, key: str = "frames") -> Frames | None:
        """A frame range in any of its spellings."""
        value = self.get(key)
        try:
            if isinstance(value, str):
                return parse_frames(value)
            if isinstance(value, int):
                return frame_range(0, value - 1)
            if isinstance(value, dict):
                start, end, step = value.get("start"), value.get("end"), value.get("step", 1)
                if isinstance(start, int) and isinstance(end, int) and isinstance(step, int):
                    return frame_range(start, end, step)
        except UnitError as error:
            self.error(str(error), key)
        return None

    def output(self, key: str = "output", *, templates: bool = True) -> str | None:
        """A path of something that is made: relative, normalised, a folder's ending in `/`."""
        value = self.get(key)
        if not isinstance(value, str):
            return None
        if templates:
            text = self.text(key)
        elif "{" in value or "}" in value:
            self.error(f"{value!r} holds braces, expected a plain name: a chunk's output takes no placeholders", key)
            return None
        else:
            text = value
        if text is None:
            return None
        try:
            return clean_output(text)
        except PathError as error:
            self.error(str(error), key)
            return None
