"""What a hostile reader of the promise tried: every way found to be told `up to date` wrongly, or to be left hanging."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.kit.project import HELIOS, Project

ONE = """\
version: 1
tools: {ren: auto}
jobs:
  a: {command: [ren, "{output}"], output: out/a.txt}
"""
SLOW = """\
version: 1
jobs:
  a: {command: [sh, -c, 'sleep 1; echo %s > "$0"', "{output}"], output: out/a.txt}
"""


@pytest.fixture
def tools(project: Project) -> Path:
    """A folder of tools that comes first on PATH."""
    folder = project.path("bin")
    folder.mkdir()
    project.env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    return folder


def tool(path: Path, version: str, seconds: float = 0) -> None:
    """A program that says its version, and writes it."""
    text = f'#!/bin/sh\n[ "$1" = -version ] && {{ echo ren {version}; exit; }}\nsleep {seconds}\necho by {version} > "$1"\n'
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    new.replace(path)


def begun(project: Project) -> None:
    """Wait until the first command has its workspace."""
    until = time.monotonic() + 60
    while not list(project.root.glob(".helios/work/*/*/*/*")) and time.monotonic() < until:
        time.sleep(0.02)


def made(project: Project) -> str:
    project.run()
    return project.path("out/a.txt").read_text().strip()


def test_a_job_may_be_named_after_the_manifest(project: Project) -> None:
    project.write("render.yaml", SLOW % 1 + '  b: {command: [sh, -c, "echo b > b.txt"], output: out/b.txt}\n')
    assert project.run("b").summary["total"] == 1
    assert project.helios("plan", "render.yaml", "b", "--json").document["to_run"] == 0


def test_a_tool_behind_a_link_that_is_turned_elsewhere_is_noticed(project: Project, tools: Path) -> None:
    tool(tools / "ren-1", "1")
    tool(tools / "ren-2", "2")
    (tools / "ren").symlink_to("ren-1")
    project.write("render.yaml", ONE)
    assert made(project) == "by 1"
    (tools / "ren").unlink()
    (tools / "ren").symlink_to("ren-2")
    assert made(project) == "by 2"


def test_a_tool_that_is_replaced_during_the_run_spoils_its_results(project: Project, tools: Path) -> None:
    tool(tools / "ren", "1", seconds=1.5)
    project.write("render.yaml", ONE)
    with project.running("run", "render.yaml", "--json") as run:
        begun(project)
        tool(tools / "ren", "2")
        project.finish(run)
    assert run.returncode == 1
    assert made(project) == "by 2"


def test_a_version_that_another_program_tells_is_asked_each_time(project: Project, tools: Path) -> None:
    version = project.write("version", "1\n")
    (tools / "ren").write_text(f"#!/bin/sh\ncat {version}\n")
    (tools / "ren").chmod(0o755)
    project.write(
        "render.yaml",
        "version: 1\ntools: {lib: {version: [ren, --lib]}}\n"
        "jobs:\n  a: {command: [sh, -c, 'ren > $0', \"{output}\"], output: out/a.txt}\n",
    )
    assert made(project) == "1"
    version.write_text("2\n")
    assert made(project) == "2"


def test_a_pin_is_held_against_the_tool_that_runs(project: Project, tools: Path) -> None:
    tool(tools / "ren", "2")
    project.write("render.yaml", ONE.replace("auto", '"ren 99"'))
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 3
    assert "ren 2" in run.stdout
    assert "ren 99" in run.stdout


def test_a_manifest_that_is_replaced_during_the_run_is_read_again(project: Project) -> None:
    project.write("render.yaml", SLOW % "one")
    other = project.write("other.yaml", SLOW % "two")
    with project.running("run", "render.yaml", "--json") as run:
        begun(project)
        other.replace(project.path("render.yaml"))
        project.finish(run)
    assert made(project) == "two"


def test_an_output_that_is_edited_while_others_render_is_put_right(project: Project) -> None:
    project.write("render.yaml", SLOW % "late" + '  b: {command: [sh, -c, "echo good > b.txt"], output: out/b.txt}\n')
    with project.running("run", "render.yaml", "--json") as run:
        until = time.monotonic() + 30
        while not project.path("out/b.txt").exists() and time.monotonic() < until:
            time.sleep(0.02)
        project.path("out/b.txt").write_text("EDIT\n")
        project.finish(run)
    project.run()
    assert project.path("out/b.txt").read_text() == "good\n"


def test_an_edited_output_with_its_old_time_is_put_right(project: Project) -> None:
    project.write("render.yaml", SLOW % "right")
    assert made(project) == "right"
    path = project.path("out/a.txt")
    stat = path.stat()
    path.write_text("wrong\n")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert made(project) == "right"


def test_a_link_that_comes_alive_is_noticed(project: Project, tmp_path: Path) -> None:
    project.write("in/a.txt", "a\n")
    project.path("in/b.txt").symlink_to(tmp_path / "b.txt")
    project.write(
        "render.yaml",
        "version: 1\njobs:\n  a: {inputs: ['in/**'], command: [sh, -c, 'cat in/* > $0', \"{output}\"], output: out/a.txt}\n",
    )
    assert made(project) == "a"
    assert made(project) == "a"
    (tmp_path / "b.txt").write_text("b\n")
    assert made(project) == "a\nb"


def test_a_named_pipe_is_no_input(project: Project) -> None:
    project.path("p").mkdir()
    os.mkfifo(project.path("p/0.exr"))
    project.write(
        "render.yaml",
        "version: 1\njobs:\n  a:\n    frames: 0-0\n    chunk:\n      size: 1\n      inputs: ['p/{chunk.start}.exr']\n"
        "      command: [sh, -c, 'cat p/* > $0', \"{output}\"]\n      output: a.txt\n",
    )
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 2
    assert "p/0.exr" in run.stderr


FOLDER = """\
version: 1
jobs:
  a: {command: [sh, -c, 'sleep 0.2; echo x > "$0"', "{output}"], output: out/x.txt}
  b: {frames: 0-19, chunk: {size: 1, command: [sh, -c, 'sleep 3; echo > "$0"', "{output}"], output: c.txt}}
