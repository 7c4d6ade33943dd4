"""A joined film is written into the project while it is checked: whole, right, or not at all."""

from __future__ import annotations

from pathlib import Path

from tests.kit.project import Project


def left(project: Project) -> list[str]:
    return sorted(path.name for path in project.path("out").iterdir())


def blob_of(project: Project, digest: str) -> Path:
    return project.path(f".helios/cas/{digest[:2]}/{digest}")


def test_the_film_is_a_copy_of_its_own(project: Project) -> None:
    project.manifest(project.burnin())
    project.path("out").mkdir()
    (output,) = project.run().summary["outputs"]
    film, blob = project.path(output["path"]), blob_of(project, output["sha256"])
    assert film.read_bytes() == blob.read_bytes()
    assert film.stat().st_ino != blob.stat().st_ino
    assert film.stat().st_nlink == 1
    assert film.stat().st_mode & 0o200
    assert left(project) == ["film.mp4", "film.mp4.proof.json"]


def test_a_film_that_is_joined_again_leaves_nothing_beside_it(project: Project) -> None:
    project.manifest(project.burnin())
    project.run()
    before = project.path("out/film.mp4").read_bytes()
    assert project.run("--force-node", "film/stitch").nodes("executed") == ["film/stitch"]
    assert project.path("out/film.mp4").read_bytes() == before
    project.path("out/film.mp4").write_bytes(b"not what we left")
    project.run("--force-node", "film/stitch")
    assert project.path("out/film.mp4").read_bytes() == before
    assert left(project) == ["film.mp4", "film.mp4.proof.json"]


def test_what_a_killed_run_left_is_replaced(project: Project) -> None:
    project.manifest(project.burnin())
    project.write("out/.film.mp4.helios-tmp", "half a film")
    (output,) = project.run().summary["outputs"]
    assert project.path("out/film.mp4").read_bytes() == blob_of(project, output["sha256"]).read_bytes()
    assert left(project) == ["film.mp4", "film.mp4.proof.json"]


def test_a_join_that_fails_leaves_the_old_film_and_nothing_else(project: Project) -> None:
    project.manifest(project.burnin())
    project.run()
    before = project.path("out/film.mp4").read_bytes()
    project.manifest(project.burnin(frames="0-24", words="--width {chunk.count}2"))
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code != 0
    assert project.path("out/film.mp4").read_bytes() == before
    assert left(project) == ["film.mp4", "film.mp4.proof.json"]
