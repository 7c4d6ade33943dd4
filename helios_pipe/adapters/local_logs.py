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
_CLOSED = -1
"""In place of a descriptor."""


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
    """Where the output of one attempt goes: the file at `place`, whatever that is by now."""

    def __init__(self, logs: Logs, node: str, attempt: int, place: str, descriptor: int = _CLOSED) -> None:
        self.place = place
        self.named = False
        self._logs = logs
        self._node = node
        self._attempt = attempt
        self._descriptor = descriptor

    def descriptor(self) -> int | None:
        """The file, made and opened, to be read and to be written to its end, for as long as the attempt lasts. None where it
        cannot be opened: whoever tries that again finds out why."""
        if self._descriptor == _CLOSED:
            try:
                self._descriptor = os.open(self.place, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            except OSError:
                return None
        return self._descriptor

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
            os.rename(self.place, path)
        except OSError as error:
            if os.path.exists(self.place) or not os.path.isdir(path.parent):
                raise write_failed(f"the log {path} cannot be written", path, error) from error
        self.place, self.named = str(path), True

    def kept(self) -> Path | None:
        """The log, by its name, where anything is in it. Raises StoreError."""
        if not self._size():
            return None
        self._name()
        return Path(self.place)

    def _size(self) -> int:
        """A file that was removed is of no use, whatever is in it."""
        if self._descriptor == _CLOSED:
            return _size(self.place)
        found = os.fstat(self._descriptor)
        if not found.st_nlink:
            self._shut()
            return 0
        return found.st_size

    def _shut(self) -> None:
        descriptor, self._descriptor = self._descriptor, _CLOSED
        _close(descriptor)

    def close(self, *, alone: bool) -> None:
        """The attempt is over. If nothing was said, the file is another one's, but only if nobody else can have it open any more
        (`alone`). What somebody said who left the command's group, after it had ended, is kept, too."""
        said = self._size() > 0
        if said or not alone:
            self._shut()
        if not (said and self.named):
            self._logs.take_back(self, self._descriptor, alone=alone and not said)


class Logs:
    """Logs, and in `scratch` those that have no name yet. Thread-safe."""

    def __init__(self, path: LogPath, scratch: Path) -> None:
        self.path = path
        self._scratch = scratch
        self._serial = count(1)
        self._empty: list[tuple[str, int]] = []
        """Files, and their descriptors where they are open."""
        self._left: list[Log] = []

    def open(self, node: str, attempt: int) -> Log:
        """Where an attempt's output is to be written, to the end of what is there: nothing."""
        try:
            file, descriptor = self._empty.pop()
        except IndexError:
            file, descriptor = self._new(), _CLOSED
        return Log(self, node, attempt, file, descriptor)

    def take_back(self, log: Log, descriptor: int, *, alone: bool) -> None:
        """This one is empty; if not `alone`, as yet."""
        if not alone:
            self._left.append(log)
            return
        file = log.place
        if log.named:
            file = self._new()
            try:
                os.rename(log.place, file)
            except OSError:  # the command removed it
                _close(descriptor)
                return
        self._empty.append((file, descriptor))

    def _new(self) -> str:
        return f"{self._scratch}/{next(self._serial)}.log"

    def clear(self) -> None:
        """Remove what is empty. Idempotent."""
        while self._empty:
            file, descriptor = self._empty.pop()
            _close(descriptor)
            _unlink(file)
        while self._left:
            log = self._left.pop()
            if log.kept() is None:  # somebody who left a command's group may have written since
                _unlink(log.place)


def _close(descriptor: int) -> None:
    if descriptor != _CLOSED:
        os.close(descriptor)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
