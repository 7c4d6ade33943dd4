"""The examples do what their page says, with the ffmpeg that comes along."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import pytest

from tests.kit.project import REPOSITORY, Project

QUICKSTART = REPOSITORY / "examples/quickstart"


def copied(root: Path) -> Project:
    """The example as a fresh clone has it, nothing made yet."""
    shutil.copytree(QUICKSTART, root, ignore=shutil.ignore_patterns("out", ".helios"))
    return Project(root)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example after its first run, which made all nine nodes."""
    project = copied(tmp_path_factory.mktemp("quickstart") / "quickstart")
    summary = project.run().summary
    assert (summary["state"], summary["total"], summary["executed"]) == ("completed", 9, 9)
    return project


@pytest.fixture
def quickstart(rendered: Project, tmp_path: Path) -> Project:
    """A copy of the rendered example, its cache too, for one test to change."""
    shutil.copytree(rendered.root, tmp_path / "quickstart", symlinks=True)
    return Project(tmp_path / "quickstart")


def test_the_film_has_every_frame_once(rendered: Project) -> None:
    with av.open(str(rendered.path("out/sunrise.mp4"))) as film:
        times = sorted(frame.time for frame in film.decode(video=0))
    assert len(times) == 240
    assert times == pytest.approx([i / 30 for i in range(240)])


def test_the_summary_names_the_film_and_its_proof_is_beside_it(quickstart: Project) -> None:
    summary = quickstart.run().summary
    film = quickstart.path("out/sunrise.mp4")
    assert [(o["path"], o["size"]) for o in summary["outputs"]] == [("out/sunrise.mp4", film.stat().st_size)]
    assert quickstart.path("out/sunrise.mp4.proof.json").exists()


def test_a_second_run_has_nothing_to_do(quickstart: Project) -> None:
    summary = quickstart.run().summary
    assert (summary["state"], summary["executed"], summary["cached"]) == ("completed", 0, 9)


def test_another_colour_renders_all_and_the_old_one_again_nothing(quickstart: Project) -> None:
    before = quickstart.path("out/sunrise.mp4").read_bytes()
    quickstart.replace("look.cube", "1.00 0.64 0.30", "0.30 0.90 0.60")
    assert quickstart.run().summary["executed"] == 9
    assert quickstart.path("out/sunrise.mp4").read_bytes() != before
    quickstart.replace("look.cube", "0.30 0.90 0.60", "1.00 0.64 0.30")
    assert quickstart.run().summary["executed"] == 0
    assert quickstart.path("out/sunrise.mp4").read_bytes() == before


def test_two_seconds_more_are_two_chunks_and_the_join(quickstart: Project) -> None:
    quickstart.replace("render.yaml", "0-239", "0-299")
    run = quickstart.run()
    assert run.nodes("executed") == ["sunrise/0008", "sunrise/0009", "sunrise/stitch"]
    assert run.summary["cached"] == 8


def test_a_second_less_at_the_head_is_the_join_alone(quickstart: Project) -> None:
    quickstart.replace("render.yaml", "0-239", "30-239")
    assert quickstart.run().nodes("executed") == ["sunrise/stitch"]


def test_one_of_the_shots_is_rendered_again_alone(tmp_path: Path) -> None:
    project = copied(tmp_path / "quickstart")
    assert project.run(manifest="shots.yaml").summary["executed"] == 9
    project.path("looks/00090.cube").write_text(project.path("looks/00240.cube").read_text())
    assert project.run(manifest="shots.yaml").nodes("executed") == ["shots/0003", "shots/stitch"]


def test_every_example_is_valid(project: Project) -> None:
    for manifest in sorted(REPOSITORY.glob("examples/**/*.yaml")):
        done = project.helios("validate", manifest)
        assert done.exit_code == 0, f"{manifest}: {done}"
