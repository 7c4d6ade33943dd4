"""Cutting a frame range into chunks. Pure; knows nothing of commands."""

from __future__ import annotations

from typing import NamedTuple

from helios_pipe.manifest.model import Frames

MIN_DIGITS = 4


class Span(NamedTuple):
    """The frames of one chunk: `start`, `start + step`, … `end`; `count` of them. `index` is its ordinal in the job."""

    index: int  # type: ignore[assignment] # not the method of a tuple
    start: int
    end: int
    count: int  # type: ignore[assignment]
    step: int


def spans(frames: Frames, size: int) -> list[Span]:
    """The chunks of `frames`, `size` rendered frames each. Cells of `size * step` frame numbers are counted from frame 0, so
    that a longer or shifted range keeps its inner chunks; only the first and the last may be shorter."""
    cell = size * frames.step
    first, last = frames.start // cell, frames.end // cell
    found: list[Span] = []
    for number in range(first, last + 1):
        low = _first_at_or_after(frames, max(frames.start, number * cell))
        high = min(frames.end, number * cell + cell - 1)
        if low <= high:
            count = (high - low) // frames.step + 1
            found.append(Span(len(found), low, low + (count - 1) * frames.step, count, frames.step))
    return found


def digits(count: int) -> int:
    """How wide a chunk's index is printed in a job of `count` chunks."""
    return max(MIN_DIGITS, len(str(count - 1)))


def _first_at_or_after(frames: Frames, number: int) -> int:
    return frames.start + -(-(number - frames.start) // frames.step) * frames.step