"""


def test_an_output_whose_place_is_taken_ends_the_run_with_its_account(project: Project) -> None:
    project.path("out/x.txt").mkdir(parents=True)
    project.write("render.yaml", FOLDER)
    run = project.helios("run", "render.yaml", "--json", "-j2")
    assert run.exit_code == 3
    assert run.summary["executed"] == 1
    assert run.summary["skipped"] == 20
    assert "is a folder" in run.stderr


def test_a_reader_that_goes_away_does_not_end_the_run(project: Project) -> None:
    project.write("render.yaml", SLOW % "made")
    command = f"{HELIOS} run render.yaml --json | head -n 1"
    done = subprocess.run(["sh", "-c", command], cwd=project.root, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert project.run().summary["executed"] == 0


@pytest.mark.parametrize("words", [["--bogus"], ["--set", "zz"], ["-j", "0"]])
def test_a_wrong_call_has_a_summary_too(project: Project, words: list[str]) -> None:
    project.write("render.yaml", SLOW % 1)
    run = project.helios("run", "render.yaml", "--json", *words)
    assert run.exit_code == 2
    assert run.summary["state"] == "failed"


FILM = """\
version: 1
jobs:
  a:
    frames: 0-3
    chunk: {size: 2, command: [%s, "{chunk.start}", "{output}"], output: a.txt}
    stitch: {command: [sh, -c, 'o=$0; cat "$@" > "$o"', "{output}", "{inputs}"], output: film.txt}
"""


def test_chunks_that_were_forced_without_the_stitch_are_joined_by_the_next_run(
    project: Project, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "one $1" > "$2"\n')
    program.chmod(0o755)
    project.write("render.yaml", FILM % program)
    project.run()
    project.run()
    program.write_text('#!/bin/sh\necho "two $1" > "$2"\n')
    project.run("-f", "--no-stitch")
    assert project.run().nodes("executed") == ["a/stitch"]
    assert project.path("film.txt").read_text() == "two 0\ntwo 2\n"


def test_a_stamp_with_a_wrong_bit_is_no_stamp(project: Project) -> None:
    project.write("render.yaml", SLOW % "made")
    project.run()
    project.run()
    for stamp in project.path(".helios/stamps").iterdir():
        data = bytearray(stamp.read_bytes())
        for at in range(0, len(data), 37):
            broken = bytearray(data)
            broken[at] ^= 0x55
            stamp.write_bytes(broken)
    run = project.run()
    assert run.summary["executed"] == 0
    assert any(event["event"] == "plan" for event in run.events), "answered from a broken stamp"


def test_a_command_that_edits_its_input_in_the_project_runs_once(project: Project) -> None:
    project.write("look.txt", "look\n")
    project.write(
        "render.yaml",
        "version: 1\njobs:\n  a: {inputs: [look.txt], workspace: project, output: o.txt,\n"
        '    command: [sh, -c, \'echo edited >> look.txt; echo x > "$0"\', "{output}"]}\n',
    )
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 1
    assert project.path("look.txt").read_text() == "look\nedited\n"


ODD = """\
version: 1
cache: {remote: "file://STORE", push: true}
tools: {sh: {version: [sh, -c, echo 1]}}
jobs:
  one:
    command: [sh, -c, 'mkdir -p o; echo one > "$(printf "o/x\\377.txt")"']
    output: o/
  both:
    chunks:
      - {command: [sh, -c, 'mkdir f; echo 1 > "$(printf "f/a\\377.dat")"'], output: f/}
      - {command: [sh, -c, 'mkdir f; echo 2 > "$(printf "f/b\\377.dat")"'], output: f/}
    stitch: {method: collect, output: all/}
  list:
    inputs: [{job: one}, {job: both}]
    command: [sh, -c, find jobs -type f | sort > list.txt]
    output: list.txt
