"""Where output goes: to the log as it is, to tails that stay small, to callbacks as text."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.ports import WorkerJob, WorkerResult
from helios_pipe.worker.process import run_process

ENV = {"PATH": os.defpath}


def run(cwd: Path, script: str, tail_bytes: int = 65536, **options: Any) -> WorkerResult:
    job = WorkerJob("sh", ("-c", script), ENV, cwd, **options)
    return run_process(job, tail_bytes=tail_bytes)


def python(cwd: Path, script: str, tail_bytes: int = 65536, **options: Any) -> WorkerResult:
    job = WorkerJob(sys.executable, ("-c", script), ENV, cwd, **options)
    return run_process(job, tail_bytes=tail_bytes)


def ways(tmp_path: Path) -> list[dict[str, Any]]:
    """With the log as the command's own, and with everything passing through us."""
    return [{"log": tmp_path / "direct.log"}, {"log": tmp_path / "pumped.log", "on_stdout": len, "on_stderr": len}]


@pytest.mark.parametrize("way", [0, 1], ids=["direct", "pumped"])
def test_the_log_holds_both_streams_as_they_were_written(tmp_path: Path, way: int) -> None:
    options = ways(tmp_path)[way]
    script = "for i in 1 2 3; do echo out $i; sleep 0.1; echo err $i >&2; sleep 0.1; done"
    run(tmp_path, script, **options)
    log = options["log"]
    assert isinstance(log, Path)
    assert log.read_text() == "".join(f"out {i}\nerr {i}\n" for i in (1, 2, 3))


@pytest.mark.parametrize("way", [0, 1], ids=["direct", "pumped"])
def test_a_command_that_prints_nothing_leaves_at_most_an_empty_log(tmp_path: Path, way: int) -> None:
    run(tmp_path, "exit 3", **ways(tmp_path)[way])
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b""][way:]


@pytest.mark.parametrize("way", [0, 1], ids=["direct", "pumped"])
def test_a_log_that_is_there_is_continued_and_the_tail_is_of_this_run_alone(tmp_path: Path, way: int) -> None:
    options = ways(tmp_path)[way]
    log = options["log"]
    assert isinstance(log, Path)
    log.write_text("earlier\n")
    assert run(tmp_path, "echo now", **options).stdout == "now\n"
    assert log.read_text() == "earlier\nnow\n"
    assert run(tmp_path, "true", **options).stdout == ""
    assert log.read_text() == "earlier\nnow\n"


def test_written_directly_the_tail_of_both_streams_is_told_as_stdout(tmp_path: Path) -> None:
    result = run(tmp_path, "echo a; echo b >&2", log=tmp_path / "log")
    assert (result.stdout, result.stderr) == ("a\nb\n", "")


@pytest.mark.parametrize("way", [0, 1], ids=["direct", "pumped"])
def test_the_tail_is_the_end_and_not_longer_than_asked(tmp_path: Path, way: int) -> None:
    result = run(tmp_path, "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done", 100, **ways(tmp_path)[way])
    assert result.stdout.endswith("line 1998\nline 1999\n")
    assert len(result.stdout) == 100


@pytest.mark.parametrize("way", [0, 1], ids=["direct", "pumped"])
def test_a_tail_does_not_begin_with_half_a_character(tmp_path: Path, way: int) -> None:
    result = python(tmp_path, "print('€' * 1000, end='')", 100, **ways(tmp_path)[way])
    assert result.stdout == "€" * 33


@pytest.mark.parametrize("way", [0, 1], ids=["direct", "pumped"])
def test_bytes_that_are_no_text_are_replaced_and_logged_as_they_are(tmp_path: Path, way: int) -> None:
    options = ways(tmp_path)[way]
    result = run(tmp_path, r"printf 'a\377b\n'", **options)
    log = options["log"]
    assert isinstance(log, Path)
    assert result.stdout == "a\ufffdb\n"
    assert log.read_bytes() == b"a\xffb\n"


def test_callbacks_get_the_text_of_their_stream(tmp_path: Path) -> None:
    out: list[str] = []
    err: list[str] = []
    run(tmp_path, "echo one; echo two >&2", on_stdout=out.append, on_stderr=err.append)
    assert ("".join(out), "".join(err)) == ("one\n", "two\n")


def test_a_character_split_between_two_writes_arrives_whole(tmp_path: Path) -> None:
    got: list[str] = []
    run(tmp_path, r"printf '\342\202'; sleep 0.2; printf '\254\n\342'", on_stdout=got.append)
    assert "".join(got) == "€\n\ufffd"


