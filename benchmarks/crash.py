"""W5: kill -9 of a runner and all that it started, half-way; then run again. What was lost, and what torn was taken?"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.cases import Case
from benchmarks.rows import OURS, Goal, Row, limited
from benchmarks.timing import WrongOutcomeError
from benchmarks.tinyjob import TinyJob, runners

_KILLS, _CHUNKS, _PAUSE_US = 30, 200, 4_000
_SEED = 5
_LIMIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One kill. `recorded` are the chunks that the runner had said to be finished (ours says so, peers do not), `torn` those
    whose command was in the middle, and has to be run again; `recorded_again` and `ended_again` (whose command was through) were
    run a second time; `wrong` chunks are not what they should be in the end; `refused`: a plain second run did not end well."""

    done: int
    recorded: int
    torn: int
    recorded_again: int
    ended_again: int
    wrong: int
    refused: bool


def killed_half_way(bench: Bench) -> Iterator[Row]:
    """30 kills of each runner."""
    kills, chunks = (3, 40) if bench.quick else (_KILLS, _CHUNKS)
    job = TinyJob(chunks, split=True, pause_us=_PAUSE_US)
    found: dict[str, list[Trial]] = {}
    instants = random.Random(_SEED)
    for number in range(kills):
        enough = round(chunks * instants.uniform(0.4, 0.6))
        for name in runners(bench.place):
            trial = _try(Case(bench.place, name, job, bench.place.folder / f"{name}-crash"), enough)
            found.setdefault(name, []).append(trial)
            bench.say(f"W5  kill {number + 1}/{kills}  {name}: {_told(trial)}")
    yield from _rows(found, kills, job.jobs)


def _told(trial: Trial) -> str:
    return (
        f"{trial.done} chunks done, {trial.torn} torn; then {trial.ended_again} of those run again, {trial.recorded_again}"
        f" recorded, {trial.wrong} wrong{', second run refused' if trial.refused else ''}"
    )


def _rows(found: dict[str, list[Trial]], kills: int, jobs: int) -> Iterator[Row]:
    ours = found[OURS]
    done = f"{median(trial.done for trial in ours):.0f} chunks done at a kill"
    peers = [name for name in found if name != OURS]
    again = ", ".join(f"{name} at most {max(t.ended_again for t in found[name])}" for name in peers)
    wrong = ", ".join(f"{name} {sum(t.wrong for t in found[name])}" for name in peers)
    refused = ", ".join(f"{name} {sum(t.refused for t in found[name])}" for name in peers)
    total = f"{kills} kills: "
    yield _count(f"{total}recorded chunks run again", sum(t.recorded_again for t in ours), 0, done)
    yield _count(
        f"{total}chunks whose command had ended run again, most of one kill",
        max(t.ended_again for t in ours),
        jobs,
        again,
    )
    yield _count(f"{total}torn outputs taken for whole", sum(t.wrong for t in ours), 0, wrong)
    yield _count(f"{total}folders that a plain run refused", sum(t.refused for t in ours), 0, refused)


def _count(what: str, count: int, limit: int, note: str) -> Row:
    return limited("W5", what, [count], "", Goal(limit), note)


def _try(case: Case, enough: int) -> Trial:
    case.fresh()
    recorded = _run_and_kill(case, enough)
    begun, done = (set(names) for names in case.ran())
    case.log.unlink()
    refused = not _run_again(case)
    again, _ = (set(names) for names in case.ran())
    wrong = case.wrong()
    again_recorded, again_ended = len(again & recorded), len(again & done)
    trial = Trial(len(done), len(recorded), len(begun - done), again_recorded, again_ended, wrong, refused)
    if case.runner == OURS and (again_recorded or wrong or refused):
        raise WrongOutcomeError(f"after a kill: {_told(trial)}")
    case.remove()
    return trial


def _run_and_kill(case: Case, enough: int) -> set[str]:
    """Start it, kill the family when so many chunks are done; the chunks that were said to be finished by then."""
    events = case.folder.parent / "events"
    argv = [*case.argv[:-1], "--json"] if case.runner == OURS else case.argv  # in place of -q
    with events.open("wb") as sink:
        runner = subprocess.Popen(
            argv,
            cwd=case.folder,
            env={**case.place.env, "TINY_LOG": str(case.log)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + _LIMIT_S
        while len(case.ran()[1]) < enough and time.monotonic() < deadline and runner.poll() is None:
            time.sleep(0.001)
        ended = runner.poll() is not None
        _kill_family(runner)
    if ended or time.monotonic() >= deadline:
        raise WrongOutcomeError(f"{case.runner} was not half-way when it should have been killed")
    return _recorded(events) if case.runner == OURS else set()


def _recorded(events: Path) -> set[str]:
    """Chunks that a whole line says to be finished, by their index."""
    whole = [line for line in events.read_text().splitlines(keepends=True) if line.endswith("\n")]
    found = [json.loads(line) for line in whole]
    names = [e["node"] for e in found if e["event"] == "node_finished" and e["status"] == "executed"]
    return {str(int(name.rpartition("/")[2])) for name in names if not name.endswith("/stitch")}


def _kill_family(runner: subprocess.Popen[bytes]) -> None:
    """SIGKILL for a process and its descendants; it is stopped first, so that it starts no more of them."""
    os.kill(runner.pid, signal.SIGSTOP)
    family = [runner.pid]
    for member in family:
        family += _children(member)
    for member in family:
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            continue
    runner.wait()
    deadline = time.monotonic() + 5
    while any(_alive(member) for member in family) and time.monotonic() < deadline:
        time.sleep(0.001)


def _children(pid: int) -> list[int]:
    """Of all its threads; none where it is gone, at whatever moment that happens."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            found += [int(word) for word in Path(f"/proc/{pid}/task/{thread}/children").read_text().split()]
        except OSError:
            continue
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _run_again(case: Case) -> bool:
    """A plain second run: whether it ended well."""
    done = subprocess.run(
        case.argv,
        cwd=case.folder,
        env={**case.place.env, "TINY_LOG": str(case.log)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_LIMIT_S,
    )
    return done.returncode == 0
