"""Whether this worker's programs are those that a job was planned with. Knows nothing of how they are asked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from threading import Lock

from helios_pipe.action.model import ToolMark
from helios_pipe.digest import digest_file
from helios_pipe.errors import ToolError
from helios_pipe.worker.programs import find_program

_BY_BYTES = "sha256:"


class WorkerTools:
    """The programs on `path`. Each is asked once, until its file changes. Thread-safe."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: dict[tuple[object, ...], str] = {}
        self._lock = Lock()

    def check(self, marks: Iterable[ToolMark]) -> dict[str, str]:
        """What each tool says of itself. Raises ToolError, naming both versions, where one is not what was planned with."""
        return {mark.name: self._check(mark) for mark in marks}

    def check_pins(self, marks: Iterable[ToolMark]) -> None:
        """For the machine that plans: raises ToolError where a program contradicts its pin. One that is not here, or says
        nothing of its version, contradicts nothing."""
        for mark in marks:
            try:
                line = self._line(mark, by_bytes=False)
            except ToolError:
                continue
            self._compare(mark, line)

    def _check(self, mark: ToolMark) -> str:
        by_bytes = mark.text.startswith(_BY_BYTES) and not mark.pinned
        return self._compare(mark, self._line(mark, by_bytes=by_bytes))

    def _compare(self, mark: ToolMark, line: str) -> str:
        if mark.text in line if mark.pinned else mark.text == line:
            return line
        if mark.pinned:
            raise ToolError(
                f"tool {mark.name} is {line!r} on this worker, and the job wants one with {mark.text!r} in its version",
                hint="Put that version into the worker's image, or change the pin.",
            )
        raise ToolError(
            f"tool {mark.name} is {line!r} on this worker, and {mark.text!r} where the job was planned",
            hint=f"Put the same version into the worker's image, or pin what both have in common"
            f' (`tools: {{{mark.name}: "…"}}`).',
        )

    def _line(self, mark: ToolMark, *, by_bytes: bool) -> str:
        from helios_pipe.worker.toolcheck import missing_program, tool_line

        program = find_program(mark.name, self._path) or (mark.argv and find_program(mark.argv[0], self._path)) or None
        if program is None:
            raise missing_program(mark.name, self._path)
        stat = os.stat(program)
        key = (mark.name, mark.argv, by_bytes, program, stat.st_size, stat.st_mtime_ns, stat.st_ino)
        with self._lock:  # two that ask at once would both wait for the program
            if key not in self._lines:
                self._lines[key] = (
                    f"{_BY_BYTES}{digest_file(os.path.realpath(program))}"
                    if by_bytes
                    else tool_line(mark.name, mark.argv, self._path).line
                )
            return self._lines[key]
