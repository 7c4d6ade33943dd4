"""What is no ingredient runs nothing: times, comments, order, place, the folder that one stands in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kit.burnin import read_frame_numbers
from tests.kit.project import Project

MANIFEST = """\
version: 1
name: kit
pass_env: [KIT_LOG]
jobs:
  film:
    inputs: [burnin.py, look.txt]
    frames: 0-29
    fps: 30
    chunk:
      size: 10
      command: {PYTHON} burnin.py --look look.txt --start {{chunk.start}} --count {{chunk.count}} --output {{output}}
      output: chunk.mp4
    stitch:
      output: out/film.mp4
"""


@pytest.fixture
def made(project: Project) -> Project:
    """A project whose film is made."""
    import sys

    project.add_renderer()
    project.manifest(MANIFEST.format(PYTHON=sys.executable))
    project.settled()
    assert project.run().summary["executed"] == 4
    assert project.rendered() == ["0+10", "10+10", "20+10"]
    return project


def assert_nothing_ran(project: Project, *words: str, cwd: Path | None = None) -> None:
    run = project.run(*words, cwd=cwd, manifest=project.path("render.yaml") if cwd else "render.yaml")
    summary = run.summary
    assert project.rendered() == []
    assert (summary["state"], summary["executed"], summary["cached"], summary["total"]) == ("completed", 0, 4, 4)


def test_a_second_and_a_third_run_do_nothing(made: Project) -> None:
    assert_nothing_ran(made)
    assert_nothing_ran(made)


def test_touching_everything_runs_nothing(made: Project) -> None:
    for name in ("render.yaml", "burnin.py", "look.txt", "out/film.mp4"):
        os.utime(made.path(name))
    assert_nothing_ran(made)


def test_a_file_written_anew_with_the_same_bytes_runs_nothing(made: Project) -> None:
    text = made.path("look.txt").read_text()
    made.path("look.txt").unlink()
    made.write("look.txt", text)
    assert_nothing_ran(made)


def test_a_comment_and_another_order_of_keys_run_nothing(made: Project) -> None:
    lines = made.path("render.yaml").read_text().splitlines()
    lines.insert(0, "# a comment")
    lines.remove("    fps: 30")
    lines.insert(lines.index("    frames: 0-29"), "    fps: 30   # the rate, before the range")
    made.write("render.yaml", "\n".join(lines) + "\n")
    assert_nothing_ran(made)


def test_a_variable_that_no_command_uses_runs_nothing(made: Project) -> None:
    made.replace("render.yaml", "name: kit\n", "name: kit\nvars: {unused: 1}\n")
    assert_nothing_ran(made)


def test_timeouts_and_retries_run_nothing(made: Project) -> None:
    made.replace("render.yaml", "    fps: 30\n", "    fps: 30\n    timeout: 5m\n    retries: 3\n")
    assert_nothing_ran(made)


def test_more_workers_run_nothing(made: Project) -> None:
    assert_nothing_ran(made, "-j", "7")


def test_moving_the_output_runs_nothing_and_puts_it_there(made: Project) -> None:
    film = made.path("out/film.mp4").read_bytes()
    made.replace("render.yaml", "out/film.mp4", "elsewhere/final.mp4")
    assert_nothing_ran(made)
    assert made.path("elsewhere/final.mp4").read_bytes() == film


def test_a_deleted_output_is_put_back_without_running_anything(made: Project) -> None:
    film = made.path("out/film.mp4").read_bytes()
    made.path("out/film.mp4").unlink()
    assert_nothing_ran(made)
    assert made.path("out/film.mp4").read_bytes() == film


def test_an_output_that_somebody_wrote_over_is_put_right(made: Project) -> None:
    film = made.path("out/film.mp4").read_bytes()
    made.path("out/film.mp4").unlink()
    made.write("out/film.mp4", "scribble")
    assert_nothing_ran(made)
    assert made.path("out/film.mp4").read_bytes() == film


def test_another_working_folder_runs_nothing(made: Project, tmp_path: Path) -> None:
    (tmp_path / "far/away").mkdir(parents=True)
    assert_nothing_ran(made, cwd=tmp_path / "far/away")


def test_a_project_that_was_moved_with_its_cache_runs_nothing(made: Project, tmp_path: Path) -> None:
    made.root.rename(tmp_path / "moved")
    assert_nothing_ran(Project(tmp_path / "moved"))


def test_a_file_that_is_not_declared_runs_nothing(made: Project) -> None:
    made.write("notes.txt", "not an input\n")
    assert_nothing_ran(made)


def test_another_environment_and_time_zone_run_nothing(made: Project) -> None:
    made.env = {"TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "UNRELATED": "1"}
    assert_nothing_ran(made)


def test_the_frames_of_the_film_are_those_that_were_asked_for(made: Project) -> None:
    assert read_frame_numbers(made.path("out/film.mp4")) == list(range(30))
