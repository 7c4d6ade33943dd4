"""The log files of one run's commands. Knows nothing of what is in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from helios_pipe.transfer import write_failed

LogPath = Callable[[str, int], Path]
"""From a node's name and an attempt's number to its log file, in a folder that is there."""


class Logs:
    """Most commands that go well say nothing, and making and removing a file for each costs more than all else that is done for
    it: a log that stayed empty is the next one's under another name. Thread-safe."""

    def __init__(self, path: LogPath) -> None:
        self._path = path
        self._empty: list[Path] = []
        self._left: list[Path] = []

    def open(self, node: str, attempt: int) -> Path:
        """Where an attempt's output is to be written, to the end of what is there."""
        path = self._path(node, attempt)
        try:
            os.rename(self._empty.pop(), path)
        except (IndexError, FileNotFoundError):
            pass
        except OSError as error:
            raise write_failed(f"the log {path} cannot be written", path, error) from error
        return path

    def holds(self, path: Path) -> bool:
        """Whether anything is in it."""
        try:
            return os.stat(path).st_size > 0
        except OSError:
            return False

    def close(self, path: Path, *, alone: bool) -> None:
        """The attempt is over. Its log is another one's only if nobody else can have it open any more (`alone`)."""
        if not self.holds(path):
            (self._empty if alone else self._left).append(path)

    def clear(self) -> None:
        """Remove what is empty. Idempotent."""
        while left := self._empty or self._left:
            path = left.pop()
            try:
                if not os.stat(path).st_size:  # somebody who left a command's group may have written since
                    os.unlink(path)
            except OSError:
                continue
