"""What running one command promises, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.errors import AdapterError
from helios_pipe.ports import FailureClass, WorkerJob, WorkerResult
from helios_pipe.worker import process
from helios_pipe.worker.process import run_process

ENV = {"PATH": os.defpath + ":/usr/local/bin"}
SOON_S = 20.0
"""Far more than anything here takes: only what hangs is longer."""


def run(cwd: Path, *argv: str, grace_s: float = 5.0, tail_bytes: int = 65536, **options: Any) -> WorkerResult:
    env = options.pop("env", ENV)
    job = WorkerJob(argv[0], argv[1:], env, cwd, **options)
    return run_process(job, grace_s=grace_s, tail_bytes=tail_bytes)


def shell(cwd: Path, script: str, **options: Any) -> WorkerResult:
    return run(cwd, "sh", "-c", script, **options)


def python(cwd: Path, script: str, **options: Any) -> WorkerResult:
    return run(cwd, sys.executable, "-c", script, **options)


def runs(pid: int) -> bool:
    """Whether the process is there and not only a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pid_in(file: Path) -> int:
    return int(file.read_text())


@contextmanager
def soon() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < SOON_S


def when(condition: Callable[[], bool], then: Callable[[], None]) -> threading.Thread:
    """Do `then` as soon as the condition holds."""

    def watch() -> None:
        until = time.monotonic() + SOON_S
        while not condition() and time.monotonic() < until:
            time.sleep(0.005)
        then()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


# --- how it ends


def test_a_command_that_ends_well_has_no_failure_and_no_reason(tmp_path: Path) -> None:
    result = shell(tmp_path, "echo out; echo err >&2")
    assert (result.exit_code, result.failure, result.reason) == (0, None, "")
    assert (result.stdout, result.stderr) == ("out\n", "err\n")


def test_a_non_zero_exit_is_a_result(tmp_path: Path) -> None:
    result = shell(tmp_path, "exit 3")
    assert (result.exit_code, result.failure, result.reason) == (3, FailureClass.COMMAND, "exit code 3")


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [("SEGV", 139, "ended by SIGSEGV"), ("KILL", 137, "killed (SIGKILL), perhaps for want of memory")],
)
def test_a_signal_is_named(tmp_path: Path, name: str, code: int, reason: str) -> None:
    result = shell(tmp_path, f"kill -{name} $$")
    assert (result.exit_code, result.failure, result.reason) == (code, FailureClass.COMMAND, reason)


def test_a_missing_program_is_named_with_the_path_that_was_searched(tmp_path: Path) -> None:
    result = run(tmp_path, "no-such-renderer", env={"PATH": "/usr/bin:/bin"}, log=tmp_path / "log")
    assert (result.exit_code, result.failure) == (127, FailureClass.COMMAND)
    assert result.reason == "no-such-renderer: no such program on PATH (/usr/bin:/bin)"
    assert not (tmp_path / "log").read_text()


def test_a_missing_program_of_the_workspace_is_named_with_the_folder(tmp_path: Path) -> None:
    assert run(tmp_path, "./render.sh").reason == f"./render.sh: no such program in {tmp_path}"


def test_a_file_that_is_not_executable_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "render.sh").write_text("#!/bin/sh\n")
    result = run(tmp_path, "./render.sh")
    assert (result.exit_code, result.reason) == (126, "./render.sh: not executable")


def test_a_script_whose_interpreter_is_missing_says_so(tmp_path: Path) -> None:
    script = tmp_path / "render.sh"
    script.write_text("#!/no/such/shell\n")
    script.chmod(0o755)
    assert run(tmp_path, "./render.sh").reason == (
        "./render.sh: the interpreter that its first line (#!) names does not exist"
    )


def test_a_file_that_is_no_program_says_so(tmp_path: Path) -> None:
    (tmp_path / "render").write_text("just words\n")
    (tmp_path / "render").chmod(0o755)
    result = run(tmp_path, "./render")
    assert (result.exit_code, result.failure) == (126, FailureClass.COMMAND)
    assert "neither a program for this machine nor a script" in result.reason


def test_arguments_beyond_the_systems_limit_are_the_commands_failure(tmp_path: Path) -> None:
    result = run(tmp_path, "true", "x" * (4 << 20))
    assert result.exit_code == 126
    assert "too long for the system: write them to a file" in result.reason


def test_an_argument_with_a_nul_is_the_commands_failure(tmp_path: Path) -> None:
    result = run(tmp_path, "echo", "a\0b")
    assert (result.exit_code, result.reason) == (126, "echo: cannot be run: embedded null byte")


