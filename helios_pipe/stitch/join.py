"""Joining chunks without re-encoding: check, copy packets, check again, put in place. Knows nothing of caches or jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate, count
from pathlib import Path

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.stitch.model import STITCH_VERSION, Joined, JoinedChunk, JoinSettings, Piece
from helios_pipe.stitch.packets import FileDigests, combined
from helios_pipe.stitch.postcheck import postcheck
from helios_pipe.stitch.preflight import Plan, check_digests, marks_of, preflight
from helios_pipe.stitch.remux import muxer_for, remux

__all__ = ["STITCH_VERSION", "JoinSettings", "Joined", "JoinedChunk", "Piece", "RemuxStitcher", "join"]

_DEFAULT = JoinSettings()


def join(pieces: Sequence[Piece], output: Path, settings: JoinSettings = _DEFAULT) -> Joined:
    """Join the pieces in order into `output`, whose suffix names the container.

    All or nothing: the output appears whole, after every check, in one rename; on any failure what stood there stays and
    nothing is left behind. Raises StitchError. Memory does not grow with the number or the size of the pieces.
    """
    muxer = muxer_for(output)
    marks = marks_of(pieces)
    with FileDigests([piece.path if piece.digest else None for piece in pieces]) as digests:
        plan = preflight(pieces, marks, settings)
        with replacing(output) as scratch:
            packets = remux(plan, scratch, muxer, settings)
            digest = postcheck(scratch, muxer, plan, packets)
            check_digests(pieces, digests.result())
            size = scratch.stat().st_size
    return Joined(
        frames=plan.frames,
        fps=plan.clock.fps,
        duration=plan.frames / plan.clock.fps,
        sha256=digest,
        size=size,
        chunks=_chunks(plan, packets),
        packets_sha256=combined(packets),
        settings=settings,
    )


def _chunks(plan: Plan, packets: Sequence[Digest]) -> tuple[JoinedChunk, ...]:
    firsts = accumulate((chunk.frames for chunk in plan.chunks), initial=0)
    rows = zip(plan.chunks, firsts, packets, strict=False)
    return tuple(
        JoinedChunk(chunk.piece.name, chunk.piece.digest, first, chunk.frames, run) for chunk, first, run in rows
    )


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """A new name beside `output` to write to; renamed over it when the block ends well, removed otherwise."""
    scratch = _scratch_name(output)
    try:
        yield scratch
        os.replace(scratch, output)
    except OSError as error:
        raise StitchError(f"{output}: {error.strerror or error}") from error
    finally:
        scratch.unlink(missing_ok=True)


def _scratch_name(output: Path) -> Path:
    """A name of our own in the output's folder, taken by creating it."""
    output.parent.mkdir(parents=True, exist_ok=True)
    for attempt in count():
        scratch = output.parent / f".{output.name[:60]}.{os.getpid()}-{attempt}.part"
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
        join([Piece(path, path.name) for path in inputs], output, self._settings)
