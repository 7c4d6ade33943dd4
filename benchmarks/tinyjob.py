"""One and the same job of tiny chunks and a join: its inputs, its right output, and how each runner is told of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.place import Place
from benchmarks.rows import OURS


@dataclass(frozen=True, slots=True)
class TinyJob:
    """`n` chunks, which all read `in/shared` or (`split`) each a file of its own; `jobs` at once. With `pause_us` a chunk
    waits between the two halves of its output."""

    n: int
    split: bool = False
    pause_us: int = 0
    jobs: int = 2

    def source(self, index: int) -> str:
        """The file that a chunk reads."""
        return f"in/{index:06d}" if self.split else "in/shared"

    def sources(self) -> list[str]:
        """Every input, once."""
        return [self.source(index) for index in range(self.n if self.split else 1)]

    def output(self, index: int) -> str:
        """Where peers keep a chunk; ours are in its cache."""
        return f"out/{index:06d}"

    def chunk(self, place: Place, index: str, source: str, output: str) -> list[str]:
        """A chunk's command."""
        return [*place.tiny, "chunk", index, source, output, *([str(self.pause_us)] if self.pause_us else [])]


def right_line(index: int, text: str) -> str:
    """What a chunk has to write, given its input's line."""
    return f"{index:<8} {text:<54.54}\n"


def _ours(job: TinyJob, place: Place, folder: Path) -> list[str]:
    own = "in/{chunk.start:06d}"
    chunk = job.chunk(place, "{chunk.start}", own if job.split else "in/shared", "{output}")
    lines = [
        "version: 1",
        "pass_env: [TINY_LOG]",
        "jobs:",
        "  bench:",
        *([] if job.split else ["    inputs: [in/shared]"]),
        f"    frames: {job.n}",
        "    chunk:",
        "      size: 1",
        *([f'      inputs: ["{own}"]'] if job.split else []),
        f"      command: {json.dumps(chunk)}",
        "      output: chunk.txt",
        "    stitch:",
        "      method: command",
        f"      command: {json.dumps([*place.tiny, 'join', '{inputs_list}', '{output}'])}",
        "      output: final",
    ]
    (folder / "render.yaml").write_text("\n".join(lines) + "\n")
    return [place.helios, "run", "render.yaml", f"-j{job.jobs}", "-q"]


def _ninja(job: TinyJob, place: Place, folder: Path) -> list[str]:
    with (folder / "build.ninja").open("w") as file:
        file.write(f"rule chunk\n  command = {' '.join(job.chunk(place, '$index', '$in', '$out'))}\n")
        file.write(f"rule join\n  command = {shlex.join(place.tiny)} join $out.list $out\n")
        file.write("  rspfile = $out.list\n  rspfile_content = $in_newline\n")
        for index in range(job.n):
            file.write(f"build {job.output(index)}: chunk {job.source(index)}\n  index = {index}\n")
        file.write(f"build final: join {' '.join(job.output(index) for index in range(job.n))}\n")
    return [place.ninja, "--quiet", f"-j{job.jobs}", "final"]


def _make(job: TinyJob, place: Place, folder: Path) -> list[str]:
    assert place.make is not None
    with (folder / "Makefile").open("w") as file:
        file.write(f"final: {' '.join(job.output(index) for index in range(job.n))}\n")
        file.write(f"\t$(file >final.list,$^)\n\t{shlex.join(place.tiny)} join final.list final\n")
        for index in range(job.n):
            command = shlex.join(job.chunk(place, str(index), job.source(index), job.output(index)))
            file.write(f"{job.output(index)}: {job.source(index)}\n\t{command}\n")
    return [place.make, "-rRs", f"-j{job.jobs}"]


RUNNERS: dict[str, Callable[[TinyJob, Place, Path], list[str]]] = {"ninja": _ninja, OURS: _ours, "make": _make}
"""Each writes its description of the job into a folder and gives the command to run there. The first is whom the others are
held against."""


def runners(place: Place) -> list[str]:
    """The runners that are here."""
    return [name for name in RUNNERS if name != "make" or place.make is not None]
