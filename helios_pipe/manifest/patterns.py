"""gitignore-style patterns: what one means, and whether a path matches. Looks at no file.

A path without wildcards is that path, below the manifest's folder; where it is a folder, everything below it is meant too.
With wildcards, or behind a `!`, the rules are gitignore's: `*` and `?` stop at `/`, `**` does not, `[a-z]` is one character
of a set, a trailing `/` wants a folder, a pattern without any other `/` matches at every depth (`./*.png`: only here).
Later patterns win over earlier ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from helios_pipe.regex import regex
from helios_pipe.tuples import NamedTuple

_PLAIN = regex(r"[^*?\[\\!./\0][^*?\[\\/\0]*(?:/[^*?\[\\./\0][^*?\[\\/\0]*)*\Z")
"""Most paths: no wildcard, no escape, no part that begins with a dot. They need no closer look."""
_WILD = regex(r"(?<!\\)(?:\\\\)*(?:[*?]|\[.)")
_SPECIAL = regex(r"[*?\[\\]|^!")
_ESCAPED = regex(r"\\(.)", re.DOTALL)
_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z",
    "xdigit": "0-9a-fA-F", "space": r"\s", "punct": r"!-\/:-@\[-`{-~",
}  # fmt: skip


class Pattern(NamedTuple):
    """A pattern in parts. `literal` is the one path that it names, unless it holds wildcards or means every depth (its first
    part is `**` then). A `literal` of `folder_only` names what is below a folder."""

    text: str
    parts: tuple[str, ...]
    literal: str | None
    excludes: bool = False
    folder_only: bool = False


def parse_pattern(text: str) -> Pattern:
    """The pattern that `text` spells. Expects one without a `pattern_problem`."""
    if _PLAIN.match(text):
        return Pattern(text, tuple(text.split("/")), text)
    excludes = text.startswith("!")
    body = text[1:] if excludes else text
    folder_only = body.endswith("/")
    parts = tuple(part for part in body.split("/") if part not in ("", "."))
    wild = _WILD.search(body) is not None
    if not wild and (not excludes or "/" in body.rstrip("/")):
        return Pattern(text, parts, unescape("/".join(parts)), excludes, folder_only)
    if "/" not in body.rstrip("/") and parts != ("**",):
        parts = ("**", *parts)
    return Pattern(text, parts, None, excludes, folder_only)


def pattern_problem(text: str) -> str | None:
    """What is wrong with an input's pattern, None where nothing is."""
    if _PLAIN.match(text):
        return None
    body = text.removeprefix("!")
    if "\0" in text:
        return "a path with a NUL byte, which no file can have"
    if body.startswith("/"):
        return f"{text!r} leaves the project, expected a path relative to the manifest's folder"
    parts = [part for part in body.split("/") if part not in ("", ".")]
    if ".." in parts:
        return f"{text!r} leaves the project, expected a path without '..'"
    if not parts and "." not in body.split("/"):
        return f"{text!r} names nothing, expected a path or a glob"
    if not parts:
        return f"{text!r} is the whole folder, expected '**' for everything in it"
    try:
        for part in filter(is_wild, parts):
            compile_part(part)
    except re.error:
        return f"{text!r} holds a set of characters that makes no sense, expected one such as [a-z]"
    return None


def literal_problem(text: str) -> str | None:
    """What is wrong with a path that must name one file, None where nothing is."""
    if text.startswith("!") or _WILD.search(text):
        return f"{text!r} is a glob, expected the path of one file"
    return pattern_problem(text)


def is_wild(part: str) -> bool:
    """Whether a part of a path holds wildcards."""
    return _WILD.search(part) is not None


