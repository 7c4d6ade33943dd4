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
    step, cell = frames.step, size * frames.step
    lows: list[int] = []
    for number in range(frames.start // cell, frames.end // cell + 1):
        low = max(frames.start, number * cell)
        low += -(low - frames.start) % step  # the first that is rendered, there or after it
        if low <= min(frames.end, number * cell + cell - 1):
            lows.append(low)
    ends = [low - step for low in lows[1:]] + [frames.end]
    return [
        Span(index, low, end, (end - low) // step + 1, step)
        for index, (low, end) in enumerate(zip(lows, ends, strict=True))
    ]


def digits(count: int) -> int:
    """How wide a chunk's index is printed in a job of `count` chunks."""
    return max(MIN_DIGITS, len(str(count - 1)))
