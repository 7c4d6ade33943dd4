"""Cutting a frame range into chunks. Pure; knows nothing of commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

from helios_pipe.manifest.model import Frames
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import overload

MIN_DIGITS = 4


class Span(NamedTuple):
    """The frames of one chunk: `start`, `start + step`, … `end`; `count` of them. `index` is its ordinal in the job."""

    index: int  # type: ignore[assignment] # not the method of a tuple
    start: int
    end: int
    count: int  # type: ignore[assignment]
    step: int


class Cells(Sequence[Span]):
    """The chunks of `frames`, `size` rendered frames each. Cells of `size * step` frame numbers are counted from frame 0, so
    that a longer or shifted range keeps its inner chunks; only the first and the last may be shorter. Each is worked out
    when it is asked for: ten thousand of them are hardly ever all needed."""

    def __init__(self, frames: Frames, size: int) -> None:
        self._frames, self._cell = frames, size * frames.step
        first, last = frames.start // self._cell, frames.end // self._cell
        edge = (first + 1) * self._cell
        self._second = edge + (frames.start - edge) % frames.step  # the first that is rendered, there or after it
        self._count = last - first + 1
        if self._count > 1 and self._low(self._count - 1) > frames.end:
            self._count -= 1

    def _low(self, index: int) -> int:
        return self._second + (index - 1) * self._cell if index else self._frames.start

    def _span(self, index: int) -> Span:
        step, low = self._frames.step, self._low(index)
        end = self._frames.end if index == self._count - 1 else self._low(index + 1) - step
        return Span(index, low, end, (end - low) // step + 1, step)

    def __len__(self) -> int:
        return self._count

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Span: ...
        @overload
        def __getitem__(self, index: slice) -> list[Span]: ...

    def __getitem__(self, index: int | slice) -> Span | list[Span]:
        if isinstance(index, slice):
            return [self._span(at) for at in range(self._count)[index]]
        return self._span(range(self._count)[index])

    def __iter__(self) -> Iterator[Span]:
        return map(self._span, range(self._count))


def numbers(count: int, width: int) -> Iterator[str]:
    """0, 1, … as texts of this width: by a way that takes half as long as formatting each."""
    return map(str.zfill, map(str, range(count)), repeat(width))


def digits(count: int) -> int:
    """How wide a chunk's index is printed in a job of `count` chunks."""
    return max(MIN_DIGITS, len(str(count - 1)))
