"""Many processes on one cache: nothing is made twice, nothing is lost, nobody is told that a database is locked."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from tests.kit import quick
from tests.kit.project import LIMIT_S, Project, Run

CHUNKS = 8


def all_at_once(project: Project, calls: Sequence[Sequence[str]]) -> list[Run]:
    """Run the commands at the same time, to their ends."""
    with ExitStack() as stack:
        processes = [stack.enter_context(project.running(*call)) for call in calls]
        return [finished(process) for process in processes]


def finished(process: subprocess.Popen[str]) -> Run:
    stdout, stderr = process.communicate(timeout=2 * LIMIT_S)
    return Run(process.returncode, stdout, stderr)


def made(runs: Sequence[Run]) -> list[str]:
    return sorted(node for run in runs for node in run.nodes("executed"))


def test_two_runs_of_one_manifest_make_each_chunk_once(project: Project) -> None:
    project.manifest(quick.film(CHUNKS, before="sleep 0.05"))
    runs = all_at_once(project, [("run", "render.yaml", "--json")] * 2)
    assert [run.exit_code for run in runs] == [0, 0], f"{runs[0]}\n{runs[1]}"
    assert sorted(run.summary["executed"] for run in runs) == [0, CHUNKS + 1]
    assert quick.renders(project) == dict.fromkeys(range(CHUNKS), 1)


def test_a_crowd_on_a_new_cache_of_one_job_makes_everything_once(project: Project) -> None:
    project.manifest(quick.film(CHUNKS))
    runs = all_at_once(project, [("run", "render.yaml", "--json", "-j1")] * 6)
    assert all(run.exit_code == 0 for run in runs), "\n".join(map(str, runs))
    assert len(made(runs)) == CHUNKS + 1
    assert quick.renders(project) == dict.fromkeys(range(CHUNKS), 1)


@pytest.mark.slow
def test_twenty_processes_share_one_cache_and_lose_nothing(project: Project) -> None:
    for number in range(20):
        document = quick.film(CHUNKS, before=f"echo {number % 10}")
        document["jobs"]["film"]["stitch"]["output"] = f"out/film-{number}.txt"
        project.manifest(document, f"m{number}.yaml")
    cache = ("--cache-dir", str(project.root.parent / "shared"))
    calls = [("run", f"m{number}.yaml", "--json", "-j2", *cache) for number in range(20)]
    runs = all_at_once(project, calls)
    told = "\n".join(str(run) for run in runs if run.exit_code)
    assert not told
    assert not [run.stderr for run in runs if "locked" in run.stderr]
    for number in range(20):
        assert project.path(f"out/film-{number}.txt").read_text() == quick.whole(CHUNKS)
    assert len(project.helios("jobs", "--json", *cache).document["jobs"]) == 20
    again = all_at_once(project, calls)
    assert made(again) == []
    assert all(run.summary["cached"] == CHUNKS + 1 for run in again)
