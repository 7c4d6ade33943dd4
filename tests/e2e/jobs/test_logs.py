"""What commands print is kept, found, followed, and breaks nothing, whatever it is."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import quick
from tests.kit.project import Project


def test_logs_of_a_job_are_those_of_its_failed_nodes(project: Project) -> None:
    project.manifest(quick.film(4, before="echo working on $n; [ $n != 2 ] || { echo 'lamp broken' >&2; exit 3; }"))
    run = project.helios("run", "render.yaml", "-k", "-j1")
    assert run.exit_code == 1
    said = project.helios("logs", "quick")
    assert said.exit_code == 0
    assert said.stdout == "==> film/0002, attempt 1 of run 1, command: exit code 3 <==\nworking on 2\nlamp broken\n"
    assert project.helios("logs", "quick", "film/0001").stdout == "working on 1\n"


def test_each_attempt_has_a_log_of_its_own(project: Project) -> None:
    project.manifest(quick.film(1, before="echo try; [ -e $KIT_GATE ] || { touch $KIT_GATE; exit 1; }", retries=1))
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 0, str(run)
    assert project.helios("logs", "quick", "film/0000", "--attempt", "1").stdout == "try\n"
    assert project.helios("logs", "quick", "film/0000").stdout == "try\n"
    refused = project.helios("logs", "quick", "film/0000", "--attempt", "3")
    assert (refused.exit_code, "has no attempt 3; there are: 1, 2" in refused.stderr) == (2, True)


def test_the_log_of_a_node_that_was_found_is_that_of_the_run_that_made_it(project: Project) -> None:
    project.manifest(quick.film(3, before="echo made $n"))
    project.run()
    project.write("unrelated.txt", "")
    project.manifest(quick.film(4, before="echo made $n"))
    project.run()
    assert project.helios("logs", "quick", "film/0001").stdout == "made 1\n"
    assert project.helios("logs", "quick", "film/0003").stdout == "made 3\n"


def test_an_unknown_node_is_refused_with_the_nearest(project: Project) -> None:
    project.manifest(quick.film(3))
    project.run()
    run = project.helios("logs", "quick", "film/0007")
    assert run.exit_code == 2
    assert "nothing is known of a node 'film/0007'" in run.stderr
    assert "did you mean 'film/000" in run.stderr


def test_the_last_lines_of_a_log_are_read_from_its_end(project: Project) -> None:
    project.manifest(quick.film(1, before="seq 1 200000"))
    project.run()
    assert project.helios("logs", "quick", "film/0000", "-n", "3").stdout == "199998\n199999\n200000\n"
    assert len(project.helios("logs", "quick", "film/0000").stdout.splitlines()) == 200000


def test_follow_prints_what_comes_until_the_node_is_made(project: Project) -> None:
    project.manifest(quick.film(2, before=f"echo before $n; [ $n != 1 ] || {{ {quick.HOLD}; }}; echo after $n"))
    with project.running("run", "render.yaml", "-j1"):
        project.wait_for("hold")
        with (
            project.running("logs", "quick", "film/0001", "-f") as one,
            project.running("logs", "quick", "-f") as every,
        ):
            assert one.stdout
            assert every.stdout
            assert one.stdout.readline() == "before 1\n"
            assert every.stdout.readline() == "film/0001 | before 1\n"
            project.gate.touch()
            assert project.finish(one).stdout == "after 1\n"
            assert project.finish(every).stdout == "film/0001 | after 1\n"


PRINTS = {
    "no UTF-8": rb"printf '\377\376 caf\351\n'",
    "bars": rb"for i in 1 2 3; do printf 'frame %s\r' $i; done; printf 'done\n'",
    "escapes": rb"printf '\033[2J\033]0;title\007red\n'",
    "a long line": rb"head -c 10000000 /dev/zero | tr '\0' x; echo",
    "no newline": rb"printf 'the end'",
}


@pytest.mark.parametrize("name", PRINTS)
def test_whatever_a_failed_command_prints_the_display_holds_and_the_log_has_all(project: Project, name: str) -> None:
    script = PRINTS[name].decode("latin-1")
    project.manifest(quick.film(1, before=f"{script}; exit 5"))
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 1
    assert "film/0000 failed: exit code 5" in run.stderr
    assert "\x1b" not in run.stdout + run.stderr
    assert "\r" not in run.stdout + run.stderr
    assert len(run.stderr) < 4000
    printed = subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout
    job = project.helios("jobs", "--json").document["jobs"][0]["job"]
    assert project.path(f".helios/logs/{job}/1/film/0000.1.log").read_bytes() == printed
    for words in (("logs", "quick", "--json"), ("show", "quick"), ("logs", "quick", "-n", "1")):
        assert project.helios_bytes(*words).returncode == 0


def test_a_terminal_is_spared_what_would_break_it(project: Project) -> None:
    project.manifest(quick.film(1, before=PRINTS["escapes"].decode()))
    project.run()
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        words = project.command("logs", "quick", "film/0000")
        process = subprocess.Popen(
            words, cwd=project.root, env=project.environment(), stdin=subprocess.DEVNULL, stdout=theirs
        )
        os.close(theirs)
        shown = terminal.read(1000).decode()
        process.wait()
    assert shown.splitlines() == ["·[2J·]0;title·red"]
    assert project.helios("logs", "quick", "film/0000").stdout == "\x1b[2J\x1b]0;title\x07red\n"


def peak_mib(project: Project, *words: str) -> float:
    """The peak memory of the command, measured by a process that has no other child."""
    script = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *project.command(*words)],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    code, kib = done.stdout.split()
    assert code == "0", done.stderr
    return int(kib) / 1024


@pytest.mark.slow
@pytest.mark.parametrize("secret", [False, True], ids=["straight to the log", "masked on the way"])
def test_a_gibibyte_of_output_costs_bounded_memory(project: Project, secret: bool) -> None:
    document = quick.film(1, before="head -c 1073741824 /dev/zero | tr '\\0' 'a'")
    if secret:
        document["secrets"] = ["KIT_TOKEN"]
        project.env["KIT_TOKEN"] = "a-very-secret-token"
    project.manifest(document)
    assert peak_mib(project, "run", "render.yaml", "-q") < 150
    log = next(Path(project.path(".helios/logs")).rglob("0000.1.log"))
    assert log.stat().st_size == 1 << 30
    assert peak_mib(project, "logs", "quick", "film/0000") < 150
    assert peak_mib(project, "logs", "quick", "film/0000", "-n", "1") < 150
