"""`run` where there is nothing to do: answered from the stamp, before click or anything heavy is loaded."""

from __future__ import annotations

import os
import sys

from helios_pipe.cache import stamp
from helios_pipe.settings import CACHE_DIR_VARIABLE, DEFAULT_CACHE_DIR, environment
from helios_pipe.version import __version__

_MATTER = ("PATH", "PYTHONPATH", CACHE_DIR_VARIABLE)


def request_of(argv: list[str]) -> stamp.Request:
    """What was asked, as the stamp keeps it."""
    variables = environment()
    return tuple(argv), os.getcwd(), tuple((name, variables[name]) for name in _MATTER if name in variables)


def answer(argv: list[str]) -> tuple[int | None, list[stamp.Signature]]:
    """Print that all is up to date and return the exit code; None where that is not certain, and what was found as it was
    when the same was asked last: it need not be looked at again at once."""
    try:
        request = request_of(argv)
    except OSError:  # the folder we are in is gone
        return None, []
    note, unchanged = stamp.find(_cache_folders(argv), request, __version__)
    if not isinstance(note, dict):
        return None, unchanged
    if note["style"] == "json":
        import json
        from datetime import UTC, datetime

        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        print(json.dumps({"event": "summary", "time": now, **note["summary"]}, ensure_ascii=False))  # noqa: T201
    elif note["style"] == "text":
        sys.stdout.write(note["text"])
    return 0, unchanged


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
