"""Before the join, all of it or nothing: every chunk is read once, and what does not fit is said. Writes nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn

from helios_pipe.digest import Digest, digest_file
from helios_pipe.errors import OutputError, StitchError
from helios_pipe.media.container import open_media
from helios_pipe.media.rates import is_standard, snap
from helios_pipe.stitch.layout import Layout, can_be_quick
from helios_pipe.stitch.model import JoinSettings, Piece, refuse
from helios_pipe.stitch.packets import PacketDigest
from helios_pipe.stitch.timeline import Clock, FrameWalk, OffGridError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

Mark = tuple[int, int, int]

_THREAD_FROM = 1 << 20
"""Files from this size on are hashed in a thread beside the demuxing; smaller ones sooner than a thread is told."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A chunk that passed: what it holds, and the file's mark (size, mtime_ns, inode) when it was read."""

    piece: Piece
    frames: int
    digest: Digest
    packets: Digest
    mark: Mark


@dataclass(frozen=True, slots=True)
class Plan:
    """Chunks that fit together. `delay` is by how many frames decoding runs ahead of showing, at most, anywhere."""

    clock: Clock
    layout: Layout
    delay: int
    quick: bool
    chunks: tuple[Checked, ...]

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

    @property
    def quick(self) -> bool:
        """Whether comparing headers is enough."""
        return self.header is not None


def preflight(pieces: Sequence[Piece], settings: JoinSettings) -> Plan:
    """Read every chunk and check that they make one video. Raises StitchError for the first that does not fit."""
    if not pieces:
        raise StitchError("nothing to join", hint="A join needs at least one chunk.")
    _check_ranges(pieces)
    marks = [mark_of(piece) for piece in pieces]
    reference = _reference(pieces[0], settings)
    delay = 0
    chunks = []
    with ThreadPoolExecutor(1, "helios-hash") as pool:
        for piece, mark in zip(pieces, marks, strict=True):
            digest = _digest(piece, mark, pool)
            frames, packets, chunk_delay = _read(piece, reference)
            delay = max(delay, chunk_delay)
            chunks.append(Checked(piece, frames, _check_digest(piece, digest.result()), packets, mark))
    return Plan(reference.clock, reference.full, delay, reference.quick, tuple(chunks))


def mark_of(piece: Piece) -> Mark:
    """The file's size, mtime_ns and inode. Raises StitchError where it is not a regular file with something in it."""
    try:
        found = os.lstat(piece.path)
    except OSError as error:
        raise StitchError(f"{piece.name} ({piece.path}): {error.strerror}", hint="Render the chunk again.") from error
    if stat.S_ISLNK(found.st_mode):
        refuse(piece, "a link, expected a regular file", "A chunk that points elsewhere is never followed.")
    if not stat.S_ISREG(found.st_mode):
        refuse(piece, "not a regular file")
    if not found.st_size:
        refuse(piece, "empty", "Render the chunk again.")
    return found.st_size, found.st_mtime_ns, found.st_ino


def _check_ranges(pieces: Sequence[Piece]) -> None:
    """Where frame numbers are known, each chunk must begin where the one before it ended."""
    due: int | None = None
    for piece in pieces:
        if due is not None and piece.start is not None and piece.start != due:
            kind = "leaves out" if piece.start > due else "repeats"
            refuse(
                piece, f"begins at frame {piece.start}, expected {due}: it {kind} frames", "Put the chunks in order."
            )
        known = piece.start is not None and piece.frames is not None
        due = piece.start + piece.frames * piece.step if known and piece.start is not None and piece.frames else None


def _reference(piece: Piece, settings: JoinSettings) -> Reference:
    with _opened(piece) as container:
        stream = _one_stream(piece, container)
        full = Layout.of(stream)
        quick = can_be_quick(container, full)
        fps = settings.fps or _rate(stream)
    if fps is None:
        refuse(piece, "names no frame rate", "Give the job its fps.")
    if not quick:
        return Reference(piece.name, Clock.of(fps), full, None)
    with _opened(piece, quick=True) as container:
        header = Layout.of(_one_stream(piece, container))
    return Reference(piece.name, Clock.of(fps), full, header if header.extradata == full.extradata else None)


@contextmanager
def _opened(piece: Piece, *, quick: bool = False) -> Iterator[InputContainer]:
    try:
        with open_media(piece.path, name=piece.file, quick=quick) as container:
            yield container
    except OutputError as error:
        raise StitchError(f"{piece.name}: {error.message}", hint="Render the chunk again.") from error