def test_a_missing_folder_is_the_machinerys_failure(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"there is no folder .*/gone to run true in"):
        run(tmp_path / "gone", "true")


def test_a_log_in_a_missing_folder_is_the_machinerys_failure(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"the log .*/gone/log cannot be written: No such file or directory"):
        run(tmp_path, "true", log=tmp_path / "gone" / "log")


def test_too_few_descriptors_may_mend() -> None:
    script = """
import os, resource
from helios_pipe.errors import TransientAdapterError
from helios_pipe.ports import WorkerJob
from helios_pipe.worker.process import run_process
import subprocess
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for free in range(1, 7):
    os.close(held.pop())
    try:
        print(run_process(WorkerJob("true", (), {"PATH": "/usr/bin:/bin"})).exit_code)
    except TransientAdapterError as error:
        print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    lines = set(done.stdout.splitlines())
    assert lines - {"0"} == {"true cannot be started now: Too many open files"}


def test_the_peak_of_a_large_command_is_told_and_that_of_a_small_one_is_not_made_up(tmp_path: Path) -> None:
    mine = int(next(x for x in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x).split()[1]) >> 10
    large = python(tmp_path, f"x = b'a' * ({mine + 100} << 20)").memory_mb
    assert large is not None
    assert mine + 100 <= large < mine + 200
    assert shell(tmp_path, "exit 0").memory_mb is None


# --- what it is given


def test_the_environment_is_exactly_the_given_one(tmp_path: Path) -> None:
    result = run(tmp_path, "/usr/bin/env", env={"ONLY": "this"})
    assert result.stdout == "ONLY=this\n"


def test_it_has_nothing_on_stdin_and_no_other_descriptors(tmp_path: Path) -> None:
    extra = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(extra, True)
    try:
        result = shell(tmp_path, "cat; ls /proc/self/fd | tr '\\n' ' '", log=tmp_path / "log")
    finally:
        os.close(extra)
    assert result.stdout == "0 1 2 3 "  # 3 is ls's own


def test_it_leads_a_session_of_its_own(tmp_path: Path) -> None:
    result = python(tmp_path, "import os; print(os.getsid(0) == os.getpgid(0) == os.getpid())")
    assert result.stdout == "True\n"


# --- limits


def test_a_command_out_of_time_is_ended_with_its_grandchildren(tmp_path: Path) -> None:
    with soon():
        result = shell(tmp_path, "sh -c 'sleep 300 & echo $! > pid; wait' & wait", timeout_s=0.5)
    assert (result.exit_code, result.failure) == (143, FailureClass.COMMAND)
    assert result.reason == "ran longer than its timeout of 0.5 s, and was ended"
    assert not runs(pid_in(tmp_path / "pid"))


def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    with soon():
        result = shell(tmp_path, script, timeout_s=0.3, grace_s=0.3)
    assert (result.exit_code, result.failure) == (137, FailureClass.COMMAND)
    assert result.reason == "ran longer than its timeout of 0.3 s, and was ended"
    assert not runs(pid_in(tmp_path / "pid"))


def test_a_stopped_command_is_ended_within_its_grace(tmp_path: Path) -> None:
    with soon():
        result = shell(tmp_path, "kill -STOP $$", timeout_s=0.2, grace_s=300)
    assert result.exit_code == 143


def test_a_command_that_ends_well_when_told_to_is_out_of_time_still(tmp_path: Path) -> None:
    result = shell(tmp_path, "trap 'echo saved; exit 0' TERM; while :; do sleep 0.02; done", timeout_s=0.3)
    assert (result.exit_code, result.stdout, result.failure) == (0, "saved\n", FailureClass.COMMAND)


def test_who_broke_away_into_another_session_is_ended_with_the_command(tmp_path: Path) -> None:
    with soon():
        shell(tmp_path, "setsid sh -c 'echo $$ > pid; sleep 300; :' & sleep 300", timeout_s=0.7, grace_s=1)
    assert not runs(pid_in(tmp_path / "pid"))


def test_who_broke_away_and_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    script = "setsid sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 0.05; done' & sleep 300"
    with soon():
        shell(tmp_path, script, timeout_s=0.7, grace_s=0.3)
    assert not runs(pid_in(tmp_path / "pid"))


@pytest.mark.parametrize("direct", [True, False], ids=["log", "pipes"])
def test_silence_ends_a_command(tmp_path: Path, direct: bool) -> None:
    with soon():
        result = shell(
            tmp_path, "echo one; exec sleep 300", stall_timeout_s=0.4, log=tmp_path / "log" if direct else None
        )
    assert (result.exit_code, result.failure, result.stdout) == (143, FailureClass.COMMAND, "one\n")
    assert result.reason == "printed nothing for its stall timeout of 0.4 s, and was ended"


@pytest.mark.parametrize("direct", [True, False], ids=["log", "pipes"])
def test_a_command_that_keeps_printing_is_not_silent(tmp_path: Path, direct: bool) -> None:
    script = "import time\nfor i in range(20): print('.', end='', flush=True); time.sleep(0.1)"
    result = python(tmp_path, script, stall_timeout_s=1.5, log=tmp_path / "log" if direct else None)
    assert (result.exit_code, result.failure, result.stdout) == (0, None, "." * 20)


def test_a_cancelled_command_is_ended(tmp_path: Path) -> None:
    cancel = threading.Event()
    watcher = when((tmp_path / "pid").exists, cancel.set)
    with soon():
        result = shell(tmp_path, "sleep 300 & echo $! > new; mv new pid; wait", cancel=cancel)
    watcher.join()
    assert (result.exit_code, result.failure, result.reason) == (143, FailureClass.CANCELLED, "cancelled")
    assert not runs(pid_in(tmp_path / "pid"))


def test_what_is_cancelled_before_it_starts_is_not_started(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    result = shell(tmp_path, "touch ran", cancel=cancel)
    assert (result.exit_code, result.failure) == (130, FailureClass.CANCELLED)
    assert not (tmp_path / "ran").exists()


def test_an_interrupt_while_it_runs_leaves_nothing_running(tmp_path: Path) -> None:
    main = threading.main_thread().ident
    assert main is not None
    watcher = when((tmp_path / "pid").exists, lambda: signal.pthread_kill(main, signal.SIGINT))
    with soon(), pytest.raises(KeyboardInterrupt):
        shell(tmp_path, "trap '' TERM INT; sleep 300 & echo $! > new; mv new pid; wait; wait")
    watcher.join()
    assert not runs(pid_in(tmp_path / "pid"))


@pytest.mark.parametrize("name", ["spawn", "_Running", "_Limits"])
def test_an_interrupt_as_soon_as_there_is_a_process_leaves_nothing_running(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just behind each of the first steps; the first of them gives the process id to whoever is interrupted."""
    born: list[int] = []
    steps = {step: getattr(process, step) for step in ("spawn", name)}

    def spawned(*args: Any) -> int:
        born.append(steps["spawn"](*args))
        if name == "spawn":
            raise KeyboardInterrupt
        return born[0]

    def interrupted(*args: Any) -> Any:
        made = steps[name](*args)
        if len(calls) > 0:
            return made
        calls.append(name)
        raise KeyboardInterrupt

    calls: list[str] = []
    monkeypatch.setattr(process, "spawn", spawned)
    if name != "spawn":
        monkeypatch.setattr(process, name, interrupted)
    with soon(), pytest.raises(KeyboardInterrupt):
        shell(tmp_path, "trap '' TERM INT; sleep 300")
    assert not runs(born[0])


