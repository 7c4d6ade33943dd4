"""Asks a program for its version. Knows nothing of manifests, pins or keys."""

from __future__ import annotations

import os
from pathlib import Path

from helios_pipe.errors import ToolError
from helios_pipe.ports import WorkerJob, WorkerResult
from helios_pipe.tuples import NamedTuple
from helios_pipe.worker.process import run_process
from helios_pipe.worker.programs import find_program

LIMIT_S = 10.0
"""How long a program may take to say its version."""


class ToolLine(NamedTuple):
    """What a tool says of itself: its line, the executable that PATH leads to, and how that file looks (size, mtime_ns,
    inode): while it looks so, the line need not be asked again."""

    name: str
    line: str
    program: str
    mark: tuple[int, int, int]


def tool_line(name: str, argv: tuple[str, ...], path: str) -> ToolLine:
    """The first line that is not empty of what `argv` prints, on stdout or else on stderr; without an `argv`, of
    `NAME -version`, or else `NAME --version`. Only a command that exits 0 counts. Raises ToolError where the program is not
    on `path`, or says nothing."""
    program = find_program(name, path) or (find_program(argv[0], path) if argv else None)
    if program is None:
        raise missing_program(argv[0] if argv else name, path)
    mark = _mark(program)
    said: list[str] = []
    for attempt in (argv,) if argv else ((name, "-version"), (name, "--version")):
        result = _ask(attempt, path)
        line = next((text.strip() for text in (result.stdout + "\n" + result.stderr).splitlines() if text.strip()), "")
        if result.failure is None and line:
            return ToolLine(name, line, program, mark)
        said.append(f"{' '.join(attempt)}: {result.reason or 'printed nothing'}")
    raise ToolError(
        f"tool {name} ({program}) does not say its version: {'; '.join(said)}",
        hint=f"Say how to ask it (`{name}: {{version: [argv]}}`), or key its bytes (`{name}: {{digest: true}}`).",
    )


def missing_program(name: str, path: str) -> ToolError:
    """The error that says that a program is not there, and how to get it."""
    hint = f'Install {name}, or pin its version (`tools: {{{name}: "…"}}`) where only workers have it.'
    if name == "ffmpeg":
        hint = "Install ffmpeg, or the bundled one: pip install 'helios-pipe[ffmpeg]'."
    return ToolError(f"tool {name} is not on PATH ({path})", hint=hint)


def _ask(argv: tuple[str, ...], path: str) -> WorkerResult:
    import tempfile  # it loads every way to compress

    with tempfile.TemporaryDirectory(prefix="helios-pipe-") as scratch:
        environment = {"PATH": path, "TZ": "UTC", "LC_ALL": "C.UTF-8", "HOME": scratch, "TMPDIR": scratch}
        job = WorkerJob(argv[0], argv[1:], environment, Path(scratch), timeout_s=LIMIT_S)
        return run_process(job, grace_s=1.0, tail_bytes=1 << 20)


def _mark(program: str) -> tuple[int, int, int]:
    found = os.stat(program)
    return found.st_size, found.st_mtime_ns, found.st_ino
