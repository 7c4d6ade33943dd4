"""How a command ends: what is raised becomes a message and an exit code. Knows nothing of how commands are spelled."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from helios_pipe.errors import HeliosPipeError
from helios_pipe.report.channel import silence, writable


def exit_code_of(command: Callable[[], object]) -> int:
    """Run it; the exit code that it returns, or that what it raises means."""
    try:
        code = command()
    except HeliosPipeError as error:
        say(f"error: {error}", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if type(error).__module__ != "sqlite3":
            raise
        return _bad_database(error)
    return code if isinstance(code, int) else 0


def say(text: str, *, err: bool = False) -> None:
    """Print a line at once. Where the stream was closed, or whoever read it has enough, nobody hears it: what is said of is as it
    was."""
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    try:
        stream.write(f"{writable(text, stream.encoding)}\n")
        stream.flush()
    except BrokenPipeError:
        silence(stream)


def _bad_database(error: Exception) -> int:
    """What SQLite found wrong while it was asked for something."""
    from helios_pipe.cache.database import DAMAGED

    say(f"error: the cache's database cannot be read: {error}\n  {DAMAGED}", err=True)
    return 3
