"""After the join: the written file is read back and must be what was planned. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import OutputError, StitchError
from helios_pipe.media.container import open_media
from helios_pipe.stitch.packets import PacketDigest
from helios_pipe.stitch.timeline import Clock, FrameWalk, OffGridError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

STORES_DTS = frozenset({"mp4", "mov", "mpegts"})
"""Muxers that keep decode times; elsewhere the reader makes them up."""
STARTS_AT_ZERO = frozenset({"mp4", "mov", "matroska", "webm", "nut"})
"""Muxers that can show the first frame at 0 while decoding began before it."""


def postcheck(path: Path, muxer: str, clock: Clock, counts: Sequence[int]) -> tuple[list[Digest], Digest]:
    """Read the joined file: `counts` frames, chunk by chunk, on the grid. Gives the packet digest of each chunk's stretch and
    the file's own digest. Raises StitchError where anything is not as planned."""
    with ThreadPoolExecutor(1, "helios-hash") as pool:
        whole = pool.submit(digest_file, path)
        try:
            with open_media(path, name=f"output.{_SUFFIX[muxer]}", quick=muxer in ("mp4", "mov")) as container:
                packets = _check(container, muxer, clock, counts)
        except OutputError as error:
            raise StitchError(f"the join cannot be read back: {error.message}") from error
        return packets, whole.result()


_SUFFIX = {"mp4": "mp4", "mov": "mov", "matroska": "mkv", "webm": "webm", "mpegts": "ts", "nut": "nut"}


def compare_packets(names: Iterable[str], expected: Iterable[Digest], found: Iterable[Digest]) -> None:
    """Each chunk's packets must have come through unchanged. Raises StitchError with the first chunk's name that did not."""
    for name, before, after in zip(names, expected, found, strict=True):
        if before != after:
            _wrong(f"the packets of {name}", f"sha256 {after}", before)


def _wrong(what: str, found: object, expected: object) -> NoReturn:
    raise StitchError(f"the join came out wrong: {what}: {found}, expected {expected}")


def _check(container: InputContainer, muxer: str, clock: Clock, counts: Sequence[int]) -> list[Digest]:
    streams = container.streams
    if len(streams.video) != 1 or len(streams) != 1:
        _wrong("streams", ", ".join(stream.type for stream in streams), "one video")
    stream = streams.video[0]
    assert stream.time_base is not None
    base = 0 if muxer in STARTS_AT_ZERO else None
    reader = _Reader(stream.time_base, clock, counts, base, muxer in STORES_DTS)
    for packet in container.demux(stream):
        if packet.pts is not None or packet.size:
            reader.take(packet.pts, packet.dts, packet.is_corrupt)
            reader.digest.add(packet)
            reader.step()
    reader.finish()
    _check_duration(stream, muxer, clock, sum(counts))
    return reader.digests


class _Reader:
    """Follows the joined file's packets through the chunks that they came from."""

    def __init__(
        self, time_base: Fraction, clock: Clock, counts: Sequence[int], base: int | None, has_dts: bool
    ) -> None:
        self.digest = PacketDigest()
        self.digests: list[Digest] = []
        self._time_base, self._fps = time_base, clock.fps
        self._counts, self._total = counts, sum(counts)
        self._walk = None if base is None else FrameWalk(time_base, clock.fps, base=base, half_tick=True)
        self._has_dts = has_dts
        self._last_dts: int | None = None
        self._left = counts[0]

    def take(self, pts: int | None, dts: int | None, corrupt: bool) -> None:
        """Check one packet's times."""
        if self._walk is None and pts is not None:
            self._walk = FrameWalk(self._time_base, self._fps, base=pts, half_tick=True)
        if pts is None or corrupt or self._walk is None:
            _wrong(
                f"packet {self._total - self._left}", "damaged" if corrupt else "without a time stamp", "a whole one"
            )
        if len(self.digests) == len(self._counts):
            _wrong("frames", f"more than {self._total}", self._total)
        try:
            self._walk.place(pts)
        except OffGridError as error:
            _wrong("time", error, f"a frame each 1/{self._fps} s")
        if self._has_dts:
            if dts is None or (self._last_dts is not None and dts <= self._last_dts):
                _wrong(f"decode time of packet {self._walk.count - 1}", dts, f"more than {self._last_dts}")
            self._last_dts = dts

    def step(self) -> None:
        """Close the chunk's digest when its last packet is in."""
        self._left -= 1
        if not self._left:
            self.digests.append(self.digest.value())
            self.digest = PacketDigest()
            if len(self.digests) < len(self._counts):
                self._left = self._counts[len(self.digests)]

    def finish(self) -> None:
        """All frames must have come, none left out."""
        count = self._walk.count if self._walk else 0
        if count != self._total:
            _wrong("frames", count, self._total)
        hole = self._walk.hole() if self._walk else None
        if hole is not None:
            _wrong("frame", f"{hole} missing", "every frame")


def _check_duration(stream: VideoStream, muxer: str, clock: Clock, frames: int) -> None:
    """What the container says of start and length. One that keeps neither (mpegts, nut) was judged by its packets."""
    assert stream.time_base is not None
    expected = frames / clock.fps
    if muxer in STARTS_AT_ZERO and stream.start_time not in (0, None):
        _wrong("start", stream.start_time * stream.time_base, 0)
    if muxer in ("mp4", "mov"):
        if stream.duration is None or stream.duration * stream.time_base != expected:
            _wrong("duration", stream.duration and stream.duration * stream.time_base, f"{expected} s")
        if stream.average_rate != clock.fps:
            _wrong("frame rate", stream.average_rate, clock.fps)
