"""Why a stitch is made: what changed in it, old -> new, also of what it has in common with nothing else; what is not known is
not told."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from helios_pipe.cache.folders import DATABASE
from tests.kit.project import Project

GATHERED = """\
version: 1
env: {COMMON: "1"}
jobs:
  b: {command: [sh, -c, "echo b > {output}"], output: out/gb.txt}
  j:
    env: {A: 1}
    stitch:
      from: [b]
      output: out/g.txt
      command: [sh, -c, "cat $* > {output}; echo $A >> {output}", x, "{inputs}"]
"""
CHUNKED = """\
version: 1
jobs:
  poem:
    env: {A: 1}
    frames: 0-3
    chunk: {size: 2, command: [sh, -c, "echo {chunk.start} > {output}"], output: c.txt}
    stitch:
      output: out/poem.txt
      command: [sh, -c, "cat $* > {output}; echo $A >> {output}", x, "{inputs}"]
"""


@pytest.fixture
def gathered(project: Project) -> Project:
    """What another job made, gathered by a command."""
    project.manifest(GATHERED)
    project.run()
    return project


def explained(project: Project, node: str) -> dict[str, Any]:
    run = project.helios("explain", "render.yaml", node, "--json")
    assert run.exit_code == 0, str(run)
    return run.document


def changed(document: dict[str, Any]) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Name -> old, new, the manifest's line."""
    rows = [row for row in document["ingredients"] if row["changed"]]
    return {row["name"]: (row["old"], row["value"], row["manifest"]) for row in rows}


def reasons(project: Project) -> dict[str, str]:
    return {row["node"]: row["reason"] for row in project.plan()["nodes"]}


def why_run(project: Project) -> dict[str, str]:
    return {e["node"]: e["reason"] for e in project.run().events if e["event"] == "node_finished"}


def test_a_stitchs_environment_is_named_when_it_changed(gathered: Project) -> None:
    gathered.replace("render.yaml", "A: 1", "A: 2")
    assert reasons(gathered)["j/stitch"] == "env A changed"
    document = explained(gathered, "j/stitch")
    assert document["reason"] == "env A changed"
    assert changed(document) == {"env.A": ("1", "2", "render.yaml:6")}
    assert why_run(gathered)["j/stitch"] == "env A changed"
    assert gathered.path("out/g.txt").read_text() == "b\n2\n"


def test_every_ingredient_of_a_stitch_by_command_is_listed(gathered: Project) -> None:
    names = {row["name"] for row in explained(gathered, "j/stitch")["ingredients"]}
    assert {"argv.0", "env.A", "env.COMMON", "inputs.in/0000/gb.txt", "output", "workspace"} <= names


def test_a_stitchs_tools_and_output_are_named_when_they_changed(gathered: Project) -> None:
    gathered.replace("render.yaml", "version: 1\n", "version: 1\ntools: {sh: {version: [sh, -c, echo 1]}}\n")
    assert why_run(gathered)["j/stitch"] == "tool sh is new"
    gathered.replace("render.yaml", "echo 1]", "echo 2]")
    assert why_run(gathered)["j/stitch"] == "tool sh changed"
    gathered.replace("render.yaml", "out/g.txt", "out/h.txt")
    assert changed(explained(gathered, "j/stitch")) == {
        "argv.2": ("cat $* > g.txt; echo $A >> g.txt", "cat $* > h.txt; echo $A >> h.txt", "render.yaml:11"),
        "output": ("g.txt", "h.txt", "render.yaml:10"),
    }


def test_the_list_of_a_stitchs_inputs_is_named_when_it_changed(gathered: Project) -> None:
    gathered.replace(
        "render.yaml", '"cat $* > {output}; echo $A >> {output}", x, "{inputs}"', '"wc {inputs_list} > {output}"'
    )
    gathered.run()
    gathered.replace("render.yaml", "from: [b]", "from: [b, b]")
    assert changed(explained(gathered, "j/stitch")).keys() == {"files.inputs.txt", "inputs.in/0001/gb.txt"}
    assert reasons(gathered)["j/stitch"] == "the list of inputs changed; input in/0001/gb.txt is new"


def test_a_stitch_of_chunks_is_explained_beside_them(project: Project) -> None:
    project.manifest(CHUNKED)
    project.run()
    project.replace("render.yaml", "A: 1", "A: 2")
    said = why_run(project)
    assert {said[f"poem/{at:04d}"] for at in range(2)} == {"env A changed"}
    assert said["poem/stitch"] == "env A changed"
    project.replace("render.yaml", "out/poem.txt", "out/rhyme.txt")
    assert changed(explained(project, "poem/stitch"))["output"] == ("poem.txt", "rhyme.txt", "render.yaml:8")


def without_its_recipe(project: Project, node: str) -> None:
    """As a cache is that was written before recipes of stitches were recorded."""
    with sqlite3.connect(project.path(".helios") / DATABASE) as database:
        key = explained(project, node)["key"]
        ((data,),) = database.execute("SELECT data FROM preimages WHERE key = ?", (key,)).fetchall()
        database.execute("DELETE FROM preimages WHERE key = ?", (json.loads(data)["recipe"],))


def test_what_an_older_cache_does_not_know_is_not_told(gathered: Project) -> None:
    without_its_recipe(gathered, "j/stitch")
    assert reasons(gathered)["j/stitch"] == "up to date"
    gathered.replace("render.yaml", "A: 1", "A: 2")
    assert reasons(gathered)["j/stitch"] == "env, tools or output changed"
    document = explained(gathered, "j/stitch")
    assert changed(document) == {}
    known = {row["name"]: row["changed"] for row in document["ingredients"]}
    assert known == {
        "argv.0": False, "argv.1": False, "argv.2": False, "argv.3": False, "argv.4": False, "inputs.in/0000/gb.txt": False,
        "env.A": None, "env.COMMON": None, "output": None, "workspace": None,
    }  # fmt: skip
    text = gathered.helios("explain", "render.yaml", "j/stitch").stdout
    before, _, after = text.partition("not compared: what it was is not in the cache")
    assert "the same\n  argv.0" in before
    assert "env.A" in after
    assert "argv.0" not in after


def test_a_stitch_that_waits_for_its_chunks_says_so_and_nothing_of_its_last_key(project: Project) -> None:
    project.write("look.txt", "warm\n")
    project.manifest(CHUNKED.replace("env: {A: 1}", "inputs: [look.txt]"))
    project.run()
    project.write("look.txt", "cold\n")
    text = project.helios("explain", "render.yaml", "poem/stitch").stdout
    assert text.startswith("poem/stitch (stitch): run: waits for its chunks\n")
    assert "not known yet" in text
    assert "in the cache" not in text
    document = explained(project, "poem/stitch")
    assert document["reason"] == "waits for its chunks"
    assert document["key"] is None
    assert document["last_key"] is not None
    assert document["ingredients"] == []


def test_what_a_last_key_was_made_of_is_said_to_be_gone_where_it_is(gathered: Project) -> None:
    key = explained(gathered, "j/stitch")["key"]
    with sqlite3.connect(gathered.path(".helios") / DATABASE) as database:
        database.execute("DELETE FROM preimages WHERE key = ?", (key,))
    gathered.replace("render.yaml", "A: 1", "A: 2")
    assert "what the last key was made of is not in the cache any more" in (
        gathered.helios("explain", "render.yaml", "j/stitch").stdout
    )
    document = explained(gathered, "j/stitch")
    assert document["reason"] == "changed since it was last made"
    assert {(row["changed"], row["old"]) for row in document["ingredients"]} == {(None, None)}
