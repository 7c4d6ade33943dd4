"""Two videos held against each other: the same bytes, the same frames, or where they begin to differ. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import OutputError
from helios_pipe.media.container import open_media
from helios_pipe.media.frames import Difference, RawFrame, difference, open_frames
from helios_pipe.media.probe import count_frames
from helios_pipe.stitch.soundcheck import samples_digest


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two files compare. `verdict`: `bytes` (the very same file), `frames` (every picture and the sound equal, the files
    are not), `sound` (pictures equal, sound not) or `pictures`. `differing` counts unequal frames, those that only one file
    has included; `first` is the first of them, and `by` how far apart it is where both have it."""

    verdict: Literal["bytes", "frames", "sound", "pictures"]
    frames: tuple[int, int]
    differing: int = 0
    first: int | None = None
    by: Difference | None = None

    def __str__(self) -> str:
        if self.verdict == "bytes":
            return "the same bytes"
        if self.verdict == "frames":
            return f"all {self.frames[0]} frames equal, the containers differ"
        if self.verdict == "sound":
            return f"all {self.frames[0]} frames equal, the sound differs"
        text = f"{self.differing} of {max(self.frames)} frames differ, the first is frame {self.first}"
        if self.by is None:
            return f"{text}, which only one file has ({self.frames[0]} and {self.frames[1]} frames)"
        if self.by.largest is None or self.by.psnr is None:
            return f"{text}: another size or pixel format"
        return f"{text}: samples apart by up to {self.by.largest}, PSNR {self.by.psnr:.1f} dB"


def compare_files(left: Path, right: Path) -> Comparison:
    """Compare two videos, by bytes and then frame by frame. Raises OutputError where one cannot be read or decoded."""
    try:
        same = left.stat().st_size == right.stat().st_size and digest_file(left) == digest_file(right)
    except OSError as error:
        raise OutputError(f"{error.filename}: {error.strerror}") from error
    if same:
        frames = count_frames(left)
        return Comparison("bytes", (frames, frames))
    pictures = _pictures(left, right)
    if pictures.differing:
        return pictures
    return Comparison("frames" if _sound(left) == _sound(right) else "sound", pictures.frames)


def _pictures(left: Path, right: Path) -> Comparison:
    counts, differing = [0, 0], 0
    first: int | None = None
    by: Difference | None = None
    with open_frames(left) as here, open_frames(right) as there:
        for number, pair in enumerate(zip_longest(here.frames(), there.frames())):
            raw: list[RawFrame | None] = [
                decoder.raw(item[1]) if item is not None else None
                for decoder, item in zip((here, there), pair, strict=True)
            ]
            counts = [count + (item is not None) for count, item in zip(counts, raw, strict=True)]
            if raw[0] == raw[1]:
                continue
            differing += 1
            if first is None:
                first = number
                by = difference(raw[0], raw[1]) if raw[0] and raw[1] else None
    return Comparison("pictures", (counts[0], counts[1]), differing, first, by)


def _sound(path: Path) -> tuple[int, Digest] | None:
    with open_media(path) as container:
        return samples_digest(container) if container.streams.audio else None
