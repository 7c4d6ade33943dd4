"""The indexes of plain MP4 and QuickTime chunks, one after another. Looks at no frame but the first one's heads; compares chunks
only to do less.
"""

from __future__ import annotations

import os
from functools import partial
from io import FileIO

from helios_pipe.media.boxes import Boxes, Top, UnfitError
from helios_pipe.media.container import demuxer_for
from helios_pipe.media.mp4index import SampleTable, in_own_right, table_like, table_of
from helios_pipe.stitch.model import Piece
from helios_pipe.stitch.opening import begins
from helios_pipe.stitch.shape import Shape
from helios_pipe.stitch.source import Mark, mark_from
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from helios_pipe.media.boxes import Read


class Index(NamedTuple):
    """What a chunk's index tells. `uses` says of each frame what depends on it, None where the chunk does not tell."""

    shape: Shape
    table: SampleTable
    uses: bytes | None


class Indexes:
    """Reads them. Most chunks of a film differ from the one before in their frames' sizes and places alone: those two are all
    that is then taken out of the index; what else it tells was told before."""

    def __init__(self) -> None:
        self._before: _Before | None = None

    def read(self, piece: Piece, mark: Mark) -> Index:
        """The index of the piece, whose file has that mark. Raises UnfitError, OutputError, OSError."""
        if demuxer_for(piece.path, piece.file) != "mov":
            raise UnfitError
        with FileIO(piece.path) as file:
            if mark_from(os.fstat(file.fileno())) != mark:
                raise UnfitError
            return self._index(piece, partial(os.pread, file.fileno()), mark[0])

    def _index(self, piece: Piece, read: Read, size: int) -> Index:
        top = Top.of(read, size)
        before = self._before
        if before is not None and before.serves(top):
            table = table_like(before.table, Boxes(top, before.boxes))
        else:
            before = self._before = _Before.of(Boxes(top))
            table = before.table
        shape = before.shape
        begun = begins(read, shape.codec, shape.header, table.places[0], table.sizes[0])
        if not begun or piece.frames not in (None, len(table.sizes)):
            raise UnfitError
        return Index(shape, table, before.uses)


class _Before(NamedTuple):
    """An index that was taken apart. `same` are the bytes, and their places, that make another one tell the same."""

    boxes: Boxes
    shape: Shape
    table: SampleTable
    uses: bytes | None
    same: tuple[tuple[int, bytes], ...]

    @classmethod
    def of(cls, boxes: Boxes) -> Self:
        """Raises UnfitError."""
        shape, table, uses = Shape.of(boxes), table_of(boxes), boxes.get(b"sdtp")
        if not table.first_is_key or (uses is not None and len(uses) != 4 + len(table.sizes)):
            raise UnfitError
        _, end = boxes.span(b"stsd")
        same = boxes.but([*in_own_right(boxes), (end - shape.own, end)])
        return cls(boxes, shape, table, None if uses is None else uses[4:], same)

    def serves(self, top: Top) -> bool:
        """Whether the index in there differs from this one in nothing but sizes, places and bit rates."""
        mine, moov = self.boxes.top, top.moov
        alike = len(moov) == len(mine.moov) and (top.brand, top.known) == (mine.brand, mine.known)
        return alike and all(moov.startswith(data, place) for place, data in self.same)