def unescape(text: str) -> str:
    """A literal path as the file is named: `\\!` is `!`."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def escape(path: str) -> str:
    """The pattern that names exactly this path."""
    return _SPECIAL.sub(r"\\\g<0>", path)


def literal_prefix(pattern: Pattern) -> str:
    """The path that all files lie at or below which the pattern means: empty where they may be anywhere."""
    if pattern.literal is not None:
        return pattern.literal
    literal: list[str] = []
    for part in pattern.parts:
        if is_wild(part):
            break
        literal.append(part)
    return unescape("/".join(literal))


@lru_cache(maxsize=4096)
def compile_part(part: str) -> re.Pattern[str]:
    """What one part between slashes matches."""
    return re.compile(_translate(part) + r"\Z", re.DOTALL)


class Matcher:
    """Whether a path is among those that a list of patterns means. 10,000 literal paths cost no more than one."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._steps: list[tuple[bool, set[str], re.Pattern[str] | None]] = []
        for pattern in map(parse_pattern, patterns):
            includes = not pattern.excludes
            if pattern.literal is None:
                self._steps.append((includes, set(), path_regex(pattern)))
            elif self._steps and self._steps[-1][0] is includes and self._steps[-1][2] is None:
                self._steps[-1][1].add(literal_key(pattern))
            else:
                self._steps.append((includes, {literal_key(pattern)}, None))

    def __call__(self, path: str) -> bool:
        """Whether the file `path` is meant; the last pattern that matches it says so."""
        for includes, literals, compiled in reversed(self._steps):
            if compiled.match(path) if compiled else is_under(path, literals):
                return includes
        return False


def literal_key(pattern: Pattern) -> str:
    """What `is_under` looks for: a path, with a `/` behind it where only what is below it is meant."""
    return f"{pattern.literal}/" if pattern.folder_only else pattern.literal or ""


def is_under(path: str, keys: set[str]) -> bool:
    """Whether a file is named by one of the `literal_key`s, or lies below one."""
    if path in keys:
        return True
    while path := path.rpartition("/")[0]:
        if path in keys or path + "/" in keys:
            return True
    return False


def path_regex(pattern: Pattern) -> re.Pattern[str]:
    """What matches the whole paths of files that the pattern means.

    Between two `**` stand parts that take a fixed number of names, so that the first place where they fit is as good as any
    later one: it is never given back, and no path takes more than a moment.
    """
    segments: list[list[str]] = [[]]
    for part in pattern.parts:
        if part == "**":
            segments.append([])
        else:
            segments[-1].append(_translate(part))
    first, *rest = ["/".join(segment) for segment in segments]
    last = rest.pop() if rest else None
    text = first + "/" if first and last is not None else first
    text += "".join(f"(?>(?:.*?/)??{middle}/)" for middle in rest if middle)
    if last == "":
        return re.compile(text + (r".+/.*\Z" if pattern.folder_only else r".+\Z"), re.DOTALL)
    text += f"(?:.*/)?{last}" if last is not None else ""
    return re.compile(text + (r"/.*\Z" if pattern.folder_only else r"(?:/.*)?\Z"), re.DOTALL)


def _translate(part: str) -> str:
    """One part as a regular expression. Every `*` but the last takes as little as it can and never gives it back, so that
    no name takes more than a moment."""
    pieces = [""]
    at = 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif character == "?":
            pieces[-1] += "[^/]"
        elif character == "[" and (end := _set_end(part, at)) > 0:
            pieces[-1] += _translate_set(part[at:end])
            at = end + 1
        else:
            if character == "\\" and at < len(part):
                character, at = part[at], at + 1
            pieces[-1] += re.escape(character)
    first, *rest = pieces
    if not rest:
        return first
    return first + "".join(f"(?>[^/]*?{piece})" for piece in rest[:-1]) + "[^/]*" + rest[-1]


def _set_end(part: str, at: int) -> int:
    if part[at : at + 1] in ("!", "^"):
        at += 1
    if part[at : at + 1] == "]":
        at += 1
    while at < len(part) and part[at] != "]":
        at = (
            part.index(":]", at) + 2 if part.startswith("[:", at) and ":]" in part[at:] else at + 1 + (part[at] == "\\")
        )
    return at if at < len(part) else -1


def _translate_set(body: str) -> str:
    negated = body[:1] in ("!", "^")
    body = body[1:] if negated else body
    text = ""
    for match in re.finditer(r"\[:([a-z]+):\]|\\(.)|(.)", body, re.DOTALL):
        if match[1]:
            text += _CLASSES.get(match[1], "")
        else:
            character = match[2] or match[3]
            text += "-" if character == "-" and not match[2] else re.escape(character)
    return f"(?!/)[{'^' if negated else ''}{text}]" if text else "(?!)"
