"""JobManager: submit, watch, pause, resume, cancel, delete, from this process, another one, or the command line."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.digest import digest_bytes
from helios_pipe.errors import StoreError, UsageError
from helios_pipe.job_ports import JobExecutionOptions, JobResult
from helios_pipe.job_status import JobState, JobStatus
from helios_pipe.jobs.keeping import Keeper
from helios_pipe.jobs.manager import JobManager
from helios_pipe.jobs.memory import InMemoryJobRepository
from helios_pipe.jobs.sqlite import SqliteJobRepository
from helios_pipe.manifest.problems import ManifestError
from helios_pipe.pipeline.executor import JobExecutor
from helios_pipe.ports import Capabilities, WorkerResult
from helios_pipe.stores.artifacts import StoreArtifacts
from helios_pipe.stores.local import LocalStore
from helios_pipe.stores.memory import MemoryStore
from helios_pipe.worker.aws import AwsHandlerConfig, create_aws_handler
from tests.e2e.jobs.test_python import Join
from tests.kit.project import LIMIT_S, REPOSITORY, Project
from tests.kit.remote import HandlerAdapter
from tests.kit.specs import text_spec, whole


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[JobManager]:
    with JobManager(None, JobExecutor(LocalWorkerAdapter(1), cache_dir=tmp_path / "cache")) as found:
        yield found
        gate(tmp_path).touch()


def options(folder: Path, **more: Any) -> JobExecutionOptions:
    job_dir = folder / "job"
    job_dir.mkdir(exist_ok=True)
    return JobExecutionOptions(job_dir=job_dir, concurrency=1, stitcher=Join()).replace(**more)


def gate(folder: Path) -> Path:
    return folder / "gate"


def held(folder: Path, chunks: int = 4, **more: Any) -> Any:
    """A spec whose second chunk (99) waits for the gate."""
    script = f"[ $n != 99 ] || {{ echo held; while [ ! -e {gate(folder)} ]; do sleep 0.02; done; }}"
    return text_spec(chunks, script=script, **more)


def until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def status_of(manager: JobManager, job_id: str) -> JobStatus:
    found = manager.get_job(job_id)
    assert found is not None
    return found


def until_held(manager: JobManager, job_id: str) -> None:
    until(lambda: status_of(manager, job_id).completed_chunks >= 1)


def test_a_job_is_submitted_watched_and_done(manager: JobManager, tmp_path: Path) -> None:
    before = time.time() * 1000
    job_id = manager.submit_job(held(tmp_path, job_id="film-1"), options(tmp_path))
    assert job_id == "film-1"
    until_held(manager, job_id)
    running = status_of(manager, job_id)
    assert (running.state, running.total_chunks, running.error) == (JobState.RUNNING, 4, None)
    assert 0 < running.progress < 1
    gate(tmp_path).touch()
    done = manager.wait(job_id)
    assert (done.state, done.completed_chunks, done.progress) == (JobState.COMPLETED, 4, 1.0)
    assert done.result is not None
    assert [Path(output["path"]).name for output in done.result] == ["film.txt"]
    assert done.chunk_logs[99].stdout == "held\n"
    assert done.metrics["executed"] == 5
    assert done.metrics["totalDurationMs"] >= done.metrics["maxChunkDurationMs"]
    assert before - 1 <= done.created_at <= done.updated_at
    assert (tmp_path / "job/out/film.txt").read_text() == whole(4)
    assert manager.list_jobs() == [done]


def test_ids_are_given_where_there_is_none_and_never_twice(manager: JobManager, tmp_path: Path) -> None:
    one, two = (manager.submit_job(text_spec(1).to_dict(), options(tmp_path)) for _ in range(2))
    assert one != two
    assert one.startswith("job-")
    manager.submit_job(text_spec(1, job_id="mine"), options(tmp_path))
    with pytest.raises(UsageError, match="there is a job 'mine' already"):
        manager.submit_job(text_spec(1, job_id="mine"), options(tmp_path))
    for job_id in ("../x", "a/b", ""):
        with pytest.raises(UsageError, match="is no job id"):
            manager.submit_job(text_spec(1, job_id=job_id), options(tmp_path))


def test_what_is_wrong_with_a_spec_is_said_at_once_and_nothing_is_kept(manager: JobManager, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="mergeCommand"):
        manager.submit_job(text_spec(1, merge="helios merge ../x part_100.txt"), options(tmp_path))
    assert manager.list_jobs() == []


def test_options_out_of_their_bounds_are_said_at_once_and_change_nothing(manager: JobManager, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="concurrency is the number -1"):
        manager.submit_job(text_spec(1), options(tmp_path, concurrency=-1))
    assert manager.list_jobs() == []
    job_id = manager.submit_job(held(tmp_path), options(tmp_path))
    until_held(manager, job_id)
    manager.pause_job(job_id, now=True)
    assert manager.wait(job_id).state is JobState.PAUSED
    with pytest.raises(UsageError, match="retries is the number -2"):
        manager.resume_job(job_id, options(tmp_path, retries=-2))
    assert status_of(manager, job_id).state is JobState.PAUSED


def test_a_pause_drains_and_resume_makes_the_rest(manager: JobManager, tmp_path: Path) -> None:
    job_id = manager.submit_job(held(tmp_path), options(tmp_path))
    until_held(manager, job_id)
    manager.pause_job(job_id)
    time.sleep(0.5)
    assert status_of(manager, job_id).state is JobState.RUNNING
    gate(tmp_path).touch()
    paused = manager.wait(job_id)
    assert (paused.state, paused.completed_chunks) == (JobState.PAUSED, 2)
    manager.pause_job(job_id)
    manager.resume_job(job_id)
    done = manager.wait(job_id)
    assert (done.state, done.metrics["executed"], done.metrics["cached"]) == (JobState.COMPLETED, 3, 2)
    assert done.completed_chunks == 4


def test_a_pause_is_taken_back_while_it_drains(manager: JobManager, tmp_path: Path) -> None:
    job_id = manager.submit_job(held(tmp_path), options(tmp_path))
    until_held(manager, job_id)
    manager.pause_job(job_id)
    time.sleep(0.5)
    manager.resume_job(job_id)
    gate(tmp_path).touch()
    done = manager.wait(job_id)
    assert (done.state, done.completed_chunks) == (JobState.COMPLETED, 4)


def test_a_pause_now_ends_what_runs_and_a_paused_job_can_be_cancelled(manager: JobManager, tmp_path: Path) -> None:
    job_id = manager.submit_job(held(tmp_path), options(tmp_path))
    until_held(manager, job_id)
    manager.pause_job(job_id, now=True)
    assert manager.wait(job_id).state is JobState.PAUSED
    manager.cancel_job(job_id)
    assert status_of(manager, job_id).state is JobState.CANCELLED
    with pytest.raises(UsageError, match="does not run: it is cancelled"):
        manager.pause_job(job_id)
    gate(tmp_path).touch()
    manager.resume_job(job_id)
    assert manager.wait(job_id).state is JobState.COMPLETED
    manager.cancel_job(job_id)
    assert status_of(manager, job_id).state is JobState.COMPLETED


def test_a_failed_job_says_why_and_can_be_resumed(manager: JobManager, tmp_path: Path) -> None:
    script = f"[ -e {gate(tmp_path)} ] || [ $n != 98 ] || {{ echo no lamp >&2; exit 3; }}"
    job_id = manager.submit_job(text_spec(4, script=script), options(tmp_path))
    failed = manager.wait(job_id)
    assert (failed.state, failed.error) == (JobState.FAILED, "render/0002: exit code 3 (no lamp)")
    gate(tmp_path).touch()
    manager.resume_job(job_id)
    done = manager.wait(job_id)
    assert (done.state, done.error, done.completed_chunks) == (JobState.COMPLETED, None, 4)


def test_a_failed_job_can_be_cancelled_says_still_why_it_failed_and_can_be_resumed(
    manager: JobManager, tmp_path: Path
) -> None:
    spec = text_spec(1, script=f"[ -e {gate(tmp_path)} ] || exit 3")
    job_id = manager.submit_job(spec, options(tmp_path))
    error = manager.wait(job_id).error
    assert error == "render/0000: exit code 3"
    manager.cancel_job(job_id)
    cancelled = status_of(manager, job_id)
    assert (cancelled.state, cancelled.error) == (JobState.CANCELLED, error)
    gate(tmp_path).touch()
    manager.resume_job(job_id)
    done = manager.wait(job_id)
    assert (done.state, done.error) == (JobState.COMPLETED, None)


def test_the_record_has_both_streams_of_each_chunk_also_of_one_that_failed(manager: JobManager, tmp_path: Path) -> None:
    script = f"echo out $n; echo err $n >&2; [ -e {gate(tmp_path)} ] || [ $n != 99 ] || exit 1"
    job_id = manager.submit_job(text_spec(2, script=script), options(tmp_path))
    failed = manager.wait(job_id)
    assert failed.state is JobState.FAILED
    assert {c: (log.stdout, log.stderr) for c, log in failed.chunk_logs.items()} == {
        100: ("out 100\n", "err 100\n"),
        99: ("out 99\n", "err 99\n"),
    }
    assert failed.chunk_logs[99].duration_ms > 0


def test_what_a_chunk_printed_stays_when_it_is_found_in_the_cache(manager: JobManager, tmp_path: Path) -> None:
    job_id = manager.submit_job(held(tmp_path), options(tmp_path))
    until_held(manager, job_id)
    manager.pause_job(job_id)
    gate(tmp_path).touch()
    before = manager.wait(job_id).chunk_logs
    assert before[99].stdout == "held\n"
    manager.resume_job(job_id)
    done = manager.wait(job_id)
    assert done.state is JobState.COMPLETED
    assert {chunk: done.chunk_logs[chunk] for chunk in before} == before


def test_what_nobody_foresaw_is_a_failure_with_its_name(tmp_path: Path) -> None:
    class Bad(JobExecutor):
        def execute(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError("once")

    with JobManager(InMemoryJobRepository(), Bad()) as manager:
        job_id = manager.submit_job(text_spec(1), options(tmp_path))
        failed = manager.wait(job_id)
    assert (failed.state, failed.error) == (JobState.FAILED, "ZeroDivisionError: once")


def test_a_deleted_job_is_gone_and_nothing_brings_it_back(manager: JobManager, tmp_path: Path) -> None:
    job_id = manager.submit_job(held(tmp_path), options(tmp_path))
    until_held(manager, job_id)
    manager.delete_job(job_id)
    assert manager.get_job(job_id) is None
    time.sleep(0.7)
    assert manager.list_jobs() == []
    assert not (tmp_path / "cache/logs" / job_id).exists()
    manager.delete_job(job_id)
    with pytest.raises(UsageError, match="there is no job"):
        manager.resume_job(job_id)


def test_callbacks_are_called_and_may_raise(manager: JobManager, tmp_path: Path) -> None:
    seen: list[int] = []

    def complete(chunk: int, _: WorkerResult) -> None:
        seen.append(chunk)
        raise RuntimeError("no")

    job_id = manager.submit_job(text_spec(3), options(tmp_path, on_chunk_complete=complete))
    done = manager.wait(job_id)
    assert (done.state, done.completed_chunks, sorted(seen)) == (JobState.COMPLETED, 3, [98, 99, 100])
    assert sorted(done.chunk_logs) == [98, 99, 100]


class Forgetful(InMemoryJobRepository):
    """Fails every second time that it is to keep something."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def update(self, job_id: str, change: Callable[[JobStatus], JobStatus]) -> JobStatus | None:
        self.times += 1
        if self.times % 2 == 0:
            raise StoreError("the disk is full")
        return super().update(job_id, change)


