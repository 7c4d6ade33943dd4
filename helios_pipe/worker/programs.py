"""Where a program is: looks along a PATH that it is given. Knows nothing of what the program does."""

from __future__ import annotations

import os


def find_program(name: str, path: str) -> str | None:
    """The file that running `name` with this PATH would start, as spelled there; None where there is none. A name with a
    `/` is looked at as it stands."""
    if "/" in name:
        return name if _runs(name) else None
    for folder in path.split(os.pathsep):
        candidate = f"{folder or '.'}/{name}"
        if _runs(candidate):
            return candidate
    return None


def _runs(path: str) -> bool:
    return os.access(path, os.X_OK) and os.path.isfile(path)
