"""Where a run's workspaces are, and the clearing away of what killed runs left. Knows nothing of what stands in them."""

from __future__ import annotations

import array
import fcntl
import os
import sys
import time
from pathlib import Path

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.folders import STANDING
from helios_pipe.transfer import write_failed
from helios_pipe.worker.removal import remove_tree

_GET_FLAGS, _SET_FLAGS, _TOP_OF_HIERARCHIES = 0x8008_6601, 0x4008_6602, 0x2_0000
_STALE_S = 86_400.0
"""A temporary blob that nobody wrote to for a day is nobody's: no run of any job is that slow about one."""


def work_folder(cache: Path, blobs: Blobs, job_id: str, run: int) -> Path:
    """The folder for this run's workspaces. To be asked for while the job's lock is held: then all other runs of the job
    are dead, and what they left is removed. What one of their orphans still writes to stays until the next time."""
    place = cache / "work" / job_id
    blobs.sweep(_STALE_S, time.time())
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failed(f"{place} cannot be made", place, error) from error
    for entry in list(os.scandir(place)):
        try:
            remove_tree(entry.path)
        except OSError:
            continue
    _spread(place)
    return place / f"{run}-{os.urandom(4).hex()}"


def _spread(folder: Path) -> None:
    """Tell an ext4 that the folders in this one have nothing to do with each other (`chattr +T`): then it chooses a part of the
    disk for each by its name. What is made in a part where many files were removed of late takes ten times as long, if there
    is no journal: the removed ones are passed over one by one."""
    if sys.platform != "linux":
        return
    try:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        flags = array.array("l", [0])
        fcntl.ioctl(file, _GET_FLAGS, flags)
        flags[0] |= _TOP_OF_HIERARCHIES
        fcntl.ioctl(file, _SET_FLAGS, flags)
    except OSError:
        pass  # another file system, or not our folder
    finally:
        os.close(file)


def standing_folder(cache: Path, job_id: str) -> Path:
    """Where inputs of the job's nodes stay laid out between its runs, where they are very many: copies, which may be removed
    at any time."""
    return cache / STANDING / job_id
