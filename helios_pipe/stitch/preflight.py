"""Before the join, all of it or nothing: every chunk is read once, and what does not fit is said. Writes nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from helios_pipe.media.boxes import UnfitError
from helios_pipe.media.container import demuxer_for
from helios_pipe.media.mp4index import read_sample_table
from helios_pipe.media.rates import is_standard, snap
from helios_pipe.media.turning import turning
from helios_pipe.stitch.framing import length_bytes
from helios_pipe.stitch.layout import EXTRADATA, Layout, can_be_quick
from helios_pipe.stitch.model import JoinSettings, Piece, refuse
from helios_pipe.stitch.opening import begins
from helios_pipe.stitch.sound import SoundPlan
from helios_pipe.stitch.source import Mark, opened, video_of
from helios_pipe.stitch.timeline import Clock, FrameWalk, OffGridError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream


INDEX_FROM = 1 << 20
"""From this size on it is worth looking up in a file's index where its frames are, rather than reading through them."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A chunk that passed: how many frames it holds, and its file's mark when it was read."""

    piece: Piece
    frames: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Plan:
    """Chunks that fit together. `delay` is by how many frames decoding runs ahead of showing, at most, anywhere;
    `prove` asks for the digests that only a proof holds."""

    clock: Clock
    demuxer: str
    layout: Layout
    delay: int
    quick: bool
    chunk_sound: bool
    chunks: tuple[Checked, ...]
    sound: SoundPlan | None = None
    prove: bool = True

    @property
    def frames(self) -> int:
        """Frames of all chunks together."""
        return sum(chunk.frames for chunk in self.chunks)


@dataclass(frozen=True, slots=True)
class Reference:
    """What the first chunk says, and so every other must."""

    name: str
    clock: Clock
    full: Layout
    header: Layout | None
    sound: bool
    turned: str

    @property
    def quick(self) -> bool:
        """Whether comparing headers is enough."""
        return self.header is not None


def preflight(pieces: Sequence[Piece], marks: Sequence[Mark], settings: JoinSettings) -> Plan:
    """Read every chunk and check that they make one video. Raises StitchError for the first that does not fit."""
    reference = _reference(pieces, settings)
    demuxer = demuxer_for(pieces[0].path, pieces[0].file)
    delay = 0
    chunks = []
    for piece, mark in zip(pieces, marks, strict=True):
        walk = _read(piece, mark, demuxer, reference)
        delay = max(delay, walk.delay)
        chunks.append(Checked(piece, walk.count, mark))
    return Plan(reference.clock, demuxer, reference.full, delay, reference.quick, reference.sound, tuple(chunks))


def _reference(pieces: Sequence[Piece], settings: JoinSettings) -> Reference:
    piece = pieces[0]
    with opened(piece) as container:
        stream = video_of(piece, container)
        full = Layout.of(stream)
        sound = bool(container.streams.audio)
        quick = not sound and can_be_quick(container, full)
        guess = snap(stream.guessed_rate)
        fps = settings.fps or _rate(stream)
    fps = fps or _first_rate(pieces) or guess
    if fps is None:
        refuse(piece, "names no frame rate", "Give the job its fps.")
    turned = turning(piece.path, demuxer_for(piece.path, piece.file))
    if not quick:
        return Reference(piece.name, Clock.of(fps), full, None, sound, turned)
    with opened(piece, quick=True) as container:
        header = Layout.of(video_of(piece, container))
    trusted = header if header.extradata == full.extradata else None
    return Reference(piece.name, Clock.of(fps), full, trusted, sound, turned)


def _rate(stream: VideoStream) -> Fraction | None:
    return snap(stream.average_rate)


def _first_rate(pieces: Sequence[Piece]) -> Fraction | None:
    """The rate of the first of them that tells: a chunk of one or two frames may not, in a container that keeps no lengths."""
    for piece in pieces:
        with opened(piece) as container:
            stream = video_of(piece, container)
            if rate := _rate(stream) or _measured(container, stream):
                return rate
    return None


def _measured(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """The rate by the frames' own times, evenly spaced as they have to be."""
    times = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
    if len(times) < 2 or times[0] == times[-1]:
        return None
    assert stream.time_base is not None
    return snap((len(times) - 1) / ((times[-1] - times[0]) * stream.time_base))


def _read(piece: Piece, mark: Mark, demuxer: str, reference: Reference) -> FrameWalk:
    """Follow the chunk's frames without keeping anything of it; those of a large plain MP4 by its index alone."""
    with opened(piece, quick=reference.quick) as container:
        stream = video_of(piece, container)
        _check_sound(piece, container, reference)
        here = Layout.of(stream)
        if here != (reference.header or reference.full):
            _refuse_layout(piece, reference, here, _rate(stream))
        _check_turning(piece, reference)
        walk = None
        if reference.quick and demuxer == "mov" and mark[0] >= INDEX_FROM:
            walk = _walk_index(piece, stream, reference.clock.fps)
        walk = walk or _walk(piece, container, stream, reference.clock.fps)
        _check_count(piece, stream, walk, reference)
    return walk


def _check_sound(piece: Piece, container: InputContainer, reference: Reference) -> None:
    if bool(container.streams.audio) != reference.sound:
        kinds = "no sound", "sound"
        what = f"{kinds[not reference.sound]}, but {kinds[reference.sound]} in {reference.name}"
        refuse(piece, what, "Every chunk has sound, or none.")


