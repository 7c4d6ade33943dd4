"""Each write of a join by bytes fails once, or the process is killed there: the film is as it was, and the next run joins it."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from helios_pipe.digest import digest_file
from tests.kit.project import REPOSITORY, Project, Run

ERRORS = ("ENOSPC", "EIO", "KILL")


def run(project: Project, index: int, error: str, *words: str) -> tuple[Run, list[str]]:
    """A run in which that operation fails (0: none), and what it did to the project."""
    log = project.root.parent / "operations"
    log.unlink(missing_ok=True)
    project.env = {
        "PYTHONPATH": str(REPOSITORY / "tests/kit/faults"),
        "KIT_FAULT": f"{index}:{error}",
        "KIT_FAULT_ROOT": str(project.root.resolve()),
        "KIT_FAULT_LOG": str(log),
    }
    try:
        return project.helios("run", "render.yaml", "--json", *words), log.read_text().splitlines()
    finally:
        project.env = {}


@pytest.fixture
def made(project: Project) -> Project:
    """Three chunks and their film, in a project of its own."""
    inner = Project(project.root / "inner")
    inner.manifest(inner.burnin(frames="0-8", size=3))
    first = inner.helios("run", "render.yaml", "--json")
    assert first.exit_code == 0, str(first)
    return inner


def left(project: Project) -> list[str]:
    """What is there beside the project's own files; in the cache, what only a process at work has a use for."""
    files = [str(path.relative_to(project.root)) for path in project.root.rglob("*") if path.is_file()]
    return sorted(name for name in files if name.startswith(".helios/tmp") or not name.startswith(".helios"))


def unmake(project: Project, digest: str) -> None:
    """As if the film had never been joined."""
    project.path("out/film.mp4").unlink(missing_ok=True)
    for blob in project.path(".helios/cas").rglob(digest):
        os.unlink(blob)


@pytest.mark.timeout(600)
def test_a_join_whose_writes_fail_is_made_by_the_next_run(made: Project) -> None:
    """Every operation fails in one of three ways, those that write the film in each of them."""
    film = made.path("out/film.mp4")
    right, there = digest_file(film), left(made)
    unmake(made, right)
    _, operations = run(made, 0, "ENOSPC", "--force-node", "film/stitch")
    writes = [number for number, line in enumerate(operations, 1) if line.split()[2] == "pwritev"]
    assert len(writes) >= 3, operations  # the film twice: beside its place, and in it
    assert digest_file(film) == right
    near = range(min(writes) - 2, max(writes) + 5)
    for number in range(1, len(operations) + 1):
        for error in ERRORS if number in near else ERRORS[number % 3 :][:1]:
            unmake(made, right)
            failed, seen = run(made, number, error, "--force-node", "film/stitch")
            told = f"{error} at {[line for line in seen if line.startswith('failed')]}: {failed}"
            assert "Traceback" not in failed.stderr, told
            assert failed.exit_code in ((-signal.SIGKILL, 0) if error == "KILL" else (0, 1, 3)), told
            assert not film.exists() or digest_file(film) == right, told
            again = made.helios("run", "render.yaml", "--json")
            assert again.exit_code == 0, f"{told}\n--- and again\n{again}"
            assert not [node for node in again.nodes("executed") if node != "film/stitch"], told
            assert digest_file(film) == right, told
            if error == "KILL":  # the cache sweeps out by itself what a day was not touched
                shutil.rmtree(made.path(".helios/tmp"), ignore_errors=True)
            assert left(made) == there, told
