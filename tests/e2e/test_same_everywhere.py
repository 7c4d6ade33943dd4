"""A chunk is the same bytes wherever, whenever and in whatever order it is rendered, and its frames are those asked for."""

from __future__ import annotations

from pathlib import Path

from tests.kit.burnin import read_frame_numbers
from tests.kit.project import Project


def videos(project: Project) -> dict[str, bytes]:
    """Every video in the project's cache, by its digest."""
    blobs = {p.name: p.read_bytes() for p in project.path(".helios/cas").rglob("*") if p.is_file()}
    return {name: data for name, data in blobs.items() if data[4:8] == b"ftyp"}


def made(root: Path, *words: str, frames: str = "0-49", **env: str) -> Project:
    project = Project(root)
    project.manifest(project.burnin(frames=frames))
    project.env = env
    project.run(*words)
    return project


def test_another_folder_time_zone_locale_and_order_give_the_same_bytes(tmp_path: Path) -> None:
    here = made(tmp_path / "here", "-j1")
    there = made(
        tmp_path / "far away/über/there", "-j2", TZ="Pacific/Chatham", LANG="tr_TR.UTF-8", LC_ALL="tr_TR.UTF-8"
    )
    assert len(videos(here)) == 6
    assert videos(here).keys() == videos(there).keys()


def test_a_chunk_rendered_alone_is_the_chunk_rendered_with_the_others(tmp_path: Path) -> None:
    alone = made(tmp_path / "alone", frames="30-39")
    together = made(tmp_path / "together")
    assert len(alone.rendered()) == 1
    assert videos(alone).keys() & videos(together).keys()


def test_each_chunk_holds_its_own_frames_and_no_others(tmp_path: Path) -> None:
    project = made(tmp_path / "project")
    found = []
    for name in videos(project):
        path = next(project.path(".helios/cas").rglob(name))
        found.append(read_frame_numbers(path))
    assert sorted(found, key=lambda numbers: (len(numbers), numbers[0])) == [
        *(list(range(start, start + 10)) for start in range(0, 50, 10)),
        list(range(50)),
    ]
