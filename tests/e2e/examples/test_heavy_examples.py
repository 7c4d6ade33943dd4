"""The examples whose tools are large: Blender, manim and Remotion, each in an environment of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.kit.examples import example, need_program, python_with, seeking_problems
from tests.kit.project import REPOSITORY, Project

pytestmark = [pytest.mark.slow, pytest.mark.soak]
BLENDER = ("bpy", ".venv-blender", ".venv-blender/bin/pip install bpy==5.0.1 (Python 3.11)")
MANIM = (
    "manim",
    ".venv-manim",
    "apt-get install libcairo2-dev libpango1.0-dev pkg-config && .venv-manim/bin/pip install manim",
)


MODULES = REPOSITORY / ".venv-remotion/node_modules"


def twice(name: str, folder: Path, python: Path, shorter: list[tuple[str, str]]) -> list[Project]:
    """The example made twice, the second time elsewhere, one chunk after the other, and the last frames before the others."""
    projects = []
    for root in (folder / name, folder / "über" / name):
        project = example(name, root, python)
        for old, new in shorter:
            project.replace("render.yaml", old, new)
        if name == "remotion":
            project.path("node_modules").symlink_to(MODULES)
        projects.append(project)
    projects[0].run()
    projects[1].env |= {"TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8"}
    projects[1].replace("render.yaml", "frames: 0-5", "frames: 3-5")
    projects[1].run("-j1")
    projects[1].replace("render.yaml", "frames: 3-5", "frames: 0-5")
    projects[1].run("-j1")
    return projects


@pytest.mark.timeout(600)
def test_blender_renders_the_same_bytes_twice(tmp_path: Path) -> None:
    shorter = [("size: 320x180, samples: 16", "size: 160x90, samples: 4"), ("0-47", "0-5"), ("size: 12", "size: 3")]
    projects = twice("blender", tmp_path, python_with(*BLENDER), shorter)
    assert seeking_problems("out/marbles.mp4", 6, projects) == []


@pytest.mark.timeout(600)
def test_manim_renders_the_same_bytes_twice(tmp_path: Path) -> None:
    projects = twice("manim", tmp_path, python_with(*MANIM), [("0-89", "0-5"), ("size: 30", "size: 3")])
    assert seeking_problems("out/circle.mp4", 6, projects) == []


@pytest.mark.timeout(600)
def test_remotion_renders_the_same_bytes_twice(tmp_path: Path) -> None:
    need_program("chromium", "apt-get install chromium")
    if not MODULES.is_dir():
        pytest.fail(
            "Remotion is not installed: mkdir -p .venv-remotion && cp examples/remotion/package.json .venv-remotion/ "
            "&& npm install --prefix .venv-remotion"
        )
    shorter = [("0-89", "0-5"), ("size: 30", "size: 3")]
    projects = twice("remotion", tmp_path, Path(sys.executable), shorter)
    assert seeking_problems("out/ring.mp4", 6, projects) == []
