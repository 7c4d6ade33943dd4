"""Bytes that commands printed, made fit for where they are shown. Knows nothing of logs or jobs.

Whatever comes (no UTF-8 at all, bars that overwrite themselves, lines of ten megabytes), memory stays bounded and a
terminal stays usable.
"""

from __future__ import annotations

from codecs import getincrementaldecoder

MOST_LINE = 1 << 16
"""Characters of one line that are kept where whole lines are wanted; of longer ones the end is shown."""

_Decoder = getincrementaldecoder("utf-8")
_CONTROL = {code: "·" for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\r\t"}


class Printable:
    """Text for a terminal: what is no UTF-8 is replaced, escape sequences are made harmless, the rest passes as it comes."""

    def __init__(self) -> None:
        self._decoder = _Decoder("replace")

    def feed(self, data: bytes, *, final: bool = False) -> str:
        """The text of these bytes."""
        return self._decoder.decode(data, final).translate(_CONTROL)


class Lines:
    """Whole lines, for streams that are shown between others: of a bar that overwrites itself, what stood there in the end."""

    def __init__(self) -> None:
        self._text = Printable()
        self._rest = ""

    def feed(self, data: bytes, *, final: bool = False) -> list[str]:
        """The lines that are complete now; with `final`, what is left too."""
        *lines, rest = (self._rest + self._text.feed(data, final=final)).split("\n")
        if len(rest) > MOST_LINE:
            rest = rest[-MOST_LINE:]
        self._rest = "" if final else rest
        if final and rest:
            lines.append(rest)
        return [_last_state(line) for line in lines]


def _last_state(line: str) -> str:
    line = line.rstrip("\r").rsplit("\r", 1)[-1]
    return line if len(line) <= MOST_LINE else f"…{line[-MOST_LINE:]}"
