"""Attempts: limits of time, retries with their history, second copies of stragglers."""

from __future__ import annotations

import pytest

from tests.kit import quick
from tests.kit.project import Project

FIRST_TIME = "[ $n != 7 ] || [ -e $KIT_GATE ] || { touch $KIT_GATE; echo hang $$ >> $KIT_LOG; sleep 300; }"
"""Chunk 7 hangs the first time that it is tried."""


def test_a_chunk_that_fails_for_good_fails_with_the_history_of_its_attempts(project: Project) -> None:
    script = (
        "echo x >> $KIT_LOG.tries; t=$(wc -l < $KIT_LOG.tries); [ $t != 2 ] || sleep 300; echo try $t; exit $((t+3))"
    )
    project.manifest(quick.film(1, before=script, retries=2, retry_delay="1ms", timeout="1s"))
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 1
    lines = run.stderr.splitlines()
    at = lines.index("film/0000 failed after 3 attempts: exit code 6")
    assert [line.partition(": ")[2] for line in lines[at + 1 : at + 4]] == [
        "exit code 4",
        "ran longer than its timeout of 1 s, and was ended",
        "exit code 6",
    ]
    assert "  | try 3" in lines
    failures = project.helios("show", "quick", "--json").document["failures"]
    assert [(a["attempt"], a["failure"]) for a in failures[0]["history"]] == [(n, "command") for n in (1, 2, 3)]


def test_a_command_that_falls_silent_is_ended(project: Project) -> None:
    project.manifest(quick.film(1, before="echo hello; sleep 300", stall_timeout="500ms"))
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 1
    assert "film/0000 failed: printed nothing for its stall timeout of 0.5 s, and was ended" in run.stderr


def test_a_retry_helps_and_the_run_is_complete(project: Project) -> None:
    project.manifest(quick.film(8, before="[ $n != 7 ] || [ -e $KIT_GATE ] || { touch $KIT_GATE; exit 9; }", retries=1))
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 0, str(run)
    assert [(e["node"], e["reason"]) for e in run.events if e["event"] == "retry"] == [("film/0007", "exit code 9")]
    nodes = {node["node"]: node["attempts"] for node in project.helios("show", "quick", "--json").document["nodes"]}
    assert (nodes["film/0007"], nodes["film/0006"]) == (2, 1)
    assert project.path("out/film.txt").read_text() == quick.whole(8)


@pytest.mark.slow
def test_a_straggler_gets_a_second_copy_and_the_first_good_result_wins(project: Project) -> None:
    project.manifest(quick.film(8, before=FIRST_TIME, hedge=True))
    run = project.helios("run", "render.yaml", "--json", "-j2")
    assert run.exit_code == 0, str(run)
    assert [e["node"] for e in run.events if e["event"] == "hedge"] == ["film/0007"]
    assert run.nodes("executed").count("film/0007") == 1
    assert run.summary["executed"] == 9
    assert project.orphans() == []
    assert project.path("out/film.txt").read_text() == quick.whole(8)
    assert tried(project, "film/0007") == [(1, "beaten"), (2, "done")]


@pytest.mark.slow
def test_a_copy_that_leaves_a_wrong_result_does_not_win(project: Project) -> None:
    slow = "[ $n != 7 ] || { [ -e $KIT_GATE ] && exit 0; touch $KIT_GATE; sleep 4; }"
    project.manifest(quick.film(8, before=slow, hedge=True))
    run = project.helios("run", "render.yaml", "--json", "-j2")
    assert run.exit_code == 0, str(run)
    assert tried(project, "film/0007") == [(1, "done"), (2, "beaten")]
    assert project.path("out/film.txt").read_text() == quick.whole(8)


@pytest.mark.slow
def test_without_being_asked_for_nothing_runs_twice_here(project: Project) -> None:
    project.manifest(quick.film(8, before="[ $n != 7 ] || sleep 4"))
    run = project.helios("run", "render.yaml", "--json", "-j2")
    assert run.exit_code == 0, str(run)
    assert quick.renders(project) == dict.fromkeys(range(8), 1)


def tried(project: Project, node: str) -> list[tuple[int, str]]:
    import sqlite3

    with sqlite3.connect(project.path(".helios/index.v1.sqlite")) as connection:
        rows = connection.execute("SELECT attempt, status FROM attempts WHERE node=? ORDER BY attempt", (node,))
        return [(int(number), str(status)) for number, status in rows]
