"""Starts a process. Knows nothing of what becomes of it; the one user of subprocess.

The interpreter stands still while `subprocess` starts a program: it holds its lock until the kernel has loaded it, which is
most of what a small command takes. The C library's `posix_spawn` does the same without that lock, where it can start a program
in a folder of its own and close all other descriptors (glibc from 2.34 on). What it refuses, `subprocess` tries again, and
says what is wrong.
"""

from __future__ import annotations

import os
import signal
import sys
from array import array
from collections.abc import Mapping, Sequence
from functools import cache

from helios_pipe.worker.programs import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ctypes
    from typing import Any

_CODEC, _ERRORS = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_SETSIGDEF, _SETSID = 0x04, 0x80
_OPAQUE = 1024
"""Bytes: more than any C library's attributes, file actions or signal sets take."""
_TO_DEFAULT = frozenset(getattr(signal, name) for name in ("SIGPIPE", "SIGXFSZ") if hasattr(signal, name))
"""What the interpreter ignores, and a program expects not to."""
_TO_LEAVE = frozenset(
    getattr(signal, f"SIG{name}")
    for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "TSTP", "TTIN", "TTOU")
    if hasattr(signal, f"SIG{name}")
)
"""What somebody may decide to ignore at any time (nohup, a shell's `&`), and have what he starts ignore, too."""


class Born:
    """Where a process id stands as soon as there is a process: whoever is interrupted just then has it, though nothing was
    returned yet. 0: there is none."""

    def __init__(self) -> None:
        self.place = array("i", [0])

    @property
    def pid(self) -> int:
        """The process id."""
        return self.place[0]


def spawn(
    argv: Sequence[str], cwd: str | None, env: Mapping[str, str], stdout: int, stderr: int, born: Born | None = None
) -> int:
    """Start a program in a session of its own, with nothing on stdin, exactly this environment, and no descriptors but the
    three, and return its process id, which `born` has before that. A name without `/` is looked up on the PATH of `env`. Raises
    OSError and ValueError as subprocess.Popen does."""
    spawner, born = _spawner(), born or Born()
    if spawner is not None and spawner.spawn(argv, cwd, env, (_nothing(), stdout, stderr), born.place):
        return born.pid
    born.place[0] = 0  # no C library that we know puts anything there then
    import subprocess

    child = subprocess.Popen(
        argv, stdin=_nothing(), stdout=stdout, stderr=stderr, cwd=cwd, env=env, start_new_session=True
    )
    child.returncode = 0  # it is waited for elsewhere, which the object need not complain of
    born.place[0] = child.pid
    return child.pid


@cache
def _nothing() -> int:
    """What commands read from, opened once. Never one of the three descriptors, whatever this process was started with."""
    import fcntl

    opened = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(opened)


@cache
def _spawner() -> _Spawner | None:
    if sys.platform != "linux":
        return None
    try:
        return _Spawner()
    except (AttributeError, OSError):
        return None  # another C library, or an older one


class _Spawner:
    """The C library's posix_spawn. Raises AttributeError, OSError where it is not what we need."""

    def __init__(self) -> None:
        import ctypes

        self._ctypes = ctypes
        quick: Any = ctypes.PyDLL(None)
        self._init, self._destroy, self._addchdir, self._adddup2, self._addclosefrom = (
            getattr(quick, f"posix_spawn_file_actions_{name}")
            for name in ("init", "destroy", "addchdir_np", "adddup2", "addclosefrom_np")
        )
        self._spawn = ctypes.CDLL(None).posix_spawn  # alone lets go of the interpreter's lock
        self._attributes = ctypes.create_string_buffer(_OPAQUE)
        defaults = ctypes.create_string_buffer(_OPAQUE)
        refused = quick.posix_spawnattr_init(self._attributes) or quick.sigemptyset(defaults)
        for number in _to_reset():
            refused = refused or quick.sigaddset(defaults, int(number))
        refused = refused or quick.posix_spawnattr_setsigdefault(self._attributes, defaults)
        refused = refused or quick.posix_spawnattr_setflags(self._attributes, ctypes.c_short(_SETSIGDEF | _SETSID))
        if refused:
            raise OSError("no sessions")

    def spawn(
        self, argv: Sequence[str], cwd: str | None, env: Mapping[str, str], streams: tuple[int, int, int],
        place: array[int],
    ) -> bool:  # fmt: skip
        """Whether something was started; its process id is at `place` then."""
        program = _look_up(argv[0], env.get("PATH", os.defpath))
        if program is None or "=" in "".join(env):
            return False
        words, variables = _encoded(argv), _encoded([f"{name}={value}" for name, value in env.items()])
        if len(words) != len(argv) or len(variables) != len(env):  # a NUL within one
            return False
        pid = self._ctypes.c_int.from_buffer(place)
        actions = self._ctypes.create_string_buffer(_OPAQUE)
        if self._init(actions):
            return False
        try:
            refused = cwd is not None and self._addchdir(actions, os.fsencode(cwd))
            for number, stream in enumerate(streams):
                refused = refused or self._adddup2(actions, stream, number)
            refused = refused or self._addclosefrom(actions, 3)
            return not (refused or self._spawn(
                self._ctypes.byref(pid), os.fsencode(program), actions, self._attributes, self._array(words),
                self._array(variables),
            ))  # fmt: skip
        finally:
            self._destroy(actions)

    def _array(self, texts: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
        return (self._ctypes.c_char_p * (len(texts) + 1))(*texts, None)


def _to_reset() -> list[int]:
    """The signals that are reset where a program is started, which for most changes nothing: of each other one the C library
    first asks what it is, and that is a system call more for each of sixty."""
    free = signal.valid_signals() - _TO_LEAVE - {signal.SIGKILL, signal.SIGSTOP}
    return [number for number in free if number in _TO_DEFAULT or signal.getsignal(number) != signal.SIG_IGN]


def _encoded(texts: Sequence[str]) -> list[bytes]:
    """Each of them as the system has it: all in one go, as there is a NUL in none."""
    return "\0".join(texts).encode(_CODEC, _ERRORS).split(b"\0") if texts else []


def _look_up(name: str, path: str) -> str | None:
    """The program's file; None where it is not there, or lies where only the new process would find it."""
    if "/" in name:
        return name
    if not all(folder.startswith("/") for folder in path.split(os.pathsep)):
        return None
    return find_program(name, path)
