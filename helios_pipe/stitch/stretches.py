"""Writing a film by stretches of bytes: each chunk is read once, hashed beside that, and its frames go into the film. Decides and
checks nothing: see splice, readback.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.stitch.blocks import Blocks, CutOffError, write_all
from helios_pipe.stitch.model import refuse
from helios_pipe.stitch.moov import Frame
from helios_pipe.stitch.packets import spelled
from helios_pipe.stitch.splice import Cut, Splice

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

ASIDE = 16 << 20
"""From so many bytes on, threads are worth starting."""
_UNSENT = frozenset({errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})
"""What systems say that do not copy between these two files."""


class Digests(NamedTuple):
    """Of each chunk's file, None where none is on record; of each chunk's packets, none where the film is not to be proved."""

    files: list[Digest | None]
    packets: list[Digest]


def write_film(splice: Splice, frame: Frame, target: Path, muxer: str, *, prove: bool) -> Digests:
    """Write the film into the file `target`, which is there and empty. Raises StitchError; what was written by then stays."""
    hashed: list[tuple[Any, Any]] = []
    first = 0
    with Blocks(2, aside=frame.size >= ASIDE) as blocks, _Out(target, splice.film.shape.codec, muxer) as out:
        out.write(memoryview(frame.head))
        for cut in splice.chunks:
            file = sha256() if cut.piece.digest is not None else None
            run = sha256() if prove else None
            with opened_cut(cut) as descriptor:
                _copy(cut, descriptor, blocks, out, file, run)
            if run is not None:
                blocks.hash(1, run, spelled(splice.film.sizes[first : first + cut.frames]))
            first += cut.frames
            hashed.append((file, run))
        out.write(memoryview(frame.tail))
        blocks.settle()
    files = [None if file is None else Digest(file.hexdigest()) for file, _ in hashed]
    return Digests(files, [Digest(run.hexdigest()) for _, run in hashed if run is not None])


def _copy(cut: Cut, descriptor: int, blocks: Blocks, out: _Out, file: Any, run: Any) -> None:
    """One chunk's frames into the film; its whole file is read where that is hashed."""
    if file is None and run is None:
        for place, length in cut.stretches:
            out.send(descriptor, place, length)
        return
    for place, length in cut.stretches if file is None else ((0, cut.mark[0]),):
        at = place
        for view in blocks.read(descriptor, place, length):
            if file is not None:
                blocks.hash(0, file, view)
            for payload in _within(cut.stretches, at, view):
                if run is not None:
                    blocks.hash(1, run, payload)
                out.write(payload)
            at += len(view)


def _within(stretches: Sequence[tuple[int, int]], at: int, view: memoryview) -> Iterator[memoryview]:
    """What of the block, which begins at `at`, lies in the stretches."""
    end = at + len(view)
    for number in range(max(0, bisect_left(stretches, (at, 0)) - 1), len(stretches)):
        place, length = stretches[number]
        if place >= end:
            return
        if place + length > at:
            yield view[max(0, place - at) : place + length - at]


@contextmanager
def opened_cut(cut: Cut) -> Iterator[int]:
    """The chunk's file, which must be the one that was looked at."""
    try:
        descriptor = os.open(cut.piece.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if (found.st_size, found.st_mtime_ns, found.st_ino) != cut.mark:
                raise CutOffError
            yield descriptor
        finally:
            os.close(descriptor)
    except CutOffError:
        refuse(cut.piece, "changed while it was being joined")
    except OSError as error:
        refuse(cut.piece, error.strerror or str(error))


class _Out:
    """The film as it is written."""

    def __init__(self, target: Path, codec: str, muxer: str) -> None:
        self._target, self._what = target, f"{codec} could not be written as {muxer}"
        self._descriptor = -1

    def __enter__(self) -> Self:
        self._descriptor = os.open(self._target, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def write(self, data: memoryview) -> None:
        """Raises StitchError."""
        try:
            write_all(self._descriptor, data)
        except OSError as error:
            raise StitchError(f"{self._what}: {error.strerror}") from error

    def send(self, source: int, place: int, length: int) -> None:
        """Bytes of another open file, by the system alone. Raises StitchError, CutOffError, OSError."""
        try:
            while length:
                count = os.copy_file_range(source, self._descriptor, length, place)
                if not count:
                    raise CutOffError
                place, length = place + count, length - count
        except (OSError, AttributeError) as error:
            # Not every system has it, or between any two file systems; a disk that is full says so once more.
            if isinstance(error, OSError) and error.errno not in _UNSENT:
                raise StitchError(f"{self._what}: {error.strerror}") from error
            for view in Blocks(0, aside=False).read(source, place, length):
                self.write(view)
