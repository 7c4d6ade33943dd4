"""Where a command's stdout and stderr go. Knows nothing of processes: it hands out two descriptors and reads what comes.

`Direct` gives the command the log itself and costs nothing a byte; `Pump` stands in between, for callbacks and secrets.
"""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Sequence

from helios_pipe.tuples import NamedTuple
from helios_pipe.worker.mask import Mask

_PIECE = 1 << 16
_MOST_LEFT_OVER = 64
"""Pieces read after everything ended: more than a pipe can hold. Whoever still writes then has left the command's group."""
_Decoder = getincrementaldecoder("utf-8")
_OnText = Callable[[str], None]


class Tails(NamedTuple):
    """The ends of both streams as text, and what went wrong on the way (`""`: nothing)."""

    stdout: str
    stderr: str
    trouble: str


_SILENT = Tails("", "", "")


class Direct:
    """The log file itself as stdout and stderr. They cannot be told apart afterwards: both are the tail of stdout."""

    pipes: Sequence[int] = ()

    def __init__(self, log: str, tail_bytes: int, opened: int | None = None) -> None:
        """`opened` is the log where it is open already, and empty; it stays so."""
        self._tail_bytes = tail_bytes
        self._own, self._start = opened is None, 0
        if opened is None:
            opened = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            self._start = os.fstat(opened).st_size
        self.stdout = self.stderr = self._file = opened

    def started(self) -> None:
        """The command has its descriptors. The log's stays open, to read the tail from."""

    def written(self) -> int:
        """A number that moves when the command writes."""
        return os.fstat(self._file).st_size

    def read(self, pipe: int) -> bool:
        """Never called: there are no pipes."""
        raise AssertionError(pipe)

    def finish(self) -> Tails:
        """The tail of what this command wrote."""
        size = os.fstat(self._file).st_size
        if size <= self._start:
            return _SILENT
        start = max(self._start, size - self._tail_bytes)
        data = os.pread(self._file, size - start, start)
        return Tails(_text(data, cut=start > self._start), "", "")

    def close(self) -> None:
        """Idempotent."""
        if self._own:
            self._own = False
            os.close(self._file)


class Pump:
    """Two pipes, read in the caller's thread: masked, written to the log as they come, kept as tails, and told as text."""

    def __init__(
        self,
        log: str | None,
        tail_bytes: int,
        callbacks: tuple[_OnText | None, _OnText | None] = (None, None),
        mask: Iterable[str] = (),
        opened: int | None = None,
    ) -> None:
        """`opened` is a descriptor of the log, to be appended to, whatever name it has by then. It stays open."""
        self._log = _Log(log, opened)
        secrets = tuple(mask)
        self._streams: dict[int, _Stream] = {}
        self._both: list[_Stream] = []
        self._given: list[int] = []
        self._count = 0
        try:
            for callback in callbacks:
                mine, its = os.pipe()
                self._given.append(its)
                self._streams[mine] = _Stream(self._log, tail_bytes, callback, Mask(secrets))
                self._both.append(self._streams[mine])
                os.set_blocking(mine, False)
        except OSError:
            self.close()
            raise
        self.stdout, self.stderr = self._given

    @property
    def pipes(self) -> Sequence[int]:
        """The ends to be read while the command runs."""
        return tuple(self._streams)

    def started(self) -> None:
        """The command has its descriptors; ours would keep the pipes from ending."""
        while self._given:
            os.close(self._given.pop())

    def written(self) -> int:
        """A number that moves when the command writes."""
        return self._count

    def read(self, pipe: int) -> bool:
        """Take one piece, without blocking. False when the pipe ended, and is closed."""
        try:
            data = os.read(pipe, _PIECE)
        except BlockingIOError:
            return True
        if data:
            self._count += len(data)
            self._streams[pipe].feed(data)
            return True
        os.close(pipe)
        self._streams.pop(pipe).feed(b"", final=True)
        return False

    def finish(self) -> Tails:
        """Take what is left in the pipes. Whoever left the command's group may hold them open: nobody waits for that."""
        for pipe in self.pipes:
            for _ in range(_MOST_LEFT_OVER):
                before = self._count
                if not self.read(pipe) or self._count == before:
                    break
        for stream in self._streams.values():
            stream.feed(b"", final=True)
        trouble = "; ".join(filter(None, (self._log.trouble, *(stream.trouble for stream in self._both))))
        return Tails(self._both[0].tail(), self._both[1].tail(), trouble)

    def close(self) -> None:
        """Idempotent."""
        self.started()
        while self._streams:
            os.close(self._streams.popitem()[0])
        self._log.close()


class _Log:
    """The log, where there is one: `opened` by whoever made it, or made with the first byte. One that cannot be written must not
    end the command."""

    def __init__(self, path: str | None, opened: int | None) -> None:
        self._path = path
        self._file = -1 if opened is None else opened
        self._own = opened is None
        self.trouble = ""

    def write(self, data: bytes) -> None:
        if self._path is None or self.trouble:
            return
        try:
            if self._file == -1:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            self.trouble = f"its log {self._path} could not be written: {error.strerror}"

    def close(self) -> None:
        if self._own and self._file != -1:
            os.close(self._file)
        self._file = -1


class _Stream:
    """One of the two: what came is masked once, and only then goes anywhere."""

    def __init__(self, log: _Log, tail_bytes: int, callback: _OnText | None, mask: Mask) -> None:
        self._log = log
        self._tail_bytes = tail_bytes
        self._callback = callback
        self._mask = mask
        self._decoder = _Decoder("replace")
        self._tail = bytearray()
        self._cut = False
        self.trouble = ""

    def feed(self, data: bytes, *, final: bool = False) -> None:
        data = self._mask.feed(data, final=final)
        if data:
            self._log.write(data)
            self._tail += data
            if len(self._tail) > 2 * self._tail_bytes:
                self._shorten()
        if self._callback is not None:
            text = self._decoder.decode(data, final)
            if text:
                self._tell(text)

    def tail(self) -> str:
        if len(self._tail) > self._tail_bytes:
            self._shorten()
        return _text(bytes(self._tail), cut=self._cut)

    def _shorten(self) -> None:
        del self._tail[: len(self._tail) - self._tail_bytes]
        self._cut = True

    def _tell(self, text: str) -> None:
        """Somebody else's code: what it raises is told with the result and never ends the command. It isn't called again."""
        assert self._callback is not None
        try:
            self._callback(text)
        except Exception as error:  # noqa: BLE001 - whatever a callback raises
            self._callback = None
            self.trouble = f"a callback for its output failed: {type(error).__name__}: {error}"


def _text(data: bytes, *, cut: bool) -> str:
    """Decoded; where the beginning was cut off, without the rest of a sequence that the cut went through."""
    at = 0
    while cut and at < min(3, len(data)) and data[at] & 0xC0 == 0x80:
        at += 1
    return data[at:].decode("utf-8", "replace")