def _one_stream(piece: Piece, container: InputContainer) -> VideoStream:
    streams = container.streams
    if len(streams.video) != 1 or len(streams) != 1:
        kinds = ", ".join(stream.type for stream in streams) or "none"
        refuse(
            piece,
            f"streams are {kinds}; expected one video stream",
            "Map the picture alone into every chunk (-map 0:v:0).",
        )
    if streams.video[0].codec_context is None:
        refuse(piece, "its codec is unknown to the media library")
    return streams.video[0]


def _rate(stream: VideoStream) -> Fraction | None:
    return snap(stream.average_rate or stream.guessed_rate)


def _read(piece: Piece, reference: Reference) -> tuple[int, Digest, int]:
    """Demux the chunk: frames, packet digest, decode delay."""
    with _opened(piece, quick=reference.quick) as container:
        stream = _one_stream(piece, container)
        here = Layout.of(stream)
        if here != (reference.header or reference.full):
            _refuse_layout(piece, reference, here)
        walk, packets = _walk(piece, container, stream, reference.clock.fps)
        _check_count(piece, stream, walk, reference)
    return walk.count, packets.value(), walk.delay


def _refuse_layout(piece: Piece, reference: Reference, here: Layout) -> NoReturn:
    """Say what differs, in the words of a decoder where a header alone does not tell."""
    with _opened(piece) as container:
        full = Layout.of(_one_stream(piece, container))
    found = full.difference(reference.full)
    if found is None and reference.header is not None:
        found = here.difference(reference.header)
    assert found is not None
    name, value, expected, hint = found
    refuse(piece, f"{name} is {value}, but {expected} in {reference.name}", hint)


def _walk(
    piece: Piece, container: InputContainer, stream: VideoStream, fps: Fraction
) -> tuple[FrameWalk, PacketDigest]:
    packets = PacketDigest()
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
        if packet.is_corrupt or packet.is_discard:
            what = "cut off or damaged" if packet.is_corrupt else "hidden by an edit list"
            refuse(piece, f"packet {walk.count} is {what}", "Render the chunk again.")
        try:
            walk.place(pts)
        except OffGridError as error:
            _refuse_time(piece, stream, fps, error)
        packets.add(packet)
    if walk is None:
        refuse(piece, "no frames", "Render the chunk again.")
    return walk, packets


def _first(piece: Piece, is_key: bool, stream: VideoStream, pts: int, fps: Fraction) -> FrameWalk:
    if not is_key:
        refuse(piece, "does not begin with a key frame", "Render each chunk by a fresh encoder, with closed GOPs.")
    assert stream.time_base is not None
    return FrameWalk(stream.time_base, fps, base=pts)


def _refuse_time(piece: Piece, stream: VideoStream, fps: Fraction, error: OffGridError) -> NoReturn:
    rate = _rate(stream)
    if rate is not None and rate != fps and is_standard(rate):
        refuse(piece, f"frame rate is {rate}, expected {fps}", "Render every chunk at the job's fps.")
    if error.kind == "early":
        refuse(piece, f"{error}", "Use closed GOPs (x264: -x264-params open-gop=0).")
    if error.kind == "duplicate":
        refuse(piece, f"{error}", "Two packets of one chunk show at the same time.")
    hint = "Frames must be evenly spaced: render at a constant rate (-fps_mode cfr)."
    refuse(piece, f"{error}, off the grid of {fps} fps", hint)


def _check_count(piece: Piece, stream: VideoStream, walk: FrameWalk, reference: Reference) -> None:
    fps = reference.clock.fps
    hole = walk.hole()
    rate = _rate(stream)
    if rate is not None and walk.count > 1 and rate != fps and is_standard(rate):
        refuse(piece, f"frame rate is {rate}, expected {fps}", "Render every chunk at the job's fps.")
    if hole is not None:
        refuse(
            piece, f"frame {hole} is missing", "Render at a constant rate (-fps_mode cfr), or render the chunk again."
        )
    if stream.frames and stream.frames != walk.count:
        refuse(piece, f"{walk.count} frames where its own header promises {stream.frames}", "Render the chunk again.")
    if piece.frames is not None and walk.count != piece.frames:
        hint = "The command must render exactly the frames that it was asked for."
        refuse(piece, f"{walk.count} frames, expected {piece.frames}", hint)


def _digest(piece: Piece, mark: Mark, pool: ThreadPoolExecutor) -> Future[Digest]:
    if mark[0] >= _THREAD_FROM:
        return pool.submit(digest_file, piece.path)
    done: Future[Digest] = Future()
    done.set_result(digest_file(piece.path))
    return done


def _check_digest(piece: Piece, digest: Digest) -> Digest:
    if piece.digest is not None and digest != piece.digest:
        refuse(
            piece,
            f"sha256 is {digest}, recorded as {piece.digest}",
            "The file changed after it was made, or chunks were swapped: render it again.",
        )
    return digest
