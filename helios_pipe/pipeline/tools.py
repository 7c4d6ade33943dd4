"""What is keyed of each declared tool: its line, or its pin, or its digest."""

from __future__ import annotations

import os
from collections.abc import Sequence

from helios_pipe.action.model import ToolMark
from helios_pipe.cache.memory import Memory
from helios_pipe.cache.sources import Sources
from helios_pipe.cache.stamp import Signature, signature
from helios_pipe.digest import digest_file
from helios_pipe.manifest.model import Tool
from helios_pipe.worker.programs import find_program


class Tools:
    """The marks of a manifest's tools, and what shows that one of them changed.

    A program's line is remembered by what `stat` says of its file. A script says nothing by itself (it may start anything),
    nor does a file about another program that the manifest asks: those are asked in every run, and no stamp stands on them.
    """

    def __init__(self, memory: Memory, sources: Sources, path: str) -> None:
        self._memory = memory
        self._sources = sources
        self._path = path
        self._looked: dict[str, tuple[Tool, Signature, str]] = {}
        self.absent: list[str] = []
        """Paths where another program would come before the one that was found."""
        self.provable = True

    @property
    def files(self) -> list[Signature]:
        """The executables, as they were before they were asked."""
        return [seen for _, seen, _ in self._looked.values()]

    def marks(self, tools: Sequence[Tool]) -> tuple[ToolMark, ...]:
        """The marks, by name. Raises ToolError where a program that must be looked at is not there."""
        return tuple(sorted((self._mark(tool) for tool in tools), key=lambda mark: mark.name))

    def changed(self) -> str | None:
        """The name of a tool that is another one by now; None where all are as they were asked."""
        for name, (tool, seen, text) in self._looked.items():
            if signature(seen[0]) != seen:
                again = signature(seen[0])
                if again is None or self._text(tool, seen[0], fresh=True) != text:
                    return name
                self._looked[name] = (tool, again, text)
        return None

    def _mark(self, tool: Tool) -> ToolMark:
        if tool.pin is not None:
            return ToolMark(tool.name, tool.pin, pinned=True, argv=tool.argv)
        program = tool.argv[0] if tool.argv else tool.name
        found = find_program(program, self._path)
        seen = signature(found) if found is not None else None
        if found is None or seen is None:
            from helios_pipe.worker.toolcheck import missing_program

            raise missing_program(program, self._path)
        self._note_shadows(program, found)
        text = self._text(tool, found)
        self._looked[tool.name] = (tool, seen, text)
        return ToolMark(tool.name, text, argv=tool.argv)

    def _note_shadows(self, program: str, found: str) -> None:
        for folder in self._path.split(os.pathsep) if "/" not in program else ():
            candidate = f"{folder or '.'}/{program}"
            if candidate == found:
                return
            self.absent.append(candidate)

    def _text(self, tool: Tool, found: str, *, fresh: bool = False) -> str:
        if tool.digest:
            real = os.path.realpath(found)
            return f"sha256:{digest_file(real) if fresh else self._sources.look([real])[0].digest}"
        if tool.argv or _is_script(found):
            self.provable = False
            return self._ask(tool)
        seen = signature(os.path.realpath(found))
        line = self._memory.tool_line(tool.name, seen) if seen is not None else None
        if line is None:
            line = self._ask(tool)
            if seen is not None and signature(seen[0]) == seen:
                self._memory.keep_tool_line(tool.name, seen, line)
        return line

    def _ask(self, tool: Tool) -> str:
        """In a thread of its own, for a run's main thread starts no commands (worker.adopted)."""
        from concurrent.futures import ThreadPoolExecutor

        from helios_pipe.worker.toolcheck import tool_line

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(tool_line, tool.name, tool.argv, self._path).result().line


def _is_script(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True
