"""What a folder of images holds: which frames, by the numbers in their names. Knows nothing of chunks or joins."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from helios_pipe.errors import OutputError
from helios_pipe.media.probe import is_image

_NUMBER = re.compile(r"[0-9]+(?=[^0-9]*$)")


@dataclass(frozen=True, slots=True)
class Image:
    """One image of a folder: its name, and the frame number that stands in it (None: no number)."""

    name: str
    number: int | None


def frame_number(name: str) -> int | None:
    """The last number in a file's name before the suffix: `shot1_0042.png` is frame 42. None where there is none."""
    match = _NUMBER.search(_stem(name))
    return int(match.group()) if match else None


def renumbered(name: str, number: int) -> str:
    """The name with its frame number replaced, padded with zeros to the width that it had. Raises ValueError for a name
    without one, or a negative number."""
    stem = _stem(name)
    match = _NUMBER.search(stem)
    if match is None or number < 0:
        raise ValueError(f"{name} cannot be given the frame number {number}")
    head, tail = name[: match.start()], name[match.end() :]
    return f"{head}{number:0{match.end() - match.start()}d}{tail}"


def series_of(name: str) -> str:
    """The name with its frame number as `#`: the images of one sequence have it in common."""
    match = _NUMBER.search(_stem(name))
    return f"{name[: match.start()]}#{name[match.end() :]}" if match else name


def list_images(folder: Path) -> list[Image]:
    """The folder's images in the order of their frame numbers, then of their names; other files and sub-folders are passed
    over. Raises OutputError where it cannot be read or an image in it is a link or empty."""
    images = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_image(entry.name) or entry.is_dir(follow_symlinks=False):
                    continue
                found = entry.stat(follow_symlinks=False)
                if entry.is_symlink() or not found.st_size:
                    raise OutputError(f"{folder / entry.name}: {'a link' if entry.is_symlink() else 'empty'}")
                images.append(Image(entry.name, frame_number(entry.name)))
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror}") from error
    return sorted(images, key=lambda image: (-1 if image.number is None else image.number, image.name))


def count_images(folder: Path) -> int:
    """How many images the folder holds. Raises OutputError as `list_images` does."""
    return len(list_images(folder))


def _stem(name: str) -> str:
    """The name without its suffix; places in it are places in the name."""
    dot = name.rfind(".")
    return name[:dot] if dot > 0 else name
