"""How a command ends: what is raised becomes a message and an exit code. Knows nothing of how commands are spelled."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from helios_pipe.errors import HeliosPipeError
from helios_pipe.report.channel import silence, writable

_PRINTING = frozenset({"click.utils", "helios_pipe.cli.ending", "helios_pipe.cli.fast", "helios_pipe.cli.main"})
"""The modules that write to stdout themselves."""


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
    except OSError as error:
        return unprinted(error)
    except Exception as error:
        if type(error).__module__ != "sqlite3":
            raise
        return _bad_database(error)
    return code if isinstance(code, int) else 0


def say(text: str, *, err: bool = False) -> None:
    """Print a line at once. Where the stream was closed, or whoever read it has enough, nobody hears it: what is said of is as it
    was. Raises OSError where stdout cannot be written."""
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        return
    try:
        stream.write(f"{writable(text, stream.encoding)}\n")
        stream.flush()
    except OSError as error:
        if not err and not isinstance(error, BrokenPipeError):
            raise
        silence(stream)


def unprinted(error: OSError) -> int:
    """The exit code where stdout could not be written, which is said, unless whoever read it has enough; whatever else went wrong
    is raised again."""
    if not _was_printing(error):
        raise error
    silence(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return 0
    say(f"error: stdout cannot be written: {error.strerror}", err=True)
    return 1


def _was_printing(error: OSError) -> bool:
    """Whether it was raised where something is printed, and nowhere deeper: all else that is written has a name to tell."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = str(at.tb_frame.f_globals.get("__name__")) if at is not None else ""
    return error.filename is None and where in _PRINTING


def _bad_database(error: Exception) -> int:
    """What SQLite found wrong while it was asked for something."""
    from helios_pipe.cache.database import DAMAGED

    say(f"error: the cache's database cannot be read: {error}\n  {DAMAGED}", err=True)
    return 3
