"""The examples that need nothing but Python: images encoded, and one scene in many sizes and languages."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.kit.examples import example, seeking_problems
from tests.kit.project import Project
from tests.kit.strip import strip_numbers


@pytest.fixture
def waves(tmp_path: Path) -> Project:
    project = example("python-frames", tmp_path / "waves")
    project.replace("render.yaml", "0-119", "0-19")
    project.replace("render.yaml", "size: 30", "size: 5")
    project.replace("render.yaml", "eq(n\\\\,45)", "eq(n\\\\,10)")
    return project


def test_images_become_a_video_with_every_frame_once(waves: Project) -> None:
    summary = waves.run().summary
    assert (summary["state"], summary["executed"]) == ("completed", 6)
    assert strip_numbers(waves.path("out/waves.mp4")) == list(range(20))
    with av.open(str(waves.path("out/waves.mp4"))) as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (640, 360)
        assert film.streams.video[0].average_rate == 30
    assert strip_numbers(waves.path("out/poster.png")) == [10]


@pytest.mark.slow
def test_another_quality_encodes_again_and_renders_nothing(waves: Project) -> None:
    waves.run()
    waves.replace("render.yaml", "crf: 18", "crf: 30")
    assert waves.run().nodes("executed") == ["poster", "waves/stitch"]
    waves.replace("render.yaml", "0-19", "0-24")
    assert waves.run().nodes("executed") == ["poster", "waves/0004", "waves/stitch"]


@pytest.mark.slow
def test_two_renderings_are_the_same_bytes(waves: Project, tmp_path: Path) -> None:
    waves.run()
    again = Project(tmp_path / "anders wo/é")
    for name in ("render.py", "render.yaml"):
        again.write(name, waves.path(name).read_text())
    again.env = {**waves.env, "TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8"}
    again.run("-j1")
    assert seeking_problems("out/waves.mp4", 20, [waves, again]) == []
    assert again.path("out/waves.mp4").read_bytes() == waves.path("out/waves.mp4").read_bytes()


def seconds(stream: Any) -> Fraction:
    return Fraction(stream.duration * stream.time_base)


@pytest.fixture
def ladder(tmp_path: Path) -> Project:
    return example("ladder", tmp_path / "ladder")


@pytest.mark.slow
def test_one_scene_in_six_films_and_a_trailer_of_three_scenes_share_one_sound(ladder: Project) -> None:
    summary = ladder.run().summary
    assert (summary["state"], summary["total"], summary["failed"]) == ("completed", 35, 0)
    for lang in ("en", "de", "fr"):
        for height in (180, 360):
            film = ladder.path(f"out/scene-{lang}-{height}.mp4")
            assert strip_numbers(film) == list(range(90))
            with av.open(str(film)) as container:
                assert container.streams.video[0].height == height
                assert [seconds(stream) for stream in container.streams] == [3, 3]
    assert strip_numbers(ladder.path("out/trailer.mp4")) == [*range(30)] * 3
    with av.open(str(ladder.path("out/trailer.mp4"))) as trailer:
        assert [stream.type for stream in trailer.streams] == ["video", "audio"]
        assert [seconds(stream) for stream in trailer.streams] == [3, 3]

    # A louder sound joins again, and renders no picture.
    louder = ladder.run("--set", "volume=0.6").nodes("executed")
    scenes = [f"scene[{lang},{size}]/stitch" for lang in ("de", "en", "fr") for size in (180, 360)]
    assert louder == sorted(["sound", "trailer/stitch", *scenes])

    # Another German title renders all films again that read it: every one has titles.json for an input.
    titles = json.loads(ladder.path("titles.json").read_text())
    titles["de"]["whole"] = "Nabend"
    ladder.write("titles.json", json.dumps(titles))
    made = ladder.run("--set", "volume=0.6").nodes("executed")
    assert [name for name in made if name.endswith("/stitch")] == ["scene[de,180]/stitch", "scene[de,360]/stitch"]
