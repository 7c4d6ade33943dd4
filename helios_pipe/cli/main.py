"""The entry point: what can be answered without loading anything is answered here, the rest by the commands.

Errors become exit codes here, and nowhere else.
"""

from __future__ import annotations

import gc
import os
import sys

_YOUNG = 200_000
"""How many objects come before the garbage collector looks at them: a plan is made of a great many, and all stay. Looking
every 700 takes a sixth of a large run's planning."""


def main() -> int:
    """Run the command line; returns the exit code."""
    argv = sys.argv[1:]
    if argv == ["--version"]:
        from helios_pipe.version import __version__

        print(f"helios-pipe {__version__}")  # noqa: T201
        return 0
    unchanged = None
    if argv[:1] == ["run"]:
        from helios_pipe.cli.fast import answer

        code, unchanged = answer(argv)
        if code is not None:
            return code
    gc.set_threshold(_YOUNG, 20, 100)
    from helios_pipe.cli.app import call

    code = call(argv, unchanged)
    if argv[:1] == ["run"]:
        _leave(code)
    return code


def _leave(code: int) -> None:
    """End here and now: the interpreter would take a large run's plan apart, object by object, before it gave the memory back.
    Returns where something that was printed is not out yet, for the interpreter to complain about."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # it was closed
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
