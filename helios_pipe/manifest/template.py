"""Texts with placeholders: `{chunk.start:05d}`. Only known names exist; nothing in a template reaches a Python object."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from helios_pipe.regex import regex
from helios_pipe.tuples import NamedTuple

_TOKEN = regex(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_MAX_WIDTH = 1000
_NAME = regex(r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)?\Z")


class TemplateError(ValueError):
    """A text that is no template; the message says what is wrong and what was expected."""


class Field(NamedTuple):
    """One placeholder: a known name and Python's format spec for it."""

    name: str
    spec: str = ""

    def __str__(self) -> str:
        return f"{{{self.name}:{self.spec}}}" if self.spec else f"{{{self.name}}}"


class Template(NamedTuple):
    """A text in parts: literal texts and fields, in order, no two texts side by side and never none. One text alone is a
    constant."""

    parts: tuple[str | Field, ...]

    @property
    def fields(self) -> frozenset[str]:
        """The names it asks for."""
        return frozenset([part.name for part in self.parts if not isinstance(part, str)])

    @property
    def constant(self) -> bool:
        """Whether it is the same text whatever the values."""
        return len(self.parts) == 1 and isinstance(self.parts[0], str)

    def fill(self, values: Mapping[str, object]) -> str:
        """The text with every field's value. Raises KeyError on a name that `values` lacks, TemplateError on a format
        spec that does not fit the value."""
        parts = self.parts
        if len(parts) == 1:  # most words are one text, or one number
            part = parts[0]
            return part if isinstance(part, str) else _format(part, values[part.name])
        return "".join([part if isinstance(part, str) else _format(part, values[part.name]) for part in parts])

    def bind(self, values: Mapping[str, object]) -> Template:
        """The same template with the names in `values` filled in and the others left."""
        out: list[str | Field] = []
        for part in self.parts:
            piece = _format(part, values[part.name]) if isinstance(part, Field) and part.name in values else part
            if isinstance(piece, str) and out and isinstance(out[-1], str):
                out[-1] += piece
            else:
                out.append(piece)
        return Template(tuple(out))

    def __str__(self) -> str:
        parts = self.parts
        if len(parts) == 1 and isinstance(parts[0], str) and is_plain(parts[0]):
            return parts[0]
        return "".join(
            part.replace("{", "{{").replace("}", "}}") if isinstance(part, str) else str(part) for part in parts
        )


def is_plain(text: str) -> bool:
    """Whether the text is a template without a placeholder or a brace: it stands for itself."""
    return "{" not in text and "}" not in text


def parse_template(text: str, known: Collection[str]) -> Template:
    """The template that `text` spells. Raises TemplateError on a stray brace or a name that is not in `known`, naming the
    nearest one that is."""
    if is_plain(text):
        return Template((text,))
    parts: list[str | Field] = []
    at = 0
    for match in _TOKEN.finditer(text):
        _append(parts, text[at : match.start()])
        at = match.end()
        token = match.group()
        if token in ("{{", "}}"):
            _append(parts, token[0])
        elif match.group(1) is None:
            raise TemplateError(f"a single {token!r} in {text!r}: write {token * 2!r} for a brace")
        else:
            parts.append(_field(match.group(1), known))
    _append(parts, text[at:])
    return Template(tuple(parts) or ("",))


def _field(body: str, known: Collection[str]) -> Field:
    name, _, spec = body.partition(":")
    if name in known and _NAME.match(name):
        if any(int(width[:9]) > _MAX_WIDTH for width in re.findall(r"[0-9]+", spec)):
            raise TemplateError(f"{{{name}:{spec}}} is wider than {_MAX_WIDTH} characters, the limit")
        return Field(name, spec)
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    listed = ", ".join(f"{{{k}}}" for k in sorted(known))
    advice = f"did you mean {{{near[0]}}}?" if near else f"known: {listed}" if listed else "there are none here"
    raise TemplateError(f"unknown placeholder {{{name}}}: {advice} (write {{{{ and }}}} for braces)")


def _append(parts: list[str | Field], text: str) -> None:
    if not text:
        return
    if parts and isinstance(parts[-1], str):
        parts[-1] += text
    else:
        parts.append(text)


def _format(part: Field, value: object) -> str:
    if not part.spec:
        return str(value)
    try:
        return format(value, part.spec)
    except (ValueError, TypeError) as error:
        raise TemplateError(f"{part} does not fit the value {value!r}: {error}") from error
