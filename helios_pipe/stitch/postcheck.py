"""After the join: the written file is read back and must be what was planned. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from helios_pipe.digest import Digest
from helios_pipe.errors import OutputError, StitchError
from helios_pipe.media.container import open_media
from helios_pipe.media.mp4index import SampleTable, read_sample_table
from helios_pipe.stitch.framing import length_bytes, picture_units
from helios_pipe.stitch.inplace import check_index, check_places, compare_in_place, wrong
from helios_pipe.stitch.muxers import BOXED, STARTS_AT_ZERO, SUFFIXES
from helios_pipe.stitch.packets import FileDigests, RunDigest
from helios_pipe.stitch.preflight import INDEX_FROM
from helios_pipe.stitch.source import packets_of
from helios_pipe.stitch.timeline import Clock, FrameWalk, OffGridError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from helios_pipe.stitch.preflight import Checked, Plan

STORES_DTS = frozenset({"mp4", "mov", "mpegts"})
"""Muxers that keep decode times; elsewhere the reader makes them up."""


def postcheck(
    path: Path, muxer: str, plan: Plan, digests: Sequence[Digest], copy: Path | None = None
) -> tuple[Digest | None, list[Digest]]:
    """Read the joined file back: frames, times, and packets against the chunks' (`digests` of their packets).

    Gives the file's own digest where the plan asks for proof, and that of each chunk's packets as they now stand there, which
    are other ones only where the container spells packets in its own way. Raises StitchError where anything is not as planned.
    Where there is a digest, the very bytes that it is of are written to `copy` as well, if they can be.
    """
    with FileDigests([path if plan.prove else None], copy) as whole:
        try:
            with open_media(path, name=f"output{SUFFIXES[muxer]}", quick=muxer in BOXED) as container:
                packets = _check(path, container, muxer, plan, digests)
        except OutputError as error:
            raise StitchError(f"the join cannot be read back: {error.message}") from error
        return whole.result()[0], packets


def look_at(path: Path, muxer: str, table: SampleTable, clock: Clock) -> None:
    """The media library's reading of an index must be ours, which is `table`. Raises StitchError."""
    try:
        with open_media(path, name=f"output{SUFFIXES[muxer]}", quick=True) as container:
            if [stream.type for stream in container.streams] != ["video"]:
                wrong("streams", ", ".join(stream.type for stream in container.streams), "video")
            check_places(table, container.streams.video[0])
            _check_times(container.streams.video[0], muxer, clock, len(table.sizes))
    except OutputError as error:
        raise StitchError(f"the join cannot be read back: {error.message}") from error


def _check(path: Path, container: InputContainer, muxer: str, plan: Plan, digests: Sequence[Digest]) -> list[Digest]:
    streams = container.streams
    expected = ["video", "audio"] if plan.sound else ["video"]
    if [stream.type for stream in streams] != expected:
        wrong("streams", ", ".join(stream.type for stream in streams), ", ".join(expected))
    stream = streams.video[0]
    compare = _Comparison(plan, stream, muxer)
    large = sum(chunk.mark[0] for chunk in plan.chunks) >= INDEX_FROM * len(plan.chunks)
    if large and muxer in BOXED and plan.sound is None and not compare.respelled:
        table = read_sample_table(path)
        if table is not None:
            check_index(table, plan.frames, plan.clock.fps)
            check_places(table, stream)
            _check_times(stream, muxer, plan.clock, plan.frames)
            compare_in_place(path, table, plan)
            return list(digests)
    found = _check_packets(container, stream, muxer, compare, plan, digests)
    _check_times(stream, muxer, plan.clock, plan.frames)
    return found


def _check_packets(
    container: InputContainer,
    stream: VideoStream,
    muxer: str,
    compare: _Comparison,
    plan: Plan,
    digests: Sequence[Digest],
) -> list[Digest]:
    reader = _Reader(stream, plan.clock, plan.frames, muxer)
    packets = reader.packets(container)
    found = [
        compare.run(islice(packets, chunk.frames), chunk, digest)
        for chunk, digest in zip(plan.chunks, digests, strict=True)
    ]
    for _ in packets:
        wrong("frames", f"more than {plan.frames}", plan.frames)
    return found


