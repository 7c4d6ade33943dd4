"""A page rendered frame by frame in a real browser: the same bytes alone, in any order, anywhere; and what is not, is caught."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.stores.artifacts import StoreArtifacts
from helios_pipe.stores.local import LocalStore
from helios_pipe.worker.aws import AwsHandlerConfig, create_aws_handler
from helios_pipe.worker.cloudrun_server import CloudRunServerConfig, create_cloudrun_server
from tests.kit.examples import chunks, example, need_program, seeking_problems
from tests.kit.project import Project
from tests.kit.remote import Shelf, action, submit

pytestmark = [pytest.mark.slow, pytest.mark.tools]
FILM = "out/lanterns.mp4"
ELSEWHERE = {"TZ": "Pacific/Chatham", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}


def lanterns(root: Path, frames: str = "0-23") -> Project:
    """The example, shorter: chunks of 6 frames."""
    need_program("chromium", "apt-get install chromium")
    need_program("playwright", "pip install playwright")
    project = example("browser", root)
    project.replace("render.yaml", "0-119", frames)
    project.replace("render.yaml", "size: 30", "size: 6")
    return project


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The whole film, two browsers at a time."""
    project = lanterns(tmp_path_factory.mktemp("together") / "browser")
    project.run("-j2")
    return project


def test_the_films_frames_read_from_0_to_the_last(together: Project) -> None:
    assert seeking_problems(FILM, 24, [together]) == []
    assert sorted(chunks(together), key=lambda shown: shown.start) == [range(n, n + 6) for n in range(0, 24, 6)]


def test_a_chunk_alone_in_another_folder_time_zone_and_locale_is_the_same_bytes(
    together: Project, tmp_path: Path
) -> None:
    alone = lanterns(tmp_path / ("tief " * 20) / "über", "12-17")
    alone.env |= ELSEWHERE
    alone.run()
    assert chunks(alone) == {range(12, 18): chunks(together)[range(12, 18)]}


def test_chunks_in_another_order_with_other_neighbours_are_the_same_bytes(together: Project, tmp_path: Path) -> None:
    shuffled = lanterns(tmp_path / "shuffled", "18-23")
    before = "18-23"
    for frames in ("6-17", "0-23"):  # the last chunk first, then two of the middle, then the first
        shuffled.run("-j1")
        shuffled.replace("render.yaml", before, frames)
        before = frames
    shuffled.run("-j1")
    assert seeking_problems(FILM, 24, [together, shuffled]) == []
    assert shuffled.path(FILM).read_bytes() == together.path(FILM).read_bytes()


def test_workers_of_lambda_and_cloud_run_make_the_same_bytes(
    together: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", together.env["PATH"] + os.pathsep + str(together.path(".helios/bin")))
    shelf, store = Shelf(tmp_path / "shelf"), LocalStore(tmp_path / "store")
    names = ("scene.html", "render.py")
    tree = shelf.tree(**{name.replace(".", "_"): together.path(name).read_bytes() for name in names})
    shelf.upload(store, tree)
    words = ["python3", "render.py", "scene.html", "--fps", "30", "--start", "6", "--count", "6", "chunk.mp4"]
    event = {"jobPath": submit(store, action(words, "chunk.mp4", shared=tree, frames=6)), "chunkIndex": 0}

    handler = create_aws_handler(AwsHandlerConfig(tmp_path / "function", StoreArtifacts(store)))
    reply = handler(event, None)
    assert reply["statusCode"] == 200, reply
    (by_lambda,) = json.loads(reply["body"])["artifacts"]

    server = create_cloudrun_server(CloudRunServerConfig(tmp_path / "service", 0, StoreArtifacts(store)))
    body = json.dumps(event).encode()
    request = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    told: list[Any] = []
    answer = json.loads(b"".join(server(request, lambda status, headers: told.append(status))))
    assert told == ["200 OK"], answer
    (by_cloud_run,) = answer["artifacts"]

    here = chunks(together)[range(6, 12)]
    assert (by_lambda["sha256"], by_cloud_run["sha256"]) == (here, here)


def test_a_renderer_that_ignores_the_start_is_caught(tmp_path: Path) -> None:
    project = lanterns(tmp_path / "ignores", "0-11")
    project.replace("render.py", "range(start, start + count)", "range(count)")
    project.run()
    assert seeking_problems(FILM, 12, [project]) == [f"the film shows frames {[*range(6)] * 2}"]


@pytest.mark.parametrize(
    ("promise", "broken"),
    [
        ("animation.currentTime = frame * 1000 / FPS;", ""),
        ("frame / FPS);\n    drawNumber", "performance.now() / 1000);\n    drawNumber"),
        ("const x = star * 7919 % 640,", "const x = Math.random() * 640,"),
    ],
    ids=["animations that run by the wall clock", "a clock that starts with the page", "stars thrown anew"],
)
def test_frames_that_depend_on_when_the_page_was_loaded_are_caught(tmp_path: Path, promise: str, broken: str) -> None:
    projects = []
    for name in ("first", "second"):
        project = lanterns(tmp_path / name, "0-5")
        project.replace("scene.html", promise, broken)
        if not broken:
            project.replace("scene.html", "animation.pause();", "")
        project.run()
        projects.append(project)
    assert seeking_problems(FILM, 6, projects) == ["frames 0 to 5 came out as 2 different files"]
