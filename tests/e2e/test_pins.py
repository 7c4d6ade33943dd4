"""Results that are pinned stay, whatever becomes of their job."""

from __future__ import annotations

import json
from typing import Any

from tests.kit import quick
from tests.kit.project import Project


def gc(project: Project) -> dict[str, Any]:
    """Take away all that nothing holds."""
    return project.helios("cache", "gc", "--max-age", "0s", "--json").document


def words(project: Project, word: str) -> None:
    project.manifest(quick.film(3, after=f"echo {word} >> part.txt"))


def test_a_version_that_was_delivered_is_there_again_in_no_time(project: Project) -> None:
    words(project, "first")
    project.run()
    pinned = project.helios("cache", "pin", "quick", "v1")
    assert (pinned.exit_code, pinned.stdout.partition(" of ")[0]) == (0, "v1: 4 results")
    words(project, "second")
    project.run()
    assert gc(project)["results"] == 0
    words(project, "first")
    assert project.run().summary["executed"] == 0
    words(project, "second")
    project.run()
    let_go = project.helios("cache", "unpin", "v1")
    assert let_go.stdout == "v1: 4 results need not stay any more\n"
    assert gc(project)["results"] == 4
    words(project, "first")
    assert project.run().summary["executed"] == 4


def test_pins_outlive_their_job_and_are_listed(project: Project) -> None:
    words(project, "first")
    job = project.run().summary["job"]
    project.helios("cache", "pin", "quick", "v1")
    project.helios("cache", "pin", job, "release two")
    project.helios("delete", "quick")
    assert gc(project)["results"] == 0
    listed = json.loads(project.helios("cache", "pins", "--json").stdout)
    assert [(pin["name"], pin["job"], pin["results"]) for pin in listed] == [("release two", job, 4), ("v1", job, 4)]
    assert project.helios("cache", "pins").stdout.splitlines()[0].split() == ["pin", "job", "results", "lost", "since"]
    assert project.helios("cache", "stats", "--json").document["roots"] == 4


def test_a_name_is_given_once_and_known_names_are_told(project: Project) -> None:
    words(project, "first")
    project.run()
    assert project.helios("cache", "pins").stdout == ""
    project.helios("cache", "pin", "quick", "v1")
    again = project.helios("cache", "pin", "quick", "v1")
    assert (again.exit_code, "there is a pin 'v1' already" in again.stderr) == (2, True)
    other = project.helios("cache", "unpin", "v2")
    assert (other.exit_code, "there is no pin 'v2'; there are: v1" in other.stderr) == (2, True)
    unknown = project.helios("cache", "pin", "quik", "v3")
    assert (unknown.exit_code, "did you mean 'quick'?" in unknown.stderr) == (2, True)
