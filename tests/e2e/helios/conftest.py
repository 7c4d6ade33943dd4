"""A folder in which a composition lies, with a `helios` on PATH that answers as the real one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.kit import fake_helios
from tests.kit.project import Project


class Scene(Project):
    """A project with a composition, and the program that renders it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        programs = fake_helios.install(root.parent / "programs").parent
        self.env["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self.write("comp.html", "<canvas></canvas>\n")

    def emit(self, name: str = "job.json", output: str = "out.mp4", *words: str) -> None:
        """`helios render … --emit-job NAME`: 40 frames in 4 chunks."""
        frames = ["--total-frames", "40", "--width", "128", "--height", "72"]
        self.call("render", "comp.html", "-o", output, "--emit-job", name, *frames, *words)

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`helios WORDS` in the folder."""
        return subprocess.run(
            ["helios", *words], cwd=self.root, env=self.environment(), capture_output=True, text=True, timeout=120
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A composition without a job file yet."""
    return Scene(tmp_path / "scene")
