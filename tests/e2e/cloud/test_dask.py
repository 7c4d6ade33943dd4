"""Chunks as tasks of a Dask cluster: real schedulers and workers, also ones that die, or are not there."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helios_pipe.adapters import dask
from helios_pipe.adapters.dask import DaskAdapter, DaskConfig
from helios_pipe.errors import AdapterError, TransientAdapterError
from helios_pipe.ports import FailureClass, WorkerJob
from helios_pipe.stores.registry import open_store
from tests.kit.burnin import read_frame_numbers
from tests.kit.loopback import HOST, free_port
from tests.kit.project import LIMIT_S, Project, alive, kill
from tests.kit.remote import Shelf, action, python, submit
from tests.kit.servers.dask import Cluster, dask_cluster

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(project: Project, tmp_path: Path) -> Iterator[Cluster]:
    env = {"KIT_LOG": str(project.log), "KIT_GATE": str(project.gate)}
    with dask_cluster(tmp_path / "cluster", env=env) as made:
        yield made


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"file://{tmp_path}/store"


def given(storage: str, shelf: Shelf, code: str) -> WorkerJob:
    """A job whose only chunk runs some Python."""
    store = open_store(storage)
    made = action(python(code))
    shelf.upload(store, made.shared, made.extra)
    return WorkerJob("", meta={"chunkId": 0, "jobSpecUrl": submit(store, made), "node": made.node})


def when(note: Path, do: Callable[[], object]) -> None:
    """Wait until a command has written its note, then do that."""
    until = time.monotonic() + LIMIT_S
    while not (note.exists() and note.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    do()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def manifest(project: Project, adapter: dict[str, object], words: str = "", **more: object) -> None:
    project.manifest({**project.burnin(frames="0-19", size=5, words=words, **more), "adapters": {"farm": adapter}})


def film(project: Project) -> list[int]:
    return read_frame_numbers(project.path("out/film.mp4"))


def test_a_worker_that_is_killed_costs_one_attempt_and_leaves_nothing_running(
    project: Project, cluster: Cluster, storage: str
) -> None:
    words = "--misbehave hold-on-frame:2 --misbehave orphan"
    manifest(project, {"type": "dask", "address": cluster.address, "storage": storage}, words, retries=0)
    with project.running("run", "render.yaml", "--json", "--adapter", "farm") as process:
        held = int(project.wait_for("hold")[0])
        worker = next(w for w in cluster.workers if _is_above(w.pid, held))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        until = time.monotonic() + LIMIT_S
        while alive(held):
            assert time.monotonic() < until, "the command of a worker that was killed runs on"
            time.sleep(0.05)
        project.gate.touch()
        run = project.finish(process)
    assert run.exit_code == 0, str(run)
    assert film(project) == list(range(20))
    project.wait_for_orphans()


def _is_above(parent: int, pid: int) -> bool:
    while pid > 1:
        if pid == parent:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def test_a_cluster_of_our_own_ends_with_the_run(project: Project, storage: str) -> None:
    manifest(project, {"type": "dask", "local_cluster": 2, "storage": storage}, "--misbehave orphan")
    assert project.run("--adapter", "farm").summary["executed"] == 5
    assert film(project) == list(range(20))
    project.wait_for_orphans()
    assert project.run("--adapter", "farm").summary["executed"] == 0


def test_a_run_that_is_killed_takes_its_cluster_along_and_the_next_one_goes_on(project: Project, storage: str) -> None:
    adapter = {"type": "dask", "local_cluster": 2, "storage": storage}
    manifest(project, adapter, "--misbehave hold-on-frame:12")
    with project.running("run", "render.yaml", "--json", "--adapter", "farm") as process:
        project.wait_for("hold")
        project.wait_for("end", 3)
        kill(process)
        project.wait_for_orphans()
    project.gate.touch()
    project.rendered()
    assert project.run("--adapter", "local").exit_code == 0
    assert "10+5" in project.rendered()
    assert film(project) == list(range(20))


def test_what_is_cancelled_runs_no_more(cluster: Cluster, storage: str, shelf: Shelf, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"import os, time, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(600)"
    cancel = threading.Event()
    adapter = DaskAdapter(DaskConfig(storage, cluster.address))

    watcher = threading.Thread(target=when, args=(note, cancel.set))
    watcher.start()
    try:
        result = adapter.execute(given(storage, shelf, code)._replace(cancel=cancel))
    finally:
        watcher.join()
        adapter.close()
    assert result.failure is FailureClass.CANCELLED
    assert not alive(int(note.read_text()))


def test_what_no_worker_has_begun_is_taken_back(
    storage: str, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_PATIENCE_S", 0.5)
    cancel = threading.Event()
    with dask_cluster(tmp_path / "cluster", workers=0) as cluster:
        adapter = DaskAdapter(DaskConfig(storage, cluster.address))
        threading.Timer(0.5, cancel.set).start()
        result = adapter.execute(given(storage, shelf, "0")._replace(cancel=cancel))
        adapter.close()
    assert result.failure is FailureClass.CANCELLED


def test_a_scheduler_that_is_lost_is_found_again(storage: str, shelf: Shelf, tmp_path: Path) -> None:
    note, port = tmp_path / "note", free_port()
    adapter = DaskAdapter(DaskConfig(storage, f"tcp://{HOST}:{port}"))
    job = given(
        storage, shelf, f"import pathlib, time; pathlib.Path({str(note)!r}).write_text('here'); time.sleep(600)"
    )
    with dask_cluster(tmp_path / "one", workers=1, port=port) as cluster:
        threading.Thread(target=when, args=(note, cluster.scheduler.kill), daemon=True).start()
        with pytest.raises(TransientAdapterError, match="the scheduler was lost"):
            adapter.execute(job)
    with dask_cluster(tmp_path / "two", workers=1, port=port):
        result = adapter.execute(given(storage, shelf, "open('out.txt', 'w').write('made')"))
        adapter.close()
    assert (result.exit_code, result.failure, len(result.artifacts)) == (0, None, 1)


def test_a_ctrl_c_in_the_terminal_is_for_the_run_and_not_for_its_cluster(project: Project, storage: str) -> None:
    """It reaches all processes that were started there: what runs comes to its end, is kept, and nothing is left."""
    manifest(project, {"type": "dask", "local_cluster": 2, "storage": storage}, "--misbehave hold-on-frame:7")
    with project.running("run", "render.yaml", "--json", "--adapter", "farm") as process:
        project.wait_for("hold")
        os.killpg(process.pid, signal.SIGINT)
        project.gate.touch()
        run = project.finish(process)
    assert run.exit_code == 130, str(run)
    assert "Traceback" not in run.stderr
    done = set(project.log_lines("end"))
    assert "5+5" in done
    project.rendered()
    project.run("--adapter", "local")
    assert set(project.rendered()) == {f"{start}+5" for start in range(0, 20, 5)} - done


def test_a_scheduler_that_is_silent_keeps_nobody_from_giving_up(
    cluster: Cluster, storage: str, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_ASK_S", 0.5)
    monkeypatch.setattr(dask, "_CLOSE_S", 0.5)
    note, cancel = tmp_path / "note", threading.Event()
    adapter = DaskAdapter(DaskConfig(storage, cluster.address))
    job = given(
        storage, shelf, f"import pathlib, time; pathlib.Path({str(note)!r}).write_text('here'); time.sleep(600)"
    )

    def silence() -> None:
        cluster.scheduler.send_signal(signal.SIGSTOP)
        cancel.set()

    threading.Thread(target=when, args=(note, silence), daemon=True).start()
    try:
        assert adapter.execute(job._replace(cancel=cancel)).failure is FailureClass.CANCELLED
        adapter.close()
    finally:
        cluster.scheduler.send_signal(signal.SIGCONT)


def test_something_else_that_listens_there_is_not_waited_for(
    storage: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_CONNECT_S", 1.0)
    monkeypatch.setattr(dask, "_ASK_S", 0.5)
    with socket.create_server((HOST, 0)) as mute:
        adapter = DaskAdapter(DaskConfig(storage, f"tcp://{HOST}:{mute.getsockname()[1]}"))
        with pytest.raises(TransientAdapterError) as raised:
            adapter.execute(given(storage, shelf, "0"))
    assert "Is it a Dask scheduler" in raised.value.hint


def test_a_worker_with_another_version_is_told_and_not_tried_again(
    cluster: Cluster, storage: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "RUN", "helios_pipe.pipeline.workers.dask_chunk_of_a_later_version")
    adapter = DaskAdapter(DaskConfig(storage, cluster.address))
    try:
        with pytest.raises(AdapterError, match="or another version") as raised:
            adapter.execute(given(storage, shelf, "0"))
    finally:
        adapter.close()
    assert not raised.value.retryable


@pytest.mark.parametrize("error", ["TimeoutError", "OSError"])
def test_what_a_worker_raises_itself_ends_the_attempt(
    cluster: Cluster, storage: str, shelf: Shelf, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_caller", lambda: _raises(error))
    adapter = DaskAdapter(DaskConfig(storage, cluster.address))
    try:
        with pytest.raises(TransientAdapterError, match=error):
            adapter.execute(given(storage, shelf, "0"))
    finally:
        adapter.close()


def _raises(error: str) -> Callable[..., None]:
    def call(*_: object) -> None:
        import builtins

        raise getattr(builtins, error)("busy")

    return call


def test_a_cluster_without_workers_is_not_waited_for_without_end(
    storage: str, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "_LOOK_S", 0.2)
    monkeypatch.setattr(dask, "_ALONE_S", 0.5)
    with dask_cluster(tmp_path / "cluster", workers=0) as cluster:
        adapter = DaskAdapter(DaskConfig(storage, cluster.address))
        with pytest.raises(TransientAdapterError, match="no worker for"):
            adapter.execute(given(storage, shelf, "0"))
        adapter.close()


def test_nobody_at_the_address_is_said_and_nothing_is_made(project: Project, storage: str) -> None:
    manifest(project, {"type": "dask", "address": f"tcp://{HOST}:{free_port()}", "storage": storage})
    run = project.helios("run", "render.yaml", "--json", "--adapter", "farm")
    assert run.exit_code != 0, str(run)
    assert "tcp://127.0.0.1" in run.stderr
    assert "Is it a Dask scheduler, is it up" in run.stderr
    assert project.rendered() == []


def test_an_address_that_is_none_is_told_with_what_one_looks_like(storage: str) -> None:
    with pytest.raises((AdapterError, TransientAdapterError), match="nowhere"):
        DaskAdapter(DaskConfig(storage, "nowhere://1")).execute(
            WorkerJob("", meta={"chunkId": 0, "jobSpecUrl": f"{storage}/jobs/x.json"})
        )


def test_workers_without_helios_pipe_are_told_what_they_lack(storage: str, shelf: Shelf, tmp_path: Path) -> None:
    empty = tmp_path / "path" / "helios_pipe"
    empty.mkdir(parents=True)
    (empty / "__init__.py").write_text("")  # of another version, or none
    with dask_cluster(tmp_path / "cluster", workers=1, env={"PYTHONPATH": str(empty.parent)}) as cluster:
        adapter = DaskAdapter(DaskConfig(storage, cluster.address))
        try:
            with pytest.raises(AdapterError, match="do not have helios-pipe") as raised:
                adapter.execute(given(storage, shelf, "0"))
        finally:
            adapter.close()
    assert "pip install 'helios-pipe[dask]'" in raised.value.hint


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch, storage: str) -> None:
    from helios_pipe.errors import UnusableError

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UnusableError, match="Dask is not installed") as raised:
        DaskAdapter(DaskConfig(storage, f"tcp://{HOST}:1")).execute(
            WorkerJob("", meta={"chunkId": 0, "jobSpecUrl": f"{storage}/jobs/x.json"})
        )
    assert "helios-pipe[dask]" in raised.value.hint


def test_what_a_worker_is_told_to_read_stands_above_what_a_run_says(
    project: Project, storage: str, tmp_path: Path
) -> None:
    elsewhere = f"file://{tmp_path}/elsewhere"
    with dask_cluster(tmp_path / "cluster", workers=1, env={"HELIOS_PIPE_STORE": elsewhere}) as cluster:
        manifest(project, {"type": "dask", "address": cluster.address, "storage": storage})
        run = project.helios("run", "render.yaml", "--json", "--adapter", "farm")
    assert run.exit_code == 3, str(run)
    assert f"this worker reads jobs below {elsewhere}/jobs/ only" in run.stdout + run.stderr


def test_chunks_are_made_again_where_each_was_made(cluster: Cluster, project: Project, storage: str) -> None:
    says = {name: ["sh", "-c", f"echo {name} ${{{{PLACE:-elsewhere}}}} {{chunk.start}} > {{output}}"] for name in "ab"}
    jobs = {n: {"frames": 2, "chunk": {"size": 1, "command": says[n], "output": "part.txt"}} for n in says}
    jobs["b"]["adapter"] = "farm"
    farm = {"type": "dask", "address": cluster.address, "storage": storage}
    tools = {"sh": {"digest": True}}
    project.env["PLACE"] = "here"
    project.manifest({"version": 1, "tools": tools, "pass_env": ["PLACE"], "jobs": jobs, "adapters": {"farm": farm}})
    project.run()
    again = project.helios("verify", "render.yaml", "--rerender", "4")
    assert (again.exit_code, again.stdout.count("bytes equal")) == (0, 4), str(again)
