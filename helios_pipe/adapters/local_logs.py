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

    def close(self, path: Path) -> Path | None:
        """The attempt has ended: its log, or None where there is nothing in it."""
        try:
            if os.stat(path).st_size:
                return path
        except OSError:
            return None
        self._empty.append(path)
        return None

    def clear(self) -> None:
        """Remove what is empty. Idempotent."""
        while self._empty:
            path = self._empty.pop()
            try:
                if not os.stat(path).st_size:  # somebody who left a command's group may have written since
                    os.unlink(path)
            except OSError:
                continue
