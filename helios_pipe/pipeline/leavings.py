"""What jobs have put into a folder, which is no input of the next job there."""

from __future__ import annotations

import re
from pathlib import Path

from helios_pipe.cache.database import Database
from helios_pipe.cache.folders import DATABASE
from helios_pipe.cache.memory import Memory
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.regex import regex

_PATTERN = regex(r"[*?]|\[[^\s\]]+\]|%[0-9]*d")
"""Names of files by a pattern, of a shell's or ffmpeg's: it may mean any."""


def put_out(spec: JobSpec, root: Path, cache: Path) -> list[str]:
    """The files below `root` that jobs of this cache put there, untouched since then, as paths relative to it. Less what the
    chunks' commands may mean: a job may be made of what another one made. Those of a cache that is not there are none. Raises
    StoreError."""
    if not (cache / DATABASE).is_file():
        return []
    database = Database(cache)
    try:
        memory = Memory(database)
        placed = {path[len(str(root)) + 1 :]: path for path in memory.placed_below(str(root))}
        words = "\n".join(chunk.command for chunk in spec.chunks)
        if _PATTERN.search(words) is not None:
            return []
        return [name for name, path in placed.items() if memory.still_ours(path) and not _may_be_meant(name, words)]
    finally:
        database.close()


def _may_be_meant(name: str, words: str) -> bool:
    """Whether commands may mean the file: by its name, or by a folder that it is in."""
    *folders, base = name.split("/")
    return base in words or any(
        re.search(rf"(?<![\w-]){re.escape(folder)}(?![\w-])", words) is not None for folder in folders
    )
