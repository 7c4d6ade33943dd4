"""Which runs of a cache go on right now. Knows nothing of what they do."""

from __future__ import annotations

import math
from pathlib import Path

from helios_pipe.jobs.journal import Journal
from helios_pipe.jobs.lock import JobLock


def live_since(folder: Path, journal: Journal) -> float:
    """When the oldest run began that still goes on, in seconds since 1970; infinite where none does. A run goes on while
    its job's lock is held: a killed one is not, whatever its record says."""
    unfinished = [run for run in journal.runs() if run.state == "running"]
    held = {job: JobLock(folder, job).held() for job in {run.job for run in unfinished}}
    return min((run.started for run in unfinished if held[run.job]), default=math.inf)