@pytest.mark.filterwarnings("ignore:the progress of job")
def test_a_repository_that_fails_now_and_then_harms_no_job(tmp_path: Path) -> None:
    with JobManager(Forgetful(), JobExecutor()) as manager:
        job_id = manager.submit_job(text_spec(6), options(tmp_path))
        assert manager.wait(job_id).state is JobState.COMPLETED


def test_clocks_that_jump_make_no_record_older(tmp_path: Path) -> None:
    times = iter(range(2_000_000_000, 0, -1_000_000))
    with JobManager(InMemoryJobRepository(), JobExecutor(), clock=lambda: next(times)) as manager:
        done = manager.wait(manager.submit_job(text_spec(2), options(tmp_path)))
    assert done.updated_at == done.created_at == 2_000_000_000_000


def test_a_block_that_raises_cancels_its_jobs(tmp_path: Path) -> None:
    repository = InMemoryJobRepository()

    def block() -> None:
        with JobManager(repository, JobExecutor()) as manager:
            manager.submit_job(held(tmp_path, job_id="film"), options(tmp_path))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        block()
    found = repository.get("film")
    assert found is not None
    assert found.state is JobState.CANCELLED


# -- other processes

PROGRAM = """
import sys
from pathlib import Path
from threading import Event
from helios_pipe import JobExecutor, JobManager
from tests.e2e.jobs.test_manager import held, options
folder = Path(sys.argv[1])
with JobManager(None, JobExecutor(cache_dir=folder / "cache")) as manager:
    manager.submit_job(held(folder, job_id="film"), options(folder))
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that has submitted job `film`, which is held."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=REPOSITORY, text=True)
    try:
        yield process
    finally:
        gate(tmp_path).touch()
        process.kill()
        process.wait()


def other(tmp_path: Path) -> JobManager:
    return JobManager(None, JobExecutor(LocalWorkerAdapter(1), cache_dir=tmp_path / "cache"))


def running_elsewhere(manager: JobManager) -> None:
    until(lambda: (s := manager.get_job("film")) is not None and s.completed_chunks >= 1)


def test_a_run_that_has_ended_is_a_job_that_goes_on_until_that_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told meanwhile that its process died."""
    ended, go_on, write = Event(), Event(), Keeper.end

    def late(keeper: Keeper, result: JobResult) -> None:
        ended.set()
        assert go_on.wait(LIMIT_S)
        write(keeper, result)

    monkeypatch.setattr(Keeper, "end", late)
    with JobManager(None, JobExecutor(cache_dir=tmp_path / "cache")) as manager:
        job = manager.submit_job(text_spec(2), options(tmp_path))
        assert ended.wait(LIMIT_S)
        assert other(tmp_path).get_job(job).state is JobState.RUNNING  # type: ignore[union-attr]
        go_on.set()
        assert other(tmp_path).wait(job).state is JobState.COMPLETED


