"""What a command loads before it can answer: what is not needed is not imported."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.kit.project import HELIOS, REPOSITORY, Project

HEAVY = {
    "networkx",
    "jsonschema",
    "av",
    "boto3",
    "botocore",
    "google",
    "requests",
    "rich",
    "distributed",
    "numpy",
    "asyncio",
}
SLOW_WAY = {"yaml"}
"""What the exact way of a run needs, and one with nothing to do does not."""


def loaded(project: Project, *words: str) -> set[str]:
    """The top-level packages that the command imported, as the interpreter itself tells."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(HELIOS), *words],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    names = re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", done.stderr, re.MULTILINE)
    assert any(n.startswith("helios_pipe") for n in names)
    return {n.partition(".")[0] for n in names}


def test_the_version_is_told_without_heavy_imports(project: Project) -> None:
    assert not loaded(project, "--version") & (HEAVY | SLOW_WAY)


def test_help_is_shown_without_heavy_imports(project: Project) -> None:
    assert not loaded(project, "--help") & (HEAVY | SLOW_WAY)


def test_a_run_with_nothing_to_do_loads_neither_yaml_nor_networkx(project: Project) -> None:
    project.manifest(project.burnin(frames="0-9", size=5))
    project.settled()
    for _ in range(2):  # the first makes it; the second finds all made, and leaves the stamp
        assert project.helios("run", "render.yaml", "-q").exit_code == 0
    assert len(project.rendered()) == 2
    assert not loaded(project, "run", "render.yaml", "-q") & (
        HEAVY | SLOW_WAY | {"click", "sqlite3", "_sqlite3", "typing", "pathlib"}
    )
    assert project.rendered() == []


def test_chunks_are_counted_and_joined_without_a_media_library(project: Project) -> None:
    project.manifest(project.burnin(frames="0-9", size=5))
    assert "av" not in loaded(project, "run", "render.yaml", "-q")
    assert len(project.rendered()) == 2
    assert not loaded(project, "run", "render.yaml", "-q", "--force-node", "film/stitch") & {"av", "concurrent"}
    assert project.path("out/film.mp4").exists()


def test_chunks_are_made_and_joined_without_typing(project: Project) -> None:
    project.manifest(project.burnin(frames="0-9", size=5))
    assert project.helios("run", "render.yaml", "-q").exit_code == 0  # by now its manifest is known
    assert len(project.rendered()) == 2
    forced = ("--force-node", "film/0001", "--force-node", "film/stitch")
    assert not loaded(project, "run", "render.yaml", "--json", *forced) & (
        HEAVY | SLOW_WAY | {"click", "dataclasses", "inspect", "typing"}
    )
    assert project.rendered() == ["5+5"]


def test_after_an_edit_that_changes_no_shape_the_validator_is_not_loaded(project: Project) -> None:
    project.manifest(project.burnin(frames="0-9", size=5))
    assert project.helios("run", "render.yaml", "-q").exit_code == 0
    for old, new, rendered in (("0-9", "0-14", 1), ("film.mp4", "movie.mp4", 0), ("\n", "\n\n", 0)):
        project.rendered()
        project.replace("render.yaml", old, new)
        assert not loaded(project, "run", "render.yaml", "-q") & (HEAVY | {"click"})
        assert len(project.rendered()) == rendered
    project.replace("render.yaml", '"fps": 30', '"fps": 30, "retries": 1')
    assert "jsonschema" in loaded(project, "run", "render.yaml", "-q")
    assert "jsonschema" not in loaded(project, "plan", "render.yaml")


def test_a_command_joins_what_commands_made_without_typing(project: Project) -> None:
    chunk = {"size": 1, "command": ["/bin/sh", "-c", 'echo x > "$0"', "{output}"], "output": "o.txt"}
    stitch = {"command": ["/bin/sh", "-c", 'cat "$@" > {output}', "x", "{inputs}"], "output": "out/all.txt"}
    taking = {"inputs": [{"job": "a"}], "command": ["/bin/sh", "-c", "cat jobs/a/* > {output}"], "output": "out/b.txt"}
    project.manifest({"version": 1, "jobs": {"a": {"frames": 2, "chunk": chunk, "stitch": stitch}, "b": taking}})
    assert project.helios("run", "render.yaml", "-q").exit_code == 0
    unneeded = HEAVY | SLOW_WAY | {"click", "concurrent", "dataclasses", "inspect", "typing"}
    one, join, taker = (("--force-node", name) for name in ("a/0001", "a/stitch", "b"))
    for words in ((*one, *join), join, taker, ()):
        assert not loaded(project, "run", "render.yaml", "--json", *words) & unneeded
    assert project.path("out/all.txt").read_text() == project.path("out/b.txt").read_text() == "x\nx\n"


@pytest.mark.parametrize("statement", ["import helios_pipe", "import helios_pipe.cli.main"])
def test_importing_the_package_costs_no_heavy_import(statement: str) -> None:
    script = f"import sys; {statement}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert not set(done.stdout.split()) & (HEAVY | SLOW_WAY)


def test_a_run_defines_its_named_tuples_in_the_quick_way() -> None:
    there = [path for path in (REPOSITORY / "helios_pipe").rglob("*.py") if path.name != "tuples.py"]
    assert [
        str(path)
        for path in there
        if re.search(r"^from typing import .*\bNamedTuple\b", path.read_text(), re.MULTILINE)
    ] == []


def test_a_pattern_is_compiled_when_it_is_used() -> None:
    there = (REPOSITORY / "helios_pipe").rglob("*.py")
    assert [str(path) for path in there if re.search(r"^\w+ = re\.compile\(", path.read_text(), re.MULTILINE)] == []


def test_a_run_with_little_to_do_loads_no_click(project: Project) -> None:
    project.manifest(project.burnin(frames="0-9", size=5))
    assert not loaded(project, "run", "render.yaml", "-q", "-j2") & {"click", "difflib"}


def test_a_run_with_one_thing_to_do_loads_no_more_than_that_needs(project: Project) -> None:
    job = {
        "frames": 3,
        "chunk": {"size": 1, "command": ["/bin/sh", "-c", 'echo x > "$0"', "{output}"], "output": "o.txt"},
    }
    project.manifest({"version": 1, "jobs": {"a": job}})
    assert project.helios("run", "render.yaml", "-q").exit_code == 0  # by now its manifest is known
    assert not loaded(project, "run", "render.yaml", "-q", "--force") & {
        "dataclasses",
        "inspect",
        "fractions",
        "decimal",
        "yaml",
        "jsonschema",
    }
