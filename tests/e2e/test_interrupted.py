"""Killed, interrupted, held twice: what is finished stays finished, and two runs never make one thing twice."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.kit.burnin import read_frame_numbers
from tests.kit.project import Project, alive, kill


@pytest.fixture
def held(project: Project) -> Project:
    """A film whose fourth chunk (from frame 30) waits for the gate."""
    project.manifest(project.burnin(frames="0-59", size=10))
    project.env = {"KIT_MISBEHAVE": "hold-on-frame:35"}
    return project


def finished_before(process: subprocess.Popen[str], count: int) -> list[str]:
    """Read events until so many nodes are said to be finished; their names."""
    assert process.stdout
    names: list[str] = []
    for line in process.stdout:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "node_finished":
            names.append(event["node"])
        if len(names) == count:
            return names
    raise AssertionError(f"the run ended after {names}")


def told(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    """Read events until one of that name."""
    assert process.stdout
    events: Iterator[dict[str, Any]] = map(json.loads, process.stdout)
    return next(event for event in events if event["event"] == name)


def test_what_was_said_to_be_finished_survives_kill_9(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        assert finished_before(process, 3) == ["film/0000", "film/0001", "film/0002"]
        held.wait_for("hold")
        kill(process)
        held.rendered()
        held.env = {}
        run = held.run("-j1")
        assert run.summary["executed"] == 4
        assert held.rendered() == ["30+10", "40+10", "50+10"]
    assert read_frame_numbers(held.path("out/film.mp4")) == list(range(60))


def test_an_orphan_of_a_killed_run_disturbs_nothing(held: Project) -> None:
    with held.running("run", "render.yaml", "-j1") as process:
        held.wait_for("hold")
        kill(process)
        held.env = {}
        held.run("-j1")
        film = held.path("out/film.mp4").read_bytes()
        held.gate.touch()
        held.wait_for_orphans()
        assert held.run().summary["executed"] == 0
        assert held.path("out/film.mp4").read_bytes() == film


def test_two_runs_at_once_make_everything_once(held: Project) -> None:
    with held.running("run", "render.yaml", "--json") as first:
        held.wait_for("hold")
        with held.running("run", "render.yaml", "--json") as second:
            held.gate.touch()
            done = held.finish(first), held.finish(second)
    assert [run.exit_code for run in done] == [0, 0], f"{done[0]}\n{done[1]}"
    assert done[0].summary["executed"] == 7
    assert (done[1].summary["executed"], done[1].summary["cached"]) == (0, 7)
    assert len(held.rendered()) == 6


def test_without_waiting_the_second_run_is_told_who_holds_the_job(held: Project) -> None:
    with held.running("run", "render.yaml", "--json") as first:
        held.wait_for("hold")
        second = held.helios("run", "render.yaml", "--no-wait")
        assert second.exit_code == 4, str(second)
        assert str(first.pid) in second.stderr
        told = held.helios("run", "render.yaml", "--no-wait", "--json")
        assert (told.exit_code, told.summary["total"]) == (4, 0)
        held.gate.touch()
        done = held.finish(first)
        assert done.exit_code == 0
        assert told.summary["job"] == done.summary["job"]


def test_ctrl_c_drains_and_leaves_the_job_paused(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        held.wait_for("hold")
        process.send_signal(signal.SIGINT)
        assert process.poll() is None
        held.gate.touch()
        run = held.finish(process)
    assert run.exit_code == 130
    assert run.summary["state"] == "paused"
    assert "film/0003" in run.nodes("executed")
    held.env = {}
    held.rendered()
    assert held.run().summary["executed"] == 3
    assert held.rendered() == ["40+10", "50+10"]


def test_a_second_ctrl_c_kills_what_runs(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        held.wait_for("hold")
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):  # two signals that come at once are one
            process.wait(1.5)
        process.send_signal(signal.SIGINT)
        run = held.finish(process)
    assert run.exit_code == 130
    assert run.summary["state"] == "paused"
    assert run.nodes("executed") == ["film/0000", "film/0001", "film/0002"]
    assert held.orphans() == []


@pytest.mark.slow
def test_sigterm_ends_the_run_with_143_and_nothing_of_it_lives_on(held: Project) -> None:
    held.env = {"KIT_MISBEHAVE": "hang"}
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        held.wait_for("hang")
        process.send_signal(signal.SIGTERM)
        run = held.finish(process)
    assert run.exit_code == 143
    assert held.orphans() == []
    assert not alive(process.pid)


def test_two_projects_share_a_cache(project: Project) -> None:
    project.add_renderer()
    document = project.burnin(frames="0-29")
    project.manifest(document, "one.yaml")
    document["jobs"]["film"]["stitch"]["output"] = "out/other.mp4"
    project.manifest(document, "two.yaml")
    cache = ("--cache-dir", str(project.root.parent / "shared-cache"))
    with (
        project.running("run", "one.yaml", "--json", *cache) as one,
        project.running("run", "two.yaml", "--json", *cache) as two,
    ):
        done = project.finish(one), project.finish(two)
    assert [run.exit_code for run in done] == [0, 0], f"{done[0]}\n{done[1]}"
    assert project.path("out/film.mp4").read_bytes() == project.path("out/other.mp4").read_bytes()
    assert not project.path(".helios").exists()
