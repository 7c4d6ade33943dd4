"""What a command left, checked before it counts: exit 0 is not success. Knows nothing of caches or keys."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from helios_pipe.action.model import Output
from helios_pipe.errors import OutputError
from helios_pipe.media.names import is_image, is_video


def check_output(path: str, output: Output) -> None:
    """Whether the output is there, of the declared kind, not empty, and holds the planned number of frames (of a video:
    packets; of a folder of images: files). Raises OutputError saying which it is not."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        advice = "The command makes its output folder itself (`mkdir -p {output}`)." if output.folder else ""
        raise OutputError(f"the command exited 0 but left no {output.name}{_looked(path)}", hint=advice) from None
    if stat.S_ISLNK(found.st_mode):
        raise OutputError(f"{output.name} is a link; the command must leave the content itself")
    if output.folder:
        _check_folder(path, output, found.st_mode)
        return
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "no plain file"
        advice = f'; declare it as "{output.name}/"' if stat.S_ISDIR(found.st_mode) else ""
        raise OutputError(f"{output.name} is {kind}, but a file was declared{advice}")
    if found.st_size == 0:
        raise OutputError(f"{output.name} is empty")
    if output.frames is not None and is_video(output.name):
        from helios_pipe.media.probe import count_frames

        _expect(output, count_frames(Path(path)), "frames")


def _check_folder(path: str, output: Output, mode: int) -> None:
    if not stat.S_ISDIR(mode):
        raise OutputError(f"{output.name} is a file, but a folder was declared (its name ends in /)")
    names = sorted(os.listdir(path))
    if not names:
        raise OutputError(f"the folder {output.name}/ is empty")
    images = [name for name in names if is_image(name)]
    for name in images:
        if os.lstat(os.path.join(path, name)).st_size == 0:
            raise OutputError(f"{output.name}/{name} is empty")
    if output.frames is not None and images:
        _expect(output, len(images), "images")


def _expect(output: Output, found: int, what: str) -> None:
    if found != output.frames:
        raise OutputError(
            f"{output.name} holds {found} {what}, planned were {output.frames}",
            hint="The command exited 0; check its frame range ({chunk.start}, {chunk.count}).",
        )


def _looked(path: str) -> str:
    """What else lies where the output should be: a misspelt name is the usual cause."""
    try:
        names = sorted(os.listdir(os.path.dirname(path)))[:6]
    except OSError:
        return ""
    return f" (there are: {', '.join(names)})" if names else " (the folder is empty)"
