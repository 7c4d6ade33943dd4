"""Writing a film by stretches of bytes: each chunk is read once, hashed, and its frames go to their place. Decides and checks
nothing: see splice, readback.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from io import FileIO
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
from helios_pipe.stitch.source import changed, mark_from
from helios_pipe.stitch.splice import Cut, Splice
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

ASIDE = 16 << 20
"""From so many bytes on, several threads read and write."""


def write_film(splice: Splice, frame: Frame, target: Path, muxer: str, lane: Lane) -> list[list[Digest | None]]:
    """Write the film into the file `target`, which is there and empty. Gives the digests of the chunks' files, a few at a time,
    as soon as the lane has them; None where none is on record. Raises StitchError; what was written by then stays."""
    threads = frame.size >= ASIDE
    batches = list(_batches(_jobs(splice, frame.start)))
    with _Out(target, splice.film.shape.codec, muxer, Lane(thread=False) if threads else lane) as out:
        out.write([memoryview(frame.head)], 0)
        files = side_by_side(out.take, batches, threads=threads)
        out.write([memoryview(frame.tail)], frame.start + frame.size)
    return files


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
        size, hashed = job.cut.mark[0], job.cut.piece.digest is not None
        if batch and (size > room or not hashed):
            yield batch
            batch = []
        if not batch:
            room = BLOCK if hashed else 0
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
        block = self._lane.block()
        files: list[memoryview] = []
        frames: list[memoryview] = []
        room = block
        for cut, _ in batch:
            file, room = room[: cut.mark[0]], room[cut.mark[0] :]
            with OpenedCut(cut) as descriptor:
                read_whole(descriptor, file, 0)
            files.append(file)
            frames += [file[place : place + length] for place, length in cut.stretches]
        digests: list[Digest | None] = []
        self._lane.give(block, lambda _: digests.extend(Digest(sha256(file).hexdigest()) for file in files))
        self.write(frames, batch[0].start)  # from the block, which nobody takes but us, for the next batch
        return digests

    def _take_one(self, cut: Cut, start: int) -> Digest | None:
        with OpenedCut(cut) as descriptor:
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


class OpenedCut:
    """The chunk's file, open for reading, which must be the one that was looked at. What cannot be read is a StitchError."""

    __slots__ = ("_cut", "_file")

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._file: FileIO | None = None

    def __enter__(self) -> int:
        try:
            self._file = FileIO(self._cut.piece.path)  # which closes itself where somebody is impatient in between
            found = mark_from(os.fstat(self._file.fileno()))
        except OSError as error:
            self.__exit__(type(error), error, None)
            raise
        if found != self._cut.mark:
            self.__exit__(None, None, None)
            changed(self._cut.piece)
        return self._file.fileno()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._file is not None:
                self._file.close()
        except OSError as failed:
            error = failed
        if isinstance(error, CutOffError):
            changed(self._cut.piece)
        if isinstance(error, OSError):
            refuse(self._cut.piece, error.strerror or str(error))