"""


def test_a_file_that_a_command_leaves_may_have_a_name_that_is_no_text(project: Project) -> None:
    project.manifest(ODD.replace("STORE", f"{project.root.parent}/store"))
    assert project.run().summary["executed"] == 5
    made = os.fsencode(project.root)
    for _ in range(3):
        project.settled()
        assert project.run().summary["cached"] == 5
        assert os.listdir(made + b"/o") == [b"x\xff.txt"]
        assert os.listdir(made + b"/all/0001") == [b"b\xff.dat"]
        assert b"jobs/both/all/0000/a\xff.dat\n" in project.path("list.txt").read_bytes()
    shutil.rmtree(project.path(".helios"))  # what is in the remote cache has these names, too
    assert project.run().summary["cached"] == 5
    assert "x\\udcff.txt" in project.helios("explain", "render.yaml", "list").stdout


def test_such_a_file_is_taken_away_with_what_made_it(project: Project) -> None:
    project.manifest(ODD.replace("STORE", f"{project.root.parent}/store"))
    project.run()
    project.replace("render.yaml", "o/x", "o/y")
    reasons = [event.get("reason", "") for event in project.run("one", "list").events]
    assert any(r"input jobs/one/o/x\udcff.txt is gone" in reason for reason in reasons), reasons
    assert os.listdir(os.fsencode(project.root) + b"/o") == [b"y\xff.txt"]


def test_such_a_file_without_content_fails_its_node_by_name(project: Project) -> None:
    project.write(
        "render.yaml",
        'version: 1\njobs:\n  a: {output: o/, command: [sh, -c, \'mkdir o; : > "$(printf "o/x\\377.png")"\']}\n',
    )
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 1
    assert run.summary["failed"] == 1
    assert r"o/x\udcff.png is empty" in [event.get("reason") for event in run.events]


def test_an_input_whose_name_is_no_text_is_refused_by_name(project: Project) -> None:
    (project.root / "in").mkdir()
    with open(os.fsencode(project.root / "in") + b"/\xff.txt", "wb") as file:
        file.write(b"x")
    project.write(
        "render.yaml",
        "version: 1\njobs:\n  a: {inputs: ['in/*'], command: [sh, -c, 'echo > $0', \"{output}\"], output: out/a.txt}\n",
    )
    run = project.helios("run", "render.yaml", "--json")
    assert run.exit_code == 2
    assert r"\xff.txt" in run.stderr
    assert run.summary["state"] == "failed"


GATHERED = """\
version: 1
jobs:
  a:
    frames: 0-1
    chunk: {size: 1, command: [sh, -c, 'echo same > "$0"', "{output}"], output: %s}
    stitch: {method: collect, output: out/}
"""


def test_gathered_files_are_named_as_the_manifest_says_now(project: Project) -> None:
    project.write("render.yaml", GATHERED % "a.txt")
    project.run()
    project.write("render.yaml", GATHERED % "b.txt")
    project.run()
    assert sorted(path.name for path in project.path("out").rglob("*.txt")) == ["b.txt", "b.txt"]


def test_a_join_script_that_is_edited_during_the_join_spoils_it(project: Project) -> None:
    script = project.write("join.sh", 'sleep 1.5; cat "$2" > "$1"\n')
    project.write(
        "render.yaml",
        "version: 1\njobs:\n  a:\n    frames: 0-0\n"
        "    chunk: {size: 1, command: [sh, -c, 'echo a > $0', \"{output}\"], output: a.txt}\n"
        '    stitch: {command: [sh, join.sh, "{output}", "{inputs}"], inputs: [join.sh], output: out/a.txt}\n',
    )
    with project.running("run", "render.yaml", "--json") as run:
        until = time.monotonic() + 60
        while not list(project.root.glob(".helios/work/*/*/*/*/w/in")) and time.monotonic() < until:
            time.sleep(0.02)
        script.write_text('cat "$2" "$2" > "$1"\n')
        project.finish(run)
    assert run.returncode == 1
    assert made(project) == "a\na"