class _Reader:
    """Follows the joined file's packets and judges their times."""

    def __init__(self, stream: VideoStream, clock: Clock, total: int, muxer: str) -> None:
        self._stream, self._clock, self._total = stream, clock, total
        self._base = 0 if muxer in STARTS_AT_ZERO else None
        self._has_dts = muxer in STORES_DTS

    def packets(self, container: InputContainer) -> Iterator[Packet[VideoStream]]:
        """The packets in order, each checked; at the end, none may be missing."""
        walk: FrameWalk | None = None
        last_dts: int | None = None
        for packet in container.demux(self._stream):
            pts, dts = packet.pts, packet.dts
            if pts is None and not packet.size:
                continue
            if pts is None or packet.is_corrupt:
                wrong("a packet", "damaged" if pts is not None else "without a time stamp", "a whole one")
            if walk is None:
                walk = self._walk(pts)
            self._place(walk, pts)
            if self._has_dts:
                if dts is None or (last_dts is not None and dts <= last_dts):
                    wrong(f"decode time of packet {walk.count - 1}", dts, f"more than {last_dts}")
                last_dts = dts
            yield packet
        self._finish(walk)

    def _walk(self, pts: int) -> FrameWalk:
        assert self._stream.time_base is not None
        base = pts if self._base is None else self._base
        return FrameWalk(self._stream.time_base, self._clock.fps, base=base, half_tick=True)

    def _place(self, walk: FrameWalk, pts: int) -> None:
        try:
            walk.place(pts)
        except OffGridError as error:
            wrong("time", error, f"a frame each 1/{self._clock.fps} s")

    def _finish(self, walk: FrameWalk | None) -> None:
        count = walk.count if walk else 0
        if count != self._total:
            wrong("frames", count, self._total)
        hole = walk.hole() if walk else None
        if hole is not None:
            wrong("frame", f"{hole} missing", "every frame")


class _Comparison:
    """Holds what was written against what the chunks hold."""

    def __init__(self, plan: Plan, written: VideoStream, muxer: str) -> None:
        self._quick = plan.quick
        self._codec = plan.layout.codec
        self._length = length_bytes(self._codec, plan.layout.extradata)
        self._written_length = length_bytes(self._codec, written.codec_context.extradata or b"")
        # MPEG-TS wants a delimiter before each picture, and gets it.
        delimited = muxer == "mpegts" and plan.demuxer != "mpegts"
        self.respelled = self._codec in ("h264", "hevc") and (delimited or self._length != self._written_length)
        self._buffer = bytearray()

    def run(self, written: Iterator[Packet[VideoStream]], chunk: Checked, digest: Digest) -> Digest:
        """The chunk's stretch of the joined file must be the chunk's packets. Gives the stretch's digest. Raises StitchError."""
        if self.respelled:
            return self._by_pictures(written, chunk)
        if chunk.mark[0] < INDEX_FROM:
            self._by_digest(written, chunk, digest)
        else:
            self._by_bytes(written, chunk)
        return digest

    def _by_digest(self, written: Iterator[Packet[VideoStream]], chunk: Checked, digest: Digest) -> None:
        run = RunDigest()
        for packet in written:
            run.add(packet)
        found = run.value()
        if found != digest:
            wrong(f"the packets of {chunk.piece.name}", f"sha256 {found}", digest)

    def _by_bytes(self, written: Iterator[Packet[VideoStream]], chunk: Checked) -> None:
        for number, after, before in self._pairs(written, chunk):
            if not self._same_bytes(after, before):
                wrong(f"packet {number} of {chunk.piece.name}", f"other bytes ({after.size})", f"{before.size} bytes")

    def _by_pictures(self, written: Iterator[Packet[VideoStream]], chunk: Checked) -> Digest:
        run = RunDigest()
        for number, after, before in self._pairs(written, chunk):
            found = picture_units(self._codec, bytes(after), self._written_length)
            if not found or found != picture_units(self._codec, bytes(before), self._length):
                wrong(f"packet {number} of {chunk.piece.name}", "another picture", "the chunk's")
            run.add(after)
        return run.value()

    def _pairs(
        self, written: Iterator[Packet[VideoStream]], chunk: Checked
    ) -> Iterator[tuple[int, Packet[VideoStream], Packet[VideoStream]]]:
        source = packets_of(chunk.piece, quick=self._quick)
        for number, (after, before) in enumerate(zip_longest(written, source)):
            if after is None or before is None:
                wrong(f"the packets of {chunk.piece.name}", number, chunk.frames)
            yield number, after, before

    def _same_bytes(self, after: Packet[VideoStream], before: Packet[VideoStream]) -> bool:
        size = before.size
        if after.size != size:
            return False
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        # One buffer for all, and a comparison that needs no second copy.
        memoryview(self._buffer)[:size] = memoryview(after)
        return self._buffer.startswith(memoryview(before))


def _check_times(stream: VideoStream, muxer: str, clock: Clock, frames: int) -> None:
    """What the container says of start and length. One that keeps neither (mpegts, nut) was judged by its packets."""
    assert stream.time_base is not None
    if muxer in STARTS_AT_ZERO and stream.start_time not in (0, None):
        wrong("start", stream.start_time * stream.time_base, 0)
    if muxer in BOXED:
        expected = frames / clock.fps
        if stream.duration is None or stream.duration * stream.time_base != expected:
            wrong("duration", stream.duration and stream.duration * stream.time_base, f"{expected} s")
        if stream.average_rate != clock.fps:
            wrong("frame rate", stream.average_rate, clock.fps)
