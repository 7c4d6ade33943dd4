"""SIGKILL at any instant: what was committed is never made again, nothing torn is ever taken, the film is always the same.

Every trial edits the one input, so that all is to be made anew; kills that run at a random instant, alone or with all that
it started; then runs once more, plainly. The instants are seeded: a trial that fails can be had again by its number.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.cache.backlog import open_database
from tests.kit.project import LIMIT_S, Project, Run

CHUNKS = 210
SEED = 20240229


def manifest() -> dict[str, Any]:
    """Chunks of two writes each, gathered in a folder, which a command makes one text of."""
    script = (
        "echo start $KIT_PHASE {chunk.index} >> $KIT_LOG; read look < look.txt; "
        "echo frame {chunk.start} > {output}; echo in $look >> {output}"
    )
    return {
        "version": 1,
        "name": "crash",
        "tools": {"sh": {"digest": True}},
        "pass_env": ["KIT_LOG", "KIT_PHASE"],
        "jobs": {
            "film": {
                "inputs": ["look.txt"],
                "frames": f"0-{CHUNKS - 1}",
                "chunk": {"size": 1, "command": ["sh", "-c", script], "output": "part.txt"},
                "stitch": {"method": "collect", "output": "out/sheets/"},
            },
            "whole": {
                "inputs": [{"job": "film", "as": "sheets"}],
                "command": ["sh", "-c", "cat sheets/*/part.txt > {output}"],
                "output": "out/film.txt",
            },
        },
    }


TOTAL = CHUNKS + 2


class Trials:
    """One project, killed again and again."""

    def __init__(self, project: Project, seed: int) -> None:
        self.project = project
        self.random = random.Random(seed)
        self.whole_s = 0.0
        self.committed_at_kill: list[int] = []
        self.in_the_backlog = 0
        """Kills that left results which were not in the database yet."""
        project.manifest(manifest())

    def measure(self) -> None:
        """How long a run takes that nobody kills."""
        self.look("0")
        began = time.monotonic()
        assert self.project.run().summary["executed"] == TOTAL
        self.whole_s = time.monotonic() - began

    def look(self, text: str) -> None:
        self.project.write("look.txt", f"{text}\n")

    def expected(self, text: str) -> str:
        return "".join(f"frame {n}\nin {text}\n" for n in range(CHUNKS))

    def trial(self, number: int) -> None:
        """Kill a run, run again, and look at everything."""
        look, alone = f"look {number}", self.random.random() < 0.5
        self.look(look)
        before = self.last_run()
        said = self.kill_after(self.random.random() * self.whole_s * 1.1, f"a{number}", alone=alone)
        self.in_the_backlog += any(path.stat().st_size for path in self.project.root.glob(".helios/backlog/*.log"))
        committed = self.committed_since(before)
        self.committed_at_kill.append(len(committed))
        assert said <= committed, f"trial {number}: {sorted(said - committed)} was said to be finished, and is not"
        again = self.run(f"b{number}")
        assert again.exit_code == 0, f"trial {number}: {again}"
        executed = set(again.nodes("executed"))
        assert not executed & committed, f"trial {number}: {sorted(executed & committed)} made again"
        started = {f"film/{int(n):04d}" for n in self.started(f"b{number}")}
        assert started == executed - {"film/stitch", "whole"}, f"trial {number}"
        assert again.summary["executed"] + again.summary["cached"] == TOTAL
        self.look_at_outputs(look, number)

    def kill_after(self, seconds: float, phase: str, *, alone: bool) -> set[str]:
        """The nodes that a run said it had made before it was killed."""
        self.project.env["KIT_PHASE"] = phase
        events = self.project.root.parent / "events.jsonl"
        with events.open("wb") as sink:
            process = subprocess.Popen(
                self.project.command("run", "render.yaml", "--json", "-j4"),
                cwd=self.project.root,
                env=self.project.environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            time.sleep(seconds)
            if alone:
                process.kill()
            else:
                kill_all_of(process.pid)
            process.wait(LIMIT_S)
        lines = [line for line in events.read_text().splitlines(keepends=True) if line.endswith("\n")]
        found = [json.loads(line) for line in lines]
        return {e["node"] for e in found if e["event"] == "node_finished" and e["status"] == "executed"}

    def run(self, phase: str) -> Run:
        self.project.env["KIT_PHASE"] = phase
        return self.project.helios("run", "render.yaml", "--json", "-j4")

    def last_run(self) -> int:
        with sqlite3.connect(self.project.path(".helios/index.v1.sqlite")) as connection:
            return int(connection.execute("SELECT max(id) FROM runs").fetchone()[0])

    def committed_since(self, run: int) -> set[str]:
        """The nodes that later runs have committed, as the next process finds them."""
        database = open_database(self.project.path(".helios"))
        try:
            query = "SELECT node FROM attempts WHERE run > ? AND status='done'"
            return {row[0] for row in database.connection.execute(query, (run,))}
        finally:
            database.close()

    def started(self, phase: str) -> list[str]:
        return [line.split()[1] for line in self.project.log_lines("start") if line.split()[0] == phase]

    def look_at_outputs(self, look: str, number: int) -> None:
        out = self.project.path("out")
        assert (out / "film.txt").read_text() == self.expected(look), f"trial {number}"
        sheets = sorted((out / "sheets").rglob("part.txt"))
        assert len(sheets) == CHUNKS, f"trial {number}"
        assert "".join(sheet.read_text() for sheet in sheets) == self.expected(look), f"trial {number}"

    def look_at_the_cache(self) -> None:
        """Every blob is what its name says, the database is sound, nothing of the killed runs is left over."""
        torn = [p for p in blobs(self.project.path(".helios/cas")) if sha256(p.read_bytes()).hexdigest() != p.name]
        assert torn == []
        with sqlite3.connect(self.project.path(".helios/index.v1.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert not list(self.project.path("out").rglob(".*")), "temporary files stand beside the outputs"
        jobs = self.project.helios("jobs", "--json").document["jobs"]
        assert [job["state"] for job in jobs] == ["completed"]


def blobs(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def kill_all_of(pid: int) -> None:
    """SIGKILL for a process and all that descend from it, which are stopped first so that none slips away."""
    os.kill(pid, signal.SIGSTOP)
    family = [pid]
    for known in family:
        family += [child for child in children(known) if child not in family]
    for member in reversed(family):
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            continue


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found


def tried(project: Project, kills: int, seed: int) -> Trials:
    trials = Trials(project, seed)
    trials.measure()
    for number in range(1, kills + 1):
        trials.trial(number)
    trials.look_at_the_cache()
    return trials


def test_runs_that_are_killed_at_random_instants_lose_nothing(project: Project) -> None:
    trials = tried(project, 10, SEED)
    assert any(0 < count < TOTAL for count in trials.committed_at_kill), trials.committed_at_kill


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_three_hundred_kills_lose_nothing(project: Project) -> None:
    trials = tried(project, 300, SEED + 1)
    in_the_middle = [count for count in trials.committed_at_kill if 0 < count < TOTAL]
    assert len(in_the_middle) > 100, trials.committed_at_kill
    assert trials.in_the_backlog > 10
