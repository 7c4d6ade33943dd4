"""A command's process group and what broke away from it. Knows how to end them, not why or when.

A command leads a session and a group of its own, so one signal reaches everything that it started, as long as nobody
changed groups. Who did is found by way of /proc: descendants of the command, and members of its session. That is possible
only while the chain of parents is whole; a daemon that let itself be adopted into a session of its own is not ours to see.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

from helios_pipe.tuples import NamedTuple


class Process(NamedTuple):
    """A line of /proc. `born` (in ticks since boot) tells a process from a later one with the same number."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    born: int


class Group:
    """The group that `leader` leads. Every method may be called again; what is gone already is no error."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._strays: dict[int, Process] = {}

    def alive(self) -> bool:
        """Whether anything of it still runs. Only to be asked when the leader was waited for: until then it counts."""
        return self._group_alive() or any(_same(stray) for stray in self._strays.values())

    def look(self) -> None:
        """Find who left the group, to be done while parents still lead to them."""
        everybody = list(processes())
        ours = {self._leader, *self._strays}
        grown = True
        while grown:
            more = {one.pid for one in everybody if one.parent in ours} - ours
            ours |= more
            grown = bool(more)
        for one in everybody:
            left = one.pid in ours or one.session == self._leader
            if left and one.group != self._leader and one.state not in "ZX":
                self._strays.setdefault(one.pid, one)

    def send(self, number: int) -> None:
        """Signal all of it."""
        try:
            os.killpg(self._leader, number)
        except (ProcessLookupError, PermissionError):
            pass  # gone, or another user's by now: `alive` says which
        for stray in self._strays.values():
            if _same(stray):
                try:
                    os.kill(stray.pid, number)
                except (ProcessLookupError, PermissionError):
                    pass

    def members(self) -> list[int]:
        """The numbers of those that still run, to name them."""
        group = [one.pid for one in processes() if one.group == self._leader and one.state not in "ZX"]
        return sorted({*group, *(pid for pid, stray in self._strays.items() if _same(stray))})

    def _group_alive(self) -> bool:
        try:
            os.killpg(self._leader, 0)
        except ProcessLookupError:
            return False  # nearly always: one system call
        except PermissionError:
            return True
        # Whoever died but was not waited for by its new parent still counts as a member: some containers' first process
        # never does. Such a one runs no more.
        _wait_for_adopted(self._leader)
        found = [one.state for one in processes() if one.group == self._leader]
        return any(state not in "ZX" for state in found) if found or os.path.isdir("/proc/1") else True


def ask_to_end(group: Group) -> None:
    """SIGTERM; also to those that are stopped, who would not hear it otherwise."""
    group.send(signal.SIGTERM)
    group.send(signal.SIGCONT)


def processes() -> Iterator[Process]:
    """Every process that /proc shows; none where there is no /proc."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return
    for name in names:
        if name.isdigit() and (process := _read(int(name))) is not None:
            yield process


def _read(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            line = file.read()
    except OSError:
        return None  # gone meanwhile
    fields = line[line.rindex(b")") + 2 :].split()  # a program's name may hold spaces and brackets
    return Process(pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def _same(process: Process) -> bool:
    """Whether it still runs, and is not another with its number."""
    now = _read(process.pid)
    return now is not None and now.born == process.born and now.state not in "ZX"


def _wait_for_adopted(group: int) -> None:
    """As the first process of a container we inherit orphans: wait for those of the group, or they stay as zombies."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass  # nearly always: none are ours
