"""Writing a film by stretches of bytes: each chunk is read once, hashed, and its frames go to their place. Decides and checks
nothing: see splice, readback.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.stitch.blocks import CutOffError, blocks, side_by_side, write_whole
from helios_pipe.stitch.model import refuse
from helios_pipe.stitch.moov import Frame
from helios_pipe.stitch.source import changed
from helios_pipe.stitch.splice import Cut, Splice
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

ASIDE = 16 << 20
"""From so many bytes on, threads are worth starting."""


def write_film(splice: Splice, frame: Frame, target: Path, muxer: str) -> list[Digest | None]:
    """Write the film into the file `target`, which is there and empty. Gives the digest of each chunk's file, None where none is
    on record. Raises StitchError; what was written by then stays."""
    with _Out(target, splice.film.shape.codec, muxer) as out:
        out.write(memoryview(frame.head), 0)
        files = side_by_side(out.take, list(_jobs(splice, frame.start)), threads=frame.size >= ASIDE)
        out.write(memoryview(frame.tail), frame.start + frame.size)
    return files


class _Job(NamedTuple):
    """A chunk, and where in the film its frames begin."""

    cut: Cut
    start: int


def _jobs(splice: Splice, start: int) -> Iterator[_Job]:
    for cut in splice.chunks:
        yield _Job(cut, start)
        start += sum(length for _, length in cut.stretches)


class _Out:
    """The film as it is written, by several threads at once: each knows where its chunk goes."""

    def __init__(self, target: Path, codec: str, muxer: str) -> None:
        self._target, self._what = target, f"{codec} could not be written as {muxer}"
        self._descriptor = -1

    def __enter__(self) -> Self:
        # Not O_TRUNC, though it is empty: ext4 sends a truncated file to the disk when it is closed, and keeps us waiting.
        self._descriptor = os.open(self._target, os.O_WRONLY | os.O_CLOEXEC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def take(self, job: _Job) -> Digest | None:
        """Put one chunk's frames into the film. Where its file's digest is on record, the file is read as a whole, and its digest
        given. Raises StitchError."""
        cut, start = job
        with opened_cut(cut) as descriptor:
            if cut.piece.digest is None:
                for place, length in cut.stretches:
                    start = self._send(descriptor, place, length, start)
                return None
            hasher, place = sha256(), 0
            for view in blocks(descriptor, 0, cut.mark[0]):
                hasher.update(view)
                for payload in _within(cut.stretches, place, view):
                    start = self.write(payload, start)
                place += len(view)
            return Digest(hasher.hexdigest())

    def write(self, data: memoryview, place: int) -> int:
        """Where it ends. Raises StitchError."""
        try:
            write_whole(self._descriptor, data, place)
        except OSError as error:
            raise StitchError(f"{self._what}: {error.strerror}") from error
        return place + len(data)

    def _send(self, source: int, place: int, length: int, target: int) -> int:
        """Bytes of another open file, by the system alone where it can. Where they end. Raises StitchError, CutOffError."""
        try:
            while length:
                count = os.copy_file_range(source, self._descriptor, length, place, target)
                if not count:
                    raise CutOffError
                place, target, length = place + count, target + count, length - count
        except (OSError, AttributeError):
            # Not every system has it, nor between any two file systems; what else it is, is said once more.
            for view in blocks(source, place, length):
                target = self.write(view, target)
        return target


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
        changed(cut.piece)
    except OSError as error:
        refuse(cut.piece, error.strerror or str(error))