def test_a_job_whose_record_holds_no_options_goes_on_with_others(tmp_path: Path) -> None:
    repository = InMemoryJobRepository()
    with JobManager(repository, JobExecutor(cache_dir=tmp_path / "cache")) as manager:
        job = manager.submit_job(held(tmp_path), options(tmp_path))
        until(lambda: repository.get(job).completed_chunks >= 1)  # type: ignore[union-attr]
        manager.cancel_job(job)
        assert manager.wait(job).state is JobState.CANCELLED
        repository.update(job, lambda status: status.replace(options={"jobDir": 5}))
        gate(tmp_path).touch()
        with pytest.raises(UsageError, match=f"the record of job {job} has 5 for jobDir, expected a path"):
            JobManager(repository, JobExecutor(cache_dir=tmp_path / "cache")).resume_job(job)
        manager.resume_job(job, options(tmp_path))
        assert manager.wait(job, LIMIT_S).state is JobState.COMPLETED


def test_another_process_pauses_and_cancels_a_job(elsewhere: subprocess.Popen[str], tmp_path: Path) -> None:
    manager = other(tmp_path)
    running_elsewhere(manager)
    manager.pause_job("film")
    manager.resume_job("film")
    manager.cancel_job("film")
    assert manager.wait("film").state is JobState.CANCELLED
    assert elsewhere.wait(LIMIT_S) == 0


