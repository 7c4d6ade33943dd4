"""Digests of very large files, found by a process that may die of it. Knows nothing of what they are.

To bring a file's bytes from the system's cache into a buffer takes a sixth of the time that it takes to hash them. A mapped file
spares that; but whoever reads a mapped file that has been cut short, or whose disk fails, is killed by the system. So another
process does it, which is this module as a script, and loads next to nothing: it is given paths, and answers with digests. What it
does not answer is read here, in the usual way, which says what is wrong.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap
    from types import TracebackType
    from typing import Self

    from helios_pipe.digest import Digest

_WINDOW = 8 << 20
"""Bytes mapped at once."""
_BUFFER = 1 << 20
_DIGITS = 64
_SIGKILL = 9
_NONE = b"-" * _DIGITS
"""The answer about a file that cannot be read."""


class Aside:
    """The other process: started when it is first asked, ended with the block. For one thread."""

    def __init__(self) -> None:
        self._ask = self._hear = self._pid = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._pid != -1:
            try:
                os.kill(self._pid, _SIGKILL)  # nobody waits for its answer any more
            except ProcessLookupError:
                pass
        self._end()

    def digest(self, path: str) -> Digest:
        """The digest of the file's bytes, whoever finds it. Raises OSError."""
        from helios_pipe.digest import Digest, digest_file, is_digest

        answer = self._answer(os.fsencode(path)).decode("ascii", "replace")
        return Digest(answer) if is_digest(answer) else digest_file(path)

    def _answer(self, path: bytes) -> bytes:
        try:
            if self._pid == -1:
                self._start()
            question = os.path.abspath(path) + b"\0"
            while question:
                question = question[os.write(self._ask, question) :]
            answer = b""
            while len(answer) < _DIGITS and (part := os.read(self._hear, _DIGITS - len(answer))):
                answer += part
        except OSError:
            answer = b""
        if len(answer) < _DIGITS:
            self._end()
        return answer

    def _start(self) -> None:
        """Raises OSError."""
        if not os.path.basename(sys.executable or "").startswith("python"):
            raise OSError("part of another program, which would be started once more")
        asked, self._ask = os.pipe()
        tells = asked
        try:
            self._hear, tells = os.pipe()
            actions = [
                (os.POSIX_SPAWN_DUP2, asked, 0),
                (os.POSIX_SPAWN_DUP2, tells, 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ]
            words = [sys.executable, "-I", "-S", __file__]
            self._pid = os.posix_spawn(sys.executable, words, {}, file_actions=actions)  # noqa: TID251 - no command
        finally:
            for pipe in {asked, tells}:
                os.close(pipe)

    def _end(self) -> None:
        for pipe in {self._ask, self._hear} - {-1}:
            os.close(pipe)
        self._ask = self._hear = -1
        if self._pid != -1:
            try:
                os.waitpid(self._pid, 0)
            except ChildProcessError:
                pass  # somebody waits for whatever ends
            self._pid = -1


def _parts(file: int) -> Iterator[memoryview | mmap]:
    """All bytes of an open file in order, each part good until the next one: mapped where they are in the system's cache, as a
    read that may not wait tells, for a disk is read as well in the usual way. Raises OSError."""
    at, size, buffer = 0, os.fstat(file).st_size, bytearray(_BUFFER)
    while True:
        window = _mapped(file, at, min(_WINDOW, size - at))
        if window is not None:
            with window:
                yield window
                at += len(window)
            continue
        count = os.preadv(file, [buffer], at)
        if not count:
            return
        yield memoryview(buffer)[:count]
        at += count


def _mapped(file: int, at: int, length: int) -> mmap | None:
    """Some bytes of an open file; None where they should be read."""
    from mmap import MAP_SHARED, PROT_READ, mmap

    if length < _BUFFER:
        return None
    try:
        for place in (at, at + length - 1):
            os.preadv(file, [bytearray(1)], place, os.RWF_NOWAIT)
        return mmap(file, length, MAP_SHARED, PROT_READ, offset=at)
    except (AttributeError, OSError, ValueError):  # not in the cache, or the system cannot tell
        return None


def _digest(path: bytes) -> bytes:
    from hashlib import sha256

    hasher = sha256()
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for part in _parts(file):
                hasher.update(part)
        finally:
            os.close(file)
    except OSError:
        return _NONE
    return hasher.hexdigest().encode()


def _serve() -> None:
    """Answer what is asked on stdin until nobody asks any more."""
    asked = b""
    while part := os.read(0, _BUFFER):
        *paths, asked = (asked + part).split(b"\0")
        for path in paths:
            os.write(1, _digest(path))


if __name__ == "__main__":
    _serve()
