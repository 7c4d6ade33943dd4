"""Jobs that put their files into the folder of their assets: what is put out there is no input of the next run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.job_ports import JobExecutionOptions, JobResult
from helios_pipe.job_status import JobState
from helios_pipe.jobs.manager import JobManager
from helios_pipe.jobs.memory import InMemoryJobRepository
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.pipeline.executor import JobExecutor
from tests.e2e.jobs.test_python import Join
from tests.kit.specs import text_spec, whole


def parts(folder: Path) -> JobExecutionOptions:
    return JobExecutionOptions(job_dir=folder, merge=False, concurrency=1)


def film(folder: Path, **more: object) -> JobExecutionOptions:
    return JobExecutionOptions(job_dir=folder, stitcher=Join()).replace(**more)


def counts(result: JobResult) -> tuple[int, int]:
    """What was made, and what was there."""
    return result.check().executed, result.cached


def says(spec: JobSpec, script: str) -> JobSpec:
    """The spec with another command for its only chunk."""
    (chunk,) = spec.chunks
    return replace(spec, chunks=(replace(chunk, command=f"sh -c {shlex.quote(script)}"),))


@pytest.mark.parametrize("asset", [True, False], ids=["beside an asset", "in an empty folder"])
def test_chunks_that_are_put_there_are_not_made_again(tmp_path: Path, asset: bool) -> None:
    if asset:
        (tmp_path / "look.txt").write_text("blue")
    executor = JobExecutor()
    assert counts(executor.execute(text_spec(3), parts(tmp_path))) == (3, 0)
    assert counts(executor.execute(text_spec(3), parts(tmp_path))) == (0, 3)
    assert counts(executor.execute(text_spec(3), film(tmp_path))) == (1, 3)


def test_a_paused_job_makes_the_rest_of_its_chunks(tmp_path: Path) -> None:
    third = Event()
    with JobManager(InMemoryJobRepository(), JobExecutor(LocalWorkerAdapter(1))) as manager:
        asked = parts(tmp_path).replace(on_chunk_complete=lambda chunk, _: third.set() if chunk == 98 else None)
        job_id = manager.submit_job(text_spec(4, script="[ $n != 97 ] || sleep 0.5"), asked)
        assert third.wait(60)
        manager.pause_job(job_id, now=True)
        assert manager.wait(job_id).state is JobState.PAUSED
        assert (tmp_path / "part_98.txt").exists()
        manager.resume_job(job_id)
        done = manager.wait(job_id)
    assert (done.state, done.metrics["executed"], done.metrics["cached"]) == (JobState.COMPLETED, 1, 3)


def test_a_command_that_does_not_spell_its_output_runs_again_beside_it(tmp_path: Path) -> None:
    (tmp_path / "render.sh").write_text("echo frame > part_100.txt\n")
    spec = text_spec(1)
    spec = replace(spec, chunks=(replace(spec.chunks[0], command="sh render.sh"),))
    assert counts(JobExecutor().execute(spec, parts(tmp_path))) == (1, 0)
    assert counts(JobExecutor().execute(spec, parts(tmp_path))) == (0, 1)
    (tmp_path / "render.sh").write_text("echo another > part_100.txt\n")
    assert counts(JobExecutor().execute(spec, parts(tmp_path))) == (1, 0)
    assert (tmp_path / "part_100.txt").read_text() == "another\n"


def test_a_film_that_is_put_there_is_no_input_wherever_it_goes(tmp_path: Path) -> None:
    executor = JobExecutor()
    made = [counts(executor.execute(text_spec(3), film(tmp_path, output_file="res/film.txt"))) for _ in range(3)]
    assert made == [(4, 0), (0, 4), (0, 4)]
    assert counts(executor.execute(text_spec(3), film(tmp_path, output_file=tmp_path / "else/film.txt"))) == (0, 4)
    assert counts(executor.execute(text_spec(3), film(tmp_path))) == (0, 4)
    (tmp_path / ".film.txt.helios-tmp").write_text("what a killed run left")
    assert counts(executor.execute(text_spec(3), film(tmp_path))) == (0, 4)


def test_what_another_job_put_there_is_no_input(tmp_path: Path) -> None:
    executor = JobExecutor()
    first, second = text_spec(1), text_spec(3, size=2)
    assert counts(executor.execute(first, film(tmp_path, output_file="first.txt"))) == (2, 0)
    assert counts(executor.execute(second, film(tmp_path, output_file="second.txt"))) == (4, 0)
    assert counts(executor.execute(first, film(tmp_path, output_file="first.txt"))) == (0, 2)
    assert counts(executor.execute(second, film(tmp_path, output_file="second.txt"))) == (0, 4)


def test_what_another_job_put_there_is_an_input_where_a_command_names_it(tmp_path: Path) -> None:
    executor = JobExecutor()
    executor.execute(text_spec(2), film(tmp_path, output_file="intro.txt")).check()
    spec = says(text_spec(1), "cat ./intro.txt > part_100.txt")
    assert counts(executor.execute(spec, parts(tmp_path))) == (1, 0)
    assert (tmp_path / "part_100.txt").read_text() == whole(2)
    for number, words in enumerate(
        ("cat in*o.txt", "cat intro[.]txt", "cat .//intro.txt", 'cd . && cat "$PWD/intro.txt"')
    ):
        other = says(text_spec(1), f"{words} > part_100.txt; : {number}")
        assert counts(executor.execute(other, parts(tmp_path))) == (1, 0), words
        assert (tmp_path / "part_100.txt").read_text() == whole(2)
    executor.execute(text_spec(1), film(tmp_path, output_file="intro.txt")).check()
    assert counts(executor.execute(spec, parts(tmp_path))) == (1, 0)


def test_what_was_put_there_and_then_written_by_hand_is_an_input(tmp_path: Path) -> None:
    executor = JobExecutor()
    executor.execute(text_spec(1), film(tmp_path, output_file="intro.txt")).check()
    (tmp_path / "intro.txt").write_text("by hand\n")
    spec = says(text_spec(1), "cat intro* > part_100.txt")
    assert counts(executor.execute(spec, parts(tmp_path))) == (1, 0)
    assert (tmp_path / "part_100.txt").read_text() == "by hand\n"


def test_what_another_job_put_into_a_folder_is_an_input_where_a_command_goes_there(tmp_path: Path) -> None:
    executor = JobExecutor()
    executor.execute(text_spec(2), film(tmp_path, output_file="out/intro.txt")).check()
    spec = says(text_spec(1), "cd out && cat $(ls) > ../part_100.txt")
    assert counts(executor.execute(spec, parts(tmp_path))) == (1, 0)
    assert (tmp_path / "part_100.txt").read_text() == whole(2)
