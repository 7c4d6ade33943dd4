"""Writing the sound of a join beside its video, in step with it. Decides nothing: see sound."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.stitch.sound import SoundPlan, decoded, sound_stream
from helios_pipe.stitch.source import opened

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet

_BLOCK = 1024
"""Samples a packet, where the encoder takes any number."""


@dataclass(frozen=True, slots=True)
class SoundRecord:
    """What was written: samples, the digest of all packets' bytes, and, where lossless, of the samples themselves."""

    samples: int
    packets: Digest
    pcm: Digest | None


class SoundTrack:
    """The sound's packets, handed to the muxer as the video goes on."""

    def __init__(self, plan: SoundPlan, container: OutputContainer) -> None:
        self._plan = plan
        self._container = container
        self._hasher = sha256()
        self._pcm = sha256()
        self._samples = 0
        self._packets = self._copied() if plan.encoder is None else self._encoded(self._add_stream(plan.encoder))
        self._next = next(self._packets, None)

    def until(self, seconds: Fraction) -> None:
        """Write what sounds up to that time."""
        while self._next is not None and (self._next.pts or 0) * self._next.time_base <= seconds:
            self._write(self._next)

    def finish(self) -> SoundRecord:
        """Write the rest."""
        while self._next is not None:
            self._write(self._next)
        if not self._samples:
            raise StitchError(f"{self._plan.pieces[0].name}: no sound in it")
        pcm = Digest(self._pcm.hexdigest()) if self._plan.lossless else None
        return SoundRecord(self._samples, Digest(self._hasher.hexdigest()), pcm)

    def close(self) -> None:
        """Let go of the files that are read."""
        self._packets.close()

    def _write(self, packet: Packet[AudioStream]) -> None:
        import av

        self._hasher.update(packet)
        try:
            self._container.mux_one(packet)
            self._next = next(self._packets, None)
        except av.FFmpegError as error:
            codec = self._plan.encoder or self._plan.source.codec
            raise StitchError(f"the sound could not be written as {codec}: {error.strerror}") from error

    def _add_stream(self, encoder: str) -> AudioStream:
        from av.audio.stream import AudioStream

        plan = self._plan
        try:
            stream = self._container.add_stream(encoder, rate=plan.rate)
        except ValueError as error:
            raise StitchError(f"sound cannot be encoded as {encoder}: {error}") from error
        if not isinstance(stream, AudioStream):
            raise StitchError(f"{encoder} is no sound encoder")
        context = stream.codec_context
        context.layout = plan.source.layout
        context.format = _sample_format(encoder, plan)
        context.thread_count = 1
        context.time_base = Fraction(1, plan.rate)
        if not plan.lossless:
            context.bit_rate = plan.bitrate
        context.open(strict=False)
        return stream

    def _encoded(self, stream: AudioStream) -> Generator[Packet[AudioStream]]:
        plan = self._plan
        size = stream.codec_context.frame_size or _BLOCK
        for block in blocks(self._source(), plan, stream.codec_context.format.name, size):
            if plan.lossless:
                self._pcm.update(samples_of(block))
            block.pts, block.time_base = self._samples, Fraction(1, plan.rate)
            self._samples += block.samples
            yield from stream.encode(block)
        yield from stream.encode(None)

    def _source(self) -> Iterator[AudioFrame]:
        for piece in self._plan.pieces:
            yield from decoded(piece)

    def _copied(self) -> Generator[Packet[AudioStream]]:
        (piece,) = self._plan.pieces
        with opened(piece) as source:
            stream = sound_stream(piece, source)
            out = self._container.add_stream_from_template(stream, opaque=True)
            for packet in source.demux(stream):
                if packet.pts is None or not packet.size:
                    continue
                begin = round(packet.pts * packet.time_base * self._plan.rate)
                if begin >= self._plan.samples:
                    break
                length = round((packet.duration or 0) * packet.time_base * self._plan.rate)
                if begin + length > self._plan.samples:
                    packet.duration = round((self._plan.samples - begin) / (packet.time_base * self._plan.rate))
                self._samples = min(begin + length, self._plan.samples)
                packet.stream = out
                yield packet


def write_sound(plan: SoundPlan, target: Path, muxer: str) -> SoundRecord:
    """Write the sound alone into the file `target`, for another to copy. Raises StitchError."""
    import av

    options = {"fflags": "+bitexact", "movie_timescale": str(plan.rate)}  # so that its length is told to the sample
    try:
        with (
            av.open("file:" + os.path.abspath(target), "w", format=muxer, container_options=options) as container,
            closing(SoundTrack(plan, container)) as track,
        ):
            return track.finish()
    except av.FFmpegError as error:
        raise StitchError(f"the sound could not be written as {muxer}: {error.strerror}") from error


def blocks(frames: Iterable[AudioFrame], plan: SoundPlan, sample_format: str, size: int) -> Iterator[AudioFrame]:
    """The frames in another format, in blocks of `size` samples (the last one shorter), cut off at the plan's end."""
    import av

    resampler = av.AudioResampler(format=sample_format, layout=plan.source.layout, rate=plan.rate)
    fifo = av.AudioFifo()
    left = plan.samples
    for frame in chain(_unstamped(frames), (None,)):
        for piece in resampler.resample(frame):
            piece.pts = None
            fifo.write(piece)
        while left and (block := fifo.read(min(size, left), partial=frame is None)) is not None:
            left -= block.samples
            yield block
        if not left:
            return


def _unstamped(frames: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
    """The frames in a row, whatever their times."""
    for frame in frames:
        frame.pts = None
        yield frame


def samples_of(frame: AudioFrame) -> bytes:
    """The bytes of a frame's samples: channels interleaved in a packed format, one after the other in a planar one."""
    planes = len(frame.planes)
    size = frame.samples * frame.format.bytes * (frame.layout.nb_channels if planes == 1 else 1)
    return b"".join(bytes(plane)[:size] for plane in frame.planes)


def _sample_format(encoder: str, plan: SoundPlan) -> str:
    """The one of the encoder's formats that is nearest to the source's samples."""
    import av

    offered = [item.name for item in av.Codec(encoder, "w").audio_formats or ()]
    wanted = plan.source.sample_format
    # Of whole numbers, the finer ones are nearer to floats.
    nearest = (wanted, f"{wanted}p", *(("s32", "s32p") if wanted in ("flt", "dbl") else ()), *offered)
    return next((name for name in nearest if name in offered), wanted)
