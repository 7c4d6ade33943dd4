"""What fails says what, where and how to go on; what only seems to succeed fails."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from helios_pipe.report.texts import MOST_FAILURES
from tests.kit import quick
from tests.kit.project import HELIOS, Project, Run


def failed(project: Project, words: str, *options: str) -> Run:
    """A run whose renderer misbehaves as told, in plain text."""
    project.manifest(project.burnin(frames="0-29", words=words))
    run = project.helios("run", "render.yaml", *options)
    assert run.exit_code == 1, str(run)
    return run


def test_a_failed_chunk_shows_its_words_its_log_its_workspace_and_how_to_repeat_it(project: Project) -> None:
    run = failed(project, "--misbehave fail-on-frame:13")
    said = run.stdout + run.stderr
    assert "film/0001" in said
    assert "exit" in said
    assert "3" in said
    assert "cannot render frame 13: the lamp is broken" in said
    assert project.path(".helios").exists()
    kept = [Path(p) for p in re.findall(r"(/\S+/\.helios/\S+)", said)]
    assert any(p.is_dir() and (p / "burnin.py").exists() for p in kept), said


def test_the_command_that_repeats_a_failure_repeats_it(project: Project) -> None:
    run = failed(project, "--misbehave fail-on-frame:13")
    lines = [line for line in (run.stdout + run.stderr).splitlines() if "burnin.py" in line and "cd " in line]
    assert len(lines) == 1, str(run)
    command = lines[0][lines[0].index("cd ") :]
    again = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert again.returncode == 3
    assert again.stderr == "cannot render frame 13: the lamp is broken\n"


def test_finished_chunks_are_kept_when_another_fails_and_the_stitch_is_skipped(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29"))
    project.env = {"KIT_MISBEHAVE": "fail-on-frame:13"}
    run = project.helios("run", "render.yaml", "--json", "-j1")
    assert run.exit_code == 1
    assert run.summary["state"] == "failed"
    assert run.nodes("failed") == ["film/0001"]
    assert run.nodes("executed") == ["film/0000"]
    assert run.nodes("skipped") == ["film/0002", "film/stitch"]
    project.env = {}
    project.rendered()
    assert project.run().summary["executed"] == 3
    assert project.rendered() == ["10+10", "20+10"]


def test_of_very_many_failures_some_are_told_in_full_and_where_the_others_are(project: Project) -> None:
    project.manifest(quick.film(MOST_FAILURES + 13, before="echo no lamp $n; exit 3"))
    for words in (["run", "render.yaml", "-k"], ["run", "render.yaml", "-k", "-q"], ["attach", "quick"]):
        run = project.helios(*words)
        assert run.exit_code == 1, str(run)
        told = [line for line in run.stderr.splitlines() if " failed: exit code 3" in line]
        assert len(told) == MOST_FAILURES, words
        job = project.helios("show", "quick", "--json").document["job"]
        more = [line for line in run.stderr.splitlines() if "more nodes failed" in line]
        assert more == [
            f"… and 13 more nodes failed: `helios-pipe show -a {job}` lists all, "
            f"`helios-pipe logs {job} NODE` has what one printed"
        ], words
    run = project.helios("run", "render.yaml", "-k", "--json")
    assert sum(event["event"] == "failure" for event in run.events) == MOST_FAILURES + 13


def test_keep_going_makes_everything_else(project: Project) -> None:
    project.manifest(project.burnin(frames="0-49", words="--misbehave fail-on-frame:13"))
    run = project.helios("run", "render.yaml", "--json", "-j1", "-k")
    assert run.exit_code == 1
    assert run.nodes("executed") == ["film/0000", "film/0002", "film/0003", "film/0004"]
    assert run.nodes("skipped") == ["film/stitch"]


@pytest.mark.parametrize("mischief", ["exit 3", "rm out.txt"], ids=["fails", "leaves nothing"])
def test_after_the_first_failure_nothing_begins_however_quick_the_commands_are(project: Project, mischief: str) -> None:
    """In quick succession, too, where a slot does not wait for all that is to be done of a command that went well."""
    project.write("in.txt", "verse\n")
    script = f'echo "$1" >> "$2"; cp in.txt out.txt; if [ "$1" = 0150 ]; then {mischief}; fi'
    chunk = {
        "command": ["sh", "-c", script, "sh", "{chunk.index:04d}", str(project.log)],
        "output": "out.txt", "size": 1,
    }  # fmt: skip
    poem = {"frames": "0-299", "inputs": ["in.txt"], "chunk": chunk, "retries": 0}
    project.manifest({"version": 1, "jobs": {"poem": poem}})
    run = project.helios("run", "render.yaml", "--json", "-j1")
    assert (run.exit_code, run.nodes("failed")) == (1, ["poem/0150"]), str(run)
    assert project.log.read_text().split() == [f"{number:04d}" for number in range(151)]
    assert len(run.nodes("executed")) == 150


@pytest.mark.parametrize(
    ("mischief", "said"),
    [
        ("no-output", "chunk.mp4"),
        ("empty-output", "empty"),
        ("drop:3", "9"),
        ("garbage", "chunk.mp4"),
        ("truncate", "chunk.mp4"),
    ],
)
def test_exit_0_is_not_success(project: Project, mischief: str, said: str) -> None:
    run = failed(project, f"--misbehave {mischief}")
    assert said in run.stdout + run.stderr
    assert not project.path("out/film.mp4").exists()
    project.rendered()
    again = project.helios("run", "render.yaml", "-k")
    assert again.exit_code == 1
    assert len(project.rendered()) == 3


def test_a_command_that_writes_to_its_input_is_noticed_or_harmless(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29", words="--misbehave touch-look"))
    project.helios("run", "render.yaml", "-j1", "--json")
    assert project.path("look.txt").read_text() == "warm\n"
    assert project.helios("run", "render.yaml", "--json").summary["failed"] == 0


def test_a_failure_in_the_project_is_repeated_there_and_leaves_nothing_there(project: Project) -> None:
    job = {"command": "sh -c 'cat look.txt > {output}; exit 3'", "output": "film.txt", "inputs": ["look.txt"]}
    project.path("look.txt").write_text("warm\n")
    project.manifest({"version": 1, "jobs": {"film": {**job, "workspace": "project"}}})
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 1
    (command,) = re.findall(r"repeat by hand: (.*)", run.stderr)
    again = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (3, "")
    assert [path.read_text() for path in project.path(".helios/failed").rglob("film.txt")] == ["warm\n"]
    assert not project.path("film.txt").exists()


def test_an_input_that_was_not_declared_is_named(project: Project) -> None:
    document = project.burnin(frames="0-9")
    document["jobs"]["film"]["inputs"] = ["burnin.py"]
    project.manifest(document)
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 1
    assert "look.txt is in the project but not declared" in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("inputs", "hint"),
    [
        ([{"job": "look"}], "the command finds it as jobs/look/look.txt"),
        ([{"job": "look", "as": "a.txt"}], "the command finds it as a.txt"),
        ([], "declare {job: look} under inputs, then the command finds it as jobs/look/look.txt"),
    ],
)
def test_an_input_that_another_job_makes_is_told_where_it_is(
    project: Project, inputs: list[dict[str, str]], hint: str
) -> None:
    look = {"command": "sh -c 'echo warm > {output}'", "output": "out/look.txt"}
    film = {"inputs": inputs, "command": "sh -c 'cat out/look.txt > {output}'", "output": "out/film.txt"}
    project.manifest({"version": 1, "jobs": {"look": look, "film": film}})
    project.path("out").mkdir()
    project.path("out/look.txt").write_text("warm")
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 1
    assert f"hint: out/look.txt is what the job look makes: {hint}" in run.stderr
    assert "not declared" not in run.stderr


def test_a_command_in_the_project_is_not_told_to_declare_what_it_sees(project: Project) -> None:
    job = {"command": "sh -c 'echo look.txt is not cold >&2; rm {output}'", "output": "film.txt"}
    project.path("look.txt").write_text("warm\n")
    project.manifest({"version": 1, "jobs": {"film": {**job, "workspace": "project"}}})
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 1
    assert "look.txt is not cold" in run.stderr
    assert "hint" not in run.stderr


def test_retries_are_counted_and_told(project: Project) -> None:
    project.manifest(project.burnin(frames="0-9", words="--misbehave fail-on-frame:3", retries=2, retry_delay="10ms"))
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 1
    assert len(project.rendered()) == 3
    assert [e["attempt"] for e in run.events if e["event"] == "retry"] == [1, 2]


@pytest.mark.slow
def test_a_command_that_is_too_slow_is_ended_and_says_so(project: Project) -> None:
    project.manifest(project.burnin(frames="0-9", words="--misbehave hang", timeout="1s"))
    run = project.helios("run", "render.yaml")
    assert run.exit_code == 1
    assert "1s" in run.stdout + run.stderr or "1 s" in run.stdout + run.stderr
    assert project.orphans() == []


def test_children_that_a_command_leaves_behind_are_ended(project: Project) -> None:
    project.manifest(project.burnin(frames="0-9", words="--misbehave orphan"))
    project.run()
    assert len(project.log_lines("orphan")) == 1
    assert project.orphans() == []


def test_progress_with_carriage_returns_keeps_the_tail_readable(project: Project) -> None:
    run = failed(project, "--misbehave progress --misbehave fail-on-frame:15")
    assert "the lamp is broken" in run.stdout + run.stderr
    assert "\r" not in run.stdout


def test_a_program_that_is_not_there_is_named(project: Project) -> None:
    document = project.burnin(frames="0-9")
    document["jobs"]["film"]["chunk"]["command"] = "no-such-renderer {chunk.start} {output}"
    project.manifest(document)
    run = project.helios("run", "render.yaml")
    assert run.exit_code in (1, 3)
    assert "no-such-renderer" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_every_problem_of_a_manifest_is_said_in_one_go_and_nothing_is_written(project: Project) -> None:
    project.manifest(
        "version: 1\n"
        "jobs:\n"
        "  film:\n"
        "    frame: 0-29\n"
        "    frames: 9-0\n"
        "    chunk:\n"
        "      size: 0\n"
        "      command: render {chunk.strat} {output}\n"
        "      output: chunk.mp4\n"
    )
    for command in ("validate", "run", "plan"):
        run = project.helios(command, "render.yaml")
        assert run.exit_code == 2, str(run)
        said = run.stdout + run.stderr
        assert re.search(r"render\.yaml:4:5: jobs\.film.*frame", said), said
        assert re.search(r"render\.yaml:5:\d+: jobs\.film\.frames: ", said), said
        assert re.search(r"render\.yaml:7:\d+: jobs\.film\.chunk\.size: ", said), said
        assert "did you mean {chunk.start}?" in said
    assert not project.path(".helios").exists()
    assert sorted(p.name for p in project.root.iterdir()) == ["render.yaml"]


def test_a_valid_manifest_is_said_to_be_valid(project: Project) -> None:
    project.manifest(project.burnin())
    assert project.helios("validate", "render.yaml").exit_code == 0


@pytest.mark.parametrize(
    "words", [("run",), ("run", "render.yaml", "--no-such-option"), ("no-such-command",), ("run", "missing.yaml")]
)
def test_wrong_usage_exits_2(project: Project, words: tuple[str, ...]) -> None:
    run = project.helios(*words)
    assert run.exit_code == 2, str(run)
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("words", [[], ["--max-cost", "9"]], ids=["usual words", "words for click"])
def test_a_failed_run_has_failed_whether_or_not_anybody_reads_what_it_says(project: Project, words: list[str]) -> None:
    project.manifest(project.burnin(frames="0-29", words="--misbehave fail-on-frame:13"))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [HELIOS, "run", "render.yaml", *words],
            cwd=project.root,
            env=project.environment(),
            stdout=writer,
            stderr=writer,
        )
    finally:
        os.close(writer)
    assert done.returncode == 1


def test_a_join_by_a_tool_that_changed_meanwhile_is_not_kept(project: Project) -> None:
    tool = project.write("bin/join", '#!/bin/sh\ncat "$2" > "$1"\necho "# edited" >> "$0"\n')
    tool.chmod(0o755)
    project.env["PATH"] = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    project.manifest(
        {
            "version": 1,
            "tools": {"join": {"digest": True}},
            "jobs": {
                "a": {"command": ["sh", "-c", "echo a > {output}"], "output": "out/a"},
                "all": {
                    "stitch": {"from": ["a"], "command": ["join", "{output}", "{inputs}"], "output": "out/all"}
                },
            },
        }
    )  # fmt: skip
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 1, str(run)
    (failed,) = [e for e in run.events if e["event"] == "node_finished" and e["status"] == "failed"]
    assert (failed["node"], failed["reason"].partition(":")[0]) == (
        "all/stitch",
        "tool join changed while all/stitch was rendering",
    )
