"""`run` where there is nothing to do: answered from the stamp, before click or anything heavy is loaded."""

from __future__ import annotations

import os
import sys

from helios_pipe.cache import stamp
from helios_pipe.settings import CACHE_DIR_VARIABLE, DEFAULT_CACHE_DIR, environment
from helios_pipe.version import __version__

TYPE_CHECKING = False  # typing takes longer to load than all the rest of a run with nothing to do
if TYPE_CHECKING:
    from typing import Any

    from helios_pipe.ahead import Ahead

_VERY_MANY = 4_000
"""Files from which on a second process saves more time than it takes to start."""
_STAMP = "stamp"
_MATTER = ("PATH", "PYTHONPATH", CACHE_DIR_VARIABLE)


def request_of(argv: list[str]) -> stamp.Request:
    """What was asked, as the stamp keeps it."""
    variables = environment()
    return tuple(argv), os.getcwd(), tuple((name, variables[name]) for name in _MATTER if name in variables)


def answer(argv: list[str]) -> tuple[int | None, Ahead | None]:
    """Print that all is up to date and return the exit code; None where that is not certain, and what was found out about what is
    as it was when the same was asked last."""
    try:
        request = request_of(argv)
    except OSError:  # the folder we are in is gone
        return None, None
    kept = stamp.find(_cache_folders(argv), request, __version__)
    if kept is None:
        return None, None
    ahead, found = _look(kept)
    if found or ahead.changed or not kept.nothing_came():
        return None, ahead
    ahead.stop()
    if sys.stdout is not None:  # it was closed
        _say(kept.note)
    return 0, None


def _say(note: Any) -> None:
    if note["style"] == "json":
        import json
        import time

        from helios_pipe.texts import timestamp

        summary = {"event": "summary", "time": timestamp(time.time()), **note["summary"]}
        print(json.dumps(summary, ensure_ascii=False))  # noqa: T201
    elif note["style"] == "text":
        sys.stdout.write(note["text"])
    sys.stdout.flush()


def _look(kept: stamp.Kept) -> tuple[Ahead, list[str]]:
    """Look at what the last run stood on, until something has changed: what was found by then. Where there is very much, a second
    process looks, too, and then at what a run would have to look at besides."""
    from helios_pipe.ahead import Ahead

    ahead = Ahead()
    present, everything = kept.present, range(len(kept.present))
    if len(present) < _VERY_MANY:
        found = present.changed(everything)
        ahead.will_find(lambda: found)
        return ahead, found
    from helios_pipe.pipeline.forethought import Forethought, questions

    thought = Forethought(*kept.note["ahead"])
    ahead.ask({_STAMP: lambda ends: ends.from_the_end(everything, present.changed), **questions(thought)})
    found = ahead.begin(_STAMP, everything, present.changed)
    ahead.jobs = thought.jobs

    def all_changed() -> list[str]:
        return found + ahead.rest(_STAMP, everything, present.changed)

    ahead.will_find(all_changed)
    return ahead, found


def _cache_folders(argv: list[str]) -> list[str]:
    """Where the stamp may be: in the cache folder of the flag or the variable, else beside whatever is named."""
    for at, word in enumerate(argv):
        if word == "--cache-dir" and at + 1 < len(argv):
            return [argv[at + 1]]
        if word.startswith("--cache-dir="):
            return [word.partition("=")[2]]
    if given := environment().get(CACHE_DIR_VARIABLE):
        return [given]
    return [os.path.join(os.path.dirname(word), DEFAULT_CACHE_DIR) for word in argv[1:] if not word.startswith("-")]
