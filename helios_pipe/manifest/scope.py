"""Which placeholders mean something where, and what they are filled with when a manifest is loaded.

`vars.*`, `matrix.*`, `job` and `fps` are known at once; `chunk.*`, `output`, `inputs` and `inputs_list` stay in the template.
Knows nothing of jobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from helios_pipe.manifest.marks import MarkTree
from helios_pipe.manifest.model import MarkPath
from helios_pipe.manifest.problems import Report
from helios_pipe.manifest.schema import FLAWED
from helios_pipe.manifest.template import Field, Template, TemplateError, is_plain, parse_template
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FRAMES = frozenset({"chunk.start", "chunk.end", "chunk.count", "chunk.step"})
CHUNK = FRAMES | {"chunk.index"}


class Place(NamedTuple):
    """A kind of text and the names that stay open in it. `home` is where the frame numbers mean something, where that is
    not plain from the name."""

    what: str
    names: frozenset[str] = frozenset()
    home: str = ""


_WITH = "a chunk that says its 'frames'"
TEXT = Place("here")
CHUNK_COMMAND = Place("in a chunk's command", CHUNK | {"output"})
BARE_CHUNK_COMMAND = Place("in the command of a chunk without 'frames'", frozenset({"chunk.index", "output"}), _WITH)
CHUNK_INPUT = Place("in a chunk's inputs", CHUNK)
BARE_CHUNK_INPUT = Place("in the inputs of a chunk without 'frames'", frozenset({"chunk.index"}), _WITH)
COMMAND = Place("in a job's command", frozenset({"output"}))
STITCH_COMMAND = Place("in a stitch's command", frozenset({"output", "inputs", "inputs_list"}))

_HOMES = {
    **dict.fromkeys(CHUNK, "a chunk's command and inputs"),
    "output": "commands",
    "inputs": "a stitch's command",
    "inputs_list": "a stitch's command",
    "fps": "a job that says its 'fps'",
}
_NO_SPEC = frozenset({"output", "inputs", "inputs_list"})


class Scope:
    """The values that are known in one combination of one job, and the texts that are read with them.

    `used` gathers the names that were asked for. Whatever is wrong goes to the report, and None stands for the text.
    """

    def __init__(self, report: Report, values: Mapping[str, object], used: set[str]) -> None:
        self.report = report
        self._values = values
        self._used = used
        self._seen: dict[tuple[str, str], Template] = {}

    def template(self, text: str, where: MarkPath, place: Place) -> Template | None:
        """The template that `text` spells in this place, with what is known filled in."""
        found = self._seen.get((text, place.what))
        if found is not None:
            return found
        if is_plain(text):
            return self._seen.setdefault((text, place.what), Template((text,)))
        try:
            template = parse_template(text, _Known(self._values, place.names))
            self._check(template, place)
            bound = template if template.constant else template.bind(self._values)
        except TemplateError as error:
            self.report.error(where, str(error))
            return None
        self._used |= template.fields
        self._seen[text, place.what] = bound
        return bound

    def text(self, text: Any, where: MarkPath) -> str | None:
        """The text with everything filled in."""
        if not isinstance(text, str):
            return None
        template = self.template(text, where, TEXT)
        return None if template is None else template.fill({})

    def command(self, raw: Any, where: MarkPath, place: Place) -> tuple[Template, ...]:
        """The words of a command, given as a list or as one text. Empty where it is flawed."""
        words = self._words(raw, where)
        templates = [self._word(word, at, place) for word, at in words]
        whole = tuple(template for template in templates if template is not None)
        if len(whole) != len(words):
            return ()
        if whole and whole[0].constant and not whole[0].parts[0]:
            self.report.error(where, "the first word of the command is empty, expected a program")
        return whole

    def _words(self, raw: Any, where: MarkPath) -> list[tuple[str, MarkPath]]:
        if isinstance(raw, list):
            spelled = [(spelled_text(word, (*where, i), self.report.marks), (*where, i)) for i, word in enumerate(raw)]
            return [(word, at) for word, at in spelled if word is not None]
        if not isinstance(raw, str):
            return []
        from helios_pipe.manifest.words import CommandError, split_posix

        try:
            words = [(word, where) for word in split_posix(raw)]
        except CommandError as error:
            self.report.error(where, str(error))
            return []
        if not words:
            self.report.error(where, "the command is empty, expected a program and its arguments")
        return words

    def _word(self, text: str, where: MarkPath, place: Place) -> Template | None:
        template = self.template(text, where, place)
        if template is not None and len(template.parts) > 1 and "inputs" in template.fields:
            self.report.error(
                where, f"{{inputs}} stands in {text!r}, expected it alone: it becomes one word for each input"
            )
            return None
        return template

    def _check(self, template: Template, place: Place) -> None:
        for part in template.parts:
            if isinstance(part, str):
                continue
            if part.name in _HOMES and part.name not in place.names and part.name not in self._values:
                home = place.home if part.name in FRAMES and place.home else _HOMES[part.name]
                raise TemplateError(f"{{{part.name}}} means nothing {place.what}, it exists only in {home}")
            if part.spec and part.name in _NO_SPEC:
                raise TemplateError(f"{part} takes no format, expected {{{part.name}}}")
            if part.spec and part.name in CHUNK:
                _try(part)


class _Known(Collection[str]):
    """The names of one place. Those of other places are let through, so that it can be said where they belong, but not
    proposed."""

    def __init__(self, values: Mapping[str, object], names: frozenset[str]) -> None:
        self._values = values
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name in self._values or name in _HOMES

    def __iter__(self) -> Iterator[str]:
        yield from self._names
        yield from self._values

    def __len__(self) -> int:
        return len(self._names) + len(self._values)


def spelled_text(value: Any, where: MarkPath, marks: MarkTree) -> str | None:
    """A scalar as the text that was written: `010` stays `010` where a text is wanted. None for what is no scalar."""
    if isinstance(value, str):
        return value
    if value is FLAWED or value is None or isinstance(value, (list, dict)):
        return None
    return marks.spelling(where) or str(value)


def printable(value: object) -> object:
    """A scalar as a placeholder prints it: booleans as YAML spells them, nothing as the empty text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def _try(part: Field) -> None:
    try:
        format(1, part.spec)
    except ValueError as error:
        raise TemplateError(f"{part} is no format for a frame number: {error}") from error
