"""Command texts -> words. Knows nothing of placeholders.

Two dialects: `posix`, a POSIX shell's quoting without its expansions, is what manifests speak; `helios` is what Helios' job
files were written for, where a backslash escapes whatever follows it, inside quotes of either kind too.
"""

from __future__ import annotations

import re

from helios_pipe.errors import UsageError
from helios_pipe.regex import regex
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

Dialect: TypeAlias = "Literal['helios', 'posix']"

# JavaScript's \s: Unicode's spaces, the line ends and the byte order mark.
_SPACES = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_TRIM = regex(f"^[{_SPACES}]+|[{_SPACES}]+$")
_TOKEN = regex(rf"(?P<space>[{_SPACES}]+)|\\(?P<escaped>.?)|(?P<quote>[\"'])|(?P<text>[^{_SPACES}\\\"']+)", re.DOTALL)
_POSIX_PLAIN = regex(r"[ \t\r\n]+")


class CommandError(UsageError, ValueError):
    """A text that is no command."""


class ParsedCommand(NamedTuple):
    """A program and its arguments."""

    command: str
    args: list[str]


def parse_command(text: str | None, dialect: Dialect = "helios") -> ParsedCommand:
    """The program and the arguments that `text` spells. Raises CommandError where there is nothing, or (posix) where a
    quote is not closed; in the helios dialect an open quote ends with the text."""
    words = split_helios(text or "") if dialect == "helios" else split_posix(text or "")
    if not words:
        raise CommandError("Command string cannot be empty")
    return ParsedCommand(words[0], words[1:])


def split_posix(text: str) -> list[str]:
    """Words as a POSIX shell splits them, nothing expanded. Raises CommandError on an open quote or a trailing backslash."""
    if not ("'" in text or '"' in text or "\\" in text):
        return [word for word in _POSIX_PLAIN.split(text) if word]
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        problem = "a quote is not closed" if "quotation" in str(error) else "a backslash at the end escapes nothing"
        raise CommandError(f"{problem} in {text!r}") from error


def split_helios(text: str) -> list[str]:
    """Words as Helios splits them: quotes join, a backslash takes the next character as it is everywhere."""
    words: list[str] = []
    word: str | None = None
    quote = ""
    for match in _TOKEN.finditer(_TRIM.sub("", text)):
        kind, piece = match.lastgroup, match.group()
        if kind == "space" and not quote:
            if word is not None:
                words.append(word)
            word = None
        elif kind == "quote" and quote in ("", piece):
            quote = "" if quote else piece
            word = word or ""
        else:
            word = (word or "") + (match["escaped"] if kind == "escaped" else piece)
    return words if word is None else [*words, word]
