"""Joining chunks that are there: a run with only the stitch to make, and RemuxStitcher alone, beside ffmpeg's concat."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.media import Chunks, check_film, concat_argv, make_chunks, pictures_of
from benchmarks.rows import OURS, Row, compared
from benchmarks.timing import Sample, WrongOutcomeError, interleave, measure
from helios_pipe.cache.folders import blob_path
from helios_pipe.digest import digest_file

_API = "RemuxStitcher"

_STITCH = """\
import sys, time
from pathlib import Path
import av
from helios_pipe import RemuxStitcher
stitcher, inputs = RemuxStitcher(), sorted(Path(sys.argv[1]).glob("*.mp4"))
began, cpu = time.perf_counter(), time.process_time()
stitcher.stitch(inputs, Path(sys.argv[2]))
print(time.perf_counter() - began, time.process_time() - cpu)
"""
"""As a Python program does it that has PyAV loaded already: imports are not measured."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """Chunks in `src`, a project whose cache has them, and the digest that every right join's pictures have."""

    bench: Bench
    folder: Path
    chunks: Chunks
    digest: str
    joined: list[str] = field(default_factory=list)

    def check(self, name: str) -> None:
        """Raises WrongOutcomeError. The file is taken away."""
        check_film(self.folder / name, self.chunks.total, self.digest)
        (self.folder / name).unlink()

    def ffmpeg(self, _: int) -> Sample:
        paths = [f"src/{number:04d}.mp4" for number in range(self.chunks.count)]
        argv = concat_argv(self.bench.place, paths, self.folder / "list.ffconcat", "peer.mp4")
        os.sync()
        sample = measure(self.bench.place, argv, self.folder)
        self.check("peer.mp4")
        return sample

    def engine(self, _: int) -> Sample:
        argv = [self.bench.place.helios, "run", "render.yaml", "--json", "--force-node", "film/stitch"]
        self.forget()
        os.sync()
        sample = measure(self.bench.place, argv, self.folder)
        summary = json.loads(sample.stdout.splitlines()[-1])
        if (summary["executed"], summary["cached"]) != (1, self.chunks.count):
            raise WrongOutcomeError(
                f"a join alone executed {summary['executed']}, found {summary['cached']} in the cache"
            )
        self.joined.append(digest_file(self.folder / "film.mp4"))
        self.check("film.mp4")
        return sample

    def forget(self) -> None:
        """As if the film had never been joined: a cache that has it only has to find that the new one is the same."""
        while self.joined:
            os.unlink(blob_path(f"{self.folder}/.helios", self.joined.pop()))

    def api(self, _: int) -> Sample:
        os.sync()
        sample = measure(self.bench.place, [sys.executable, "-c", _STITCH, "src", "api.mp4"], self.folder)
        self.check("api.mp4")
        wall, cpu = sample.stdout.split()
        return Sample(float(wall), float(cpu), sample.rss_mb)


def joins(bench: Bench) -> Iterator[Row]:
    """Many small chunks, and few large ones."""
    small, large = (Chunks(20, 10, noisy=False), Chunks(2, 10, noisy=True)) if bench.quick else _FULL
    for name, chunks in (("small", small), ("large", large)):
        scene, size = _scene(bench, name, chunks)
        title = f"join of {chunks.count} chunks of {size}"
        contenders = {"ffmpeg": scene.ffmpeg, OURS: scene.engine, _API: scene.api}
        rounds = bench.short_rounds if chunks is small else bench.rounds
        samples = interleave(title, contenders, rounds, bench.say)
        goal = bench.goal(1.1)
        alone = {"ffmpeg": samples["ffmpeg"], OURS: samples[_API]}
        whole = {"ffmpeg": samples["ffmpeg"], OURS: samples[OURS]}
        yield compared("join", f"{title}, as a run", whole, base="ffmpeg", goal=goal, note="with proof and start-up")
        yield compared("join", f"{title}, `{_API}` alone", alone, base="ffmpeg", goal=goal)
        shutil.rmtree(scene.folder)


_FULL = Chunks(200, 10, noisy=False), Chunks(6, 180, noisy=True)


def _scene(bench: Bench, name: str, chunks: Chunks) -> tuple[_Scene, str]:
    folder = bench.folder(f"join-{name}")
    (folder / "src").mkdir()
    bench.say(f"join: encoding {chunks.count} chunks")
    paths = make_chunks(bench.place, folder / "src", chunks)
    (folder / "render.yaml").write_text(_manifest(chunks))
    argv = [bench.place.helios, "run", "render.yaml", "--no-stitch", "-q"]
    subprocess.run(argv, cwd=folder, env=dict(bench.place.env), check=True, stdin=subprocess.DEVNULL)
    size = paths[0].stat().st_size
    return _Scene(
        bench, folder, chunks, pictures_of(paths)[1]
    ), f"{size / 1e6:.0f} MB" if size > 1e6 else f"{size / 1e3:.0f} kB"


def _manifest(chunks: Chunks) -> str:
    """Each chunk is a copy of its file: what counts is that the cache has them with their recorded digests."""
    lines = ["version: 1", "jobs:", "  film:", "    fps: 30", "    chunks:"]
    for number in range(chunks.count):
        first = number * chunks.frames
        lines += [
            f'      - command: [cp, src/{number:04d}.mp4, "{{output}}"]',
            f"        inputs: [src/{number:04d}.mp4]",
            "        output: chunk.mp4",
            f"        frames: {first}-{first + chunks.frames - 1}",
        ]
    return "\n".join([*lines, "    stitch: {output: film.mp4}"]) + "\n"
