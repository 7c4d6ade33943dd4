"""The log files of one run's commands. Knows nothing of what is in them.

Most commands that go well say nothing, and are over in no time. Making and removing a file for each costs more than all else
that is done for it, so they write to a file without a name of its own, which the next one gets where it stayed empty. It is
given its name when there is something in it, or as soon as somebody could want to look at it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

from helios_pipe.errors import StoreError
from helios_pipe.transfer import write_failed

LogPath = Callable[[str, int], Path]
"""From a node's name and an attempt's number to its log file, in a folder that is there."""


class LogFolder:
    """Where the logs of one run are, by name. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: set[str] = set()

    def path(self, node: str, attempt: int) -> Path:
        """Where an attempt's output goes; its folder is there. Raises StoreError."""
        path = log_file(self.folder, node, attempt)
        folder = os.path.dirname(path)
        if folder not in self._made:
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise write_failed(f"the logs' folder {folder} cannot be made", folder, error) from error
            self._made.add(folder)
        return path

    def tidy(self) -> None:
        """Remove the folders that nothing is in. Nobody may write any more."""
        for folder in self._made:
            remove_empty(folder, self.folder)


def log_file(folder: Path, node: str, attempt: int) -> Path:
    """Where the output of an attempt of a run goes, whose logs are in `folder`."""
    return Path(f"{folder}/{node}.{attempt}.log")


def remove_empty(folder: str, top: Path) -> None:
    """Remove the folder and those above it, up to `top`, as far as nothing is in them."""
    while True:
        try:
            os.rmdir(folder)
        except OSError:
            return
        if folder == str(top):
            return
        folder = os.path.dirname(folder)


class Log:
    """Where the output of one attempt goes: `file`, whatever that is called by now."""

    def __init__(self, logs: Logs, node: str, attempt: int, file: Path) -> None:
        self.file = file
        self.named = False
        self._logs = logs
        self._node = node
        self._attempt = attempt
        self._silent = False

    def show(self) -> None:
        """Have it be where those look who want to see what is printed now. Idempotent."""
        try:
            self._name()
        except StoreError:
            pass  # `kept` will say so

    def _name(self) -> None:
        if self.named:
            return
        path = self._logs.path(self._node, self._attempt)
        try:
            os.rename(self.file, path)
        except OSError as error:
            if os.path.exists(self.file) or not os.path.isdir(path.parent):
                raise write_failed(f"the log {path} cannot be written", path, error) from error
        self.file, self.named = path, True

    def kept(self) -> Path | None:
        """The log, by its name, where anything is in it. Raises StoreError."""
        self._silent = not _size(self.file)
        if self._silent:
            return None
        self._name()
        return self.file

    def close(self, *, alone: bool) -> None:
        """The attempt is over. If nothing was said, the file is another one's, but only if nobody else can have it open any more
        (`alone`)."""
        if self._silent or not _size(self.file):
            self._logs.take_back(self, alone=alone)


class Logs:
    """Logs, and in `scratch` those that have no name yet. Thread-safe."""

    def __init__(self, path: LogPath, scratch: Path) -> None:
        self.path = path
        self._scratch = scratch
        self._serial = count(1)
        self._empty: list[Path] = []
        self._left: list[Log] = []

    def open(self, node: str, attempt: int) -> Log:
        """Where an attempt's output is to be written, to the end of what is there."""
        try:
            file = self._empty.pop()
        except IndexError:
            file = self._new()
        return Log(self, node, attempt, file)

    def take_back(self, log: Log, *, alone: bool) -> None:
        """This one is empty, as yet."""
        if not alone:
            self._left.append(log)
            return
        file = log.file
        if log.named:
            file = self._new()
            try:
                os.rename(log.file, file)
            except OSError:
                return  # the command removed it
        self._empty.append(file)

    def _new(self) -> Path:
        return self._scratch / f"{next(self._serial)}.log"

    def clear(self) -> None:
        """Remove what is empty. Idempotent."""
        while self._empty:
            _unlink(self._empty.pop())
        while self._left:
            log = self._left.pop()
            if log.kept() is None:  # somebody who left a command's group may have written since
                _unlink(log.file)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _unlink(path: Path) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
