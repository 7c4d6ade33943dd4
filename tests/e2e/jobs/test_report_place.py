"""`report`: where the page is put, and what is left where it cannot be."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from tests.kit import quick
from tests.kit.page import Page
from tests.kit.project import Project


def test_programs_are_told_where_the_page_is(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29", size=10))
    project.run()
    told = project.helios("report", "kit", "-o", "page.html", "--json").document
    size = project.path("page.html").stat().st_size
    assert {key: told[key] for key in ("path", "size", "run", "state", "nodes", "thumbnails", "failures")} == {
        "path": "page.html", "size": size, "run": 1, "state": "completed", "nodes": 4, "thumbnails": 3, "failures": 0,
    }  # fmt: skip
    streamed = project.helios("report", "kit", "-o", "-")
    assert streamed.stdout.startswith("<!DOCTYPE html>")
    assert streamed.stdout.endswith("</html>\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("quick", "--run", "7"), "has no run 7; the last ones are: 1"),
        (("quikc",), "there is no job 'quikc'; did you mean 'quick'?"),
        (("quick", "-o", "-", "--json"), "--json and the page would both go to standard output"),
        (("quick", "-o", "nowhere/page.html"), "nowhere/page.html cannot be written: No such file or directory"),
        (("quick", "-o", "folder"), "folder cannot be written: Is a directory"),
        (("quick", "-o", "/"), "/ cannot be written: Is a directory"),
        (("quick", "-o", ""), "a page without a name cannot be written"),
    ],
)
def test_a_page_that_cannot_be_made_is_refused_and_leaves_nothing(
    project: Project, words: tuple[str, ...], said: str
) -> None:
    project.manifest(quick.film(2))
    project.run()
    project.path("folder").mkdir()
    before = sorted(project.root.iterdir())
    done = project.helios("report", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert sorted(project.root.iterdir()) == before


def test_the_page_is_no_input_and_goes_with_its_job(project: Project) -> None:
    manifest = quick.film(2)
    manifest["jobs"]["film"]["inputs"] = ["**", "!out/"]
    project.manifest(manifest)
    project.run()
    assert project.helios("report", "quick").exit_code == 0
    assert project.run().summary["cached"] == 3
    (page,) = project.path(".helios/reports").iterdir()
    project.helios("delete", "quick")
    assert not page.exists()


def test_a_page_goes_through_links_and_into_pipes(project: Project) -> None:
    project.manifest(quick.film(2))
    project.run()
    project.path("link.html").symlink_to("real.html")
    os.mkfifo(project.path("pipe"))
    assert project.helios("report", "quick", "-o", "link.html").exit_code == 0
    assert project.path("link.html").is_symlink()
    assert Page(project.path("real.html")).sections["Outputs"]
    with project.running("report", "quick", "-o", "pipe") as process:
        assert project.path("pipe").read_text().endswith("</html>\n")
        assert project.finish(process).exit_code == 0
    assert project.path("pipe").is_fifo()
    command = f"{shlex.join(project.command('report', 'quick', '-o', '-'))} > /dev/full"
    full = subprocess.run(
        command, shell=True, cwd=project.root, env=project.environment(), capture_output=True, text=True
    )
    assert (full.returncode, full.stderr) == (1, "error: stdout cannot be written: No space left on device\n")
