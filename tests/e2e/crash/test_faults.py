"""Every write, rename, fsync and commit fails once in turn, or the process is killed there: the run ends with a clear error
or goes on, and the next one completes. Nothing is corrupt, nothing that was said to be made is made again."""

from __future__ import annotations

import json
import random
import re
import signal
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from tests.kit import quick
from tests.kit.project import REPOSITORY, Project, Run

CHUNKS = 3
ERRORS = ("ENOSPC", "EIO", "EACCES")
CLEAR = {
    "ENOSPC": r"the disk is full: [\d,]+ bytes|No space left on device",
    "EIO": r"Input/output error|disk I/O error",
    "EACCES": r"Permission denied|readonly database",
}


class Faulty:
    """A project whose run is made to fail at one operation."""

    def __init__(self, project: Project, number: int) -> None:
        self.project = Project(project.root / f"p{number}")
        self.log = project.root / f"faults-{number}.log"
        self.project.manifest(quick.film(CHUNKS, before="echo hello"))

    def run(self, index: int, error: str) -> Run:
        hook = {
            "PYTHONPATH": str(REPOSITORY / "tests/kit/faults"),
            "KIT_FAULT": f"{index}:{error}",
            "KIT_FAULT_ROOT": str(self.project.root.resolve()),
            "KIT_FAULT_LOG": str(self.log),
        }
        self.project.env = hook
        try:
            return self.project.helios("run", "render.yaml", "--json", "--durable", "-j1")
        finally:
            self.project.env = {}

    def operations(self) -> list[str]:
        return self.log.read_text().splitlines()


def operations_of_a_run(project: Project) -> list[str]:
    """What a run does to its project, in order."""
    counting = Faulty(project, 0)
    run = counting.run(0, "ENOSPC")
    assert run.exit_code == 0, str(run)
    return counting.operations()


def try_fault(project: Project, index: int, error: str) -> str:
    """Let one operation fail, then run plainly; what it was, and how the run ended."""
    number = index * 10 + (*ERRORS, "KILL").index(error)
    faulty = Faulty(project, number)
    first = faulty.run(index, error)
    operation = next((line for line in faulty.operations() if line.startswith("failed")), "")
    told = f"{error} at {operation or index}: {first}"
    assert "Traceback" not in first.stderr, told
    assert first.exit_code in ((0, 1, 3) if error != "KILL" else (0, -signal.SIGKILL)), told
    if first.exit_code and error != "KILL":
        assert re.search(CLEAR[error], first.stdout + first.stderr), told
    made = {e["node"] for e in events(first) if e["event"] == "node_finished" and e["status"] == "executed"}
    again = faulty.project.helios("run", "render.yaml", "--json")
    assert again.exit_code == 0, f"{told}\n--- and again\n{again}"
    assert not made & set(again.nodes("executed")), told
    assert faulty.project.path("out/film.txt").read_text() == quick.whole(CHUNKS), told
    look_at_the_cache(faulty.project.path(".helios"), told)
    return f"{operation or 'nothing'} -> {first.exit_code}"


def events(run: Run) -> list[dict[str, object]]:
    return [json.loads(line) for line in run.stdout.splitlines(keepends=True) if line.endswith("\n")]


def look_at_the_cache(cache: Path, told: str) -> None:
    blobs = [path for path in (cache / "cas").rglob("*") if path.is_file()]
    assert all(sha256(path.read_bytes()).hexdigest() == path.name for path in blobs), told
    with sqlite3.connect(cache / "index.v1.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), told


def test_a_failing_write_ends_in_a_clear_error_or_harms_nothing(project: Project) -> None:
    seen = operations_of_a_run(project)
    kinds = {line.split()[2] for line in seen}
    assert {"os.open", "rename", "fsync", "sqlite", "mkdir", "replace"} <= kinds, kinds
    chosen = {
        *random.Random(7).sample(range(1, len(seen) + 1), 11),
        len(seen),
    }  # the last one is the stamp: nobody misses it
    errors = (*ERRORS, "KILL")
    asked = [(index, "EIO" if index == len(seen) else errors[at % 4]) for at, index in enumerate(sorted(chosen))]
    ends = [try_fault(project, index, error) for index, error in asked]
    assert any(end.endswith("-> 0") for end in ends), ends
    assert any(end.endswith("-> 3") for end in ends), ends
    assert any(end.endswith("-> -9") for end in ends), ends


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_write_fails_once_in_turn(project: Project) -> None:
    for index in range(1, len(operations_of_a_run(project)) + 1):
        try_fault(project, index, (*ERRORS, "KILL")[index % 4])


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("error", [*ERRORS, "KILL"])
def test_every_write_fails_once_in_turn_in_each_way(project: Project, error: str) -> None:
    for index in range(1, len(operations_of_a_run(project)) + 1):
        try_fault(project, index, error)
