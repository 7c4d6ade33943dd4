"""Every call to a store and to an adapter goes wrong once in turn: the job comes through, or ends with a clear error, and
the next one completes without making anything twice that was committed."""

from __future__ import annotations

from pathlib import Path

import pytest

from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.errors import HeliosPipeError
from helios_pipe.job_ports import JobExecutionOptions, JobResult
from helios_pipe.job_status import JobState
from helios_pipe.pipeline.executor import JobExecutor
from helios_pipe.stores.artifacts import StoreArtifacts
from helios_pipe.stores.local import LocalStore
from helios_pipe.worker.aws import AwsHandlerConfig, create_aws_handler
from tests.e2e.jobs.test_python import Join
from tests.kit.faulty import ADAPTER_FAULTS, STORE_FAULTS, FaultyAdapter, FaultyStore, Turns
from tests.kit.remote import HandlerAdapter
from tests.kit.specs import text_spec, whole

CHUNKS = 3
MENDED = ("reset", "timed out", "5xx", "no reply", "malformed", "preempted")
"""What time or another try mends: the job comes through in one go."""


def options(folder: Path) -> JobExecutionOptions:
    (folder / "job").mkdir(exist_ok=True)
    (folder / "job/look.txt").write_text("warm\n")
    return JobExecutionOptions(job_dir=folder / "job", concurrency=1, stitcher=Join(), retry_delay=0.01)


def far(folder: Path, turns: Turns, fault: str, *, worker: bool) -> JobExecutor:
    """Workers elsewhere, with a store between, whose n-th call goes wrong on our side or on the worker's."""
    store = LocalStore(folder / "store")
    faulty = FaultyStore(store, turns, STORE_FAULTS[fault])
    config = AwsHandlerConfig(folder / "worker", StoreArtifacts(faulty if worker else store))
    adapter = HandlerAdapter(create_aws_handler(config), concurrency=1)
    return JobExecutor(adapter, storage=StoreArtifacts(store if worker else faulty), cache_dir=folder / "cache")


def near(folder: Path, turns: Turns, fault: str) -> JobExecutor:
    """Workers here, whose n-th call goes wrong."""
    adapter = FaultyAdapter(LocalWorkerAdapter(1), turns, ADAPTER_FAULTS[fault])
    return JobExecutor(adapter, cache_dir=folder / "cache")


def look(folder: Path, executor: JobExecutor, again: JobExecutor, told: str, *, comes_through: bool) -> JobResult:
    """Execute the job with the fault in it, then without."""
    first = executor.execute(text_spec(CHUNKS), options(folder))
    if comes_through:
        assert first.state is JobState.COMPLETED, f"{told}: {first}"
    elif first.state is not JobState.COMPLETED:
        assert first.reasons(), told
    second = again.execute(text_spec(CHUNKS), options(folder)).check()
    assert second.executed + first.executed == CHUNKS + 1, f"{told}: {first} {second}"
    assert (folder / "job/out/film.txt").read_text() == whole(CHUNKS), told
    return first


@pytest.mark.parametrize("fault", ADAPTER_FAULTS)
def test_an_adapters_call_goes_wrong_once_in_turn(tmp_path: Path, fault: str) -> None:
    for index in range(1, CHUNKS + 1):
        folder = tmp_path / str(index)
        folder.mkdir()
        told = f"{fault} at call {index}"
        plain = JobExecutor(cache_dir=folder / "cache")
        turns = Turns(index)
        first = look(folder, near(folder, turns, fault), plain, told, comes_through=fault in MENDED)
        if fault == "empty-handed":
            assert "the command exited 0 but left no part.txt" in str(first.reasons()), told


@pytest.mark.parametrize("worker", [False, True], ids=["on our side", "on the worker's"])
@pytest.mark.parametrize("fault", STORE_FAULTS)
def test_a_stores_call_goes_wrong_once_in_turn(tmp_path: Path, fault: str, worker: bool) -> None:
    counting = Turns()
    (tmp_path / "0").mkdir()
    far(tmp_path / "0", counting, fault, worker=worker).execute(text_spec(CHUNKS), options(tmp_path / "0")).check()
    assert len(counting.seen) >= CHUNKS
    for index in range(1, len(counting.seen) + 1):
        folder = tmp_path / str(index)
        folder.mkdir()
        told = f"{fault} at {counting.seen[index - 1]}, call {index}"
        executor = far(folder, Turns(index), fault, worker=worker)
        again = far(folder, Turns(), fault, worker=worker)
        try:
            look(folder, executor, again, told, comes_through=fault == "reset")
        except HeliosPipeError as error:
            pytest.fail(f"{told}: {type(error).__name__}: {error}")
