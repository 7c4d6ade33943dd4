"""A chunk as a source of packets: one regular file, one forced demuxer, one video stream. Compares nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from helios_pipe.errors import OutputError, StitchError
from helios_pipe.media.container import open_media
from helios_pipe.stitch.model import Piece, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

Mark = tuple[int, int, int]
"""A file's size, mtime_ns and inode."""


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
    return mark_from(found)


def mark_from(found: os.stat_result) -> Mark:
    """That of a file that was looked at."""
    return found.st_size, found.st_mtime_ns, found.st_ino


class PieceChangedError(StitchError):
    """A chunk's file is not the one that was looked at before. Nothing is known of its bytes."""


def changed(piece: Piece) -> NoReturn:
    """Raise PieceChangedError."""
    raise PieceChangedError(f"{piece.name} ({piece.file or piece.path.name}): changed while it was being joined")


@contextmanager
def opened(piece: Piece, *, quick: bool = False) -> Iterator[InputContainer]:
    """The chunk's file, opened; see open_media. What cannot be read is a StitchError with the chunk's name."""
    try:
        with open_media(piece.path, name=piece.file, quick=quick) as container:
            yield container
    except OutputError as error:
        raise StitchError(f"{piece.name}: {error.message}", hint="Render the chunk again.") from error


def video_of(piece: Piece, container: InputContainer) -> VideoStream:
    """The chunk's video stream. Raises StitchError where there is more beside it than one stream of sound."""
    streams = container.streams
    sounds = len(streams.audio)
    if len(streams.video) != 1 or sounds > 1 or len(streams) != 1 + sounds:
        kinds = ", ".join(stream.type for stream in streams) or "none"
        what = f"streams are {kinds}; expected one video stream and at most one of sound"
        refuse(piece, what, "Map the picture alone into every chunk (-map 0:v:0).")
    if streams.video[0].codec_context is None:
        refuse(piece, "its codec is unknown to the media library")
    return streams.video[0]


def packets_of(piece: Piece, *, quick: bool) -> Iterator[Packet[VideoStream]]:
    """The chunk's packets in decode order."""
    with opened(piece, quick=quick) as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                yield packet