def test_an_interrupt_while_its_left_overs_are_ended_leaves_nothing_running(tmp_path: Path) -> None:
    main = threading.main_thread().ident
    assert main is not None
    stubborn = "sh -c 'trap \"\" TERM INT; echo $$ > new; mv new pid; while :; do sleep 0.05; done'"
    script = f"{stubborn} & while [ ! -e pid ]; do :; done; echo $$ > new; mv new leader"
    leader = tmp_path / "leader"
    watcher = when(
        lambda: leader.exists() and not runs(pid_in(leader)), lambda: signal.pthread_kill(main, signal.SIGINT)
    )
    with soon(), pytest.raises(KeyboardInterrupt):
        shell(tmp_path, script)
    watcher.join()
    assert not runs(pid_in(tmp_path / "pid"))


# --- who is told that it runs


def test_the_time_that_it_takes_to_be_told_is_not_the_commands(tmp_path: Path) -> None:
    """Its output is not read meanwhile: it is held up by a full pipe, and would be out of time through no fault of its own."""
    script = f"head -c 300000 /dev/zero; touch {tmp_path}/over"
    result = shell(tmp_path, script, timeout_s=1.0, mask=("x",), log=tmp_path / "log", on_start=lambda: time.sleep(2.0))
    assert (result.exit_code, result.failure) == (0, None), result.reason
    assert (tmp_path / "log").stat().st_size == 300000
    assert result.duration_ms < 2000


# --- its log


