"""What the next run of a large job will look at, kept with the stamp of this one, so that it can be looked at while that run is
still being loaded. So this module loads nothing until it is asked."""

from __future__ import annotations

import os

from helios_pipe.ahead import chunks_of, standing_at

TYPE_CHECKING = False  # typing takes longer to load than all the rest of a run with nothing to do
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from helios_pipe.ahead import BothEnds, Question, Remembered
    from helios_pipe.pipeline.session import Session


class Forethought:
    """What to look at before the next run: a cache's folder, a job's id, what was known of the chunks of the manifest's larger
    jobs, and the places where inputs stand."""

    def __init__(self, cache: str, job: str, jobs: Mapping[str, Remembered], places: Sequence[str]) -> None:
        self.cache, self.job, self.jobs, self.places = cache, job, jobs, places

    def plain(self) -> tuple[object, ...]:
        """As it is kept."""
        return self.cache, self.job, self.jobs, self.places


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


def questions(thought: Forethought) -> dict[str, Question]:
    """What to ask, in the order in which it will be needed."""
    asked = {chunks_of(name): _about_chunks(thought, name) for name in thought.jobs}
    return asked | {standing_at(place): _about_standing(place) for place in thought.places}


def _about_chunks(thought: Forethought, name: str) -> Question:
    def ask(ends: BothEnds) -> object:
        from helios_pipe.cache.memo import look

        return look(thought.cache, thought.job, name, ends)

    return ask


def _about_standing(place: str) -> Question:
    def ask(ends: BothEnds) -> object:
        from helios_pipe.worker.standing_index import look

        return look(place, ends)

    return ask
