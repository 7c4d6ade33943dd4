"""What the next run of a large job will look at, kept with the stamp of this one, so that it can be looked at while that run is
still being loaded. So this module loads nothing until it is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from helios_pipe.ahead import Look, chunks_of, standing_at

if TYPE_CHECKING:
    from helios_pipe.pipeline.session import Session

_FEWEST = 1000
"""Chunks from which on a second process saves more time than it takes to start."""

Forethought = tuple[str, str, list[str], list[str]]
"""The cache's folder, the job's id, the manifest's jobs whose blobs are worth a look, and the places where inputs stand."""


def forethought(session: Session) -> Forethought | None:
    """What to look at, after a run. None where that is not worth a process."""
    from helios_pipe.pipeline.workplace import standing_folder

    large = [work for work in session.works if len(work.chunks) >= _FEWEST]
    cache = os.path.abspath(session.cache)
    standing = standing_folder(Path(cache), session.job_id)
    places = [f"{standing}/{work.final.name}" for work in large if work.final is not None]
    if not large:
        return None
    there = [place for place in places if os.path.exists(f"{place}.index")]
    return cache, session.job_id, [work.name for work in large], there


def questions(thought: Forethought, unchanged: Sequence[Look]) -> dict[str, Callable[[], object]]:
    """What to ask, in the order in which it will be needed, where some files were found unchanged."""
    cache, job, names, places = thought
    asked: dict[str, Callable[[], object]] = {
        chunks_of(name): partial(_look_at_chunks, cache, job, name, unchanged) for name in names
    }
    return asked | {standing_at(place): partial(_look_at_standing, place) for place in places}


def _look_at_chunks(cache: str, job: str, name: str, unchanged: Sequence[Look]) -> object:
    from helios_pipe.cache.memos import look

    return look(cache, job, name, unchanged)


def _look_at_standing(place: str) -> object:
    from helios_pipe.worker.standing_index import look

    return look(place)