def test_the_command_line_pauses_a_job_of_a_program(elsewhere: subprocess.Popen[str], tmp_path: Path) -> None:
    manager = other(tmp_path)
    running_elsewhere(manager)
    project = Project(tmp_path / "job")
    cache = ("--cache-dir", str(tmp_path / "cache"))
    assert project.helios("show", "film", "--json", *cache).document["state"] == "running"
    assert project.helios("pause", "film", "--now", *cache).stdout == "film: paused\n"
    assert manager.wait("film").state is JobState.PAUSED
    assert elsewhere.wait(LIMIT_S) == 0


def test_a_job_whose_process_died_is_interrupted_and_another_one_goes_on_with_it(
    elsewhere: subprocess.Popen[str], tmp_path: Path
) -> None:
    manager = other(tmp_path)
    running_elsewhere(manager)
    elsewhere.kill()
    elsewhere.wait()
    assert status_of(manager, "film").state is JobState.INTERRUPTED
    gate(tmp_path).touch()
    manager.resume_job("film", options(tmp_path))
    done = manager.wait("film")
    assert (done.state, done.metrics["cached"], done.completed_chunks) == (JobState.COMPLETED, 1, 4)


def test_a_running_job_of_another_process_is_cancelled_and_deleted(
    elsewhere: subprocess.Popen[str], tmp_path: Path
) -> None:
    manager = other(tmp_path)
    running_elsewhere(manager)
    manager.delete_job("film")
    assert elsewhere.wait(LIMIT_S) == 0
    assert manager.list_jobs() == []


