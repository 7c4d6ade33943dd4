"""What jobs have put into a folder, which is no input of the next job there."""

from __future__ import annotations

import re
from pathlib import Path

from helios_pipe.cache.database import Database
from helios_pipe.cache.folders import DATABASE
from helios_pipe.cache.memory import Memory
from helios_pipe.manifest.helios import JobSpec


def put_out(spec: JobSpec, root: Path, cache: Path) -> list[str]:
    """The files below `root` that jobs of this cache put there, untouched since then, as paths relative to it. Less what the
    chunks' commands name: a job may be made of what another one made. Those of a cache that is not there are none. Raises
    StoreError."""
    if not (cache / DATABASE).is_file():
        return []
    database = Database(cache)
    try:
        memory = Memory(database)
        placed = {path[len(str(root)) + 1 :]: path for path in memory.placed_below(str(root))}
        return [name for name, path in placed.items() if memory.still_ours(path) and not _named(name, spec)]
    finally:
        database.close()


def _named(name: str, spec: JobSpec) -> bool:
    """Whether a command names the file where it stands by itself, and not within a longer name."""
    found = [chunk.command for chunk in spec.chunks if name in chunk.command]
    alone = re.compile(rf"(?<![\w./-])(?:\./)?{re.escape(name)}(?![\w./-])")
    return any(map(alone.search, found))