def _check_turning(piece: Piece, reference: Reference) -> None:
    here = turning(piece.path, demuxer_for(piece.path, piece.file))
    if here != reference.turned:
        hint = "Turn the pictures themselves (-vf transpose), or all chunks alike."
        refuse(piece, f"rotation is {here}, but {reference.turned} in {reference.name}", hint)


def _refuse_layout(piece: Piece, reference: Reference, here: Layout, rate: Fraction | None) -> NoReturn:
    """Say what differs, in the words of a decoder where a header alone does not tell."""
    with opened(piece) as container:
        full = Layout.of(video_of(piece, container))
    found = full.difference(reference.full)
    if found is None and reference.header is not None:
        found = here.difference(reference.header)
    assert found is not None
    name, value, expected, hint = found
    if name == EXTRADATA:  # the rate stands in there too, and tells more
        _check_rate(piece, rate, reference.clock.fps)
    refuse(piece, f"{name} is {value}, but {expected} in {reference.name}", hint)


def _check_rate(piece: Piece, rate: Fraction | None, fps: Fraction) -> None:
    if rate is not None and rate != fps and is_standard(rate):
        refuse(piece, f"frame rate is {rate}, expected {fps}", "Render every chunk at the job's fps.")


def _walk(piece: Piece, container: InputContainer, stream: VideoStream, fps: Fraction) -> FrameWalk:
    walk: FrameWalk | None = None
    for packet in container.demux(stream):
        pts = packet.pts
        if pts is None or not packet.size:
            if packet.size or pts is not None:
                refuse(
                    piece, f"packet {walk.count if walk else 0} has no {'bytes' if packet.size == 0 else 'time stamp'}"
                )
            continue
        if walk is None:
            walk = _first(piece, packet.is_keyframe, stream, pts, fps)
            if "mov" in container.format.name and packet.pos is not None:
                _check_units(piece, stream, packet.pos, packet.size)
        if packet.is_corrupt or packet.is_discard:
            what = "cut off or damaged" if packet.is_corrupt else "hidden by an edit list"
            refuse(piece, f"packet {walk.count} is {what}", "Render the chunk again.")
        try:
            walk.place(pts)
        except OffGridError as error:
            _refuse_time(piece, stream, fps, error)
    if walk is None:
        refuse(piece, "no frames", "Render the chunk again.")
    return walk


def _walk_index(piece: Piece, stream: VideoStream, fps: Fraction) -> FrameWalk | None:
    """As `_walk`, from times alone; None where they have to be demuxed."""
    table = read_sample_table(piece.path)
    if table is None or len(table.pts) != stream.frames:
        return None
    walk = _first(piece, table.first_is_key, stream, table.pts[0], fps)
    _check_units(piece, stream, table.places[0], table.sizes[0])
    try:
        for pts in table.pts:
            walk.place(pts)
    except OffGridError as error:
        _refuse_time(piece, stream, fps, error)
    return walk


def _first(piece: Piece, is_key: bool, stream: VideoStream, pts: int, fps: Fraction) -> FrameWalk:
    if not is_key:
        refuse(piece, "does not begin with a key frame", "Render each chunk by a fresh encoder, with closed GOPs.")
    assert stream.time_base is not None
    return FrameWalk(stream.time_base, fps, base=pts)


def _check_units(piece: Piece, stream: VideoStream, place: int, size: int) -> None:
    """A frame of an MP4 is made of units that fill it: zeros, or the bytes beside it, are none."""
    context = stream.codec_context
    codec, header = context.codec.canonical_name, context.extradata or b""
    if codec != "av1" and not length_bytes(codec, header):
        return
    try:
        with open(piece.path, "rb", buffering=0) as file:
            begins(partial(os.pread, file.fileno()), codec, header, place, size)
    except UnfitError:
        refuse(
            piece,
            "the first frame's bytes are no picture",
            "The file was not written to its end: render the chunk again.",
        )


def _refuse_time(piece: Piece, stream: VideoStream, fps: Fraction, error: OffGridError) -> NoReturn:
    _check_rate(piece, _rate(stream), fps)
    if error.kind == "early":
        refuse(piece, f"{error}", "Use closed GOPs (x264: -x264-params open-gop=0).")
    if error.kind == "duplicate":
        refuse(piece, f"{error}", "Two packets of one chunk show at the same time.")
    hint = "Frames must be evenly spaced: render at a constant rate (-fps_mode cfr)."
    refuse(piece, f"{error}, off the grid of {fps} fps", hint)


def _check_count(piece: Piece, stream: VideoStream, walk: FrameWalk, reference: Reference) -> None:
    fps = reference.clock.fps
    hole = walk.hole()
    if walk.count > 1:
        _check_rate(piece, _rate(stream), fps)
    if hole is not None:
        refuse(
            piece, f"frame {hole} is missing", "Render at a constant rate (-fps_mode cfr), or render the chunk again."
        )
    if stream.frames and stream.frames != walk.count:
        refuse(piece, f"{walk.count} frames where its own header promises {stream.frames}", "Render the chunk again.")
    if piece.frames is not None and walk.count != piece.frames:
        hint = "The command must render exactly the frames that it was asked for."
        refuse(piece, f"{walk.count} frames, expected {piece.frames}", hint)
