"""Copying the chunks' packets into one file, each at the time that its frame number gives it. Checks nothing afterwards."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.stitch.fourcc import fitting_tag
from helios_pipe.stitch.model import JoinSettings
from helios_pipe.stitch.muxers import kept_tags, muxer_options
from helios_pipe.stitch.packets import PacketRuns
from helios_pipe.stitch.preflight import INDEX_FROM, Plan
from helios_pipe.stitch.source import changed, mark_of, opened
from helios_pipe.stitch.track import SoundRecord, SoundTrack
from helios_pipe.tuples import NamedTuple

if TYPE_CHECKING:
    import av
    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream


_HINT = "Not every codec fits every container; .mkv takes most."


class Written(NamedTuple):
    """What a writer tells of its work: the digest of each chunk's packets, and of the sound."""

    packets: list[Digest]
    sound: SoundRecord | None = None


class UnwritableError(StitchError):
    """This codec was not put into this container, or comes out of it as something else. Another writer may do better."""


def remux(plan: Plan, target: Path, muxer: str, settings: JoinSettings) -> Written:
    """Write all chunks into `target`, one open at a time. Gives the digest of each chunk's packets. Raises StitchError; what
    it wrote by then stays there."""
    import av

    try:
        with (
            av.open(
                "file:" + os.path.abspath(target),
                "w",
                format=muxer,
                container_options=muxer_options(plan, muxer, settings),
                metadata_errors="surrogateescape",  # a tag goes over as it is, in whatever encoding
            ) as container,
            PacketRuns() as runs,
        ):
            record = _write(plan, container, runs, muxer, settings)
            return Written(runs.digests(), record)
    except av.FFmpegError as error:
        raise _failed(plan, muxer, error) from error


def _failed(plan: Plan, muxer: str, error: av.FFmpegError) -> StitchError:
    text = f"{plan.layout.codec} could not be written as {muxer}: {error.strerror}"
    if isinstance(error, OSError | MemoryError):  # a full disk is full for the program as well
        return StitchError(text)
    return UnwritableError(text, hint=_HINT)


def _write(
    plan: Plan, container: OutputContainer, runs: PacketRuns, muxer: str, settings: JoinSettings
) -> SoundRecord | None:
    out: VideoStream | None = None
    sound: SoundTrack | None = None
    first = 0
    with ExitStack() as stack:
        for chunk in plan.chunks:
            if mark_of(chunk.piece) != chunk.mark:
                changed(chunk.piece)
            # The first chunk is the stream's template: it is opened with a decoder, which knows more than the header.
            with opened(chunk.piece, quick=plan.quick and out is not None) as source:
                if out is None:
                    out = _add_stream(container, source, plan, muxer, settings)
                    if plan.sound is not None:
                        sound = stack.enter_context(closing(SoundTrack(plan.sound, container)))
                    _begin(container, plan, muxer)
                # A large chunk is compared byte by byte: its packets' digest would be for the proof alone.
                hashed = runs if plan.prove or chunk.mark[0] < INDEX_FROM else None
                first = _copy(_Target(container, out, hashed, sound), source, plan, first)
                runs.end_run()
        return sound.finish() if sound else None


def _add_stream(
    container: OutputContainer, source: InputContainer, plan: Plan, muxer: str, settings: JoinSettings
) -> VideoStream:
    """The output's stream, like the first chunk's: codec header, colour, shape and side data come with it."""
    template = source.streams.video[0]
    try:
        out = container.add_stream_from_template(template, opaque=True)
    except ValueError as error:
        raise UnwritableError(f"{plan.layout.codec} could not be written as {muxer}: {error}", hint=_HINT) from error
    out.time_base = plan.clock.tick
    out.codec_context.framerate = plan.clock.fps
    out.codec_context.codec_tag = fitting_tag(template, muxer)
    out.disposition = template.disposition
    out.metadata.update(kept_tags(template.metadata))
    container.metadata.update(kept_tags(source.metadata))
    for name, value in settings.metadata:
        container.metadata[name] = value
    return out


def _begin(container: OutputContainer, plan: Plan, muxer: str) -> None:
    """Write the header, now that all streams are known."""
    import av

    try:
        container.start_encoding()
    except av.FFmpegError as error:  # here, or it would be taken for the first chunk's
        raise _failed(plan, muxer, error) from error


class _Target(NamedTuple):
    container: OutputContainer
    stream: VideoStream
    runs: PacketRuns | None
    sound: SoundTrack | None


def _copy(target: _Target, source: InputContainer, plan: Plan, first: int) -> int:
    """Copy one chunk's packets, the first of which is decoded as number `first`. Returns the next chunk's."""
    import av

    stream = source.streams.video[0]
    assert stream.time_base is not None
    per, delay, tick = plan.clock.per, plan.delay, plan.clock.tick
    ratio = stream.time_base * plan.clock.fps
    num, den = 2 * ratio.numerator, 2 * ratio.denominator
    half, base, order = ratio.denominator, None, first
    sound, mux, runs = target.sound, target.container.mux_one, target.runs
    for packet in source.demux(stream):
        if (pts := packet.pts) is None:
            continue
        base = pts if base is None else base
        packet.stream = target.stream
        packet.pts = (first + ((pts - base) * num + half) // den) * per
        packet.dts = (order - delay) * per
        packet.duration = per
        packet.time_base = tick
        if sound is not None:
            sound.until((order - delay) * per * tick)
        try:
            mux(packet)
        except av.FFmpegError as error:  # here, or it would be taken for the source's
            raise _failed(plan, target.container.format.name, error) from error
        if runs is not None:
            runs.add(packet)
        order += 1
    return order
