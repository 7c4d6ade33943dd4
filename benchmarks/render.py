"""A real render: the quickstart and its chunks made longer, beside the same commands under ninja, and beside one process."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.bench import Bench
from benchmarks.media import check_film, concat_argv, ffmpeg_of
from benchmarks.place import REPOSITORY
from benchmarks.rows import OURS, Row, compared
from benchmarks.timing import Sample, interleave, measure

_JOBS = 2
_ONE = "one process on one core"
_RANGE, _CHUNK, _CHUNKS = "frames: 0-239", "size: 30 ", 8
"""What the quickstart's manifest says, and what that makes."""
_FRAMES, _SIZE = 960, "1920x1080"
"""Half a minute on two cores, and more."""


@dataclass(frozen=True, slots=True)
class _Render:
    """The quickstart in three folders: ours, ninja's, and that of one process."""

    bench: Bench
    folder: Path
    frames: int
    size: str
    job: Any
    """The job as the manifest has it."""

    @property
    def step(self) -> int:
        """Frames of a chunk: there are as many chunks as in the quickstart."""
        return self.frames // _CHUNKS

    def command(self, start: int, count: int, output: str) -> list[str]:
        """The manifest's own command for a range, as a worker would get it."""
        chunk = SimpleNamespace(start=start, count=count)
        values = {"chunk": chunk, "vars": SimpleNamespace(size=self.size), "output": output}
        return [word.format(**values) for word in shlex.split(self.job["chunk"]["command"])]

    def prepare(self, name: str) -> Path:
        """A folder with what the command reads and nothing made."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "out").mkdir(parents=True)
        shutil.copy(REPOSITORY / "examples/quickstart/look.cube", folder)
        return folder

    def ours(self, _: int) -> Sample:
        folder = self.prepare("ours")
        text = (REPOSITORY / "examples/quickstart/render.yaml").read_text()
        for was, now in ((_RANGE, f"frames: 0-{self.frames - 1}"), (_CHUNK, f"size: {self.step} ")):
            assert text.count(was) == 1, f"the quickstart says {was!r} no more"
            text = text.replace(was, now)
        (folder / "render.yaml").write_text(text)
        argv = [self.bench.place.helios, "run", "render.yaml", f"-j{_JOBS}", "-q", "--set", f"size={self.size}"]
        sample = measure(self.bench.place, argv, folder)
        theirs = check_film(self.folder / "ninja/film.mp4", self.frames)
        check_film(folder / "out/sunrise.mp4", self.frames, theirs)  # the same commands: the same pictures
        return sample

    def ninja(self, _: int) -> Sample:
        folder, step, parts = self.prepare("ninja"), self.step, []
        with (folder / "build.ninja").open("w") as file:
            file.write("rule run\n  command = $line\n")
            for start in range(0, self.frames, step):
                parts.append(f"out/{start:06d}.mp4")
                line = shlex.join(self.command(start, min(step, self.frames - start), parts[-1])).replace("$", "$$")
                file.write(f"build {parts[-1]}: run look.cube\n  line = {line}\n")
            join = shlex.join(concat_argv(self.bench.place, parts, folder / "list", "film.mp4"))
            file.write(f"build film.mp4: run {' '.join(parts)}\n  line = {join}\n")
        sample = measure(self.bench.place, [self.bench.place.ninja, "--quiet", f"-j{_JOBS}"], folder)
        check_film(folder / "film.mp4", self.frames)
        return sample

    def one(self, _: int) -> Sample:
        folder = self.prepare("one")
        argv = ["taskset", "-c", "0", *self.command(0, self.frames, "out/film.mp4")]
        sample = measure(self.bench.place, argv, folder)
        check_film(folder / "out/film.mp4", self.frames)
        return sample


def render(bench: Bench) -> Iterator[Row]:
    """ninja, ours and one process in turn."""
    import yaml

    ffmpeg_of(bench.place)
    frames, size = (120, "320x180") if bench.quick else (_FRAMES, _SIZE)
    document = yaml.safe_load((REPOSITORY / "examples/quickstart/render.yaml").read_text())
    scene = _Render(bench, bench.folder("render"), frames, size, document["jobs"]["sunrise"])
    title = f"the quickstart, {frames:,} frames of {size}"
    contenders = {"ninja": scene.ninja, OURS: scene.ours, _ONE: scene.one}
    samples = interleave(f"render {frames} x {size}", contenders, bench.rounds, bench.say)
    both = {name: samples[name] for name in ("ninja", OURS)}
    yield compared("render", f"{title}, -j{_JOBS}", both, goal=bench.goal(1.03), note="ninja joins by ffmpeg's concat")
    faster = [one.wall_s / ours.wall_s for one, ours in zip(samples[_ONE], samples[OURS], strict=True)]
    what = f"faster than one process on one core, {frames:,} frames of {size}"
    note = "left alone, its own threads keep both cores busy"
    yield Row("render", what, tuple(faster), against=_ONE, goal=bench.goal(1.8, at_least=True), note=note)
    shutil.rmtree(scene.folder)
