"""What a run tells: events that add up, a plan that is kept, an explanation that names what changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from tests.kit.project import Project, Run


def executed(run: Run) -> set[str]:
    return set(run.nodes("executed"))


def to_run(project: Project, *words: str) -> set[str]:
    return {row["node"] for row in project.plan(*words)["nodes"] if row["action"] == "run"}


@pytest.fixture
def fresh(project: Project) -> Project:
    project.manifest(project.burnin(frames="0-29"))
    return project


def test_every_line_has_an_event_and_a_time_and_the_last_is_the_summary(fresh: Project) -> None:
    run = fresh.run()
    assert all({"event", "time"} <= event.keys() for event in run.events)
    assert all(datetime.fromisoformat(str(event["time"])).tzinfo for event in run.events)
    summary = run.summary
    assert summary["total"] == 4
    assert summary["executed"] + summary["cached"] + summary["failed"] + summary["skipped"] == summary["total"]
    film = fresh.path("out/film.mp4").read_bytes()
    assert summary["outputs"] == [
        {"path": "out/film.mp4", "sha256": hashlib.sha256(film).hexdigest(), "size": len(film)}
    ]
    assert summary["job"].rpartition("-")[0] == "kit"
    assert len(summary["job"].rpartition("-")[2]) == 4


def test_each_node_is_started_and_finished_once(fresh: Project) -> None:
    events = fresh.run().events
    names = ["film/0000", "film/0001", "film/0002", "film/stitch"]
    assert sorted(e["node"] for e in events if e["event"] == "node_started") == names
    assert sorted(e["node"] for e in events if e["event"] == "node_finished") == names
    assert all(e["attempt"] == 1 for e in events if e["event"] == "node_finished")


def test_cached_nodes_are_told_too(fresh: Project) -> None:
    fresh.run()
    fresh.write("unrelated.txt", "x")
    run = fresh.run()
    assert run.summary["cached"] == 4
    assert executed(run) == set()


def test_a_run_does_what_the_plan_said(fresh: Project) -> None:
    assert to_run(fresh) == executed(fresh.run()) == {"film/0000", "film/0001", "film/0002", "film/stitch"}
    assert to_run(fresh) == executed(fresh.run()) == set()
    fresh.write("look.txt", "cold\n")
    assert to_run(fresh) == executed(fresh.run()) == {"film/0000", "film/0001", "film/0002", "film/stitch"}
    fresh.manifest(fresh.burnin(frames="0-49"))
    assert to_run(fresh) == executed(fresh.run()) == {"film/0003", "film/0004", "film/stitch"}
    fresh.manifest(fresh.burnin(frames="10-49"))
    assert to_run(fresh) == executed(fresh.run()) == {"film/stitch"}
    assert to_run(fresh, "--force") == executed(fresh.run("--force"))


def test_a_plan_runs_nothing_and_writes_no_output(fresh: Project) -> None:
    plan = fresh.plan()
    assert (plan["total"], plan["to_run"]) == (4, 4)
    assert [row["kind"] for row in plan["nodes"]] == ["chunk", "chunk", "chunk", "stitch"]
    assert fresh.rendered() == []
    assert not fresh.path("out").exists()


def test_a_dry_run_is_a_plan(fresh: Project) -> None:
    dry = fresh.helios("run", "render.yaml", "-n", "--json")
    assert dry.exit_code == 0
    assert dry.document == fresh.plan()


def test_a_plan_says_why(fresh: Project) -> None:
    fresh.run()
    fresh.write("look.txt", "cold\n")
    reasons = {row["node"]: row["reason"] for row in fresh.plan()["nodes"]}
    assert reasons["film/0001"] == "input look.txt changed"
    fresh.write("look.txt", "warm\n")
    assert {row["reason"] for row in fresh.plan()["nodes"]} == {"up to date"}


def test_an_explanation_lists_the_ingredients_and_what_changed(fresh: Project) -> None:
    fresh.run()
    fresh.write("look.txt", "cold\n")
    digest = hashlib.sha256(b"cold\n").hexdigest()
    said = fresh.helios("explain", "render.yaml", "film/0001")
    assert said.exit_code == 0, str(said)
    assert "look.txt" in said.stdout
    assert digest[:12] in said.stdout
    assert hashlib.sha256(b"warm\n").hexdigest()[:12] in said.stdout
    assert "burnin.py" in said.stdout


def test_an_unknown_node_is_refused_with_the_nearest_known(fresh: Project) -> None:
    said = fresh.helios("explain", "render.yaml", "film/0009")
    assert said.exit_code == 2
    assert "film/000" in said.stderr


def test_plain_output_goes_without_colours_and_json_leaves_stdout_alone(fresh: Project) -> None:
    plain = fresh.helios("run", "render.yaml")
    assert plain.exit_code == 0
    assert "\x1b" not in plain.stdout + plain.stderr
    quiet = fresh.helios("run", "render.yaml", "-q")
    assert (quiet.exit_code, quiet.stdout) == (0, "")


def test_jobs_show_and_logs_tell_of_the_run(fresh: Project) -> None:
    job = fresh.run().summary["job"]
    assert job in fresh.helios("jobs").stdout
    shown = fresh.helios("show", job)
    assert shown.exit_code == 0
    assert "film/0001" in shown.stdout
    assert fresh.helios("logs", job, "film/0001").exit_code == 0


def test_no_stitch_leaves_the_join_out_of_the_total(fresh: Project) -> None:
    run = fresh.run("--no-stitch")
    assert run.summary["total"] == 3
    assert not fresh.path("out/film.mp4").exists()


@pytest.mark.parametrize("command", ["validate", "run", "plan"])
def test_a_missing_input_is_told_with_all_else_that_is_wrong(project: Project, command: str) -> None:
    project.manifest(
        """\
