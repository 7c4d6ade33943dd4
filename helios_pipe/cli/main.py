"""The entry point: what can be answered without loading anything is answered here, the rest by the commands.

What commands raise becomes an exit code in `ending`, and nowhere else.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing takes longer to load than all the rest of a run with nothing to do
if TYPE_CHECKING:
    from helios_pipe.ahead import Ahead

_INTERRUPTED = 130
_YOUNG = 200_000
"""How many objects come before the garbage collector looks at them: a plan is made of a great many, and all stay. Looking
every 700 takes a sixth of a large run's planning."""


def main() -> int:
    """Run the command line; returns the exit code."""
    argv = sys.argv[1:]
    gc.set_threshold(_YOUNG, 20, 100)
    try:
        code, ahead = _at_once(argv)
        if code is not None:
            return code
        if argv[:1] == ["run"]:
            code = _run(argv, ahead)
            _leave(code)
            return code
        from helios_pipe.cli.app import call

        return call(argv)
    except KeyboardInterrupt:  # while it was being loaded: there is nothing to say yet
        return _INTERRUPTED
    except OSError as error:
        from helios_pipe.cli.ending import unprinted

        return unprinted(error)


def _at_once(argv: list[str]) -> tuple[int | None, Ahead | None]:
    """The exit code of what can be answered without loading anything; None for all else, and what was found out about it."""
    if argv == ["--version"]:
        from helios_pipe.version import __version__

        print(f"helios-pipe {__version__}", flush=True)  # noqa: T201
        return 0, None
    if argv[:1] != ["run"]:
        return None, None
    from helios_pipe.cli.fast import answer

    return answer(argv)


def _run(argv: list[str], ahead: Ahead | None) -> int:
    """`run`, by the quicker of two readers of its words."""
    from helios_pipe.cli.usual import usual_options

    options = usual_options(argv[1:])
    if options is None:
        from helios_pipe.cli.app import call

        return call(argv, ahead)
    from helios_pipe.cli.asking import run_as_asked
    from helios_pipe.cli.ending import exit_code_of

    return exit_code_of(lambda: run_as_asked(ahead=ahead, **options))


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
