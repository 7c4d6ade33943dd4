"""YAML 1.2 text -> plain data, with the position of every value. Knows nothing of manifests.

Built from the parser's events by hand: PyYAML's own constructor speaks YAML 1.1, forgets positions, lets a later duplicate
key win, and takes three times as long.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml

from helios_pipe.manifest.document import MAX_BYTES, Document
from helios_pipe.manifest.marks import Branch, Mark
from helios_pipe.manifest.model import MarkPath, Scalar
from helios_pipe.manifest.problems import FatalProblemError, Report
from helios_pipe.manifest.scalars import resolve
from helios_pipe.regex import regex
from helios_pipe.tuples import NamedTuple

MAX_DEPTH = 64
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels, the limit for a manifest"
MAX_NODES = 1_000_000
MAX_TAG_DIRECTIVES = 16

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SURROGATES = regex(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def parse_document(content: bytes, report: Report) -> Document:
    """The one document that `content` holds. Duplicate keys are noted in `report` and the first one is kept; raises
    FatalProblemError where nothing can be made of the rest."""
    if len(content) > MAX_BYTES:
        _stop(report, 0, 0, f"the file is larger than {MAX_BYTES >> 20} MiB, the limit for a manifest")
    text = _decode(content, report)
    try:
        return _Builder(text, report).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        _stop(report, line, column, _explain(error, text))
    except yaml.reader.ReaderError as error:
        line, column = _control_character(text)
        _stop(report, line, column, f"a character that YAML does not allow (U+{_code(error):04X})")


def _decode(content: bytes, report: Report) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        _stop(report, line, column, f"the byte 0x{content[error.start]:02x} is not UTF-8: save the file as UTF-8")
    if text.count("\n%TAG") > MAX_TAG_DIRECTIVES:
        _stop(report, 1, 1, f"more than {MAX_TAG_DIRECTIVES} %TAG directives, the limit for a manifest")
    if "\\u" in text and text.lstrip()[:1] == "{":  # JSON spells characters past U+FFFF as two escapes, YAML as one
        text = _SURROGATES.sub(_join_surrogates, text)
    return text


def _join_surrogates(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return f"{match[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08X}"


class _Builder:
    """One pass over the events. Each `_node` returns the value and the mark's lower part."""

    def __init__(self, text: str, report: Report) -> None:
        self._next = _Loader(text).get_event
        self._report = report
        self._anchors: dict[str, tuple[Any, Branch | str | None, int, int] | None] = {}
        self._count = 0
        self._deepest = 0
        self._twice: list[_Twice] = []

    def document(self) -> Document:
        where: dict[tuple[int, int], MarkPath] = {}
        try:
            document = self._document()
            if self._twice:  # nobody knows a value's path while it is read; those of a few are looked for afterwards
                where = _paths_of({twice.first for twice in self._twice}, document)
            return document
        finally:
            for first, line, column, key in self._twice:
                text = f"the key {key!r} is given twice, first on line {first[0]}"
                self._report.error_at(line, column, text, where.get(first, ()))

    def _document(self) -> Document:
        self._next()  # stream start
        start = self._next()
        if type(start) is yaml.StreamEndEvent:
            _stop(self._report, 1, 1, "the file is empty, expected a manifest that begins with 'version: 1'")
        event = self._next()
        mark = event.start_mark
        data, below = self._node(event, 1)
        self._next()  # document end
        rest = self._next()
        if type(rest) is not yaml.StreamEndEvent:
            self._stop(rest, "a second document begins here, expected one manifest a file")
        return Document(data, (mark.line + 1, mark.column + 1, below))

    def _node(self, event: Any, depth: int) -> tuple[Any, Branch | str | None]:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value, below = self._scalar(event)
            if event.anchor:
                self._anchors[event.anchor] = (value, below, 1, 0)
            self._grow(event, 1)
            return value, below
        if kind is yaml.AliasEvent:
            return self._alias(event, depth)
        return self._collection(event, kind, depth)

    def _collection(self, event: Any, kind: type, depth: int) -> tuple[Any, Branch]:
        anchor, before, outside = event.anchor, self._count, self._deepest
        if anchor:
            self._anchors[anchor] = None  # not to be used inside itself
        self._deepest = 0
        self._reach(event, depth)
        self._grow(event, 1)
        result: tuple[Any, Branch]
        if kind is yaml.MappingStartEvent:
            self._check_tag(event, "map")
            result = self._mapping(depth)
        else:
            self._check_tag(event, "seq")
            result = self._sequence(depth)
        if anchor:
            self._anchors[anchor] = (result[0], result[1], self._count - before, self._deepest - depth + 1)
        self._deepest = max(self._deepest, outside)
        return result

    def _sequence(self, depth: int) -> tuple[list[Any], list[Mark]]:
        values: list[Any] = []
        marks: list[Mark] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            mark = event.start_mark
            value, below = self._node(event, depth + 1)
            values.append(value)
            marks.append((mark.line + 1, mark.column + 1, below))
        return values, marks

    def _mapping(self, depth: int) -> tuple[dict[str, Any], dict[str, Mark]]:
        values: dict[str, Any] = {}
        marks: dict[str, Mark] = {}
        merged: list[tuple[dict[str, Any], dict[str, Mark]]] | None = None
        while type(event := self._next()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent:
                self._stop(event, "a key must be a text")
            key: str = event.value
            mark: Any = event.start_mark
            value, below = self._node(self._next(), depth + 1)
            if key == "<<" and event.implicit[0]:
                if merged is not None:
                    self._report.error_at(mark.line + 1, mark.column + 1, "the key '<<' is given twice: use a list")
                merged = [*(merged or ()), *self._merge_sources(event, value, below)]
            elif key in values:
                self._twice.append(_Twice(marks[key][:2], mark.line + 1, mark.column + 1, key))
            else:
                values[key] = value
                marks[key] = (mark.line + 1, mark.column + 1, below)
        for more_values, more_marks in merged or ():
            values |= {key: value for key, value in more_values.items() if key not in values}
            marks |= {key: mark for key, mark in more_marks.items() if key not in marks}
        return values, marks

    def _merge_sources(self, event: Any, value: Any, below: Any) -> list[tuple[dict[str, Any], dict[str, Mark]]]:
        if isinstance(value, dict):
            return [(value, below)]
        if isinstance(value, list) and all(isinstance(item, dict) for item in value):
            return [(item, mark[2]) for item, mark in zip(value, below, strict=True)]
        return self._stop(event, "'<<' merges mappings, expected an alias of one (<<: *name) or a list of them")

    def _alias(self, event: Any, depth: int) -> tuple[Any, Branch | str | None]:
        if event.anchor not in self._anchors:
            self._stop(event, f"the alias *{event.anchor} has no anchor &{event.anchor} before it")
        found = self._anchors[event.anchor]
        if found is None:
            self._stop(event, f"the alias *{event.anchor} stands inside its own anchor")
        value, below, size, levels = found
        self._grow(event, size)
        self._reach(event, depth + levels - 1)
        return value, below

    def _scalar(self, event: Any) -> tuple[Scalar, str | None]:
        text: str = event.value
        if event.implicit[0]:
            value = resolve(text)
            return value, None if isinstance(value, str) else text
        if event.style == '"' and "\0" in text:
            self._stop(event, "a NUL byte, which no command line, path or variable can hold")
        if event.tag and event.tag != "!":
            return self._tagged(event, text)
        return text, None

    def _tagged(self, event: Any, text: str) -> tuple[Scalar, str | None]:
        kinds: dict[str, tuple[type, ...]] = {
            "str": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)
        }  # fmt: skip
        kind = event.tag.removeprefix(_TAG)
        if kind == "str":
            return text, None
        value = resolve(text)
        if kind not in kinds or not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "bool"):
            self._stop(event, f"the tag {_spell_tag(event.tag)} does not fit here, expected a value without a tag")
        return (float(value) if kind == "float" and isinstance(value, int) else value), text

    def _check_tag(self, event: Any, kind: str) -> None:
        if event.tag and event.tag not in ("!", _TAG + kind):
            self._stop(event, f"the tag {_spell_tag(event.tag)} does not fit here, expected a value without a tag")

    def _grow(self, event: Any, count: int) -> None:
        self._count += count
        if self._count > MAX_NODES:
            self._stop(event, f"more than {MAX_NODES:,} values once aliases are followed, the limit for a manifest")

    def _reach(self, event: Any, depth: int) -> None:
        if depth > MAX_DEPTH:
            self._stop(event, _TOO_DEEP)
        self._deepest = max(self._deepest, depth)

    def _stop(self, event: Any, message: str) -> NoReturn:
        _stop(self._report, event.start_mark.line + 1, event.start_mark.column + 1, message)


