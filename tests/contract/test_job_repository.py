"""What every JobRepository promises, held against each of them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helios_pipe.errors import StoreError, UsageError
from helios_pipe.job_ports import JobRepository
from helios_pipe.job_status import ChunkLog, CorruptRecordError, JobState, JobStatus
from helios_pipe.jobs.files import FileJobRepository
from helios_pipe.jobs.memory import InMemoryJobRepository
from helios_pipe.jobs.sqlite import SqliteJobRepository
from tests.kit.project import REPOSITORY
from tests.kit.specs import text_spec

KINDS = ("memory", "files", "sqlite")
HOSTILE = [
    "../x",
    "..",
    ".",
    "",
    "a/b",
    "/etc/passwd",
    "a\0b",
    "a\nb",
    "-rf",
    ".hidden",
    "ä",
    "x" * 129,
    "a b",
    "con:1",
]


def make(kind: str, folder: Path) -> JobRepository:
    if kind == "memory":
        return InMemoryJobRepository()
    return FileJobRepository(folder / "jobs") if kind == "files" else SqliteJobRepository(folder / "jobs.sqlite")


@pytest.fixture(params=KINDS)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobRepository]:
    found = make(request.param, tmp_path)
    yield found
    if isinstance(found, SqliteJobRepository):
        found.close()


def status(job_id: str = "film-1", created_at: int = 1000) -> JobStatus:
    return JobStatus(job_id, text_spec(2, job_id=job_id), created_at=created_at, updated_at=created_at, total_chunks=2)


def test_what_was_saved_is_there_and_equal(repository: JobRepository) -> None:
    full = status().replace(
        state=JobState.FAILED,
        completed_chunks=1,
        progress=0.5,
        error="a lamp broke: \udcff ö \u2028",
        result=({"path": "out/film.mp4", "sha256": "0" * 64, "size": 12},),
        metrics={"totalDurationMs": 12},
        chunk_logs={100: ChunkLog("out \x00 \x1b[0m", "err\n", 12), 99: ChunkLog()},
        options={"jobDir": "/somewhere", "merge": True},
        job_spec_url="s3://bucket/jobs/1.json",
        extra={"theirs": [1, {"a": None}]},
    )
    repository.save(full)
    assert repository.get("film-1") == full
    assert repository.list() == [full]


def test_a_later_record_takes_the_place_of_the_earlier(repository: JobRepository) -> None:
    repository.save(status())
    repository.save(status().replace(state=JobState.RUNNING))
    found = repository.get("film-1")
    assert found is not None
    assert found.state is JobState.RUNNING
    assert len(repository.list()) == 1


def test_what_is_not_there_is_none(repository: JobRepository) -> None:
    assert repository.get("film-1") is None
    assert repository.list() == []
    assert repository.update("film-1", lambda s: s) is None
    repository.delete("film-1")


def test_the_newest_come_first_then_by_id(repository: JobRepository) -> None:
    for job_id, created_at in (("b", 1), ("a", 1), ("d", 2), ("c", 0)):
        repository.save(status(job_id, created_at))
    assert [one.id for one in repository.list()] == ["d", "a", "b", "c"]


def test_what_was_deleted_is_gone_and_no_update_brings_it_back(repository: JobRepository) -> None:
    repository.save(status())
    repository.delete("film-1")
    repository.delete("film-1")
    assert repository.update("film-1", lambda s: s.replace(progress=1.0)) is None
    assert repository.get("film-1") is None
    assert repository.list() == []


def test_an_update_returns_what_is_kept(repository: JobRepository) -> None:
    repository.save(status())
    changed = repository.update("film-1", lambda s: s.replace(completed_chunks=s.completed_chunks + 1))
    assert changed is not None
    assert changed.completed_chunks == 1
    assert repository.get("film-1") == changed


def test_an_update_that_raises_changes_nothing(repository: JobRepository) -> None:
    repository.save(status())

    def change(_: JobStatus) -> JobStatus:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        repository.update("film-1", change)
    with pytest.raises(UsageError, match="cannot become that of job other"):
        repository.update("film-1", lambda s: s.replace(id="other"))
    assert repository.get("film-1") == status()
    repository.save(status("film-2"))


@pytest.mark.parametrize("job_id", HOSTILE)
def test_an_id_that_is_no_plain_name_is_refused_and_touches_nothing(
    repository: JobRepository, tmp_path: Path, job_id: str
) -> None:
    hostile = status().replace(id=job_id)
    calls: list[Callable[[], object]] = [
        lambda: repository.save(hostile),
        lambda: repository.get(job_id),
        lambda: repository.delete(job_id),
        lambda: repository.update(job_id, lambda s: s),
    ]
    before = sorted(tmp_path.rglob("*"))
    for call in calls:
        with pytest.raises(UsageError, match="is no job id, expected letters, digits"):
            call()
    assert sorted(tmp_path.rglob("*")) == before


def test_threads_that_update_at_once_lose_nothing(repository: JobRepository) -> None:
    repository.save(status())

    def add() -> None:
        for _ in range(25):
            repository.update("film-1", lambda s: s.replace(completed_chunks=s.completed_chunks + 1))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = repository.get("film-1")
    assert found is not None
    assert found.completed_chunks == 200


def test_threads_that_save_at_once_leave_one_whole_record(repository: JobRepository) -> None:
    versions = [status().replace(error=str(n) * 100_000, completed_chunks=n) for n in range(8)]
    barrier = threading.Barrier(len(versions))

    def save(version: JobStatus) -> None:
        barrier.wait()
        repository.save(version)

    threads = [threading.Thread(target=save, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert repository.get("film-1") in versions


@pytest.mark.parametrize("kind", ["files", "sqlite"])
def test_processes_that_update_at_once_lose_nothing(kind: str, tmp_path: Path) -> None:
    make(kind, tmp_path).save(status())
    script = (
        "import sys; from pathlib import Path; from tests.contract.test_job_repository import make\n"
        "found = make(sys.argv[1], Path(sys.argv[2]))\n"
        "for _ in range(20): found.update('film-1', lambda s: s.replace(completed_chunks=s.completed_chunks + 1))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, kind, str(tmp_path)], cwd=REPOSITORY) for _ in range(4)
    ]
    assert [process.wait() for process in processes] == [0] * 4
    found = make(kind, tmp_path).get("film-1")
    assert found is not None
    assert found.completed_chunks == 80


GOOD = status("bad").to_dict()
CORRUPT = {
    "torn": json.dumps(GOOD)[:100],
    "empty": "",
    "no JSON": "\0\1\2",
    "a list": "[1, 2]",
    "nested too deep": "[" * 100_000,
    "no spec": json.dumps({**GOOD, "spec": None}),
    "a state that is none": json.dumps({**GOOD, "state": "sleeping"}),
    "a negative time": json.dumps({**GOOD, "createdAt": -5}),
    "a text for a number": json.dumps({**GOOD, "completedChunks": "two"}),
    "logs that are none": json.dumps({**GOOD, "chunkLogs": {"1": {"stdout": 5}}}),
    "another job's": json.dumps({**GOOD, "id": "other"}),
}


@pytest.mark.parametrize("kind", ["files", "sqlite"])
@pytest.mark.parametrize("what", CORRUPT)
def test_a_corrupt_record_is_an_error_in_get_and_left_out_of_the_list_with_a_warning(
    kind: str, what: str, tmp_path: Path
) -> None:
    repository = make(kind, tmp_path)
    repository.save(status("good"))
    if kind == "files":
        (tmp_path / "jobs/bad.json").write_text(CORRUPT[what])
    else:
        with sqlite3.connect(tmp_path / "jobs.sqlite") as connection:
            connection.execute("INSERT INTO jobs VALUES ('bad', ?)", (CORRUPT[what],))
    with pytest.raises(CorruptRecordError, match="bad"):
        repository.get("bad")
    with pytest.raises(CorruptRecordError, match="bad"):
        repository.update("bad", lambda s: s)
    with pytest.warns(RuntimeWarning, match=r"a job's record was left out: .*bad"):
        assert [one.id for one in repository.list()] == ["good"]
    repository.delete("bad")
    assert [one.id for one in repository.list()] == ["good"]


def test_what_is_no_file_is_an_error_in_get_and_left_out_of_the_list_with_a_warning(tmp_path: Path) -> None:
    repository = FileJobRepository(tmp_path)
    repository.save(status("good"))
    (tmp_path / "bad.json").mkdir()
    with pytest.raises(StoreError, match=r"bad\.json cannot be read: Is a directory"):
        repository.get("bad")
    with pytest.warns(RuntimeWarning, match=r"a job's record was left out: .*bad\.json cannot be read: Is a directory"):
        assert [one.id for one in repository.list()] == ["good"]


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    repository = FileJobRepository(tmp_path)
    for n in range(5):
        repository.save(status().replace(completed_chunks=n))
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "film-1.json"]
    assert json.loads((tmp_path / "film-1.json").read_text())["completedChunks"] == 4


def test_a_database_that_is_none_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"no database " * 1000)
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        SqliteJobRepository(tmp_path / "jobs.sqlite").list()
