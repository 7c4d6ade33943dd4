"""What is found out before anything heavy is loaded, and by a second process while it is. Knows nothing of what is asked.

A run of ten thousand chunks looks at thirty thousand files, which the interpreter does one by one; meanwhile another core has
nothing to do. So a second process, forked while this one is small, looks at them and tells what it found.
"""

from __future__ import annotations

import marshal
import os
import time
from _thread import allocate_lock
from select import POLLIN, poll

TYPE_CHECKING = False  # typing takes longer to load than all the rest of a run with nothing to do
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

JUST_NOW_S = 1.0
"""How long a look stands for one that is taken when its answer is needed."""
_LENGTH = 4
_BLOCKS = 100
_SIGKILL = 9
"""Of every system that can fork. The module that has its name takes long to load."""

if TYPE_CHECKING:
    Look = Callable[[Any], list[Any]]
    """Tells which of some things have changed."""
    Question = Callable[["BothEnds"], object]
    """Answers with a plain value: what it is about, and what is found of it from the end on."""
Remembered = tuple[bytes, list[int]]
"""Which memo a run used or made (its checksum), and the places of those of its sources that looked otherwise than that says."""


def chunks_of(job: str) -> str:
    """The question which of a job's known chunks have other sources and other blobs than they had."""
    return f"chunks of {job}"


def standing_at(place: str) -> str:
    """The question whether inputs that stand somewhere look untouched."""
    return f"standing at {os.path.abspath(place)}"


class Ahead:
    """What was found. For one run; any thread may ask."""

    def __init__(self) -> None:
        self._find: Callable[[], Iterable[str]] | None = None
        self._changed: frozenset[str] | None = None
        self.jobs: Mapping[str, Remembered] = {}
        """What that run knew of the chunks of its larger jobs."""
        self._until = time.monotonic() + JUST_NOW_S
        self._lock = allocate_lock()
        self._pid = self._process = self._pipe = -1
        self._asked: set[str] = set()
        self._answers: dict[str, object] = {}
        self._ends: dict[str, BothEnds] = {}

    def will_find(self, changed: Callable[[], Iterable[str]]) -> None:
        """How to find out what `changed` is, when somebody wants to know."""
        self._find = changed

    @property
    def changed(self) -> frozenset[str] | None:
        """Those, of all the files that the last run of the same request stood on, that look otherwise now. None where nothing is
        known of them. For the thread that asked."""
        if self._changed is None and self._find is not None and self.recent:
            self._changed = frozenset(self._find())
        return self._changed

    @property
    def recent(self) -> bool:
        """Whether what was found still stands for a look of now."""
        return time.monotonic() < self._until

    def ask(self, questions: Mapping[str, Question]) -> None:
        """Have these answered, in order, with plain values. For a process that has one thread. Where a second process would
        help nothing, or cannot be had, nobody answers."""
        if not questions or not hasattr(os, "fork") or _cores() < 2:
            return
        self._ends = {name: BothEnds() for name in questions}
        reads, writes = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(reads)
            os.close(writes)
            return
        if pid == 0:
            os.close(reads)
            _answer(questions, self._ends, writes)
        os.close(writes)
        self._pid, self._pipe, self._asked = pid, reads, set(questions)
        try:
            self._process = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
        except OSError:  # an old system: whoever adopts what others leave waits for it, or the end of us does
            pass

    def answer(self, name: str) -> object | None:
        """What was found, waiting for it where it must be. None where nobody asked, nobody could tell, or that is too long ago
        by now."""
        with self._lock:
            while name in self._asked and name not in self._answers and self._receive():
                if len(self._answers) == len(self._asked):
                    self._receive()  # its end
            return self._answers.get(name) if self.recent else None

    def begin(self, name: str, row: Sequence[Any], look: Look) -> list[Any]:
        """Look at a row until something is found. The second process looks at the rest, if it was asked to."""
        return self._ends.setdefault(name, BothEnds()).from_the_start(row, look, until_found=True)

    def rest(self, name: str, row: Sequence[Any], look: Look) -> list[Any]:
        """What `begin` left: what the second process found, or what is found now."""
        answer = self.answer(name)
        return answer if isinstance(answer, list) else self._ends[name].not_from_the_start(row, look)

    def look(self, name: str, identity: object, row: Sequence[Any], look: Look) -> list[Any]:
        """Which things of a row have changed. The second process, if it was asked that of the row of this identity, has looked at
        them, or is still at it: then this one begins at the other end. Who asks again has all of them looked at anew."""
        ends = self._ends.pop(name, None)
        if ends is None or not self.recent:
            return look(row)
        found = [] if self._answered(name) else ends.from_the_start(row, look)
        if ends.all_from_the_start:
            return found  # the other one has not come to it
        answer = self.answer(name)
        if isinstance(answer, tuple) and answer[0] == identity:
            rest: list[Any] = answer[1]
            return found + rest
        return found + ends.not_from_the_start(row, look)

    def _answered(self, name: str) -> bool:
        """Whether the answer need not be waited for."""
        with self._lock:
            while name not in self._answers and self._pipe != -1 and self._readable(0.0):
                self._receive()
            return name in self._answers

    @property
    def process(self) -> int:
        """The number of the second process, as long as it may be there; -1 else."""
        return self._pid

    def stop(self) -> None:
        """Nobody needs to know any more: we are about to end. For a process that has waited for no other yet."""
        if self._pipe != -1:
            os.close(self._pipe)
            self._pipe = -1
            os.kill(self._pid, _SIGKILL)

    def _receive(self) -> bool:
        """Take one answer in; False where there are no more, or none in time."""
        if self._pipe == -1:
            return False
        head = self._read(_LENGTH)
        data = self._read(int.from_bytes(head, "big")) if len(head) == _LENGTH else b""
        if not data:
            os.close(self._pipe)
            self._pipe = -1
            self._forget()
            return False
        name, value = marshal.loads(data)  # noqa: S302 - our own process
        self._answers[name] = value
        return True

    def _read(self, size: int) -> bytes:
        """So many bytes; nothing where the other end is closed before, or it takes too long: an answer would be too late."""
        found = b""
        while len(found) < size:
            if not self._readable(max(0.0, self._until - time.monotonic())):
                return b""
            part = os.read(self._pipe, size - len(found))
            if not part:
                return b""
            found += part
        return found

    def _readable(self, wait_s: float) -> bool:
        waiting = poll()
        waiting.register(self._pipe, POLLIN)
        return bool(waiting.poll(wait_s * 1000))

    def _forget(self) -> None:
        """Take the process off the system's table, if it has ended. Not by its number, which may be another one's by now:
        somebody who waits for whatever ends may have been first."""
        self._pid = -1
        if self._process == -1:
            return
        try:
            os.waitid(os.P_PIDFD, self._process, os.WEXITED | (0 if self.recent else os.WNOHANG))
        except ChildProcessError:
            pass
        os.close(self._process)
        self._process = -1


