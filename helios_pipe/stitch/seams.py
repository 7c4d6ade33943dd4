"""Decoded frames of a joined file held against those of its chunks alone. Knows nothing of packets or digests of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from helios_pipe.media.frames import RawFrame, difference, open_frames
from helios_pipe.stitch.certificate import Proof, ProvedChunk
from helios_pipe.stitch.model import Piece

SIDE = 2
"""Frames that are looked at on each side of a seam."""

Wrong = tuple[int, str]
"""A frame of the joined file, and what is wrong with it."""


def compare_frames(path: Path, proof: Proof, chunks: Sequence[Piece], *, full: bool) -> tuple[int, list[Wrong]]:
    """Decode the frames on both sides of every seam, or all, in the joined file and in each chunk alone. How many were
    compared, and those that differ. Raises OutputError where something does not decode."""
    chosen = _all if full else _at_seams
    whole = _whole(path, proof, [chosen(proof, number) for number in range(len(proof.chunks))])
    compared, wrong = 0, []
    for here, there in zip_longest(whole, _alone(proof, chunks, chosen)):
        compared += 1
        if here != there:
            wrong.append(_told(here, there))
    return compared, wrong


def decode_all(path: Path) -> int:
    """How many frames the file decodes to. Raises OutputError where one does not."""
    with open_frames(path) as decoder:
        return sum(1 for _ in decoder.frames())


def _all(proof: Proof, number: int) -> range:
    return range(proof.chunks[number].frames)


def _at_seams(proof: Proof, number: int) -> list[int]:
    """The frames of a chunk that lie at its seams, counted from its own beginning."""
    frames = proof.chunks[number].frames
    head = range(min(SIDE, frames)) if number else range(0)
    tail = range(max(0, frames - SIDE), frames) if number + 1 < len(proof.chunks) else range(0)
    return sorted({*head, *tail})


def _whole(path: Path, proof: Proof, chosen: Sequence[Sequence[int]]) -> Iterator[tuple[int, RawFrame]]:
    numbers = (chunk.first + local for chunk, locals_ in zip(proof.chunks, chosen, strict=True) for local in locals_)
    with open_frames(path) as decoder:
        yield from decoder.picked(proof.fps, numbers)


def _alone(
    proof: Proof, chunks: Sequence[Piece], chosen: Callable[[Proof, int], Sequence[int]]
) -> Iterator[tuple[int, RawFrame]]:
    rows: Iterator[tuple[Piece, ProvedChunk]] = zip(chunks, proof.chunks, strict=True)
    for number, (piece, chunk) in enumerate(rows):
        with open_frames(piece.path, piece.file) as decoder:
            for local, raw in decoder.picked(proof.fps, chosen(proof, number)):
                yield chunk.first + local, raw


def _told(here: tuple[int, RawFrame] | None, there: tuple[int, RawFrame] | None) -> Wrong:
    if here is None or there is None or here[0] != there[0]:
        number = min(side[0] for side in (here, there) if side is not None)
        return number, "is there on one side only"
    found = difference(here[1], there[1])
    if found.largest is None or found.psnr is None:
        return here[0], f"has another size or pixel format than the chunk's own ({here[1].shown}, {there[1].shown})"
    return here[0], f"is not the chunk's own: samples apart by up to {found.largest}, PSNR {found.psnr:.1f} dB"
