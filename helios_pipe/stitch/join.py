"""Joining chunks without re-encoding: check, copy packets, check again, put in place. Knows nothing of caches or jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import accumulate, count
from pathlib import Path
from typing import NamedTuple

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError, ToolError
from helios_pipe.stitch.model import Joined, JoinedChunk, JoinedSound, JoinSettings, Piece, refuse
from helios_pipe.stitch.muxers import muxer_for
from helios_pipe.stitch.naming import STITCH_VERSION
from helios_pipe.stitch.packets import FileDigests, combined
from helios_pipe.stitch.postcheck import postcheck
from helios_pipe.stitch.preflight import Plan, check_digests, marks_of, preflight
from helios_pipe.stitch.remux import UnwritableError, Written, remux
from helios_pipe.stitch.sound import sound_of_chunks, sound_of_file
from helios_pipe.stitch.soundcheck import check_sound
from helios_pipe.stitch.source import mark_of

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

Writer = Callable[[Plan, Path, str, JoinSettings], Written]
"""Writes a plan's chunks into a file and gives the digest of each chunk's packets."""

_DEFAULT = JoinSettings()


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
    return _joined(_join(pieces, output, settings, _copy_packets, sound=sound, copy=copy), settings)


def check(pieces: Sequence[Piece], settings: JoinSettings = _DEFAULT) -> int:
    """Whether the pieces can be joined, by all that is looked at before a join but their digests; nothing is written. How many
    frames they hold. Raises StitchError."""
    return preflight(pieces, marks_of(pieces), settings).frames


class _Done(NamedTuple):
    plan: Plan
    written: Written
    digest: Digest | None
    size: int


def _join(
    pieces: Sequence[Piece],
    output: Path,
    settings: JoinSettings,
    write: Writer,
    *,
    sound: Piece | None = None,
    copy: Path | None = None,
    prove: bool = True,
) -> _Done:
    """Every check is made; without `prove`, no digest that only a proof would hold."""
    muxer = muxer_for(output)
    marks = marks_of(pieces)
    files = [*pieces, sound] if sound else pieces
    with FileDigests([piece.path if piece.digest else None for piece in files]) as digests:
        plan = replace(preflight(pieces, marks, settings), prove=prove)
        plan = _with_sound(plan, muxer, settings, sound)
        with replacing(output) as scratch:
            written = write(plan, scratch, muxer, settings)
            digest, packets = postcheck(scratch, muxer, plan, written.packets, copy)
            if plan.sound and written.sound:
                check_sound(scratch, muxer, plan.sound, written.sound)
            check_digests(files, digests.result())
            size = scratch.stat().st_size
    return _Done(plan, Written(packets, written.sound), digest, size)


def _with_sound(plan: Plan, muxer: str, settings: JoinSettings, sound: Piece | None) -> Plan:
    pieces = [chunk.piece for chunk in plan.chunks]
    if sound is not None:
        if plan.chunk_sound:
            refuse(pieces[0], "has sound of its own beside the stitch's", "Leave it out of the chunks (-an).")
        mark_of(sound)
        return replace(plan, sound=sound_of_file(sound, muxer, plan.frames, plan.clock.fps, settings))
    if not plan.chunk_sound:
        return plan
    counts = [chunk.frames for chunk in plan.chunks]
    return replace(plan, sound=sound_of_chunks(pieces, counts, muxer, plan.clock.fps, settings))


def _joined(done: _Done, settings: JoinSettings) -> Joined:
    plan, written, digest, size = done
    assert digest is not None
    sound = None
    if plan.sound and written.sound:
        record = written.sound
        own = plan.sound.pieces[0].digest if not plan.chunk_sound else None
        codec = plan.sound.encoder or plan.sound.source.codec
        sound = JoinedSound(codec, plan.sound.rate, record.samples, record.packets, record.pcm, own)
    return Joined(
        frames=plan.frames,
        fps=plan.clock.fps,
        duration=plan.frames / plan.clock.fps,
        sha256=digest,
        size=size,
        chunks=_chunks(plan, written.packets),
        packets_sha256=combined(written.packets),
        settings=settings,
        sound=sound,
    )


def _copy_packets(plan: Plan, target: Path, muxer: str, settings: JoinSettings) -> Written:
    try:
        return remux(plan, target, muxer, settings)
    except UnwritableError as error:
        # Starting processes takes modules that copying does not.
        from helios_pipe.stitch.ffmpeg import concat, find_ffmpeg

        try:
            program = find_ffmpeg()
        except ToolError:
            raise error from None
        return concat(program, plan, target, muxer, settings)


def _chunks(plan: Plan, packets: Sequence[Digest]) -> tuple[JoinedChunk, ...]:
    firsts = accumulate((chunk.frames for chunk in plan.chunks), initial=0)
    rows = zip(plan.chunks, firsts, packets, strict=False)
    return tuple(
        JoinedChunk(chunk.piece.name, chunk.piece.digest, first, chunk.frames, run) for chunk, first, run in rows
    )


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A new name beside `output` to write to; renamed over it when the block ends well, removed otherwise."""
    try:
        scratch = _scratch_name(output)
        try:
            yield scratch
            os.replace(scratch, output)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise StitchError(f"{output}: {error.strerror or error}") from error


def _scratch_name(output: Path) -> Path:
    """A name of our own in the output's folder, taken by creating it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    for attempt in count():
        scratch = output.parent / f".helios-{os.getpid()}-{attempt}.part"
        try:
            os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        return scratch
    raise AssertionError("count() has no end")


class RemuxStitcher:
    """The default VideoStitcher: packets copied in this process, every time stamp made from a frame number."""

    def __init__(self, settings: JoinSettings = _DEFAULT) -> None:
        self._settings = settings

    def stitch(self, inputs: Sequence[Path], output: Path) -> None:
        """Join `inputs` in order into `output`. Raises StitchError; then what stood there stays."""
        _join([Piece(path, path.name) for path in inputs], output, self._settings, _copy_packets, prove=False)


class FfmpegStitcher:
    """The VideoStitcher that users of Helios know: the ffmpeg program's concat demuxer, with every check around it.

    `program` is the executable; by default the one on the PATH, else the one of the `ffmpeg` extra.
    """

    def __init__(self, program: str | None = None, settings: JoinSettings = _DEFAULT) -> None:
        self._program = program
        self._settings = settings

    def stitch(self, inputs: Sequence[Path], output: Path) -> None:
        """Join `inputs` in order into `output`. Raises StitchError, then what stood there stays; ToolError without ffmpeg."""
        from helios_pipe.stitch.ffmpeg import concat, find_ffmpeg

        write = partial(concat, self._program or find_ffmpeg())
        _join([Piece(path, path.name) for path in inputs], output, self._settings, write, prove=False)
