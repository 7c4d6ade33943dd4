"""An index that is damaged, no database at all, or gone: said clearly, and mended by moving it away."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.kit import quick
from tests.kit.project import Project

PAGE = 4096


@pytest.fixture
def made(project: Project) -> Project:
    project.manifest(quick.film(4))
    project.run()
    for name in ("-wal", "-shm"):
        index(project).with_name(index(project).name + name).unlink(missing_ok=True)
    project.write("unrelated.txt", "")
    return project


def index(project: Project) -> Path:
    return project.path(".helios/index.v1.sqlite")


def spoil_every_page(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(2 * PAGE, len(data), PAGE):
        data[at : at + 200] = os.urandom(200)
    path.write_bytes(data)


@pytest.mark.parametrize("words", [("run", "render.yaml", "--force"), ("jobs",), ("show", "quick"), ("logs", "quick")])
def test_a_damaged_index_is_said_to_be_so(made: Project, words: tuple[str, ...]) -> None:
    spoil_every_page(index(made))
    said = made.helios(*words)
    assert said.exit_code == 3, str(said)
    assert "database disk image is malformed\n  Move that file away: the blobs stay" in said.stderr


def test_what_is_no_database_is_said_to_be_so_and_moving_it_away_helps(made: Project) -> None:
    index(made).write_bytes(os.urandom(3000))
    said = made.helios("run", "render.yaml", "--force")
    assert said.exit_code == 3, str(said)
    assert "cannot be used: file is not a database\n  Move that file away" in said.stderr
    index(made).rename(made.root.parent / "away.sqlite")
    assert made.run("--force").summary["executed"] == 5
    assert made.path("out/film.txt").read_text() == quick.whole(4)


def test_an_index_that_is_gone_costs_the_rendering_and_nothing_else(made: Project) -> None:
    index(made).unlink()
    shutil.rmtree(made.path(".helios/stamps"), ignore_errors=True)
    assert made.run().summary["executed"] == 5
    assert made.path("out/film.txt").read_text() == quick.whole(4)
