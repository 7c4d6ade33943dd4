"""Values as HTML: whatever a text holds, it stays a text. Knows nothing of pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

_CONTROL = {code: "·" for code in (*range(32), *range(127, 160), 0xFFFE, 0xFFFF) if chr(code) not in "\n\t"}
_CONTROL |= dict.fromkeys(range(0xD800, 0xE000), "\N{REPLACEMENT CHARACTER}")  # of file names that are no UTF-8


def text(value: object) -> str:
    """`value` as HTML shows it, in an element or between double quotes. Control characters, which HTML has no way to write,
    become dots."""
    return escape(str(value).translate(_CONTROL))


def element(name: str, inside: str, of_class: str = "", title: str = "") -> str:
    """An element around markup."""
    named = f' class="{text(of_class)}"' if of_class else ""
    titled = f' title="{text(title)}"' if title else ""
    return f"<{name}{named}{titled}>{inside}</{name}>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of markup, line by line."""
    yield '<div class="wide"><table>'
    yield f"<tr>{''.join(element('th', head) for head in heads)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(element('td', cell) for cell in row)}</tr>"
    yield "</table></div>"
