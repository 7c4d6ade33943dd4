"""What is done before anything runs: starting up, planning 100,000 chunks, checking 10,000 written ones."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.rows import OURS, Row, compared, limited
from benchmarks.timing import Sample, WrongOutcomeError, interleave, measure

_PLAN = """\
version: 1
jobs:
  plan:
    frames: {n}
    chunk:
      size: 1
      command: [render, "{{chunk.start}}", "{{output}}"]
      output: part.mp4
    stitch: {{output: out/plan.mp4}}
"""


def start_up(bench: Bench) -> Iterator[Row]:
    """`--version` and `--help`, beside an interpreter that imports click and nothing else."""
    floor, folder = "import click", bench.folder("startup")
    for word, sign in (("--version", "helios-pipe "), ("--help", "Usage: helios-pipe ")):
        contenders: dict[str, Callable[[int], Sample]] = {
            floor: lambda _: measure(bench.place, [sys.executable, "-c", "import click"], folder),
            OURS: partial(_say, bench, word, sign, folder),
        }
        samples = interleave(f"startup {word}", contenders, bench.short_rounds, bench.say)
        yield compared("startup", f"`{word}`", samples, base=floor, goal=bench.goal(1.5))


def _say(bench: Bench, word: str, sign: str, folder: Path, _: int) -> Sample:
    sample = measure(bench.place, [bench.place.helios, word], folder)
    if not sample.stdout.startswith(sign):
        raise WrongOutcomeError(f"{word} says {sample.stdout[:80]!r}")
    return sample


def plan(bench: Bench) -> Iterator[Row]:
    """`plan` of 100,000 chunks from a manifest of ten lines, without a cache."""
    n, folder = 1_000 if bench.quick else 100_000, bench.folder("plan")
    (folder / "render.yaml").write_text(_PLAN.format(n=n))
    samples = interleave(f"plan n={n}", {OURS: lambda _: _plan(bench, folder, n)}, bench.rounds, bench.say)[OURS]
    what = f"plan of {n:,} chunks from ten lines, no cache yet"
    yield limited("plan", what, [sample.wall_s for sample in samples], "s", bench.goal(5))
    yield limited("plan", f"{what}: memory", [sample.rss_mb for sample in samples], "MB", bench.goal(250))


def _plan(bench: Bench, folder: Path, n: int) -> Sample:
    shutil.rmtree(folder / ".helios", ignore_errors=True)
    sample = measure(bench.place, [bench.place.helios, "plan", "render.yaml"], folder)
    if f"{n + 1} of {n + 1} nodes to run" not in sample.stdout.replace(",", ""):
        raise WrongOutcomeError(f"plan says {sample.stdout[-200:]!r}")
    return sample


def validate(bench: Bench) -> Iterator[Row]:
    """`validate` of 10,000 chunks that are all written out, and of the same with a mistake in the middle."""
    n, folder = 200 if bench.quick else 10_000, bench.folder("validate")
    for suffix, write in (("yaml", _yaml), ("json", _json)):
        for broken in (False, True):
            file = folder / f"{'broken' if broken else 'whole'}.{suffix}"
            file.write_text(write(n, "ouput" if broken else "output", n // 2))
            samples = interleave(
                f"validate {file.name}", {OURS: partial(_validate, bench, file, n)}, bench.rounds, bench.say
            )
            what = f"validate {n:,} written chunks, {suffix.upper()}{', a mistake in the middle' if broken else ''}"
            note = "the error names the line" if broken else ""
            yield limited("validate", what, [s.wall_s for s in samples[OURS]], "s", bench.goal(3), note)


def _validate(bench: Bench, file: Path, n: int, _: int) -> Sample:
    mistakes = [number for number, line in enumerate(file.read_text().splitlines(), 1) if "ouput" in line]
    sample = measure(
        bench.place, [bench.place.helios, "validate", file.name], file.parent, expected=2 if mistakes else 0
    )
    wanted = f"{file.name}:{mistakes[0]}:" if mistakes else f"{n + 1} nodes"
    if wanted not in (sample.stderr if mistakes else sample.stdout).replace(",", ""):
        raise WrongOutcomeError(f"validate does not say {wanted!r}: {sample.stdout[-200:]}{sample.stderr[-400:]}")
    return sample


def _yaml(n: int, odd: str, where: int) -> str:
    """The manifest, the key of chunk number `where` spelled `odd`."""
    lines = ["version: 1", "jobs:", "  film:", "    chunks:"]
    for at in range(n):
        lines += [
            f'      - command: [render, "--from", "{at * 30}", "{{output}}"]',
            f"        {odd if at == where else 'output'}: part.mp4",
            f"        frames: {at * 30}-{at * 30 + 29}",
        ]
    return "\n".join([*lines, "    stitch: {output: out/film.mp4}"]) + "\n"


def _json(n: int, odd: str, where: int) -> str:
    chunks = [
        {
            "command": ["render", "--from", str(at * 30), "{output}"],
            odd if at == where else "output": "part.mp4",
            "frames": f"{at * 30}-{at * 30 + 29}",
        }
        for at in range(n)
    ]
    job = {"chunks": chunks, "stitch": {"output": "out/film.mp4"}}
    return json.dumps({"version": 1, "jobs": {"film": job}}, indent=1)