def test_a_callback_that_raises_harms_nothing_and_is_told(tmp_path: Path) -> None:
    calls: list[str] = []

    def broken(text: str) -> None:
        calls.append(text)
        raise ValueError("no terminal")

    result = run(tmp_path, "echo a; sleep 0.1; echo b; sleep 0.1; echo c", on_stdout=broken, log=tmp_path / "log")
    assert (result.exit_code, result.failure, result.stdout) == (0, None, "a\nb\nc\n")
    assert result.reason == "a callback for its output failed: ValueError: no terminal"
    assert len(calls) == 1
    assert (tmp_path / "log").read_text() == "a\nb\nc\n"


def test_a_log_that_cannot_be_written_to_its_end_harms_nothing_and_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, "echo a; exit 3", on_stdout=len, log=Path("/dev/full"))
    assert (result.exit_code, result.stdout) == (3, "a\n")
    assert result.reason == "exit code 3; its log /dev/full could not be written: No space left on device"


def test_a_progress_bar_without_line_ends_is_passed_on_as_it_comes(tmp_path: Path) -> None:
    got: list[str] = []
    script = r"i=0; while [ $i -lt 5 ]; do printf 'frame %d\r' $i; i=$((i+1)); sleep 0.05; done"
    run(tmp_path, script, on_stdout=got.append)
    assert len(got) > 1
    assert "".join(got) == "".join(f"frame {i}\r" for i in range(5))


def test_secrets_are_nowhere_also_when_split_between_writes(tmp_path: Path) -> None:
    got: list[str] = []
    log = tmp_path / "log"
    script = "printf 'token hun'; sleep 0.15; printf 'ter2 end\n'; echo hunter2 >&2; exit 1"
    result = run(tmp_path, script, mask=("hunter2",), log=log, on_stdout=got.append)
    assert "".join(got) == result.stdout == "token *** end\n"
    assert result.stderr == "***\n"
    assert log.read_text() == "token *** end\n***\n"


def test_a_secret_in_a_programs_name_is_not_told_either(tmp_path: Path) -> None:
    job = WorkerJob("hunter2", (), ENV, tmp_path, mask=("hunter2",))
    result = run_process(job)
    assert result.reason == f"***: no such program on PATH ({os.defpath})"
    assert "hunter2" not in result.stderr


MEASURE = """
import os, resource, sys, threading
from pathlib import Path
from helios_pipe.ports import WorkerJob
from helios_pipe.worker.process import run_process
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
seen = [0]
def count(text): seen[0] += len(text)
job = WorkerJob("sh", ("-c", sys.argv[1]), {"PATH": os.defpath}, Path(sys.argv[2]), log=Path(sys.argv[3]),
                on_stdout=count, mask=("hunter2",))
result = run_process(job)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(result.exit_code, seen[0], len(result.stdout), (after - before) // 1024)
"""


def measured(tmp_path: Path, script: str, log: Path) -> list[int]:
    """Exit code, characters seen, length of the tail, and the MiB that our memory grew by."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, script, str(tmp_path), str(log)], capture_output=True, text=True, check=True
    )
    return [int(word) for word in done.stdout.split()]


def test_a_line_of_ten_megabytes_is_passed_on_in_bounded_memory(tmp_path: Path) -> None:
    code, seen, tail, grown = measured(tmp_path, "head -c 10000000 /dev/zero | tr '\\0' x", tmp_path / "log")
    assert (code, seen, tail) == (0, 10_000_000, 65536)
    assert (tmp_path / "log").stat().st_size == 10_000_000
    assert grown < 8


@pytest.mark.slow
def test_a_gibibyte_of_output_is_passed_on_in_bounded_memory(tmp_path: Path) -> None:
    code, seen, tail, grown = measured(tmp_path, "yes 'all work and no play' | head -c 1073741824", Path("/dev/null"))
    assert (code, seen, tail) == (0, 1 << 30, 65536)
    assert grown < 8


@pytest.mark.slow
def test_a_gibibyte_written_directly_to_the_log_passes_through_nobody(tmp_path: Path) -> None:
    log = tmp_path / "log"
    result = run(tmp_path, "yes 'all work and no play' | head -c 1073741824", log=log)
    assert (result.exit_code, len(result.stdout), log.stat().st_size) == (0, 65536, 1 << 30)
    log.unlink()
