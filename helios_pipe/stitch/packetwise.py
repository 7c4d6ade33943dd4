"""Joining packet by packet through the media library, which knows every container and codec. See join for the other way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from helios_pipe.errors import ToolError
from helios_pipe.stitch.model import Done, JoinedSound, JoinSettings, Piece, refuse
from helios_pipe.stitch.muxers import muxer_for
from helios_pipe.stitch.order import check_digests
from helios_pipe.stitch.packets import FileDigests
from helios_pipe.stitch.pictures import check_pictures
from helios_pipe.stitch.postcheck import postcheck
from helios_pipe.stitch.preflight import Plan, preflight
from helios_pipe.stitch.remux import UnwritableError, Written, remux
from helios_pipe.stitch.scratch import replacing
from helios_pipe.stitch.sound import sound_of_chunks, sound_of_file
from helios_pipe.stitch.soundcheck import check_sound
from helios_pipe.stitch.source import Mark, mark_of

Writer = Callable[[Plan, Path, str, JoinSettings], Written]
"""Writes a plan's chunks into a file and gives the digest of each chunk's packets."""


def join_packets(
    pieces: Sequence[Piece],
    marks: Sequence[Mark],
    output: Path,
    settings: JoinSettings,
    writers: Sequence[Writer],
    *,
    sound: Piece | None = None,
    copy: Path | None = None,
    prove: bool = True,
) -> Done:
    """See join, whose promises these are. Every check is made; without `prove`, no digest that only a proof would hold."""
    muxer = muxer_for(output)
    files = [*pieces, sound] if sound else pieces
    with FileDigests([piece.path if piece.digest else None for piece in files]) as digests:
        plan = replace(preflight(pieces, marks, settings), prove=prove)
        plan = _with_sound(plan, muxer, settings, sound)
        with replacing(output) as scratch:
            written = _write(plan, scratch, muxer, settings, writers)
            digest, packets = postcheck(scratch, muxer, plan, written.packets, copy)
            if plan.sound and written.sound:
                check_sound(scratch, muxer, plan.sound, written.sound)
            check_digests(files, digests.result())
            size = scratch.stat().st_size
    chunks = [(chunk.piece, chunk.frames) for chunk in plan.chunks]
    return Done(plan.clock.fps, chunks, packets, digest, size, _sound_of(plan, written))


def by_program(plan: Plan, target: Path, muxer: str, settings: JoinSettings) -> Written:
    """The ffmpeg program's way to write, where there is one. Raises ToolError, StitchError."""
    from helios_pipe.stitch.ffmpeg import concat, find_ffmpeg  # starting processes takes modules that copying does not

    return concat(find_ffmpeg(), plan, target, muxer, settings)


LIBRARY_FIRST: tuple[Writer, ...] = (remux, by_program)
"""The library in this process; the program where the library does not write this codec into this container, or so that it is
read as something else."""


def _write(plan: Plan, target: Path, muxer: str, settings: JoinSettings, writers: Sequence[Writer]) -> Written:
    """By the first of the writers whose file shows the chunks' pictures."""
    refusal: UnwritableError | None = None
    for write in writers:
        try:
            written = write(plan, target, muxer, settings)
            check_pictures(target, muxer, plan)
        except UnwritableError as error:
            refusal = error
        except ToolError:
            if refusal is None:
                raise
        else:
            return written
    assert refusal is not None
    raise refusal


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


def _sound_of(plan: Plan, written: Written) -> JoinedSound | None:
    if not plan.sound or not written.sound:
        return None
    record = written.sound
    own = plan.sound.pieces[0].digest if not plan.chunk_sound else None
    codec = plan.sound.encoder or plan.sound.source.codec
    return JoinedSound(codec, plan.sound.rate, record.samples, record.packets, record.pcm, own)
