"""Results that another machine made, by way of `cache.remote`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.project import Project

MANIFEST = """\
version: 1
cache: {{remote: "{store}", push: {push}}}
tools: {{sh: {{version: [sh, -c, "echo 1"]}}}}
jobs:
  film:
    frames: 0-9
    chunk: {{size: 2, command: [sh, -c, "echo {{chunk.start}} > {{output}}"], output: c.txt}}
    stitch: {{command: [sh, -c, 'cat "$@" > {{output}}', x, "{{inputs}}"], output: out/film.txt}}
  images:
    frames: 0-3
    chunk:
      size: 2
      command: [sh, -c, "mkdir f; for n in {{chunk.start}} {{chunk.end}}; do echo $n > f/000$n.png; done"]
      output: f/
    stitch: {{output: out/images/}}
"""

Make = Callable[..., Project]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A project of its own folder and cache, with the same remote one."""

    def made(name: str, *, push: bool = True, store: str | None = None) -> Project:
        project = Project(tmp_path / name)
        url = store or f"file://{tmp_path}/store"
        project.write("render.yaml", MANIFEST.format(store=url, push=str(push).lower()))
        return project

    return made


def test_what_one_machine_made_another_finds(make: Make) -> None:
    assert make("one").run().summary["executed"] == 9
    two = make("two")
    run = two.run()
    assert (run.summary["executed"], run.summary["cached"]) == (0, 9)
    assert two.path("out/film.txt").read_text() == "0\n2\n4\n6\n8\n"
    assert two.path("out/images/0003.png").read_text() == "3\n"
    reasons = {event["reason"] for event in run.events if event["event"] == "node_finished"}
    assert reasons == {"found in the remote cache"}


def test_nothing_is_pushed_where_the_manifest_does_not_say_so(make: Make, tmp_path: Path) -> None:
    make("one", push=False).run()
    assert not (tmp_path / "store").exists() or not list((tmp_path / "store").rglob("ac/*"))


def test_a_plan_asks_the_remote_cache_and_fetches_no_file(make: Make) -> None:
    make("one").run()
    two = make("two")
    plan = two.helios("plan", "render.yaml", "--json").document
    assert plan["to_run"] == 0
    assert two.run().summary["executed"] == 0


def test_a_blob_that_the_remote_cache_lost_is_made_again(make: Make, tmp_path: Path) -> None:
    make("one").run()
    for path in (tmp_path / "store" / "cas").rglob("*"):
        if path.is_file() and path.read_bytes() == b"4\n":
            path.unlink()
    run = make("two").run()
    assert run.nodes("executed") == ["film/0002"]


def test_a_damaged_blob_is_not_taken(make: Make, tmp_path: Path) -> None:
    make("one").run()
    for path in (tmp_path / "store" / "cas").rglob("*"):
        if path.is_file() and path.read_bytes() == b"4\n":
            path.chmod(0o644)
            path.write_bytes(b"5\n")
    two = make("two")
    run = two.run()
    assert two.path("out/film.txt").read_text() == "0\n2\n4\n6\n8\n"
    assert run.nodes("executed") == ["film/0002"]
    (warning,) = [event["message"] for event in run.events if event["event"] == "warning"]
    assert warning.startswith("film/0002 is not taken from the remote cache: blob ")
    assert "is damaged" in warning
    assert make("three").run().summary["executed"] == 0  # it is whole again there


def test_a_damaged_tree_is_not_taken_and_is_made_whole(make: Make, tmp_path: Path) -> None:
    make("one").run()
    for path in (tmp_path / "store" / "cas").rglob("*"):
        if path.is_file() and b"0002.png" in path.read_bytes() and b"0000.png" not in path.read_bytes():
            path.chmod(0o644)
            path.write_bytes(b"{}")
    assert make("two").run().nodes("executed") == ["images/0001"]
    assert make("three").run().summary["executed"] == 0


def test_what_comes_out_otherwise_takes_the_place_of_what_was_damaged(make: Make, tmp_path: Path) -> None:
    one = make("one")
    one.replace(
        "render.yaml",
        "echo {chunk.start} > {output}",
        "(echo {chunk.start}; cat /proc/sys/kernel/random/uuid) > {output}",
    )
    one.run()
    for path in (tmp_path / "store" / "cas").rglob("*"):
        if path.is_file() and len(path.read_bytes()) == 39:
            path.unlink()
    for name, executed in (("two", 6), ("three", 0)):
        again = make(name)
        again.write("render.yaml", one.path("render.yaml").read_text())
        assert again.run().summary["executed"] == executed


def test_a_pull_by_hand_tells_what_is_damaged_and_brings_the_rest(make: Make, tmp_path: Path) -> None:
    make("one").run()
    for path in (tmp_path / "store" / "cas").rglob("*"):
        if path.is_file() and path.read_bytes() == b"4\n":
            path.chmod(0o644)
            path.write_bytes(b"5\n")
    pulled = make("two").helios("cache", "pull", "render.yaml")
    assert pulled.exit_code == 0
    assert "warning: film/0002 is not taken from the remote cache: blob " in pulled.stderr
    assert "7 of 9 nodes are in the cache now" in pulled.stdout


def test_a_remote_cache_that_is_not_there_is_told_of_and_left_alone(make: Make) -> None:
    run = make("one", store="http://127.0.0.1:9/cache").run()
    assert run.summary["executed"] == 9
    warnings = [event["message"] for event in run.events if event["event"] == "warning"]
    assert any("left alone from here on" in text for text in warnings)


def test_push_and_pull_by_hand(make: Make) -> None:
    one = make("one", push=False)
    one.run()
    assert "9 results pushed; 0 were there" in one.helios("cache", "push", "render.yaml").stdout
    assert "0 results pushed; 9 were there" in one.helios("cache", "push", "render.yaml").stdout
    two = make("two", push=False)
    assert "9 of 9 nodes are in the cache now" in two.helios("cache", "pull", "render.yaml").stdout
    shutil.rmtree(one.root.parent / "store")
    assert two.run().summary["executed"] == 0
