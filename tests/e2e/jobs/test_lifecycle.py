"""A job is seen and steered from another terminal, and goes on where it stopped, however it stopped."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.kit import quick
from tests.kit.project import LIMIT_S, Project, Run, alive, kill


@pytest.fixture
def held(project: Project) -> Project:
    """A film of ten chunks whose fourth waits for the gate."""
    project.manifest(quick.film(10, before=f"[ $n != 3 ] || {{ {quick.HOLD}; }}"))
    return project


def shown(project: Project, job: str = "quick") -> dict[str, Any]:
    run = project.helios("show", job, "--json")
    assert run.exit_code == 0, str(run)
    return run.document


def wait_for_state(project: Project, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + LIMIT_S
    while (found := shown(project))["state"] not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def said(run: Run, code: int = 0) -> str:
    assert run.exit_code == code, str(run)
    return run.stdout + run.stderr


def test_a_run_shows_up_while_it_runs_with_what_it_is_at(held: Project) -> None:
    with held.running("run", "render.yaml", "-j1") as process:
        held.wait_for("hold")
        row = held.helios("jobs", "--json").document["jobs"][0]
        assert (row["state"], row["pid"], row["total"]) == ("running", process.pid, 11)
        deadline = time.monotonic() + LIMIT_S
        while [r["node"] for r in shown(held)["running"]] != ["film/0003"]:
            assert time.monotonic() < deadline, shown(held)
        found = shown(held)
        nodes = {node["node"]: node["state"] for node in found["nodes"]}
        assert nodes["film/0003"] == "running"
        assert nodes["film/0002"] == "executed"
        held.gate.touch()
        assert process.wait(LIMIT_S) == 0
    found = shown(held)
    assert (found["state"], found["done"], found["exit_code"]) == ("completed", 11, 0)
    assert all(node["attempts"] == 1 and node["duration_s"] >= 0 for node in found["nodes"])
    assert [change["state"] for change in found["changes"]] == ["running", "completed"]


def test_jobs_and_show_are_readable(held: Project) -> None:
    held.gate.touch()
    held.run()
    table = said(held.helios("jobs"))
    assert table.splitlines()[0].split() == ["job", "state", "nodes", "run", "started", "took", "manifest"]
    assert "completed  11 of 11" in table
    text = said(held.helios("show", "quick"))
    assert "film/0009    executed  1" in text
    assert "the longest" in text


def test_pause_lets_what_runs_finish_and_resume_makes_the_rest(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        held.wait_for("hold")
        assert "pausing" in said(held.helios("pause", "quick"))
        assert shown(held)["asked"] == "pausing"
        held.gate.touch()
        run = held.finish(process)
    assert (run.exit_code, run.summary["state"]) == (75, "paused")
    assert len(run.nodes("executed")) == 4
    assert wait_for_state(held, "paused")["exit_code"] == 75
    again = held.helios("resume", "quick", "--json")
    assert again.exit_code == 0, str(again)
    assert again.summary["executed"] == 7
    assert held.path("out/film.txt").read_text() == quick.whole(10)
    assert quick.renders(held) == dict.fromkeys(range(10), 1)


def test_a_pause_can_be_taken_back_while_it_drains(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        held.wait_for("hold")
        said(held.helios("pause", "quick"))
        assert "goes on" in said(held.helios("resume", "quick"))
        held.gate.touch()
        run = held.finish(process)
    assert (run.exit_code, run.summary["executed"]) == (0, 11)


def test_pause_now_ends_what_runs(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        held.wait_for("hold")
        assert said(held.helios("pause", "quick", "--now")) == f"{held_id(held)}: paused\n"
        run = held.finish(process)
    assert (run.exit_code, run.summary["state"]) == (75, "paused")
    assert held.orphans() == []


def held_id(project: Project) -> str:
    return str(project.helios("jobs", "--json").document["jobs"][0]["job"])


def test_cancel_ends_the_job_and_it_can_be_run_again(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        held.wait_for("hold")
        assert said(held.helios("cancel", "quick")) == f"{held_id(held)}: cancelled\n"
        run = held.finish(process)
    assert (run.exit_code, run.summary["state"]) == (130, "cancelled")
    assert held.orphans() == []
    held.gate.touch()
    assert held.helios("resume", "quick").exit_code == 0
    assert shown(held)["state"] == "completed"


def test_cancel_while_it_drains_wins_over_the_pause(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as process:
        held.wait_for("hold")
        said(held.helios("pause", "quick"))
        said(held.helios("cancel", "quick"))
        assert held.finish(process).exit_code == 130
    assert shown(held)["state"] == "cancelled"


def test_a_paused_job_can_be_cancelled(held: Project) -> None:
    with held.running("run", "render.yaml", "-j1"):
        held.wait_for("hold")
        said(held.helios("pause", "quick", "--now"))
    assert said(held.helios("cancel", "quick")) == f"{held_id(held)}: cancelled\n"
    assert shown(held)["state"] == "cancelled"


def test_a_job_whose_process_died_is_shown_as_such_and_goes_on(held: Project) -> None:
    with held.running("run", "render.yaml", "-j1") as process:
        held.wait_for("hold")
        kill(process)
        found = shown(held)
        assert found["state"] == "interrupted"
        assert "its process died" in said(held.helios("show", "quick"))
        assert "does not run: it is interrupted" in said(held.helios("pause", "quick"), 2)
        held.gate.touch()
        again = held.helios("resume", "quick", "--json")
    assert again.exit_code == 0, str(again)
    assert again.summary["executed"] == 8
    assert quick.renders(held) == {**dict.fromkeys(range(10), 1), 3: 2}


def test_a_detached_run_goes_on_without_its_terminal(held: Project) -> None:
    started = held.helios("run", "render.yaml", "--detach", "-j1", "--json")
    assert started.exit_code == 0, str(started)
    pid = started.document["pid"]
    held.wait_for("hold")
    assert alive(pid)
    assert os.getsid(pid) != os.getsid(0)
    with held.running("attach", "quick", "--json") as watching:
        held.gate.touch()
        run = held.finish(watching)
    assert (run.exit_code, run.summary["state"], run.summary["executed"]) == (0, "completed", 11)
    assert held.path("out/film.txt").read_text() == quick.whole(10)


def test_a_detached_run_with_nothing_to_do_says_the_id_all_the_same(held: Project) -> None:
    held.gate.touch()
    job = said(held.helios("run", "render.yaml", "-d"))
    assert held.helios("attach", "quick").exit_code == 0
    held.settled()
    assert [said(held.helios("run", "render.yaml", "-d")) for _ in range(2)] == [job, job]
    assert held.helios("attach", "quick").exit_code == 0


def test_attach_ends_as_the_job_does(held: Project) -> None:
    held.manifest(quick.film(6, before=f"[ $n != 3 ] || {{ {quick.HOLD}; echo no more; exit 7; }}"))
    said(held.helios("run", "render.yaml", "-d", "-j1"))
    held.wait_for("hold")
    with held.running("attach", "quick") as watching:
        held.gate.touch()
        run = held.finish(watching)
    assert run.exit_code == 1
    assert "film/0003 failed: exit code 7" in run.stderr
    assert "no more" in run.stderr
    assert "failed: 7 nodes: 3 executed" in run.stdout


def test_ctrl_c_ends_the_watching_and_not_the_job(held: Project) -> None:
    pid = json.loads(said(held.helios("run", "render.yaml", "-d", "-j1", "--json")))["pid"]
    held.wait_for("hold")
    with held.running("attach", "quick", "--json") as watching:
        assert watching.stdout
        assert '"plan"' in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        run = held.finish(watching)
        assert run.exit_code == 130
        assert "goes on" in run.stderr
        assert alive(pid)
        said(held.helios("cancel", "quick"))


def test_a_detached_run_says_at_once_what_is_wrong_with_its_manifest(held: Project) -> None:
    held.replace("render.yaml", "part.txt", "../part.txt")
    assert "part.txt" in said(held.helios("run", "render.yaml", "--detach"), 2)


def test_a_second_run_is_pending_and_can_be_cancelled_with_the_first(held: Project) -> None:
    with held.running("run", "render.yaml", "--json", "-j1") as first:
        held.wait_for("hold")
        with held.running("run", "render.yaml", "--json", "-j1") as second:
            deadline = time.monotonic() + LIMIT_S
            while shown(held)["waiting"] != 1:
                assert time.monotonic() < deadline
            said(held.helios("cancel", "quick"))
            done = held.finish(first), held.finish(second)
    assert [run.exit_code for run in done] == [130, 130], f"{done[0]}\n{done[1]}"
    assert done[1].summary["skipped"] == 11
    assert shown(held)["state"] == "cancelled"


def test_delete_forgets_the_job_and_keeps_what_it_made(held: Project) -> None:
    held.gate.touch()
    held.run()
    job = held_id(held)
    assert said(held.helios("delete", "quick")) == f"{job}: deleted (1 run)\n"
    assert held.helios("jobs", "--json").document == {"jobs": []}
    assert not held.path(".helios/logs").joinpath(job).exists()
    assert held.path("out/film.txt").read_text() == quick.whole(10)
    assert held.run().summary["cached"] == 11
    assert held_id(held) == job


def test_a_running_job_is_not_deleted(held: Project) -> None:
    with held.running("run", "render.yaml", "-j1"):
        held.wait_for("hold")
        run = held.helios("delete", "quick")
        assert run.exit_code == 4
        assert "Cancel it first" in run.stderr


def test_resume_takes_the_options_of_the_run_it_goes_on_with(held: Project) -> None:
    held.gate.touch()
    held.run()
    held.gate.unlink()
    with held.running("run", "render.yaml", "--json", "-j1", "--force", "-k") as process:
        held.wait_for("hold", 2)
        said(held.helios("pause", "quick", "--now"))
        first = held.finish(process)
    held.gate.touch()
    again = held.helios("resume", "quick", "--json")
    assert again.exit_code == 0, str(again)
    made = len(first.nodes("executed")) + len(again.nodes("executed"))
    assert made == 11
    assert json.loads(read_request(held))["keep_going"] is True


def read_request(project: Project) -> str:
    import sqlite3

    with sqlite3.connect(project.path(".helios/index.v1.sqlite")) as connection:
        return str(connection.execute("SELECT request FROM runs ORDER BY id DESC").fetchone()[0])


def test_resume_says_that_the_manifest_is_gone(held: Project) -> None:
    with held.running("run", "render.yaml", "-j1"):
        held.wait_for("hold")
        said(held.helios("pause", "quick", "--now"))
    held.path("render.yaml").unlink()
    text = said(held.helios("resume", "quick"), 2)
    assert "render.yaml: cannot be read: No such file or directory" in text
    assert shown(held)["state"] == "paused"


def test_a_run_out_of_time_is_paused(held: Project) -> None:
    run = held.helios("run", "render.yaml", "--json", "-j1", "--deadline", "1s")
    assert (run.exit_code, run.summary["state"]) == (75, "paused")
    assert [e["reason"] for e in run.events if e["event"] == "stopping"] == ["limit"]
    assert held.orphans() == []
    assert "'soon' is no duration" in said(held.helios("run", "render.yaml", "--deadline", "soon"), 2)


@pytest.mark.parametrize("word", ["quick", "render.yaml", "{id}", "{prefix}"])
def test_a_job_is_meant_by_name_manifest_id_or_the_beginning_of_it(held: Project, word: str) -> None:
    held.gate.touch()
    job = held.run().summary["job"]
    assert shown(held, word.format(id=job, prefix=job[:-2]))["job"] == job


def test_the_cache_is_found_from_below_and_by_the_manifest(held: Project) -> None:
    held.gate.touch()
    job = held.run().summary["job"]
    held.write("a/b/c.txt", "")
    assert job in said(held.helios("jobs", cwd=held.path("a/b")))
    assert job in said(held.helios("show", held.path("render.yaml"), cwd=held.root.parent))
    assert job in said(held.helios("jobs", "--cache-dir", held.path(".helios"), cwd=held.root.parent))


def test_a_job_that_is_not_there_is_refused_with_the_nearest(held: Project) -> None:
    held.gate.touch()
    held.run()
    for command in ("show", "logs", "attach", "pause", "resume", "cancel", "delete"):
        assert "there is no job 'quikc'; did you mean 'quick'?" in said(held.helios(command, "quikc"), 2)
    outside = held.helios("jobs", cwd=held.root.parent)
    assert "there is no cache in" in said(outside, 2)


def test_two_jobs_of_one_name_are_told_apart(held: Project) -> None:
    held.gate.touch()
    held.run()
    held.manifest(quick.film(2), "other.yaml")
    held.run(manifest="other.yaml")
    assert "'quick' may be any of these jobs: quick-" in said(held.helios("show", "quick"), 2)
    assert shown(held, "other.yaml")["total"] == 3
    states = held.helios("jobs", "--json", "--state", "paused").document
    assert states == {"jobs": []}
    assert "there is no state 'done'; there are: pending, running" in said(held.helios("jobs", "--state", "done"), 2)


def test_sigterm_lets_what_runs_finish_within_its_grace(project: Project) -> None:
    project.manifest(quick.film(6, before="[ $n != 2 ] || { echo hold $$ >> $KIT_LOG; sleep 1; }"))
    with project.running("run", "render.yaml", "--json", "-j1") as process:
        project.wait_for("hold")
        process.send_signal(signal.SIGTERM)
        run = project.finish(process)
    assert (run.exit_code, run.summary["state"]) == (143, "paused")
    assert run.nodes("executed") == ["film/0000", "film/0001", "film/0002"]
    assert project.helios("resume", "quick", "--json").summary["executed"] == 4


def test_a_retry_that_was_due_is_no_failure_of_a_paused_run(project: Project) -> None:
    script = "[ $n != 1 ] || [ -e $KIT_GATE ] || { echo hold $$ >> $KIT_LOG;"
    script += " until [ -e $KIT_LOG.asked ]; do sleep 0.05; done; exit 3; }"
    project.manifest(quick.film(4, before=script, retries=3, retry_delay="60s"))
    with project.running("run", "render.yaml", "--json", "-j1") as process:
        project.wait_for("hold")
        assert "pausing" in said(project.helios("pause", "quick"))
        Path(f"{project.log}.asked").touch()
        run = project.finish(process)
    assert (run.exit_code, run.summary["failed"]) == (75, 0), str(run)
    project.gate.touch()
    assert project.helios("resume", "quick", "--json").summary["state"] == "completed"


def test_a_third_ctrl_c_leaves_whatever_we_are_at(project: Project) -> None:
    document = quick.film(3)
    document["jobs"]["film"]["inputs"] = ["plate.bin"]
    project.manifest(document)
    with project.path("plate.bin").open("wb") as plate:
        plate.truncate(1 << 40)
    with project.running("run", "render.yaml", "--json") as process:
        assert process.stdout
        assert '"plan"' in process.stdout.readline()
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        run = project.finish(process)
    assert (run.exit_code, run.summary["state"]) == (130, "paused")
    assert shown(project)["state"] == "paused"