version: 1
foo: 1
jobs:
  a: {inputs: ["zz*"], frames: 2, chunk: {size: 1, command: x, output: c.mp4, inputs: [gone.png]}, stitch: {output: a.mp4, audio: no.wav}}
"""  # noqa: E501 - on one line, as in a manifest
    )
    said = project.helios(command, "render.yaml").stderr
    for text in ("unknown key 'foo'", "'zz*' matches no file", "no file 'gone.png'", "no file 'no.wav'"):
        assert text in said


UNSTITCHED = """\
version: 1
tools: {sh: {version: [sh, -c, echo 1]}}
jobs:
  a:
    frames: 2
    chunk: {size: 1, command: [sh, -c, "echo {chunk.start} > {output}"], output: p.txt}
    stitch: {command: [sh, -c, 'cat "$@" > {output}', x, "{inputs}"], output: a.txt}
  b: {inputs: [{job: e}, {job: a}], command: [sh, -c, cat jobs/a/a.txt > b.txt], output: b.txt}
  c: {inputs: [{job: b}], command: [sh, -c, cat jobs/b/b.txt > c.txt], output: c.txt}
  d: {stitch: {from: [a, b], method: collect, output: d/}}
  e: {command: [sh, -c, echo > e.txt], output: e.txt}
"""
LEFT_OUT = "--no-stitch leaves out b, c: what a stitch makes is needed there"


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_glob_to_force_that_fits_no_node_is_refused_before_anything_is_written(
    project: Project, command: str
) -> None:
    project.manifest(UNSTITCHED)
    refused = project.helios(command, "render.yaml", "--force-node", "a/00001", "--cache-dir", "elsewhere")
    assert refused.exit_code == 2
    assert "--force-node 'a/00001' fits no node; did you mean 'a/0001'?" in refused.stderr
    assert os.listdir(project.root) == ["render.yaml"]


def test_no_stitch_names_the_jobs_that_it_leaves_out(project: Project) -> None:
    project.manifest(UNSTITCHED)
    for command in ("run", "plan"):
        assert f"warning: {LEFT_OUT}" in project.helios(command, "render.yaml", "--no-stitch").stderr
    for _ in range(3):
        project.settled()
        run = project.run("--no-stitch")
        assert run.summary["total"] == 3
        assert LEFT_OUT in [event.get("message") for event in run.events if event["event"] == "warning"]
    assert LEFT_OUT in project.helios("plan", "render.yaml", "--no-stitch", "--json").stderr


@pytest.mark.parametrize(
    ("job", "why"),
    [
        ("b", "job b takes what the stitch of a makes"),
        ("c", "job c needs job b, which takes what the stitch of a makes"),
        ("d", "job d is nothing but a stitch"),
    ],
)
def test_a_job_that_needs_a_stitch_cannot_be_asked_for_without_one(project: Project, job: str, why: str) -> None:
    project.manifest(UNSTITCHED)
    for command in ("run", "plan"):
        refused = project.helios(command, "render.yaml", job, "--no-stitch")
        assert (refused.exit_code, refused.stderr) == (2, f"error: --no-stitch: {why}\n  Leave --no-stitch out.\n")
    assert project.run("a", "--no-stitch").summary["total"] == 2


def test_the_chunks_of_a_film_need_no_sound(project: Project) -> None:
    project.manifest(
        UNSTITCHED.replace("method: collect, output: d/", "output: d.mp4, audio: {job: b}").replace(
            "from: [a, b],", ""
        ).replace("d: {", "d: {frames: 1, chunk: {size: 1, command: [sh, -c, echo > p.mp4], output: q.txt}, ")
    )  # fmt: skip
    assert project.plan("--no-stitch")["total"] == 4


def test_a_project_in_a_folder_whose_name_is_not_text_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    other = Project(Path(os.fsdecode(folder)))
    other.manifest({"version": 1, "jobs": {"a": {"command": "true", "output": "o"}}})
    run = other.helios("run", "render.yaml")
    assert run.exit_code == 2
    assert "has a name that is not UTF-8" in run.stderr
    assert "caf\\xe9" in run.stderr
    assert "Rename it" in run.stderr


def test_a_manifest_whose_name_is_not_text_is_refused_with_what_to_do(fresh: Project) -> None:
    name = os.fsdecode(b"caf\xe9.yaml")
    fresh.path("render.yaml").rename(fresh.path(name))
    for command in ("run", "plan"):
        run = fresh.helios(command, name)
        assert run.exit_code == 2
        assert "the manifest b'caf\\xe9.yaml' has a name that is not UTF-8" in run.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_said(fresh: Project, unbuffered: str) -> None:
    for words in (
        ["run", "render.yaml"], ["run", "render.yaml"], ["run", "render.yaml", "--json", "--force"],
        ["plan", "render.yaml"], ["validate", "render.yaml"], ["jobs"], ["--version"], ["--help"],
    ):  # fmt: skip
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                fresh.command(*words), cwd=fresh.root, env={**fresh.environment(), "PYTHONUNBUFFERED": unbuffered},
                stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert done.returncode == 1, words
        assert done.stderr.splitlines()[-1] == "error: stdout cannot be written: No space left on device", words
    assert fresh.run().summary["executed"] == 0  # what was made was made


def test_a_closed_stdout_is_nobodys_loss(fresh: Project) -> None:
    for words in (
        ["run", "render.yaml"],
        ["run", "render.yaml"],
        ["run", "render.yaml", "--json"],
        ["plan", "render.yaml"],
    ):
        argv = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *fresh.command(*words)]
        done = subprocess.run(
            argv, cwd=fresh.root, env=fresh.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), (words, done.stderr)
