"""Where a run's workspaces are, and the clearing away of what killed runs left. Knows nothing of what stands in them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.gc import STANDING
from helios_pipe.worker.removal import remove_tree

_STALE_S = 86_400.0
"""A temporary blob that nobody wrote to for a day is nobody's: no run of any job is that slow about one."""


def work_folder(cache: Path, blobs: Blobs, job_id: str, run: int) -> Path:
    """The folder for this run's workspaces. To be asked for while the job's lock is held: then all other runs of the job
    are dead, and what they left is removed. What one of their orphans still writes to stays until the next time."""
    place = cache / "work" / job_id
    blobs.sweep(_STALE_S, time.time())
    try:
        left = [entry.path for entry in os.scandir(place) if entry.name != str(run)]
    except FileNotFoundError:
        left = []
    for path in left:
        try:
            remove_tree(path)
        except OSError:
            continue
    return place / str(run)


def standing_folder(cache: Path, job_id: str) -> Path:
    """Where inputs of the job's nodes stay laid out between its runs, where they are very many: copies, which may be removed
    at any time."""
    return cache / STANDING / job_id