class BothEnds:
    """A row of things that two processes look at from both ends, block by block, until they meet. Both are given the same row;
    looking tells which of some of its things have changed."""

    def __init__(self) -> None:
        from mmap import mmap

        self._taken = mmap(-1, 2)
        """How many blocks each has taken, a byte that both see. One that both take when they meet is looked at twice, and none is
        left out: who stops has seen the other take the rest."""

    def from_the_start(self, row: Sequence[Any], look: Look, *, until_found: bool = False) -> list[Any]:
        """What is found, by the first process; on request only until something is."""
        found: list[Any] = []
        size = -(-len(row) // _BLOCKS)
        for mine in range(_BLOCKS):
            if (found and until_found) or mine + self._taken[1] >= _BLOCKS:
                break
            self._taken[0] = mine + 1
            found += look(row[mine * size : (mine + 1) * size])
        return found

    @property
    def all_from_the_start(self) -> bool:
        """Whether the first process looked at all of them."""
        return self._taken[0] == _BLOCKS

    def from_the_end(self, row: Sequence[Any], look: Look) -> list[Any]:
        """What is found, by the second one."""
        found: list[Any] = []
        size = -(-len(row) // _BLOCKS)
        for mine in range(_BLOCKS):
            if mine + self._taken[0] >= _BLOCKS:
                break
            self._taken[1] = mine + 1
            at = (_BLOCKS - mine - 1) * size
            found += look(row[at : at + size])
        return found

    def not_from_the_start(self, row: Sequence[Any], look: Look) -> list[Any]:
        """What is found where the first one did not look: the second one did not answer."""
        return look(row[self._taken[0] * -(-len(row) // _BLOCKS) :])


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _answer(questions: Mapping[str, Question], ends: Mapping[str, BothEnds], pipe: int) -> None:
    """The second process: answer, and end. What goes wrong here, or an interrupt, is found by whoever does without the answer."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)  # whoever waits for the end of our output does not wait for it
        for name, ask in questions.items():
            answer: Any = ask(ends[name])
            data = marshal.dumps((name, answer))
            os.write(pipe, len(data).to_bytes(_LENGTH, "big") + data)
    finally:
        os._exit(0)
