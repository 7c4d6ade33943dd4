"""Joining chunks without re-encoding: check, copy, check again, put in place. Knows nothing of caches or jobs.

There are two ways. Plain MP4 and QuickTime chunks are joined by stretches of bytes (splice), without a media library; whatever is
otherwise goes packet by packet (packetwise).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from pathlib import Path

from helios_pipe.stitch.blocks import Lane
from helios_pipe.stitch.model import Done, Joined, JoinedChunk, JoinedSound, JoinSettings, Piece
from helios_pipe.stitch.moov import frame_of
from helios_pipe.stitch.muxers import muxer_for
from helios_pipe.stitch.naming import STITCH_VERSION
from helios_pipe.stitch.order import check_digests, check_ranges, marks_of
from helios_pipe.stitch.packets import combined
from helios_pipe.stitch.readback import read_film
from helios_pipe.stitch.scratch import replacing
from helios_pipe.stitch.splice import Splice, plan_splice, spliced_as
from helios_pipe.stitch.stretches import write_film

__all__ = [
    "STITCH_VERSION",
    "FfmpegStitcher",
    "JoinSettings",
    "Joined",
    "JoinedChunk",
    "JoinedSound",
    "Piece",
    "RemuxStitcher",
    "check",
    "join",
]

_DEFAULT = JoinSettings()
_LANE = 1 << 20
"""From so many bytes on, a thread that hashes beside us saves more than it takes to start."""


def join(
    pieces: Sequence[Piece],
    output: Path,
    settings: JoinSettings = _DEFAULT,
    *,
    sound: Piece | None = None,
    copy: Path | None = None,
) -> Joined:
    """Join the pieces in order into `output`, whose suffix names the container, with the file `sound` over the whole of it.

    All or nothing: the output appears whole, after every check, in one rename; on any failure what stood there stays and
    nothing is left behind. Raises StitchError. Memory does not grow with the number or the size of the pieces.

    The bytes that are hashed go to the new file `copy` as well, if they can be written there. It is the caller's, whether the
    join ends well or not: what it holds is right only then.
    """
    return _joined(_join(pieces, output, settings, sound=sound, copy=copy), settings)


def check(pieces: Sequence[Piece], settings: JoinSettings = _DEFAULT) -> int:
    """Whether the pieces can be joined, by all that is looked at before a join but their digests; nothing is written. How many
    frames they hold. Raises StitchError."""
    marks = marks_of(pieces)
    check_ranges(pieces)
    if (splice := plan_splice(pieces, marks, settings)) is not None:
        return splice.frames
    from helios_pipe.stitch.preflight import preflight

    return preflight(pieces, marks, settings).frames


def _join(
    pieces: Sequence[Piece],
    output: Path,
    settings: JoinSettings,
    *,
    sound: Piece | None = None,
    copy: Path | None = None,
    prove: bool = True,
) -> Done:
    """Every check is made; without `prove`, no digest that only a proof would hold."""
    muxer = muxer_for(output)
    marks = marks_of(pieces)
    check_ranges(pieces)
    splice = plan_splice(pieces, marks, settings) if sound is None else None
    if splice is not None and (splice := spliced_as(splice, muxer, settings)) is not None:
        return _spliced(splice, output, settings, copy, prove=prove)
    from helios_pipe.stitch.packetwise import LIBRARY_FIRST, join_packets

    return join_packets(pieces, marks, output, settings, LIBRARY_FIRST, sound=sound, copy=copy, prove=prove)


def _spliced(splice: Splice, output: Path, settings: JoinSettings, copy: Path | None, *, prove: bool) -> Done:
    muxer = muxer_for(output)
    frame = frame_of(splice.film, index_first=settings.faststart)
    with replacing(output) as scratch:
        with Lane(thread=prove and frame.size >= _LANE) as lane:
            files = write_film(splice, frame, scratch, muxer, lane)
            digests = read_film(scratch, muxer, splice, frame, lane, copy, prove=prove)
        check_digests([cut.piece for cut in splice.chunks], list(chain.from_iterable(files)))
        size = scratch.stat().st_size
    chunks = [(cut.piece, cut.frames) for cut in splice.chunks]
    return Done(splice.clock.fps, chunks, digests.packets, digests.film, size)


def _joined(done: Done, settings: JoinSettings) -> Joined:
    assert done.digest is not None
    frames = [count for _, count in done.chunks]
    firsts = accumulate(frames, initial=0)
    rows = zip(done.chunks, firsts, done.packets, strict=False)
    return Joined(
        frames=sum(frames),
        fps=done.fps,
        duration=sum(frames) / done.fps,
        sha256=done.digest,
        size=done.size,
        chunks=tuple(JoinedChunk(piece.name, piece.digest, first, count, run) for (piece, count), first, run in rows),
        packets_sha256=combined(done.packets),
        settings=settings,
        sound=done.sound,
    )


class RemuxStitcher:
    """The default VideoStitcher: everything copied in this process, every time stamp made from a frame number."""

    def __init__(self, settings: JoinSettings = _DEFAULT) -> None:
        self._settings = settings

    def stitch(self, inputs: Sequence[Path], output: Path) -> None:
        """Join `inputs` in order into `output`. Raises StitchError; then what stood there stays."""
        _join([Piece(path, path.name) for path in inputs], output, self._settings, prove=False)


class FfmpegStitcher:
    """The VideoStitcher that users of Helios know: the ffmpeg program's concat demuxer, with every check around it.

    `program` is the executable; by default the one on the PATH, else the one of the `ffmpeg` extra.
    """

    def __init__(self, program: str | None = None, settings: JoinSettings = _DEFAULT) -> None:
        self._program = program
        self._settings = settings

    def stitch(self, inputs: Sequence[Path], output: Path) -> None:
        """Join `inputs` in order into `output`. Raises StitchError, then what stood there stays; ToolError without ffmpeg."""
        from functools import partial

        from helios_pipe.stitch.ffmpeg import concat, find_ffmpeg
        from helios_pipe.stitch.packetwise import join_packets

        write = partial(concat, self._program or find_ffmpeg())
        pieces = [Piece(path, path.name) for path in inputs]
        muxer_for(output)
        marks = marks_of(pieces)
        join_packets(pieces, marks, output, self._settings, (write,), prove=False)
