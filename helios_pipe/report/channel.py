"""A stream that may end before we do. Whoever reads it may go away, or its disk may be full: the run goes on all the same."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class Channel:
    """Lines for a stream, until it breaks."""

    def __init__(self, out: TextIO) -> None:
        self._out: TextIO | None = out
        self.error: OSError | None = None

    def say(self, line: str) -> None:
        """Write a line at once; nothing where the stream broke."""
        if self._out is None:
            return
        try:
            self._out.write(writable(line, self._out.encoding) + "\n")
            self._out.flush()
        except OSError as error:
            self.error = None if isinstance(error, BrokenPipeError) else error
            silence(self._out)
            self._out = None


def writable(line: str, encoding: str | None) -> str:
    """The line with what the stream cannot spell written as escapes, which JSON reads too."""
    known = encoding or "utf-8"
    try:
        line.encode(known)
    except UnicodeEncodeError:
        return line.encode(known, "backslashreplace").decode(known)
    return line


def silence(out: TextIO) -> None:
    """What is still in the stream's buffer goes nowhere, or Python would complain of it at the end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    except (OSError, ValueError):
        return  # no real file
