"""Inputs that are not there: all of them are told in one go, whatever a chunk's number has to do with them."""

from __future__ import annotations

import pytest

from tests.kit import quick
from tests.kit.project import Project

MANIFEST = """\
version: 1
tools: {sh: {digest: true}}
jobs:
  near:
    frames: 0-3
    chunk: {size: 1, command: [sh, -c, ": > {output}"], output: o.txt, inputs: [
      "plates/{chunk.start:04d}.exr",
      "masks/{chunk.start:04d}.png"]}
  far:
    inputs: [look.txt]
    frames: 0-59
    chunk: {size: 2, command: [sh, -c, ": > {output}"], output: o.txt, inputs: ["depth/{chunk.index}.exr"]}
  listed:
    chunks:
      - {command: [sh, -c, ": > {output}"], output: o.txt, inputs: ["sky/{chunk.index}.hdr"]}
      - {command: [sh, -c, ": > {output}"], output: o.txt, inputs: ["sky/{chunk.index}.hdr"]}
"""
GONE = [
    *(
        f"7:7: jobs.near.chunk.inputs[0]: there is no file 'plates/000{n}.exr', did you mean 'plates/0000.exr'?"
        for n in (1, 2, 3)
    ),
    *(f"8:7: jobs.near.chunk.inputs[1]: there is no file 'masks/000{n}.png', expected it there" for n in range(4)),
    "10:14: jobs.far.inputs[0]: there is no file 'look.txt', expected it there",
    *(
        f"12:81: jobs.far.chunk.inputs[0]: there is no file 'depth/{n}.exr', expected it there"
        for n in sorted(range(20), key=str)
    ),
    "12:81: jobs.far.chunk.inputs[0]: this pattern means 10 more files that are not there",
    *(
        f"{15 + n}:69: jobs.listed.chunks[{n}].inputs[0]: there is no file 'sky/{n}.hdr', expected it there"
        for n in (0, 1)
    ),
]


def told(stderr: str) -> list[str]:
    lines = stderr.removeprefix("error: ").splitlines()
    return [line.removeprefix("render.yaml:") for line in lines if "render.yaml:" in line]


@pytest.fixture
def gone(project: Project) -> Project:
    project.manifest(MANIFEST)
    project.write("plates/0000.exr", "")
    return project


@pytest.mark.parametrize("word", ["validate", "plan", "run"])
@pytest.mark.parametrize("before", [False, True], ids=["first", "with a cache"])
def test_all_inputs_that_are_not_there_are_told_in_one_go(gone: Project, word: str, before: bool) -> None:
    if before:
        gone.path(".helios").mkdir()
    done = gone.helios(word, "render.yaml")
    assert done.exit_code == 2, str(done)
    assert told(done.stderr) == GONE


def test_they_are_told_where_something_else_is_wrong_too(gone: Project) -> None:
    gone.replace("render.yaml", "tools: {sh", "tool: {sh")
    done = gone.helios("run", "render.yaml")
    assert done.exit_code == 2, str(done)
    assert told(done.stderr) == ["2:1: tool: unknown key 'tool', did you mean 'tools'?", *GONE]


def test_a_job_that_is_wrong_itself_has_no_numbers_to_look_for(gone: Project) -> None:
    gone.replace("render.yaml", "frames: 0-59", "frames: 0-x")
    lines = told(gone.helios("validate", "render.yaml").stderr)
    assert [line for line in lines if "jobs.far" not in line] == [line for line in GONE if "jobs.far" not in line]
    assert [line.partition(", ")[0] for line in lines if "jobs.far" in line] == [
        "10:14: jobs.far.inputs[0]: there is no file 'look.txt'",
        "11:5: jobs.far.frames: '0-x' is no frame range",
    ]


def test_a_run_that_could_not_begin_is_recorded_with_all_that_is_missing(project: Project) -> None:
    project.manifest(quick.film(2))
    project.run()
    document = quick.film(2)
    document["jobs"]["film"]["chunk"]["inputs"] = ["plates/{chunk.start}.exr"]
    film = document["jobs"]["film"]
    document["jobs"]["other"] = {key: film[key] for key in ("frames", "chunk")}
    project.manifest(document)
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 2, str(run)
    (error,) = [event for event in run.events if event["event"] == "error"]
    assert error["message"].count("there is no file 'plates/0.exr'") == 2
    assert error["message"].count("there is no file 'plates/5.exr'") == 2
    assert project.helios("show", "quick", "--json").document["stopped"] == error["message"]
