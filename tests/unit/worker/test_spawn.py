"""A program is started in the same way, whichever way it is started."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from helios_pipe.worker import spawn as module
from helios_pipe.worker.spawn import spawn

STATE = """
import os, sys
mine = os.getpid()
assert os.getsid(0) == mine == os.getpgid(0)
print(os.getcwd(), sys.argv[1:], sorted(os.environ.items()), sorted(map(int, os.listdir("/proc/self/fd")))[:3])
print(repr(sys.stdin.read()))
try:
    os.fstat(int(sys.argv[1]))
    print("inherited")
except OSError:
    print("closed")
"""


@pytest.fixture(params=["by the C library", "by subprocess"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "by subprocess":
        monkeypatch.setattr(module, "_spawner", lambda: None)
    return str(request.param)


def output_of(tmp_path: Path, *argv: str, cwd: Path, env: dict[str, str]) -> tuple[int, str]:
    with (tmp_path / "printed").open("w+b") as file:
        pid = spawn(argv, str(cwd), env, file.fileno(), file.fileno())
        status = os.waitpid(pid, 0)[1]
        file.seek(0)
        return os.waitstatus_to_exitcode(status), file.read().decode()


def test_session_folder_environment_streams_and_nothing_else(tmp_path: Path, way: str) -> None:
    assert (module._spawner() is None) == (way == "by subprocess" or sys.platform != "linux")
    (tmp_path / "work ünd").mkdir()
    leak = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        env = {"PATH": "/usr/bin", "ZWEI": "ä = b", "LC_ALL": "C.UTF-8"}
        code, text = output_of(
            tmp_path, sys.executable, "-I", "-c", STATE, str(leak), "a b", cwd=tmp_path / "work ünd", env=env
        )
    finally:
        os.close(leak)
    assert code == 0, text
    first, second, third = text.splitlines()
    assert first == f"{tmp_path / 'work ünd'} {[str(leak), 'a b']} {sorted(env.items())} [0, 1, 2]"
    assert (second, third) == ("''", "closed")


def test_what_the_interpreter_ignores_the_program_does_not(tmp_path: Path, way: str) -> None:
    script = "grep SigIgn /proc/self/status"
    code, text = output_of(tmp_path, "sh", "-c", script, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    assert code == 0
    assert not int(text.split()[1], 16) & 1 << signal.SIGPIPE - 1


def signal_masks(status: str) -> dict[str, int]:
    """The masks of /proc/<pid>/status, by their names there."""
    lines = (line.split() for line in status.splitlines() if line.startswith(("SigIgn", "SigBlk")))
    return {name: int(mask, 16) for name, mask in lines}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGPROF])
def test_what_its_caller_ignores_the_program_does_too(
    tmp_path: Path, way: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run under `nohup`, and one with a signal that hardly anybody ignores."""
    before = signal.signal(number, signal.SIG_IGN)
    if way != "by subprocess":
        monkeypatch.setattr(module, "_spawner", lambda: module._Spawner())
    try:
        script = "grep Sig /proc/self/status"
        code, text = output_of(tmp_path, "sh", "-c", script, cwd=tmp_path, env={"PATH": "/usr/bin:/bin"})
    finally:
        signal.signal(number, before)
    assert code == 0
    masks = signal_masks(text)
    # Whoever starts the tests in the background has them ignore SIGQUIT, too.
    ours = signal_masks(Path("/proc/self/status").read_text())
    passed_on = ours["SigIgn:"] & ~(1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1) | 1 << number - 1
    assert masks["SigIgn:"] & 0x7FFF_FFFF == passed_on & 0x7FFF_FFFF
    assert masks["SigBlk:"] == 0


@pytest.mark.parametrize("path", ["bin:/usr/bin", ":/usr/bin", "./bin:/usr/bin"])
def test_a_relative_path_is_counted_from_where_the_program_runs(
    tmp_path: Path, way: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not from where we were started: `elsewhere` has a program of that name, too."""
    for folder, text in (("run/bin", "ours"), ("run", "ours"), ("elsewhere/bin", "theirs"), ("elsewhere", "theirs")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        program = tmp_path / folder / "mytool"
        program.write_text(f"#!/bin/sh\necho {text}\n")
        program.chmod(0o755)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert output_of(tmp_path, "mytool", cwd=tmp_path / "run", env={"PATH": path}) == (0, "ours\n")


@pytest.mark.parametrize(
    ("argv", "env", "error"),
    [
        (("no-such-program",), {}, FileNotFoundError),
        (("/etc",), {}, PermissionError),
        (("true", "a\0b"), {}, ValueError),
        (("true",), {"A=B": "x"}, ValueError),
        (("true", *["x" * 100_000] * 100), {}, OSError),
    ],
)
def test_what_cannot_be_started_raises_the_same(
    tmp_path: Path, way: str, argv: tuple[str, ...], env: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        output_of(tmp_path, *argv, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", **env})
