"""What is asked of the pieces of a join before and beside looking into them: files, frame ranges, digests. Opens nothing."""

from __future__ import annotations

from collections.abc import Sequence

from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.stitch.model import Piece, refuse
from helios_pipe.stitch.source import Mark, mark_of


def marks_of(pieces: Sequence[Piece]) -> list[Mark]:
    """The files' marks. Raises StitchError where there is no piece, or one is not a regular file with something in it."""
    if not pieces:
        raise StitchError("nothing to join", hint="A join needs at least one chunk.")
    return [mark_of(piece) for piece in pieces]


def check_ranges(pieces: Sequence[Piece]) -> None:
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


def check_digests(pieces: Sequence[Piece], digests: Sequence[Digest | None]) -> None:
    """Each file's bytes must be those on record. Raises StitchError."""
    for piece, digest in zip(pieces, digests, strict=True):
        if piece.digest is not None and digest != piece.digest:
            hint = "The file changed after it was made, or chunks were swapped: render it again."
            refuse(piece, f"sha256 is {digest}, recorded as {piece.digest}", hint)