class _Twice(NamedTuple):
    """A key that was there already: where it stood first, and where it stands again."""

    first: tuple[int, int]
    line: int
    column: int
    key: str


def _paths_of(places: set[tuple[int, int]], document: Document) -> dict[tuple[int, int], MarkPath]:
    found: dict[tuple[int, int], MarkPath] = {}
    for path, place in document.marks.items():
        if path and place in places:
            found.setdefault(place, path)  # by an alias it is in other places, too
    return found


def _spell_tag(tag: str) -> str:
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag


def _stop(report: Report, line: int, column: int, message: str) -> NoReturn:
    report.error_at(line, column, message)
    raise FatalProblemError


def _explain(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    problem = str(error.problem or error.context or "not YAML")
    lines = text.splitlines()
    if mark is not None and mark.line < len(lines) and "\t" in lines[mark.line][: mark.column + 1]:
        return "a tab in the indentation, expected spaces"
    if "maximum nesting depth" in f"{error.context} {problem}":  # the C library looks ahead, and has a limit of its own
        return _TOO_DEEP
    context = f" {error.context}" if error.context and error.problem else ""
    hint = ""
    if "mapping values are not allowed" in problem:
        hint = "; a text that holds ': ' must be quoted"
    elif "cannot start any token" in problem:
        hint = "; a text that begins with this character must be quoted"
    return f"not valid YAML:{context} {problem}{hint}".replace(":  ", ": ")


def _control_character(text: str) -> tuple[int, int]:
    for number, line in enumerate(text.split("\n"), 1):
        for column, character in enumerate(line, 1):
            if not (character.isprintable() or character in "\t\r\u0085\ufeff" or ord(character) >= 0xA0):
                return number, column
    return 1, 1


def _code(error: yaml.reader.ReaderError) -> int:
    character: Any = error.character
    return character if isinstance(character, int) else ord(character)
