"""What the next run of a large job will look at, kept with the stamp of this one, so that it can be looked at while that run is
still being loaded. So this module loads nothing until it is asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from helios_pipe.ahead import Remembered, chunks_of, standing_at

if TYPE_CHECKING:
    from helios_pipe.pipeline.session import Session


class Forethought(NamedTuple):
    """The cache's folder, the job's id, what was known of the chunks of the manifest's larger jobs, and the places where inputs
    stand."""

    cache: str = ""
    job: str = ""
    jobs: Mapping[str, Remembered] = {}
    places: Sequence[str] = ()


def forethought(session: Session) -> Forethought:
    """What to look at, after a run."""
    from pathlib import Path

    from helios_pipe.pipeline.workplace import standing_folder

    large = [work for work in session.works if work.name in session.recall.remembered]
    cache = os.path.abspath(session.cache)
    standing = standing_folder(Path(cache), session.job_id)
    places = [f"{standing}/{work.final.name}" for work in large if work.final is not None]
    there = [place for place in places if os.path.exists(f"{place}.index")]
    return Forethought(cache, session.job_id, session.recall.remembered, there)


def questions(thought: Forethought) -> dict[str, Callable[[], object]]:
    """What to ask, in the order in which it will be needed."""
    asked: dict[str, Callable[[], object]] = {
        chunks_of(name): partial(_look_at_chunks, thought.cache, thought.job, name) for name in thought.jobs
    }
    return asked | {standing_at(place): partial(_look_at_standing, place) for place in thought.places}


def _look_at_chunks(cache: str, job: str, name: str) -> object:
    from helios_pipe.cache.memo import look

    return look(cache, job, name)


def _look_at_standing(place: str) -> object:
    from helios_pipe.worker.standing_index import look

    return look(place)
