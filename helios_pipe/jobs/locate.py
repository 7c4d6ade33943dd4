"""Which cache a word of the command line is about, and which job in it. Knows nothing of what is done with it then."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from helios_pipe.cache.folders import DATABASE
from helios_pipe.errors import UsageError
from helios_pipe.jobs.journal import RunRecord
from helios_pipe.settings import DEFAULT_CACHE_DIR, given_cache_dir

_HINT = "Run it in the manifest's folder or below, name the manifest, or give the folder with --cache-dir."


def find_cache(flag: str | None, word: str | None = None) -> Path:
    """The cache folder: the one that is given (flag, variable), else that beside the manifest which `word` names, else
    `.helios` in this folder or the nearest one above. Raises UsageError where there is none."""
    given = given_cache_dir(flag)
    if given is not None:
        if not (given / DATABASE).exists():
            raise UsageError(f"there is no cache in {given}", hint="Nothing has run there yet.")
        return given
    here = Path.cwd()
    folders = [*([(here / word).parent] if word and os.path.isfile(word) else []), here, *here.parents]
    for folder in folders:
        if (folder / DEFAULT_CACHE_DIR / DATABASE).exists():
            return folder / DEFAULT_CACHE_DIR
    raise UsageError(f"there is no cache in {here} or above it", hint=_HINT)


def find_job(runs: Sequence[RunRecord], word: str) -> str:
    """The id of the job that `word` means: an id, a manifest's path, a name, or the beginning of an id that no other job's
    begins with. Raises UsageError naming the nearest, or all that it may mean."""
    ids = list(dict.fromkeys(run.job for run in runs))
    if word in ids:
        return word
    path = os.path.realpath(word)
    for fits in (
        [run.job for run in runs if os.path.realpath(run.manifest) == path],
        [run.job for run in runs if run.name == word],
        [job for job in ids if word and job.startswith(word)],
    ):
        found = list(dict.fromkeys(fits))
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{word!r} may be any of these jobs: {', '.join(sorted(found))}")
    raise UsageError(f"there is no job {word!r}{_nearest(word, ids)}")


def _nearest(word: str, ids: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, [*ids, *(job.rpartition("-")[0] for job in ids)], n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    shown = ", ".join(sorted(ids)[:10])
    return f"; there are: {shown}{', …' if len(ids) > 10 else ''}" if ids else "; nothing has run in this cache yet"