# -- storages


class Remote(LocalWorkerAdapter):
    """An adapter that says that it is far away."""

    def __init__(self) -> None:
        super().__init__(1)
        self.capabilities = Capabilities(remote=True, concurrency=1)


def test_assets_are_uploaded_for_remote_workers_and_deleted_with_the_job(tmp_path: Path) -> None:
    class NoRun(JobExecutor):
        def execute(self, *_: Any, **__: Any) -> Any:
            raise StoreError("not today")

    store = MemoryStore()
    asked = options(tmp_path)
    (tmp_path / "job/look.cube").write_text("warm\n")
    (tmp_path / "job/sub").mkdir()
    (tmp_path / "job/sub/a.txt").write_text("a\n")
    with JobManager(InMemoryJobRepository(), NoRun(Remote()), StoreArtifacts(store)) as manager:
        job_id = manager.submit_job(text_spec(1), asked)
        failed = manager.wait(job_id)
        assert failed.error == "not today"
        assert failed.job_spec_url is not None
        assert failed.spec.assets_url is not None
        target = tmp_path / "fetched"
        StoreArtifacts(store).download_asset_bundle(job_id, failed.spec.assets_url, target)
        assert sorted(str(p.relative_to(target)) for p in target.rglob("*.*")) == ["look.cube", "sub/a.txt"]
        manager.delete_job(job_id)
    assets = {digest_bytes(b"warm\n"), digest_bytes(b"a\n")}
    assert store.missing(assets) == assets
    assert [name for name in store.list_objects("") if name.startswith(("jobs/", "bundles/"))] == []


def test_a_job_runs_on_remote_workers_with_nothing_shared_but_the_storage(tmp_path: Path) -> None:
    storage = StoreArtifacts(LocalStore(tmp_path / "store"))
    handler = create_aws_handler(AwsHandlerConfig(tmp_path / "worker", storage))
    asked = options(tmp_path)
    (tmp_path / "job/look.txt").write_text("warm\n")
    executor = JobExecutor(HandlerAdapter(handler), cache_dir=tmp_path / "cache")
    with JobManager(None, executor, storage) as manager:
        job_id = manager.submit_job(text_spec(3, script="cat look.txt"), asked)
        done = manager.wait(job_id)
        assert (done.state, done.error) == (JobState.COMPLETED, None)
        assert done.chunk_logs[99].stdout == "warm\n"
        assert (tmp_path / "job/out/film.txt").read_text() == whole(3)
        manager.delete_job(job_id)
    assert storage.blobs.list_objects("bundles/") == []


def test_the_default_repository_is_a_file_in_the_cache(manager: JobManager, tmp_path: Path) -> None:
    job_id = manager.submit_job(text_spec(1), options(tmp_path))
    manager.wait(job_id)
    again = SqliteJobRepository(tmp_path / "cache/jobs.v1.sqlite").get(job_id)
    assert again is not None
    assert again.state is JobState.COMPLETED
