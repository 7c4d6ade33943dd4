"""What every WorkerAdapter promises. A new one is put under the same tests by a line in ADAPTERS."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.ports import FailureClass, WorkerAdapter, WorkerJob, WorkerResult
from helios_pipe.settings import default_concurrency

ADAPTERS: dict[str, Callable[[], WorkerAdapter]] = {
    "local": lambda: LocalWorkerAdapter(grace_s=1.0),
}
ENV = {"PATH": os.defpath}
SOON_S = 20.0
"""Far more than anything here takes: only what hangs is longer."""


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> WorkerAdapter:
    return ADAPTERS[request.param]()


@pytest.fixture
def shell(adapter: WorkerAdapter, tmp_path: Path) -> Callable[..., WorkerResult]:
    """Run a script through the adapter, in a folder that both sides see."""

    def run(script: str, **options: Any) -> WorkerResult:
        return adapter.execute(WorkerJob("sh", ("-c", script), ENV, tmp_path, **options))

    return run


Shell = Callable[..., WorkerResult]


def runs(pid_file: Path) -> bool:
    """Whether the process with the number in the file runs on this machine."""
    try:
        return Path(f"/proc/{int(pid_file.read_text())}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_success_has_exit_code_0_no_failure_and_the_output(shell: Shell) -> None:
    result = shell("echo out; echo err >&2")
    assert (result.exit_code, result.failure, result.reason) == (0, None, "")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_a_commands_failure_is_a_result(shell: Shell) -> None:
    result = shell("echo why >&2; exit 3")
    assert (result.exit_code, result.failure, result.stderr) == (3, FailureClass.COMMAND, "why\n")
    assert result.reason


def test_a_missing_program_is_a_result_that_names_it(adapter: WorkerAdapter, tmp_path: Path) -> None:
    result = adapter.execute(WorkerJob("no-such-renderer", (), ENV, tmp_path))
    assert (result.exit_code, result.failure) == (127, FailureClass.COMMAND)
    assert "no-such-renderer" in result.reason


def test_arguments_arrive_as_they_are(adapter: WorkerAdapter, tmp_path: Path) -> None:
    words = ("a b", "$HOME", "*", "'", '"', "", "\\", "é\n")
    script = "import sys; print(ascii(sys.argv[1:]))"
    result = adapter.execute(WorkerJob(sys.executable, ("-c", script, *words), ENV, tmp_path))
    assert result.stdout.strip() == ascii(list(words))


def test_the_environment_is_the_jobs_alone(
    adapter: WorkerAdapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "private")
    result = adapter.execute(WorkerJob("env", (), {**ENV, "ONLY": "this"}, tmp_path))
    names = {line.partition("=")[0] for line in result.stdout.splitlines()}
    assert "ONLY" in names
    assert "OF_THE_CALLER" not in names


def test_the_log_holds_both_streams(shell: Shell, tmp_path: Path) -> None:
    shell("echo out; echo err >&2", log=tmp_path / "log")
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_callbacks_get_the_output(shell: Shell) -> None:
    out: list[str] = []
    err: list[str] = []
    shell("echo one; echo two >&2", on_stdout=out.append, on_stderr=err.append)
    assert ("".join(out), "".join(err)) == ("one\n", "two\n")


def test_a_callback_that_raises_does_not_unmake_a_result(shell: Shell) -> None:
    def broken(text: str) -> None:
        raise RuntimeError(text)

    result = shell("echo one", on_stdout=broken, on_stderr=broken)
    assert (result.exit_code, result.failure) == (0, None)


def test_masked_texts_are_nowhere(shell: Shell, tmp_path: Path) -> None:
    seen: list[str] = []
    options = {"mask": ("hunter2",), "log": tmp_path / "log", "on_stdout": seen.append, "on_stderr": seen.append}
    result = shell("echo hunter2; echo hunter2 >&2; exit 1", **options)
    everything = "".join([*seen, result.stdout, result.stderr, result.reason, (tmp_path / "log").read_text()])
    assert "hunter2" not in everything
    assert everything.count("***") == 6


def test_out_of_time_it_is_ended_with_all_that_it_started(shell: Shell, tmp_path: Path) -> None:
    began = time.monotonic()
    result = shell("sleep 300 & echo $! > pid; wait", timeout_s=0.5)
    assert time.monotonic() - began < SOON_S
    assert result.failure is FailureClass.COMMAND
    assert "0.5 s" in result.reason
    assert not runs(tmp_path / "pid")


def test_silent_for_too_long_it_is_ended(shell: Shell) -> None:
    began = time.monotonic()
    result = shell("echo one; sleep 300", stall_timeout_s=0.5)
    assert time.monotonic() - began < SOON_S
    assert result.failure is FailureClass.COMMAND
    assert "0.5 s" in result.reason


def test_cancelled_it_is_ended_with_all_that_it_started(shell: Shell, tmp_path: Path) -> None:
    cancel = threading.Event()

    def watch() -> None:
        until = time.monotonic() + SOON_S
        while not (tmp_path / "pid").exists() and time.monotonic() < until:
            time.sleep(0.01)
        cancel.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = shell("sleep 300 & echo $! > new; mv new pid; wait", cancel=cancel)
    watcher.join()
    assert result.failure is FailureClass.CANCELLED
    assert not runs(tmp_path / "pid")


def test_cancelled_beforehand_it_never_starts(shell: Shell, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    assert shell("touch ran", cancel=cancel).failure is FailureClass.CANCELLED
    assert not (tmp_path / "ran").exists()


def test_commands_run_side_by_side(shell: Shell, tmp_path: Path) -> None:
    """Each waits for the other to begin: one after the other, neither would end."""
    meet = "touch {0}; while [ ! -e {1} ]; do sleep 0.01; done; echo {0}"
    results: list[WorkerResult] = []
    threads = [
        threading.Thread(target=lambda pair=pair: results.append(shell(meet.format(*pair), timeout_s=SOON_S)))
        for pair in (("a", "b"), ("b", "a"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted((result.exit_code, result.stdout) for result in results) == [(0, "a\n"), (0, "b\n")]


def test_who_wants_to_know_is_told_once_that_the_command_runs(
    adapter: WorkerAdapter, shell: Shell, tmp_path: Path
) -> None:
    """In the caller's thread, and while it does: this one waits for it. An adapter that does not tell says so."""
    told: list[int] = []

    def running() -> None:
        told.append(threading.get_ident())
        (tmp_path / "go").touch()

    tells = adapter.capabilities.tells_start
    script = "until [ -e go ]; do sleep 0.01; done; echo seen" if tells else "echo seen"
    result = shell(script, timeout_s=SOON_S, on_start=running)
    assert (result.exit_code, result.stdout) == (0, "seen\n")
    assert told == [threading.get_ident()] * tells


def test_nobody_is_told_that_a_command_runs_that_never_does(adapter: WorkerAdapter, tmp_path: Path) -> None:
    told: list[str] = []
    cancel = threading.Event()
    cancel.set()
    missing = WorkerJob("no-such-renderer", (), ENV, tmp_path, on_start=lambda: told.append("missing"))
    late = WorkerJob("true", (), ENV, tmp_path, cancel=cancel, on_start=lambda: told.append("cancelled"))
    assert (adapter.execute(missing).exit_code, adapter.execute(late).failure) == (127, FailureClass.CANCELLED)
    assert told == []


def test_an_adapter_says_what_it_can_do(adapter: WorkerAdapter) -> None:
    can = adapter.capabilities
    assert can.concurrency is None or can.concurrency >= 1
    assert not (can.costs_money and not can.remote)


def test_the_local_adapter_runs_as_many_at_once_as_there_are_cpus_unless_told_otherwise() -> None:
    assert LocalWorkerAdapter().capabilities.concurrency == default_concurrency()
    assert LocalWorkerAdapter(concurrency=3).capabilities.concurrency == 3
