"""Commands measured one at a time, contenders in turn. Knows nothing of what they do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.place import Place

_CLOCK = Path(__file__).resolve().parent / "clock.py"


class WrongOutcomeError(Exception):
    """What was measured did not do what it had to: its time means nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One command, from its start to its end. `rss_mb` is the peak of the largest of its processes, in 10^6 bytes."""

    wall_s: float
    cpu_s: float = 0.0
    rss_mb: float = 0.0
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""


def measure(
    place: Place,
    argv: Sequence[str],
    cwd: Path,
    *,
    env: Mapping[str, str] | None = None,
    expected: int = 0,
    limit_s: float = 3600,
) -> Sample:
    """Run the command and measure it. Raises WrongOutcomeError where it ends otherwise than with the `expected` code."""
    notes = place.folder / "notes"
    shutil.rmtree(notes, ignore_errors=True)
    notes.mkdir()
    with (notes / "out").open("wb") as out, (notes / "err").open("wb") as err:
        clock = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_CLOCK), str(notes / "result"), *argv],
            cwd=cwd,
            env={**place.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        _wait(clock, argv, limit_s)
    stdout, stderr = ((notes / name).read_text(errors="replace") for name in ("out", "err"))
    if clock.returncode:
        raise WrongOutcomeError(f"{argv[0]} could not be measured: {stderr[-2000:]}")
    wall, cpu, kilobytes, code = (notes / "result").read_text().split()
    if int(code) != expected:
        raise WrongOutcomeError(f"{' '.join(argv)[:300]}: exit code {code}, expected {expected}\n{stderr[-2000:]}")
    return Sample(float(wall), float(cpu), int(kilobytes) * 1024 / 1e6, int(code), stdout, stderr)


def _wait(clock: subprocess.Popen[bytes], argv: Sequence[str], limit_s: float) -> None:
    try:
        clock.wait(limit_s)
    except BaseException as error:
        os.killpg(clock.pid, signal.SIGKILL)
        clock.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            raise WrongOutcomeError(f"{' '.join(argv)[:300]}: still running after {limit_s:.0f} s") from None
        raise


Contender = Callable[[int], Sample]
"""Takes the round's number, gives a checked sample."""


def interleave(
    title: str, contenders: Mapping[str, Contender], rounds: int, say: Callable[[str], None]
) -> dict[str, list[Sample]]:
    """Measure all of them in turn, so often, telling each sample as it comes. The first is whom the others are held against."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    base = next(iter(contenders))
    for turn in range(rounds):
        for name, contender in contenders.items():
            sample = contender(turn)
            samples[name].append(sample)
            beside = "" if name == base else f"  {sample.wall_s / samples[base][-1].wall_s:.2f} x {base}"
            memory = f"  {sample.rss_mb:.0f} MB" if sample.rss_mb else ""
            say(f"{title}  round {turn + 1}/{rounds}  {name}: {sample.wall_s:.3f} s{memory}{beside}")
    return samples


def ratios(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[float]:
    """Our seconds by theirs, round by round."""
    return [mine.wall_s / other.wall_s for mine, other in zip(ours, theirs, strict=True)]


def middle(samples: Sequence[Sample]) -> float:
    """The median of the wall-clock seconds."""
    return median(sample.wall_s for sample in samples)
