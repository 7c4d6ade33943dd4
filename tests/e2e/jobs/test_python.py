"""Job specs executed from Python: the same options and callbacks as Helios has them, the same cache and journal as manifests."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.errors import UsageError
from helios_pipe.job_ports import JobControl, JobExecutionOptions, JobFailedError, JobProgress
from helios_pipe.job_status import JobState
from helios_pipe.manifest.problems import ManifestError
from helios_pipe.pipeline.executor import JobExecutor
from helios_pipe.ports import Capabilities, FailureClass, WorkerJob, WorkerResult
from tests.kit.project import REPOSITORY, Project
from tests.kit.specs import text_spec, whole


class Join:
    """A VideoStitcher for texts."""

    def __init__(self) -> None:
        self.calls = 0

    def stitch(self, inputs: Sequence[Path], output: Path) -> None:
        self.calls += 1
        output.write_text("".join(path.read_text() for path in inputs))


class Counting(LocalWorkerAdapter):
    """The local adapter, counting its jobs."""

    def __init__(self) -> None:
        super().__init__(2)
        self.jobs: list[WorkerJob] = []

    def execute(self, job: WorkerJob) -> WorkerResult:
        self.jobs.append(job)
        return super().execute(job)


def options(folder: Path, **more: Any) -> JobExecutionOptions:
    return JobExecutionOptions(job_dir=folder, stitcher=Join()).replace(**more)


def test_a_spec_is_made_and_told_of(tmp_path: Path) -> None:
    told: list[JobProgress] = []
    done: list[tuple[int, WorkerResult]] = []
    result = JobExecutor().execute(
        text_spec(4, script="echo rendering $n; echo oops $n >&2"),
        options(tmp_path, on_progress=told.append, on_chunk_complete=lambda c, r: done.append((c, r))),
    )
    assert result.check().state is JobState.COMPLETED
    assert [output.path for output in result.outputs] == [tmp_path / "out/film.txt"]
    assert (tmp_path / "out/film.txt").read_text() == whole(4)
    assert result.completed_chunk_ids == (97, 98, 99, 100)
    assert (told[0].completed, told[0].total) == (0, 5)
    assert (told[-1].completed, told[-1].fraction) == (5, 1.0)
    assert sorted(chunk for chunk, _ in done) == [97, 98, 99, 100]
    assert all(r.exit_code == 0 and r.duration_ms >= 0 for _, r in done)


def test_progress_says_which_chunks_are_under_way(tmp_path: Path) -> None:
    told: list[JobProgress] = []
    complete: list[int] = []
    stale: list[JobProgress] = []

    def on_progress(now: JobProgress) -> None:
        told.append(now)
        if set(now.running) & set(complete):
            stale.append(now)

    JobExecutor().execute(
        text_spec(3, script="sleep 0.2"),
        options(tmp_path, concurrency=1, on_progress=on_progress, on_chunk_complete=lambda c, _: complete.append(c)),
    ).check()
    assert {chunk for now in told for chunk in now.running} == {98, 99, 100}
    assert stale == []
    assert (told[0].running, told[-1].running) == ((), ())


def test_a_chunk_that_waits_to_be_tried_again_is_not_under_way(tmp_path: Path) -> None:
    told: list[tuple[int, ...]] = []
    asked = options(tmp_path, on_progress=lambda now: told.append(now.running), retries=1, retry_delay=0.01)
    JobExecutor().execute(text_spec(1, script="exit 3"), asked)
    assert [running for at, running in enumerate(told) if running != told[at - 1]] == [(100,), (), (100,), ()]


def test_what_was_made_is_not_made_again(tmp_path: Path) -> None:
    adapter = Counting()
    executor = JobExecutor(adapter)
    executor.execute(text_spec(4), options(tmp_path)).check()
    done: list[WorkerResult] = []
    again = executor.execute(text_spec(4), options(tmp_path, on_chunk_complete=lambda _, result: done.append(result)))
    assert (again.executed, again.cached, len(adapter.jobs)) == (0, 5, 4)
    assert [result.reason for result in done] == ["found in the cache"] * 4
    assert (tmp_path / "out/film.txt").read_text() == whole(4)


def test_output_is_told_chunk_by_chunk_and_kept(tmp_path: Path) -> None:
    out: dict[int, str] = {}
    err: dict[int, str] = {}
    result = JobExecutor().execute(
        text_spec(3, script="echo rendering $n; echo oops $n >&2"),
        options(
            tmp_path,
            on_chunk_stdout=lambda chunk, text: out.update({chunk: out.get(chunk, "") + text}),
            on_chunk_stderr=lambda chunk, text: err.update({chunk: err.get(chunk, "") + text}),
        ),
    )
    assert out == {n: f"rendering {n}\n" for n in (98, 99, 100)}
    assert err == {n: f"oops {n}\n" for n in (98, 99, 100)}
    logs = [path.read_text() for path in (tmp_path / ".helios/logs" / result.job_id).rglob("*.log")]
    assert sorted(logs) == sorted(f"rendering {n}\noops {n}\n" for n in (98, 99, 100))


def test_a_callback_that_raises_never_unfinishes_a_chunk(tmp_path: Path) -> None:
    def bad(*_: object) -> None:
        raise RuntimeError("I am broken")

    warned: list[str] = []
    result = JobExecutor().execute(
        text_spec(4, script="echo x; echo y >&2"),
        options(
            tmp_path, on_progress=bad, on_chunk_complete=bad, on_chunk_stdout=bad, on_chunk_stderr=bad,
            on_warning=warned.append,
        ),
    )  # fmt: skip
    assert result.check().executed == 5
    assert (tmp_path / "out/film.txt").read_text() == whole(4)
    assert "on_chunk_complete raised RuntimeError: I am broken" in result.warnings
    assert "on_progress raised RuntimeError: I am broken" in warned
    assert JobExecutor().execute(text_spec(4, script="echo x; echo y >&2"), options(tmp_path)).cached == 5


def test_a_chunk_that_fails_stops_new_work_and_is_named(tmp_path: Path) -> None:
    spec = text_spec(6, script="[ $n != 97 ] || { echo no lamp >&2; exit 3; }")
    result = JobExecutor(LocalWorkerAdapter(1)).execute(spec, options(tmp_path, concurrency=1))
    assert result.state is JobState.FAILED
    assert result.errors == {"render/0003": "exit code 3 (no lamp)"}
    assert result.completed_chunk_ids == (98, 99, 100)
    with pytest.raises(JobFailedError, match=r"job .* is failed\n  render/0003: exit code 3"):
        result.check()
    going = JobExecutor().execute(spec, options(tmp_path, keep_going=True))
    assert going.completed_chunk_ids == (95, 96, 98, 99, 100)


def test_results_tell_the_streams_apart_and_what_a_failed_chunk_printed(tmp_path: Path) -> None:
    done: list[WorkerResult] = []
    spec = text_spec(2, script="echo out $n; echo err $n >&2; [ $n != 99 ] || exit 1")
    asked = options(tmp_path, retries=1, retry_delay=0.01, on_chunk_complete=lambda _, result: done.append(result))
    result = JobExecutor().execute(spec, asked)
    assert [(r.stdout, r.stderr) for r in done] == [("out 100\n", "err 100\n")]
    assert {chunk: (r.exit_code, r.stdout, r.stderr) for chunk, r in result.failed_chunks.items()} == {
        99: (1, "out 99\n", "err 99\n")
    }


def test_retries_are_followed(tmp_path: Path) -> None:
    tries = tmp_path.parent / f"{tmp_path.name}.tries"
    script = f"echo x >> {tries}; [ $(wc -l < {tries}) -ge 3 ] || exit 9"
    asked = options(tmp_path, retries=2, retry_delay=0.01)
    assert JobExecutor().execute(text_spec(1, script=script), asked).check().executed == 2
    assert len(tries.read_text().split()) == 3


def test_cancelling_ends_what_runs(tmp_path: Path) -> None:
    cancel = threading.Event()
    asked = options(tmp_path, cancel=cancel, on_chunk_stdout=lambda _, text: cancel.set())
    began = time.monotonic()
    result = JobExecutor().execute(text_spec(4, script="echo here; sleep 300"), asked)
    assert result.state is JobState.CANCELLED
    assert time.monotonic() - began < 60
    assert result.completed_chunk_ids == ()


def test_a_control_pauses_and_lets_what_runs_finish(tmp_path: Path) -> None:
    control = JobControl()
    asked = options(tmp_path, concurrency=1, cancel=control, on_chunk_complete=lambda *_: control.pause())
    result = JobExecutor().execute(text_spec(20, script="sleep 0.3"), asked)
    assert result.state is JobState.PAUSED
    assert 1 <= len(result.completed_chunk_ids) < 20
    rest = JobExecutor().execute(text_spec(20, script="sleep 0.3"), options(tmp_path))
    assert rest.check().cached == len(result.completed_chunk_ids)


def test_the_merge_command_runs_on_the_adapter_that_is_given_for_it(tmp_path: Path) -> None:
    merge = "sh -c 'o=$1; shift; cat \"$@\" > $o' merge out/film.txt part_100.txt part_99.txt part_98.txt"
    chunks, merging = Counting(), Counting()
    result = JobExecutor(chunks).execute(
        text_spec(3, merge=merge), JobExecutionOptions(job_dir=tmp_path, merge_adapter=merging)
    )
    assert result.check().outputs[0].path == tmp_path / "out/film.txt"
    assert (tmp_path / "out/film.txt").read_text() == whole(3)
    assert (len(chunks.jobs), len(merging.jobs)) == (3, 1)


def test_a_stitcher_joins_and_what_it_raises_is_the_failure(tmp_path: Path) -> None:
    class Broken:
        def stitch(self, inputs: Sequence[Path], output: Path) -> None:
            raise ValueError(f"cannot join {len(inputs)}")

    result = JobExecutor().execute(text_spec(3), options(tmp_path, stitcher=Broken()))
    assert result.state is JobState.FAILED
    assert "the stitcher raised ValueError: cannot join 3" in result.errors["render/stitch"]
    join = Join()
    assert JobExecutor().execute(text_spec(3), options(tmp_path, stitcher=join)).check().cached == 3
    assert JobExecutor().execute(text_spec(3), options(tmp_path, stitcher=join)).check().cached == 4
    assert join.calls == 1


def test_the_output_goes_where_it_is_wanted(tmp_path: Path) -> None:
    job, elsewhere = tmp_path / "job", tmp_path / "elsewhere/film.txt"
    job.mkdir()
    result = JobExecutor().execute(text_spec(2), options(job, output_file=elsewhere))
    assert result.outputs[0].path == elsewhere
    assert elsewhere.read_text() == whole(2)
    assert not (job / "out").exists()


def test_without_a_merge_the_chunks_are_put_by_their_names(tmp_path: Path) -> None:
    result = JobExecutor().execute(text_spec(3), JobExecutionOptions(job_dir=tmp_path, merge=False))
    assert [output.path.name for output in result.check().outputs] == ["part_100.txt", "part_99.txt", "part_98.txt"]
    assert (tmp_path / "part_99.txt").read_text() == whole(3)[len(whole(1)) : len(whole(2))]
    assert not (tmp_path / "out").exists()


def test_chunks_that_are_complete_are_not_made(tmp_path: Path) -> None:
    JobExecutor().execute(text_spec(3), JobExecutionOptions(job_dir=tmp_path, merge=False)).check()
    for made in (tmp_path / ".helios").rglob("index*"):
        made.unlink()
    (tmp_path / "part_98.txt").unlink()
    adapter = Counting()
    result = JobExecutor(adapter).execute(text_spec(3), options(tmp_path, completed_chunk_ids=[100, 99]))
    assert result.check().completed_chunk_ids == (98, 99, 100)
    assert [job.meta["chunkId"] for job in adapter.jobs] == [98]
    assert (tmp_path / "out/film.txt").read_text() == whole(3)


def test_what_is_said_to_be_complete_has_to_be_there(tmp_path: Path) -> None:
    result = JobExecutor().execute(text_spec(3), options(tmp_path, completed_chunk_ids=[99]))
    assert result.error.startswith("chunk 99 is said to be complete, but is neither in the cache nor at")
    with pytest.raises(UsageError, match="completed_chunk_ids 5, 7: the job has no such chunks"):
        JobExecutor().execute(text_spec(3), options(tmp_path, completed_chunk_ids=[7, 99, 5]))


def test_a_claim_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "part_99.txt").write_text("made by hand\n")
    asked = options(tmp_path, completed_chunk_ids=[99])
    JobExecutor().execute(text_spec(3), asked).check()
    assert "made by hand" in (tmp_path / "out/film.txt").read_text()
    (tmp_path / "part_99.txt").unlink()
    JobExecutor().execute(text_spec(3), options(tmp_path)).check()
    assert (tmp_path / "out/film.txt").read_text() == whole(3)


def test_the_adapter_gets_the_meta_and_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIT_SECRET", "x")
    adapter = Counting()
    JobExecutor(adapter).execute(text_spec(1), options(tmp_path, meta={"jobSpecUrl": "s3://b/j.json"})).check()
    (job,) = adapter.jobs
    assert (job.meta["jobSpecUrl"], job.meta["chunkId"]) == ("s3://b/j.json", 100)
    assert "KIT_SECRET" not in job.env
    assert job.env["TZ"] == "UTC"


class Odd:
    """An adapter that does what it is told the first times, and works after that."""

    capabilities = Capabilities()

    def __init__(self, *first: Callable[[], Any]) -> None:
        self._first = list(first)
        self._real = LocalWorkerAdapter(1)

    def execute(self, job: WorkerJob) -> WorkerResult:
        if self._first:
            found: WorkerResult = self._first.pop(0)()
            return found
        return self._real.execute(job)


def raising(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize(
    "first",
    [
        raising(ConnectionResetError("peer went away")),
        raising(TimeoutError("too slow")),
        lambda: None,
        lambda: {"exitCode": 0},
        lambda: WorkerResult(1, failure=FailureClass.PREEMPTED, reason="the spot instance is gone"),
    ],
    ids=["reset", "time out", "no reply", "malformed reply", "preempted"],
)
def test_what_time_may_mend_is_tried_again(tmp_path: Path, first: Callable[[], Any]) -> None:
    result = JobExecutor(Odd(first)).execute(text_spec(2), options(tmp_path, concurrency=1))
    assert result.check().executed == 3


@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_an_adapter_says_may_hold_what_cannot_be_written_down(tmp_path: Path, concurrency: int) -> None:
    class Odd:
        def execute(self, job: WorkerJob) -> WorkerResult:
            code = int(job.meta["chunkId"] % 2)
            Path(str(job.cwd), job.args[-1]).write_text("frame\n")
            return WorkerResult(code, "o\udcff", "e\ud83c", reason="r\udcff" if code else "", tools={"t": "\udcff"})

    odd: Any = Odd()
    spec = text_spec(4)
    chunks = [replace(chunk, command=f"render {chunk.id} {chunk.output_file}") for chunk in spec.chunks]
    asked = options(tmp_path, concurrency=concurrency, keep_going=True)
    result = JobExecutor(odd).execute(replace(spec, chunks=tuple(chunks)), asked)
    assert (result.state, result.completed_chunk_ids) == (JobState.FAILED, (98, 100))
    assert result.errors == dict.fromkeys(("render/0001", "render/0003"), "r\ufffd (e\ufffd)")


def test_what_an_adapter_raises_may_hold_what_cannot_be_written_down(tmp_path: Path) -> None:
    result = JobExecutor(Odd(raising(OSError("caf\udce9 is gone")))).execute(text_spec(1), options(tmp_path))
    assert result.errors == {"render/0000": "Odd raised OSError: caf\\udce9 is gone"}


def test_an_adapter_that_is_broken_stops_the_job_and_says_how(tmp_path: Path) -> None:
    result = JobExecutor(Odd(raising(KeyError("token")))).execute(text_spec(3), options(tmp_path, concurrency=1))
    assert result.state is JobState.FAILED
    assert result.errors == {"render/0000": "Odd raised KeyError: 'token'"}


def test_an_adapter_needs_no_capabilities_and_no_log(tmp_path: Path) -> None:
    class Plain:
        def execute(self, job: WorkerJob) -> WorkerResult:
            done = subprocess.run(
                [job.command, *job.args], cwd=job.cwd, env=dict(job.env), capture_output=True, text=True
            )
            return WorkerResult(done.returncode, done.stdout, done.stderr)

    plain: Any = Plain()
    result = JobExecutor(plain).execute(text_spec(2, script="echo $n"), options(tmp_path))
    assert result.check().executed == 3
    logs = (tmp_path / ".helios/logs" / result.job_id).rglob("*.log")
    assert sorted(path.read_text() for path in logs) == ["100\n", "99\n"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chunks": []}, "chunks: is empty, expected at least one chunk"),
        ({"mergeCommand": "helios merge ../film.txt part_100.txt"}, "mergeCommand: "),
    ],
)
def test_a_spec_that_is_wrong_is_refused_before_anything_is_made(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    data = {**text_spec(1).to_dict(), **change}
    with pytest.raises(ManifestError, match=said):
        JobExecutor().execute(data, JobExecutionOptions(job_dir=tmp_path))
    assert not (tmp_path / ".helios").exists()


def test_an_id_or_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no job id"):
        JobExecutor().execute(text_spec(1, job_id="../x"), options(tmp_path))
    with pytest.raises(UsageError, match=r"job_dir .*nowhere is no folder"):
        JobExecutor().execute(text_spec(1), options(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"concurrency": 0}, "concurrency is the number 0, expected a whole number of 1 or more"),
        ({"concurrency": -1}, "concurrency is the number -1, expected a whole number of 1 or more"),
        ({"concurrency": "x"}, "concurrency is the text 'x', expected a whole number of 1 or more"),
        ({"concurrency": 1.5}, "concurrency is the number 1.5, expected a whole number of 1 or more"),
        ({"concurrency": True}, "concurrency is true, expected a whole number of 1 or more"),
        ({"retries": -1}, "retries is the number -1, expected a whole number of 0 or more"),
        ({"retries": None}, "retries is nothing, expected a whole number of 0 or more"),
        ({"retry_delay": -1}, "retry_delay is the number -1, expected seconds, 0 or more"),
        ({"timeout": 0}, "timeout is the number 0, expected seconds, more than 0"),
        ({"timeout": float("nan")}, "timeout is the number nan, expected seconds, more than 0"),
        ({"timeout": "10s"}, "timeout is the text '10s', expected seconds, more than 0"),
        ({"stall_timeout": float("inf")}, "stall_timeout is the number inf, expected seconds, more than 0"),
        ({"deadline": -0.5}, "deadline is the number -0.5, expected seconds, 0 or more"),
    ],
)
def test_options_out_of_their_bounds_are_refused_before_anything_is_made(
    tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(said)}$"):
        JobExecutor().execute(text_spec(1), options(tmp_path, **asked))
    assert not (tmp_path / ".helios").exists()


def test_the_cache_may_be_in_the_folder_under_another_name(tmp_path: Path) -> None:
    executor = JobExecutor(cache_dir=tmp_path / "made")
    executor.execute(text_spec(2), options(tmp_path)).check()
    assert executor.execute(text_spec(2), options(tmp_path)).check().executed == 0


def test_a_remote_adapter_without_a_storage_is_refused(tmp_path: Path) -> None:
    class Far(Counting):
        def __init__(self) -> None:
            super().__init__()
            self.capabilities = Capabilities(remote=True)

    result = JobExecutor(Far()).execute(text_spec(1), options(tmp_path))
    with pytest.raises(JobFailedError, match="share no files with us, and no storage was given"):
        result.check()


def test_ctrl_c_drains_and_is_raised_when_all_is_in_order(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from helios_pipe import JobExecutionOptions, JobExecutor\n"
        "from tests.kit.specs import text_spec; from tests.e2e.jobs.test_python import Join\n"
        "try:\n"
        "    JobExecutor().execute(text_spec(30, script='echo go; sleep 0.3'), JobExecutionOptions(concurrency=1,\n"
        "        job_dir=Path(sys.argv[1]), stitcher=Join(), on_chunk_stdout=lambda *_: print('go', flush=True)))\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "go\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate()[0].splitlines()[-1] == "interrupted"
    project = Project(tmp_path)
    (job,) = project.helios("jobs", "--json").document["jobs"]
    assert (job["state"], job["executed"] >= 1) == ("paused", True)
    assert "was submitted from Python" in project.helios("resume", job["job"]).stderr


def test_importing_it_all_loads_no_cloud_package() -> None:
    script = (
        "import sys; import helios_pipe; [getattr(helios_pipe, n) for n in ('JobManager', 'JobExecutor', 'JobSpec',"
        " 'JobExecutionOptions', 'InMemoryJobRepository', 'FileJobRepository', 'SqliteJobRepository')];"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    loaded = set(done.stdout.split())
    assert not loaded & {"boto3", "botocore", "google", "requests", "distributed", "networkx", "av", "rich", "numpy"}
