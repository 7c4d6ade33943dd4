"""What is keyed of each declared tool: its line, asked once for each executable, or its pin, or its digest."""

from __future__ import annotations

import os
from collections.abc import Sequence

from helios_pipe.action.model import ToolMark
from helios_pipe.cache.blobs import Mark
from helios_pipe.cache.results import Memory
from helios_pipe.cache.sources import Sources
from helios_pipe.manifest.model import Tool
from helios_pipe.worker.programs import find_program


class Tools:
    """The marks of a manifest's tools. `files` are the executables that were looked at, `absent` the paths where another
    one would come before them, for whoever must notice a change."""

    def __init__(self, memory: Memory, sources: Sources, path: str) -> None:
        self._memory = memory
        self._sources = sources
        self._path = path
        self.files: list[str] = []
        self.absent: list[str] = []

    def marks(self, tools: Sequence[Tool]) -> tuple[ToolMark, ...]:
        """The marks, by name. Raises ToolError where a program that must be looked at is not there."""
        return tuple(sorted((self._mark(tool) for tool in tools), key=lambda mark: mark.name))

    def _mark(self, tool: Tool) -> ToolMark:
        if tool.pin is not None:
            return ToolMark(tool.name, tool.pin, pinned=True, argv=tool.argv)
        found = find_program(tool.name, self._path)
        if found is None:
            from helios_pipe.worker.toolcheck import missing_program

            raise missing_program(tool.name, self._path)
        real = os.path.realpath(found)
        self.files.append(real)
        for folder in self._path.split(os.pathsep):
            candidate = f"{folder or '.'}/{tool.name}"
            if candidate == found:
                break
            self.absent.append(candidate)
        if tool.digest:
            return ToolMark(tool.name, f"sha256:{self._sources.look([real])[0].digest}", argv=tool.argv)
        return ToolMark(tool.name, self._line(tool, real), argv=tool.argv)

    def _line(self, tool: Tool, real: str) -> str:
        stat = os.stat(real)
        mark = Mark(stat.st_size, stat.st_mtime_ns, stat.st_ino)
        asked = "\0".join((tool.name, *tool.argv))
        line = self._memory.tool_line(real, asked, mark)
        if line is None:
            from helios_pipe.worker.toolcheck import tool_line

            line = tool_line(tool.name, tool.argv, self._path).line
            self._memory.keep_tool_line(real, asked, mark, line)
        return line
