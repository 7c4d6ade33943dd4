"""The examples as a fresh clone has them, and what is asked of every one of them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kit.project import REPOSITORY, Project
from tests.kit.strip import strip_numbers

EXAMPLES = REPOSITORY / "examples"


def example(name: str, root: Path, python: Path = Path(sys.executable)) -> Project:
    """A copy of the example, nothing made yet, whose `python3` is `python`."""
    shutil.copytree(
        EXAMPLES / name, root, ignore=shutil.ignore_patterns("out", ".helios", "node_modules", "__pycache__")
    )
    project = Project(root)
    project.env["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    return project


def need_program(name: str, install: str) -> None:
    """Fail the test where the program is not there, with what to install."""
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if shutil.which(name, path=places) is None:
        pytest.fail(f"{name} is not installed: {install}")


def python_with(module: str, environment: str, install: str) -> Path:
    """An interpreter that can import the module: of the environment of that name in the repository, else the one that runs
    the tests. Fails the test with what to install where neither can."""
    for python in (REPOSITORY / environment / "bin/python3", Path(sys.executable).parent / "python3"):
        if python.exists() and not subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode:
            return python
    pytest.fail(f"{module} cannot be imported: python3 -m venv {environment} && {install}")


def chunks(project: Project) -> dict[range, str]:
    """Every chunk in the project's cache: its frames -> the digest of what was rendered."""
    database = sqlite3.connect(f"file:{project.path('.helios/index.v1.sqlite')}?mode=ro", uri=True)
    try:
        rows = database.execute("SELECT start, frames, digest FROM results WHERE kind = 'chunk'").fetchall()
    finally:
        database.close()
    return {range(start, start + count): digest for start, count, digest in rows}


def seeking_problems(film: str, count: int, projects: Sequence[Project]) -> list[str]:
    """What is wrong with how a renderer seeks, from having it render the same frames in several projects: the numbers in the
    first one's film, and every stretch of frames that came out as other bytes somewhere."""
    problems: list[str] = []
    numbers = strip_numbers(projects[0].path(film))
    if numbers != list(range(count)):
        problems.append(f"the film shows frames {numbers}")
    digests: dict[range, set[str]] = {}
    for project in projects:
        for shown, digest in chunks(project).items():
            digests.setdefault(shown, set()).add(digest)
    problems += [
        f"frames {shown[0]} to {shown[-1]} came out as {len(names)} different files"
        for shown, names in sorted(digests.items(), key=lambda item: (item[0].start, item[0].stop))
        if len(names) > 1
    ]
    return problems
