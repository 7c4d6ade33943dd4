"""Loaded by every Python that has this folder on PYTHONPATH: makes the n-th write to a project fail.

KIT_FAULT is `INDEX:ERROR` (`17:ENOSPC`; index 0 only counts; `17:KILL` kills the process instead, just before), KIT_FAULT_ROOT
the folder whose files are meant. What is counted, and what failed, is appended to the file KIT_FAULT_LOG. Commands of
chunks never load it: PYTHONPATH does not reach them.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import sqlite3
import sys
import threading
from functools import partial
from typing import Any

_ROOT = os.environ.get("KIT_FAULT_ROOT", "")
_LOG = os.environ.get("KIT_FAULT_LOG", "")
_INDEX, _, _ERROR = os.environ.get("KIT_FAULT", "0:ENOSPC").partition(":")
_SQLITE = {
    "ENOSPC": (sqlite3.SQLITE_FULL, "database or disk is full"),
    "EIO": (sqlite3.SQLITE_IOERR, "disk I/O error"),
    "EACCES": (sqlite3.SQLITE_READONLY, "attempt to write a readonly database"),
}
_lock = threading.Lock()
_count = 0
_real_open = builtins.open
_real_write = os.write


def _note(text: str) -> None:
    with _real_open(_LOG, "a") as file:
        file.write(text + "\n")


def _turn(what: str, path: object) -> bool:
    """Count an operation on a path of the project; whether it is the one that is to fail."""
    global _count
    try:
        place = os.path.realpath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else ""
    except (TypeError, ValueError):
        return False
    if not place.startswith(_ROOT + os.sep) and place != _ROOT:
        return False
    with _lock:
        _count += 1
        mine = _count == int(_INDEX)
        _note(f"{'failed' if mine else 'saw'} {_count} {what} {os.path.relpath(place, _ROOT)}")
    if mine and _ERROR == "KILL":
        os.kill(os.getpid(), signal.SIGKILL)
    return mine


def _oops(path: object) -> OSError:
    number = getattr(errno, _ERROR)
    return OSError(number, os.strerror(number), path)


def _fails(name: str, at: int = 0) -> None:
    """Patch a function of `os` whose argument `at` is the path that is written."""
    real = getattr(os, name)

    def patched(*args: Any, **kwargs: Any) -> Any:
        if len(args) > at and not any(k.endswith("dir_fd") for k in kwargs) and _turn(name, args[at]):
            raise _oops(args[at])
        return real(*args, **kwargs)

    setattr(os, name, patched)


def _fails_on_descriptor(name: str) -> None:
    real = getattr(os, name)

    def patched(descriptor: int, *args: Any) -> Any:
        try:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            path = ""
        if _turn(name, path):
            raise _oops(path)
        return real(descriptor, *args)

    setattr(os, name, patched)


class _Writer:
    """An open file whose writes may fail."""

    def __init__(self, file: Any, path: object) -> None:
        self._file, self._path = file, path

    def write(self, data: Any) -> Any:
        if _turn("file.write", self._path):
            raise _oops(self._path)
        return self._file.write(data)

    def __enter__(self) -> _Writer:
        self._file.__enter__()
        return self

    def __exit__(self, *args: Any) -> Any:
        return self._file.__exit__(*args)

    def __iter__(self) -> Any:
        return iter(self._file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
    if not set(mode) & set("wax+") or isinstance(file, int):
        return _real_open(file, mode, *args, **kwargs)
    if _turn("open", file):
        raise _oops(file)
    inside = os.path.realpath(os.fsdecode(file)).startswith(_ROOT + os.sep)
    found = _real_open(file, mode, *args, **kwargs)
    return _Writer(found, file) if inside else found


def _os_open(real: Any) -> Any:
    def patched(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and "dir_fd" not in kwargs and _turn("os.open", path):
            raise _oops(path)
        return int(real(path, flags, *args, **kwargs))

    return patched


class _Connection(sqlite3.Connection):
    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        word = sql.split(None, 1)[0].upper()
        if word in ("COMMIT", "BEGIN", "INSERT", "CREATE") and _turn(f"sqlite {word}", _ROOT):
            code, text = _SQLITE[_ERROR]
            error = sqlite3.OperationalError(text)
            error.sqlite_errorcode = code
            raise error
        return super().execute(sql, *args)


def _install() -> None:
    for name in ("mkdir", "unlink", "rmdir", "utime", "chmod", "truncate"):
        _fails(name)
    for name in ("rename", "replace", "link", "symlink"):
        _fails(name, 1)
    for name in ("write", "fsync", "ftruncate", "pwrite", "pwritev"):
        _fails_on_descriptor(name)
    os.open = _os_open(os.open)
    builtins.open = _open
    io.open = _open
    connect = partial(sqlite3.connect, factory=_Connection)
    for name in ("sqlite3", "_sqlite3"):  # the program takes it from either
        vars(sys.modules[name])["connect"] = connect


if _ROOT and _LOG and "helios-pipe" in os.path.basename(sys.argv[0] if sys.argv else ""):
    _install()
elif _ROOT and _LOG:
    _ARGV = getattr(sys, "orig_argv", [])
    if any(os.path.basename(word) == "helios-pipe" for word in _ARGV):
        _install()
