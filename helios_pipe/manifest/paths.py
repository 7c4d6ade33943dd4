"""Paths in a manifest: relative, with `/`, below the manifest's folder. Looks at no file but where it says so."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

PRIVATE = frozenset({".helios", ".git"})
"""Folders that are no part of a project: the cache and the history."""


class PathError(ValueError):
    """A path that a manifest may not name; the message says what is wrong and what was expected."""


def clean_output(text: str) -> str:
    """The path of something that is made, normalised; a folder's ends in `/`. Raises PathError."""
    path = clean_relative(text)
    if path.split("/", 1)[0] in PRIVATE:
        raise PathError(f"{text!r} lies in {path.split('/', 1)[0]}, which is not part of the project")
    return path + "/" if text.endswith(("/", "/.")) else path


def clean_relative(text: str) -> str:
    """`text` without `.` and doubled `/`. Raises PathError where it is absolute, empty, or climbs out."""
    if "\0" in text:
        raise PathError("a path with a NUL byte, which no file can have")
    if text.startswith("/"):
        raise PathError(f"{text!r} leaves the project, expected a path relative to the manifest's folder")
    if ".." in text.split("/"):
        raise PathError(f"{text!r} leaves the project, expected a path without '..'")
    path = posixpath.normpath(text)
    if path == ".":
        raise PathError(f"{text!r} is the folder itself, expected a name in it")
    return path


def escapes(root: Path, path: str) -> str | None:
    """The folder on the way to `path` that is a link out of `root`, None where there is none. Looks at the file system."""
    real_root = os.path.realpath(root)
    folder = ""
    for part in path.split("/")[: None if path.endswith("/") else -1]:
        folder = posixpath.join(folder, part)
        absolute = os.path.join(root, folder)
        if os.path.islink(absolute):
            real = os.path.realpath(absolute)
            if real != real_root and not real.startswith(real_root.rstrip("/") + "/"):
                return folder
    return None
