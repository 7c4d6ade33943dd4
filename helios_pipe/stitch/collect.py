"""Gathering the images of many chunks into one folder by their frame numbers. Knows nothing of trees, digests or caches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from helios_pipe.errors import OutputError, StitchError
from helios_pipe.media.images import list_images, renumbered, series_of
from helios_pipe.stitch.model import Piece, refuse

Numbering = Literal["absolute", "chunk"]
_NUMBERED = "Images are numbered by frame (`numbering: absolute`), or from each chunk's start (`numbering: chunk`)."


@dataclass(frozen=True, slots=True)
class Gathered:
    """One image of the collection: where it lies, what it is called there, its frame number, and whose it is."""

    source: Path
    name: str
    number: int
    piece: Piece


def plan_collect(pieces: Sequence[Piece], numbering: Numbering = "absolute") -> list[Gathered]:
    """What goes where, in frame order, one sequence after the other. With `chunk`, an image's place among its chunk's images
    counts on from the chunk's `start` by its `step`; else the number in its name stands.

    Raises StitchError naming duplicates, holes and frames that were not asked for.
    """
    gathered: dict[str, Gathered] = {}
    for piece in pieces:
        for image in _images_of(piece, numbering):
            other = gathered.setdefault(image.name, image)
            if other is not image:
                both = f"made twice: by {other.piece.name} and by {piece.name}"
                raise StitchError(f"{image.name} is {both}", hint=_NUMBERED)
    if not gathered:
        raise StitchError("no images to collect", hint="The chunks' folders must hold images (.png, .jpg, .exr, …).")
    _check_whole(pieces, gathered.values())
    return sorted(gathered.values(), key=lambda image: (series_of(image.name), image.number))


def collect(pieces: Sequence[Piece], target: Path, numbering: Numbering = "absolute") -> list[str]:
    """Copy the images into the new folder `target`, which appears whole or not at all. Gives their names in order.

    Raises StitchError, also where `target` exists.
    """
    plan = plan_collect(pieces, numbering)
    scratch = target.parent / f".helios-{os.getpid()}-{target.name[:40]}.part"
    try:
        scratch.mkdir(parents=True)
        try:
            for image in plan:
                shutil.copyfile(image.source, scratch / image.name, follow_symlinks=False)
            if target.exists():
                raise StitchError(f"{target} exists already")
            scratch.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise StitchError(f"{target}: {error.strerror or error}") from error
    return [image.name for image in plan]


def _images_of(piece: Piece, numbering: Numbering) -> Iterable[Gathered]:
    try:
        images = list_images(piece.path)
    except OutputError as error:
        raise StitchError(f"{piece.name}: {error.message}", hint="Render the chunk again.") from error
    unnumbered = next((image.name for image in images if image.number is None), None)
    if unnumbered is not None:
        refuse(piece, f"{unnumbered} has no frame number in its name", "Name images by frame, as 00042.png.")
    least = min((image.number or 0 for image in images), default=0)
    for image in images:
        number = image.number or 0
        if numbering == "chunk":
            number = (piece.start or 0) + (number - least) * piece.step
        name = image.name if number == image.number else renumbered(image.name, number)
        yield Gathered(piece.path / image.name, name, number, piece)


def _check_whole(pieces: Sequence[Piece], gathered: Iterable[Gathered]) -> None:
    """Every planned frame is there, and no other, in each sequence; passes (beauty, depth) are sequences of their own."""
    wanted = {
        piece.start + offset * piece.step: piece
        for piece in pieces
        if piece.start is not None and piece.frames is not None
        for offset in range(piece.frames)
    }
    series: dict[str, set[int]] = {}
    for image in gathered:
        series.setdefault(series_of(image.name), set()).add(image.number)
    for name, numbers in sorted(series.items()):
        planned = wanted.keys() or range(min(numbers), max(numbers) + 1, pieces[0].step)
        if missing := sorted(set(planned) - numbers):
            shown = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
            whose = f" (of {wanted[missing[0]].name})" if wanted else ""
            raise StitchError(f"frame {shown} is missing in {name}{whose}", hint=_NUMBERED)
        if wanted and (extra := sorted(numbers - wanted.keys())):
            raise StitchError(
                f"frame {extra[0]} in {name} was not asked for: {min(wanted)} to {max(wanted)} were", hint=_NUMBERED
            )
