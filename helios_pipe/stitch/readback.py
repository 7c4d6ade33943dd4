"""A film that was joined by stretches of bytes, read back from its file: its index, and every byte. Changes nothing.

The index is read by our own reader, which shares nothing with what wrote it; the media library reads it as well where that is no
loss. The bytes are held against those of the chunks, as they are now.
"""

from __future__ import annotations

import os
import sys
from array import array
from hashlib import sha256
from itertools import accumulate
from pathlib import Path

from helios_pipe.digest import Digest
from helios_pipe.media.mp4index import SampleTable, read_sample_table
from helios_pipe.stitch.blocks import BLOCK, Lane, ReadOnce, interrupted, opened_to_write, read_whole, write_whole
from helios_pipe.stitch.inplace import check_index, wrong
from helios_pipe.stitch.moov import Frame
from helios_pipe.stitch.packets import spelled
from helios_pipe.stitch.splice import Cut, Splice
from helios_pipe.stitch.stretches import OpenedCut
from helios_pipe.transfer import clone
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from types import TracebackType
    from typing import Self

_LOOK = 1 << 30
"""From so many bytes on, the tenth of a second that it takes to load the media library is not felt."""


class Digests(NamedTuple):
    """Of the film and of each chunk's packets as they stand there; None and none where it is not to be proved."""

    film: Digest | None
    packets: list[Digest]


def read_film(
    path: Path, muxer: str, splice: Splice, frame: Frame, lane: Lane, copy: Path | None = None, *, prove: bool
) -> Digests:
    """Read the film back: its index, by our reader, and by the library's where that costs little; and every byte, held against
    the chunks'. The very bytes that are hashed, in the lane, are written to `copy` as well, if they can be. Raises StitchError
    where anything is not as planned."""
    table = read_sample_table(path)
    if table is None:
        wrong("index", "of another shape", "one video track")
    _check_table(table, splice, frame)
    whole = sha256()
    with path.open("rb", buffering=0) as film, _Copied(copy, film.fileno()) as copied:

        def take(block: memoryview) -> None:
            if prove:
                whole.update(block)
            copied.put(block)

        reading = _Reading(ReadOnce(film.fileno(), take, lane), prove=prove)
        try:
            reading.all(splice, frame, table.sizes)
        except EOFError:
            wrong("length", "it ends early", f"{_length(frame)} bytes")
        finally:
            lane.wait()
        lane.check()
        if (length := film.seek(0, os.SEEK_END)) != _length(frame):
            wrong("length", f"{length} bytes", f"{_length(frame)} bytes")
    if frame.size >= _LOOK or "av" in sys.modules:
        from helios_pipe.stitch.postcheck import look_at

        look_at(path, muxer, table, splice.clock)
    return Digests(Digest(whole.hexdigest()) if prove else None, reading.packets)


def _check_table(table: SampleTable, splice: Splice, frame: Frame) -> None:
    """What our own reader makes of the film's index is what was planned."""
    check_index(table, splice.frames, splice.clock.fps)
    seconds = table.length * table.time_base
    if seconds != splice.frames / splice.clock.fps:
        wrong("duration", f"{seconds} s", f"{splice.frames / splice.clock.fps} s")
    sizes = splice.film.sizes
    if table.sizes != sizes or table.places != array("Q", accumulate(sizes[:-1], initial=frame.start)):
        wrong("index", f"{len(table.sizes)} packets in other places", f"{len(sizes)} packets")
    keys = array("I", range(1, splice.frames + 1)) if table.keys is None else table.keys
    if keys != splice.film.keys:
        wrong("key frames", len(keys), len(splice.film.keys))


class _Copied:
    """A second file for the same bytes; where it cannot be written there is none."""

    def __init__(self, path: Path | None, source: int) -> None:
        self._path, self._source = path, source
        self._file: FileIO | None = None
        self._place = 0

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = opened_to_write(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            except OSError:
                return self
            if clone(self._source, self._file.fileno()):
                self.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if interrupted(kind):
            self._file = None
        self.close()

    def put(self, data: memoryview) -> None:
        """The next bytes."""
        file = self._file
        if file is None or self._path is None:
            return
        try:
            self._place = write_whole(file.fileno(), [data], self._place)
        except OSError:
            self.close()
            os.unlink(self._path)  # whoever needs it there says why it cannot be written

    def close(self) -> None:
        """No more. Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _length(frame: Frame) -> int:
    """Bytes of the film."""
    return len(frame.head) + frame.size + len(frame.tail)


class _Reading:
    """The film as it is read back."""

    def __init__(self, film: ReadOnce, *, prove: bool) -> None:
        self._film = film
        self._prove = prove
        self._theirs = bytearray(BLOCK)
        self._view = memoryview(self._theirs)
        self.packets: list[Digest] = []

    def all(self, splice: Splice, frame: Frame, sizes: array[int]) -> None:
        """All of it. Raises StitchError where the bytes are others, EOFError where there are none."""
        self._own(frame.head)
        first = 0
        for cut in splice.chunks:
            self._chunk(cut, sizes[first : first + cut.frames])
            first += cut.frames
        self._own(frame.tail)

    def _own(self, data: bytes) -> None:
        """What stands around the frames."""
        at = 0
        for view in self._film.read(len(data)):
            if not data.startswith(view, at):
                wrong("index", "other bytes", "what was written")
            at += len(view)

    def _chunk(self, cut: Cut, sizes: array[int]) -> None:
        run = sha256()
        with OpenedCut(cut) as descriptor:
            for at, length in cut.stretches:
                for view in self._film.read(length):
                    read_whole(descriptor, self._view[: len(view)], at)
                    if not self._theirs.startswith(view):
                        wrong(f"the packets of {cut.piece.name}", "other bytes", "the chunk's")
                    if self._prove:
                        run.update(view)
                    at += len(view)
        if self._prove:
            run.update(spelled(sizes))
            self.packets.append(Digest(run.hexdigest()))