@pytest.mark.parametrize("way", ["masked", "told", "direct"])
def test_the_log_may_get_another_name_before_anything_is_said(tmp_path: Path, way: str) -> None:
    """As soon as somebody may want to look at it."""
    old, new = tmp_path / "old.log", tmp_path / "new.log"
    told: list[str] = []
    ways: dict[str, dict[str, Any]] = {"masked": {"mask": ("x",)}, "told": {"on_stdout": told.append}, "direct": {}}
    opened = os.open(old, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)

    def show() -> None:
        if not new.exists():
            old.rename(new)

    try:
        script = "until [ -e new.log ]; do sleep 0.01; done; echo said"
        result = shell(tmp_path, script, log=old, log_opened=opened, on_tick=show, timeout_s=SOON_S, **ways[way])
        os.fstat(opened)  # it is the caller's
    finally:
        os.close(opened)
    assert (result.exit_code, result.stdout) == (0, "said\n")
    assert (new.read_text(), old.exists()) == ("said\n", False)


# --- what it leaves


@pytest.mark.parametrize("direct", [True, False], ids=["log", "pipes"])
def test_what_a_command_leaves_running_in_its_group_is_gone_before_the_result(tmp_path: Path, direct: bool) -> None:
    with soon():
        result = shell(tmp_path, "sleep 300 & echo $! > pid", log=tmp_path / "log" if direct else None)
    assert (result.exit_code, result.failure) == (0, None)
    assert not runs(pid_in(tmp_path / "pid"))


def test_what_is_left_running_and_ignores_sigterm_is_gone_too(tmp_path: Path) -> None:
    script = "sh -c 'trap \"\" TERM; echo $$ > new; mv new pid; while :; do sleep 0.05; done' & while [ ! -e pid ]; do :; done"
    with soon():
        result = shell(tmp_path, script, grace_s=0.2)
    assert result.exit_code == 0
    assert not runs(pid_in(tmp_path / "pid"))


def test_a_daemon_in_its_own_session_that_holds_the_pipes_keeps_nobody_waiting(tmp_path: Path) -> None:
    script = "setsid sh -c 'echo $$ > new; mv new pid; exec sleep 60' & while [ ! -e pid ]; do :; done; echo done"
    with soon():
        result = shell(tmp_path, script)
    daemon = pid_in(tmp_path / "pid")
    try:
        assert (result.exit_code, result.stdout) == (0, "done\n")
        assert runs(daemon)  # nothing ties it to the command any more: said so in worker/group
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_an_unreaped_orphan_of_the_group_keeps_nobody_waiting() -> None:
    """As the first process of a container we inherit orphans; nobody else waits for them."""
    script = """
import ctypes
from helios_pipe.ports import WorkerJob
from helios_pipe.worker.process import run_process
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
for leave in ("sleep 0.05 &", "sleep 300 &"):
    result = run_process(WorkerJob("sh", ("-c", leave), {"PATH": "/usr/bin:/bin"}), grace_s=1)
    print(result.exit_code, result.failure)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=SOON_S)
    assert done.stdout == "0 None\n0 None\n"


def test_a_lost_exit_status_is_said_and_not_guessed() -> None:
    script = """
import signal
from helios_pipe.errors import AdapterError
from helios_pipe.ports import WorkerJob
from helios_pipe.worker.process import run_process
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
try:
    run_process(WorkerJob("true", (), {"PATH": "/usr/bin:/bin"}))
except AdapterError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=SOON_S)
    assert "is lost: something else in this process waited for it\n  Is SIGCHLD ignored?" in done.stdout


# --- machines without a pidfd, without /proc


def test_without_a_pidfd_ends_and_limits_are_noticed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert shell(tmp_path, "echo hi; exit 4").exit_code == 4
    assert shell(tmp_path, "echo hi; exit 5", log=tmp_path / "log").exit_code == 5
    with soon():
        assert shell(tmp_path, "sleep 300", timeout_s=0.2).exit_code == 143
        assert python(tmp_path, "import os; os.close(1); os.close(2); print(end='')").exit_code == 0


# --- several at once


def test_several_threads_each_get_their_own_commands_end(tmp_path: Path) -> None:
    results: dict[int, list[tuple[int, str]]] = {}

    def work(number: int) -> None:
        results[number] = []
        for turn in range(15):
            log = tmp_path / f"{number}.{turn}.log" if turn % 2 else None
            result = shell(tmp_path, f"echo {number}/{turn}; exit {number}", log=log, timeout_s=60)
            results[number].append((result.exit_code, result.stdout))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    before = set(os.listdir("/proc/self/fd"))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [(n, f"{n}/{turn}\n") for turn in range(15)] for n in range(1, 5)}
    assert len(os.listdir("/proc/self/fd")) <= len(before)
