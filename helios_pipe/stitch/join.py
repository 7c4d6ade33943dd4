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
from helios_pipe.stitch.packets import combined
from helios_pipe.stitch.postcheck import compare_packets, postcheck
from helios_pipe.stitch.preflight import Plan, preflight
from helios_pipe.stitch.remux import muxer_for, remux

__all__ = ["STITCH_VERSION", "JoinSettings", "Joined", "JoinedChunk", "Piece", "RemuxStitcher", "join"]

_DEFAULT = JoinSettings()


def join(pieces: Sequence[Piece], output: Path, settings: JoinSettings = _DEFAULT) -> Joined:
    """Join the pieces in order into `output`, whose suffix names the container.

    All or nothing: the output appears whole, after every check, in one rename; on any failure what stood there stays and
    nothing is left behind. Raises StitchError. Memory does not grow with the number or the size of the pieces.
    """
    muxer = muxer_for(output)
    plan = preflight(pieces, settings)
    counts = [chunk.frames for chunk in plan.chunks]
    with replacing(output) as scratch:
        remux(plan, scratch, muxer, settings)
        packets, digest = postcheck(scratch, muxer, plan.clock, counts)
        if not _rewrites(plan, muxer):
            names = (chunk.piece.name for chunk in plan.chunks)
            compare_packets(names, (chunk.packets for chunk in plan.chunks), packets)
        size = scratch.stat().st_size
    return _joined(plan, settings, digest, size)


def _rewrites(plan: Plan, muxer: str) -> bool:
    """Whether the container demands another spelling of the packets (a bitstream filter), so that they cannot stay equal."""
    return muxer == "mpegts" or plan.layout.tag == "mpegts"


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


def _joined(plan: Plan, settings: JoinSettings, digest: Digest, size: int) -> Joined:
    firsts = accumulate((chunk.frames for chunk in plan.chunks), initial=0)
    chunks = tuple(
        JoinedChunk(chunk.piece.name, chunk.digest, first, chunk.frames, chunk.packets)
        for chunk, first in zip(plan.chunks, firsts, strict=False)
    )
    return Joined(
        frames=plan.frames,
        fps=plan.clock.fps,
        duration=plan.frames / plan.clock.fps,
        sha256=digest,
        size=size,
        chunks=chunks,
        packets_sha256=combined(chunk.packets for chunk in chunks),
        settings=settings,
    )


class RemuxStitcher:
    """The default VideoStitcher: packets copied in this process, every time stamp made from a frame number."""

    def __init__(self, settings: JoinSettings = _DEFAULT) -> None:
        self._settings = settings

    def stitch(self, inputs: Sequence[Path], output: Path) -> None:
        """Join `inputs` in order into `output`. Raises StitchError; then what stood there stays."""
        join([Piece(path, path.name) for path in inputs], output, self._settings)
