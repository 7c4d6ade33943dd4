"""`report`: one page about a run, which needs nothing else and hides nothing."""

from __future__ import annotations

import base64
import io
import re
import sqlite3

import pytest
from PIL import Image

from tests.kit import burnin, quick
from tests.kit.page import Page
from tests.kit.project import Project, kill


def report(project: Project, *words: str) -> Page:
    """The page about the project's job, which has to come."""
    done = project.helios("report", "render.yaml", "-o", "page.html", *words)
    assert (done.exit_code, done.stderr) == (0, ""), str(done)
    return Page(project.path("page.html"))


def number_in(jpeg: str) -> int:
    """The number burnt into a picture."""
    with Image.open(io.BytesIO(base64.b64decode(jpeg))) as image:
        width, height = image.size
        data = image.convert("L").tobytes()
    return burnin.number_in(lambda y: data[y * width : y * width + width], width, height)


def test_the_page_shows_what_ran_what_came_of_it_and_how_it_hangs_together(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29", size=10))
    summary = project.run("-j2").summary
    done = project.helios("report", "kit")
    place = f".helios/reports/{summary['job']}.html"
    assert done.stdout == f"{place} written: {summary['job']}, run 1, completed\n"
    page = Page(project.path(place))
    assert f"{summary['job']} completed" in page.sections[""]
    assert "film/0001 frames 10-19" in page.sections["Chunks"]
    assert [number_in(data) for _, data in page.shots] == [0, 10, 20]
    assert summary["outputs"][0]["sha256"] in page.sections["Outputs"]
    assert sorted(title.partition(":")[0] for _, title in page.bars) == [
        "film/0000", "film/0001", "film/0002", "film/stitch",
    ]  # fmt: skip
    assert {"film/0000", "film/stitch"} <= set(page.sections["Graph"].split())
    assert "4 nodes" in page.sections["Nodes"]
    assert "Failures" not in page.sections


def test_the_page_needs_nothing_else(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29", size=10))
    project.run()
    page = report(project)
    assert {reference[:22] for reference in page.references} == {"data:image/jpeg;base64"}
    assert "script" not in page.tags
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", page.source)


def test_a_lane_is_a_slot(project: Project) -> None:
    project.manifest(quick.film(40, before="sleep 0.0$(( n % 10 ))"))
    project.run("-j3")
    page = report(project)
    assert 'aria-label="41 attempts in 3 lanes"' in page.source


def test_what_failed_is_told_with_all_its_attempts_and_stays_a_text(project: Project) -> None:
    says = "printf '</pre><script>alert(1)</script>\\033[31m &amp;\\n'; exit 3"
    project.manifest(quick.film(6, before=f"[ $n != 4 ] || {{ {says}; }}", retries=1, retry_delay="10ms"))
    assert project.helios("run", "render.yaml", "-k").exit_code == 1
    page = report(project)
    failures = page.sections["Failures"]
    assert "film/0004 exit code 3" in failures
    assert "attempt 1, " in failures
    assert "attempt 2, " in failures
    assert "</pre><script>alert(1)</script>·[31m &amp;" in failures
    assert "script" not in page.tags
    assert "Repeat by hand" in failures
    assert [status for status, title in page.bars if "film/0004" in title] == ["failed", "failed"]
    assert ("failed", "") in page.shots
    assert "1 failed" in page.sections[""]
    assert "film/stitch: skipped" in page.sections["Graph"]
    assert "film/0004" in page.sections["Slowest"]


def test_what_was_found_is_told_from_what_was_made(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29", size=10))
    project.run()
    project.manifest(project.burnin(frames="0-39", size=10))
    project.run()
    page = report(project)
    assert [shot for shot, _ in page.shots] == ["earlier", "earlier", "earlier", "executed"]
    assert [number_in(data) for _, data in page.shots] == [0, 10, 20, 30]
    assert len(page.bars) == 2
    assert "not rendered again" in page.sections[""]
    assert page.sections["Runs"].count("completed") == 2
    first = report(project, "--run", "1")
    assert len(first.bars) == 4
    assert "As the manifest is now, which is not as it was when this run began." in first.sections["Graph"]
    assert "film/0003" not in first.sections["Nodes"]
    assert [bool(data) for _, data in first.shots] == [True, True, True]
    assert "not rendered again" not in first.sections[""]


def test_many_chunks_are_shown_evenly_and_failed_ones_in_any_case(project: Project) -> None:
    project.manifest(quick.film(50, before="[ $n != 13 ] || exit 1"))
    project.helios("run", "render.yaml", "-k")
    page = report(project, "--thumbnails", "5")
    assert page.sections["Chunks"] == (
        "6 of 50, evenly spread, and those that failed part.txt: .txt cannot be shown failed film/0013 frames 65-69"
    )
    assert "Chunks" not in report(project, "--thumbnails", "0").sections


def test_of_many_pictures_those_evenly_spread_are_shown(project: Project) -> None:
    project.manifest(project.burnin(frames="0-23", size=2))
    project.run()
    assert [number_in(data) for _, data in report(project, "--thumbnails", "4").shots] == [0, 8, 14, 22]


def test_what_this_run_made_itself_for_two_was_not_saved(project: Project) -> None:
    manifest = quick.film(6)
    manifest["jobs"]["film"]["chunk"]["command"] = ["sh", "-c", "sleep 0.1; echo same > {output}"]
    project.manifest(manifest)
    assert project.run().summary["cached"] == 5
    assert "not rendered again" not in report(project).sections[""]


def test_folders_of_images_are_shown_too(project: Project) -> None:
    manifest = project.burnin(frames="0-5", size=2, stitch={"output": "images/", "method": "collect"})
    manifest["jobs"]["film"]["chunk"]["output"] = "frames/"
    command = manifest["jobs"]["film"]["chunk"]["command"]
    manifest["jobs"]["film"]["chunk"]["command"] = command.replace("{output}", "{output}/")
    project.manifest(manifest)
    project.run()
    assert [number_in(data) for _, data in report(project).shots] == [0, 2, 4]


def test_what_is_gone_by_now_is_said_in_its_place(project: Project) -> None:
    project.manifest(project.burnin(frames="0-29", size=10))
    project.run()
    with sqlite3.connect(project.path(".helios/index.v1.sqlite")) as index:
        (digest,) = index.execute("SELECT digest FROM results WHERE node = 'film/0001'").fetchone()
    index.close()
    project.path(f".helios/cas/{digest[:2]}/{digest}").unlink()
    project.write("render.yaml", "version: 1\njobs: [")
    page = report(project)
    assert "film/0001" in page.sections["Chunks"]
    assert "no longer in the cache" in page.sections["Chunks"]
    assert [bool(data) for _, data in page.shots] == [True, False, True]
    assert "Not drawn: render.yaml" in page.sections["Graph"].replace(str(project.root) + "/", "")


def test_a_job_that_runs_is_shown_as_it_stands(project: Project) -> None:
    project.manifest(quick.film(4, before=f"[ $n != 2 ] || {{ {quick.HOLD}; }}"))
    with project.running("run", "render.yaml", "-j1") as process:
        project.wait_for("hold")
        while "film/0002" not in (page := report(project)).sections["Timeline"] + str(page.bars):
            pass
        assert "running" in page.sections[""]
        assert [status for status, title in page.bars if title.startswith("film/0002")] == ["running"]
        project.gate.touch()
        assert project.finish(process).exit_code == 0


def test_a_killed_run_is_interrupted_and_grows_no_older(project: Project) -> None:
    project.manifest(quick.film(4, before=f"[ $n != 2 ] || {{ {quick.HOLD}; }}"))
    with project.running("run", "render.yaml", "-j1") as process:
        project.wait_for("hold")
        while "running" not in [status for status, _ in report(project).bars]:
            pass
        kill(process)
        project.gate.touch()
    page = report(project)
    assert "interrupted" in page.sections[""]
    assert "helios-pipe resume quick-" in page.sections[""]
    took = project.helios("show", "quick", "--json").document["elapsed_s"]
    assert project.helios("show", "quick", "--json").document["elapsed_s"] == took
    assert sorted(status for status, _ in page.bars) == ["executed", "executed", "interrupted"]
    assert "2 executed" in page.sections[""]
    assert "film/0003 waiting" in page.sections["Nodes"]
    project.helios("cancel", "quick")
    shown = project.helios("show", "quick", "--json").document
    assert shown["elapsed_s"] == pytest.approx(took, abs=0.002)
    assert (shown["state"], shown["executed"], shown["skipped"]) == ("cancelled", 2, 3)
    assert [node["state"] for node in shown["nodes"]] == ["executed", "executed", "interrupted", "skipped", "skipped"]
    assert "cancelled" in report(project).sections[""]


def test_a_killed_run_stays_one_while_the_next_is_at_work(project: Project) -> None:
    project.manifest(quick.film(4, before=quick.HOLD))
    with project.running("run", "render.yaml", "-j1") as process:
        project.wait_for("hold")
        kill(process)
    project.gate.unlink()
    with project.running("run", "render.yaml", "-j1"):
        project.wait_for("hold", 2)
        shown = project.helios("show", "quick", "--json").document
        assert [(run["run"], run["state"]) for run in shown["runs"]] == [(2, "running"), (1, "interrupted")]
        told = project.helios("report", "quick", "--run", "1", "-o", "page.html", "--json").document
        assert told["state"] == "interrupted"


def test_chunks_that_others_stand_for_are_not_shown_as_what_they_were(project: Project) -> None:
    project.manifest(project.burnin(frames="0-59", size=10))
    project.run()
    project.manifest(project.burnin(frames="0-59", size=20))
    assert project.run().summary["executed"] == 0
    page = report(project)
    assert page.sections["Chunks"] == "its frames are parts of other chunks"
    assert "4 nodes" in page.sections["Nodes"]
    assert len(project.helios("show", "kit", "--json").document["nodes"]) == 4
    project.manifest(project.burnin(frames="0-59", size=5))
    assert project.run().summary["cached"] == 13
    assert "13 nodes" in report(project).sections["Nodes"]


def test_an_attempt_that_will_be_repeated_is_no_failure_yet(project: Project) -> None:
    again = f"[ $(grep -c start $KIT_LOG) -gt 1 ] || exit 1; {quick.HOLD}; exit 1"
    project.manifest(quick.film(1, before=again, retries=1, retry_delay="10ms"))
    with project.running("run", "render.yaml") as process:
        project.wait_for("hold")
        while len((page := report(project)).bars) < 2:
            pass
        assert [status for status, _ in page.bars] == ["failed", "running"]
        assert "Failures" not in page.sections
        assert "film/0000 exit code 1" in page.sections["Failed attempts"]
        project.gate.touch()
        assert project.finish(process).exit_code == 1
    assert "film/0000 exit code 1" in report(project).sections["Failures"]
