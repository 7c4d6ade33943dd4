"""`doctor` finds what is wrong before a run does."""

import json
from collections.abc import Callable

import pytest

from tests.kit.project import Project

MANIFEST = """\
version: 1
tools: {sh: {version: [sh, -c, "echo one"]}}
secrets: [DOCTOR_TOKEN]
adapters:
  farm: {type: http, url: "http://127.0.0.1:9/", storage: "file://%s"}
jobs:
  a: {command: [sh, -c, "echo > {output}"], output: out.txt}
"""

Doctor = Callable[..., tuple[int, dict[str, dict[str, str]]]]


@pytest.fixture
def findings(project: Project) -> Doctor:
    """What doctor says with these words, by name."""

    def told(*words: str) -> tuple[int, dict[str, dict[str, str]]]:
        project.write("render.yaml", MANIFEST % project.path("store"))
        run = project.helios("doctor", "render.yaml", "--json", *words)
        return run.exit_code, {row["name"]: row for row in map(json.loads, run.stdout.splitlines())}

    return told


def test_a_secret_that_is_not_set_is_told_of(findings: Doctor) -> None:
    code, found = findings()
    assert code == 3
    assert found["secret DOCTOR_TOKEN"]["advice"] == "Set DOCTOR_TOKEN in the environment of the run."
    assert found["tool sh"]["detail"] == "one"


def test_this_machine_runs_a_canary(project: Project, findings: Doctor) -> None:
    project.env = {"DOCTOR_TOKEN": "x"}
    code, found = findings("--adapter", "local")
    assert code == 0
    assert "a canary chunk came back" in found["worker of local"]["detail"]


def test_a_worker_that_is_not_there_is_told_of_with_its_url(project: Project, findings: Doctor) -> None:
    project.env = {"DOCTOR_TOKEN": "x"}
    code, found = findings("--adapter", "farm")
    assert code == 3
    assert found["store of farm"]["state"] == "ok"
    assert "http://127.0.0.1:9/" in found["worker of farm"]["detail"]
    assert found["worker of farm"]["advice"]


def test_a_machine_without_a_manifest_is_looked_at_too(project: Project) -> None:
    run = project.helios("doctor")
    assert "helios-pipe" in run.stdout
    assert "can be written" in run.stdout


@pytest.mark.parametrize("text", ["version: 1\njobs: {a: {command: x}}\n", None])
def test_a_manifest_that_is_wrong_or_not_there_ends_it_as_it_would_end_a_run(
    project: Project, text: str | None
) -> None:
    if text is not None:
        project.manifest(text)
    run = project.helios("doctor", "render.yaml")
    assert run.exit_code == project.helios("run", "render.yaml").exit_code == 2
    assert "FAIL  manifest: render.yaml" in run.stdout


def test_an_adapter_that_the_manifest_does_not_know_is_wrong_usage(findings: Doctor) -> None:
    assert findings("--adapter", "frm")[0] == 2
