"""Decoded frames as plain bytes, to be compared. Knows nothing of chunks or joins."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import log10
from operator import mul, sub
from pathlib import Path
from sys import byteorder
from typing import TYPE_CHECKING

from helios_pipe.digest import Digest
from helios_pipe.errors import OutputError
from helios_pipe.media.container import HEADED, open_media
from helios_pipe.media.probe import video_stream

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


_LEAP_FROM = 16
"""From so many frames on it is worth seeking rather than decoding them."""


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One picture: `data` is its planes without padding; `depth` the bits of a sample."""

    pix_fmt: str
    width: int
    height: int
    depth: int
    data: bytes

    @property
    def shown(self) -> str:
        """Its format and size, for people."""
        return f"{self.pix_fmt} {self.width}x{self.height}"

    @property
    def digest(self) -> Digest:
        """The digest of what the picture looks like: format, size and samples."""
        return Digest(sha256(f"{self.shown}\n".encode() + self.data).hexdigest())


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two pictures are apart: the largest difference of a sample, and the peak signal-to-noise ratio in dB over all
    samples (None where they cannot be compared: another size or format, samples of more than 16 bits)."""

    largest: int | None
    psnr: float | None


class Decoder:
    """One file's video frames, each with its time; can be asked for a part of them. A context manager."""

    def __init__(self, path: Path, container: InputContainer) -> None:
        self._path = path
        self._container = container
        self._stream: VideoStream = video_stream(path, container)
        self._stream.codec_context.options = {"err_detect": "explode"}
        self._indexed = any(name in HEADED for name in container.format.name.split(","))
        self._raw: VideoCodecContext | None = None

    @property
    def time_base(self) -> Fraction:
        """Seconds a tick of the times that `frames` gives."""
        return self._stream.time_base or Fraction(1)

    def frames(self, *, from_pts: int | None = None) -> Iterator[tuple[int, VideoFrame]]:
        """(pts, frame) in the order of showing; with `from_pts`, from the key frame at or before it, or soon after it in a
        container without an index. Raises OutputError where a frame does not decode."""
        import av

        last: VideoFrame | None = None
        try:
            if from_pts is not None:
                self._container.seek(from_pts, stream=self._stream, backward=True)
            for frame in self._container.decode(self._stream):
                if frame.is_corrupt or frame.pts is None:
                    raise OutputError(f"{self._path}: the frame at {frame.time} s does not decode cleanly")
                last = frame
                yield frame.pts, frame
        except av.FFmpegError as error:
            where = "the first frame" if last is None else f"a frame after the one at {last.time:.6f} s"
            raise OutputError(f"{self._path}: {where} does not decode ({error.strerror})") from error

    def picked(self, fps: Fraction, numbers: Iterable[int]) -> Iterator[tuple[int, RawFrame]]:
        """(number, samples) of the frames with the given numbers, which rise; those that are not there are left out. Leaps over
        what lies between where the container has an index. Raises OutputError as `frames` does."""
        ticks = 1 / (fps * self.time_base)
        frames = self.frames()
        base, frame = next(frames, (0, None))
        number = 0
        for wanted in numbers:
            if self._indexed and wanted - number > _LEAP_FROM:
                frames = self.frames(from_pts=base + round(wanted * ticks))
                number = -1
            while number < wanted and frame is not None:
                pts, frame = next(frames, (base, None))
                number = round((pts - base) / ticks)
            if frame is not None and number == wanted:
                yield number, self.raw(frame)

    def raw(self, frame: VideoFrame) -> RawFrame:
        """The frame's samples, planes one after the other."""
        import av

        context = self._raw
        if context is None or (context.width, context.height, context.pix_fmt) != (
            frame.width,
            frame.height,
            frame.format.name,
        ):
            context = av.CodecContext.create("rawvideo", "w")
            context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
            context.time_base = self.time_base
            self._raw = context
        data = b"".join(bytes(packet) for packet in context.encode(frame))
        depth = max(component.bits for component in frame.format.components)
        return RawFrame(frame.format.name, frame.width, frame.height, depth, data)


@contextmanager
def open_frames(path: Path, name: str = "") -> Iterator[Decoder]:
    """The file's frames. Raises OutputError where it cannot be opened, read or decoded."""
    with open_media(path, name=name) as container:
        yield Decoder(path, container)


def difference(left: RawFrame, right: RawFrame) -> Difference:
    """How far the two pictures are apart."""
    shape = (left.pix_fmt, left.width, left.height)
    if shape != (right.pix_fmt, right.width, right.height):
        return Difference(None, None)
    if left.data == right.data:
        return Difference(0, None)
    if left.depth > 16:  # floats: the next one may be far away in bits and close by in light
        return Difference(None, None)
    here, there = _samples(left), _samples(right)
    distances = array("l", map(sub, here, there))
    squares = sum(map(mul, distances, distances))
    peak = (1 << left.depth) - 1
    return Difference(max(map(abs, distances)), 10 * log10(peak * peak * len(distances) / squares))


def _samples(frame: RawFrame) -> array[int] | bytes:
    """The samples as numbers. Formats of more than 8 bits have two bytes a sample, the low one first unless named `be`."""
    if frame.depth <= 8 or len(frame.data) % 2:
        return frame.data
    samples = array("H")
    samples.frombytes(frame.data)
    if frame.pix_fmt.endswith("be") != (byteorder == "big"):
        samples.byteswap()
    return samples
