"""Writing a film by stretches of bytes: each chunk is read once, hashed, and its frames go to their place. Decides and checks
nothing: see splice, readback.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.stitch.blocks import (
    BLOCK,
    CutOffError,
    Lane,
    blocks,
    interrupted,
    opened_to_write,
    read_whole,
    side_by_side,
    write_whole,
)
from helios_pipe.stitch.model import refuse
from helios_pipe.stitch.moov import Frame
from helios_pipe.stitch.source import changed
from helios_pipe.stitch.splice import Cut, Splice
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from types import TracebackType
    from typing import Self

LANE = 1 << 20
"""From so many bytes on, a thread that hashes beside us saves more than it takes to start."""
ASIDE = 16 << 20
"""From so many bytes on, several threads read and write."""


def write_film(splice: Splice, frame: Frame, target: Path, muxer: str) -> list[Digest | None]:
    """Write the film into the file `target`, which is there and empty. Gives the digest of each chunk's file, None where none is
    on record. Raises StitchError; what was written by then stays."""
    batches = list(_batches(_jobs(splice, frame.start)))
    with Lane(thread=LANE <= frame.size < ASIDE) as lane, _Out(target, splice.film.shape.codec, muxer, lane) as out:
        out.write([memoryview(frame.head)], 0)
        files = side_by_side(out.take, batches, threads=frame.size >= ASIDE)
        out.write([memoryview(frame.tail)], frame.start + frame.size)
    return [digest for batch in files for digest in batch]


class _Job(NamedTuple):
    """A chunk, and where in the film its frames begin."""

    cut: Cut
    start: int


def _jobs(splice: Splice, start: int) -> Iterator[_Job]:
    for cut in splice.chunks:
        yield _Job(cut, start)
        start += sum(length for _, length in cut.stretches)


def _batches(jobs: Iterable[_Job]) -> Iterator[list[_Job]]:
    """Chunks that follow one another: one, or as many whose files are hashed as make a block together. A film takes a few large
    writes in half the time of many small ones."""
    batch: list[_Job] = []
    room = 0
    for job in jobs:
        size = job.cut.mark[0]
        if batch and (size > room or job.cut.piece.digest is None):
            yield batch
            batch = []
        if not batch:
            room = BLOCK if job.cut.piece.digest is not None else 0
        batch.append(job)
        room -= size
    if batch:
        yield batch


class _Out:
    """The film as it is written, by several threads at once: each knows where its chunk goes."""

    def __init__(self, target: Path, codec: str, muxer: str, lane: Lane) -> None:
        """What is hashed is hashed in the lane."""
        self._target, self._what = target, f"{codec} could not be written as {muxer}"
        self._lane = lane
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        # Not O_TRUNC, though it is empty: ext4 sends a truncated file to the disk when it is closed, and keeps us waiting.
        self._file = opened_to_write(self._target, os.O_WRONLY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None and not interrupted(kind):
            file.close()

    def take(self, batch: Sequence[_Job]) -> list[Digest | None]:
        """Put these chunks' frames into the film. Where its digest is on record, a file is read as a whole, and its digest given
        as soon as the lane has it. Raises StitchError."""
        if len(batch) == 1:
            return [self._take_one(*batch[0])]
        room = memoryview(bytearray(BLOCK))
        files: list[memoryview] = []
        frames: list[memoryview] = []
        for cut, _ in batch:
            file, room = room[: cut.mark[0]], room[cut.mark[0] :]
            with opened_cut(cut) as descriptor:
                read_whole(descriptor, file, 0)
            files.append(file)
            frames += _within(cut.stretches, 0, file)
        digests: list[Digest | None] = []
        self._lane.give(lambda: digests.extend(Digest(sha256(file).hexdigest()) for file in files))
        self.write(frames, batch[0].start)
        return digests

    def _take_one(self, cut: Cut, start: int) -> Digest | None:
        with opened_cut(cut) as descriptor:
            if cut.piece.digest is None:
                for place, length in cut.stretches:
                    start = self._send(descriptor, place, length, start)
                return None
            hasher, place = sha256(), 0
            for view in blocks(descriptor, 0, cut.mark[0]):
                hasher.update(view)
                start = self.write(list(_within(cut.stretches, place, view)), start)
                place += len(view)
            return Digest(hasher.hexdigest())

    def write(self, data: Sequence[memoryview], place: int) -> int:
        """All of it, one behind the other. Where it ends. Raises StitchError."""
        file = self._open()
        try:
            return write_whole(file.fileno(), data, place)
        except OSError as error:
            raise StitchError(f"{self._what}: {error.strerror}") from error

    def _open(self) -> FileIO:
        """The film's file, which stays open for as long as somebody holds it. Raises StitchError where it was let go of."""
        if self._file is None:
            raise StitchError(f"{self._what}: interrupted")
        return self._file

    def _send(self, source: int, place: int, length: int, target: int) -> int:
        """Bytes of another open file, by the system alone where it can. Where they end. Raises StitchError, CutOffError."""
        file = self._open()
        try:
            while length:
                count = os.copy_file_range(source, file.fileno(), length, place, target)
                if not count:
                    raise CutOffError
                place, target, length = place + count, target + count, length - count
        except (OSError, AttributeError):
            # Not every system has it, nor between any two file systems; what else it is, is said once more.
            for view in blocks(source, place, length):
                target = self.write([view], target)
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
