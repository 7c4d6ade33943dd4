"""`run` where there is nothing to do: answered from the stamp, before click or anything heavy is loaded."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from helios_pipe.cache import stamp
from helios_pipe.settings import CACHE_DIR_VARIABLE, DEFAULT_CACHE_DIR, environment
from helios_pipe.version import __version__

if TYPE_CHECKING:
    from helios_pipe.ahead import Ahead

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
    found = stamp.find(_cache_folders(argv), request, __version__)
    note = found.note
    if not found.whole:
        return None, _look_ahead(found)
    if note["style"] == "json":
        import json
        from datetime import UTC, datetime

        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print(json.dumps({"event": "summary", "time": now, **note["summary"]}, ensure_ascii=False))  # noqa: T201
    elif note["style"] == "text":
        sys.stdout.write(note["text"])
    return 0, None


def _look_ahead(found: stamp.Found) -> Ahead | None:
    """Have looked at, from now on, what the run will have to look at."""
    from helios_pipe.ahead import Ahead

    ahead = Ahead(found.unchanged)
    if found.note is not None and (thought := found.note.get("ahead")) is not None:
        from helios_pipe.pipeline.forethought import questions

        ahead.ask(questions(thought, found.unchanged))
    return ahead


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
