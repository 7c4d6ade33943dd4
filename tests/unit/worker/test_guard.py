"""What a killed worker leaves running is ended, and nothing else is."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.project import alive

_WORKER = """
import os, subprocess, sys, time
from pathlib import Path
from helios_pipe.worker.guard import guard
from helios_pipe.worker.home import Home
home = Home(Path(sys.argv[1]))
guard(home.folder, home.lock)
sleep = ["sleep", "600"]
pids = [
    subprocess.Popen(sleep, env={"HOME": f"{home.folder}/rooms/1/t"}, start_new_session=True).pid,
    subprocess.Popen(sleep, env={"HOME": "/", "TMPDIR": f"{home.folder}/rooms/2/t"}, start_new_session=True).pid,
    subprocess.Popen(sleep, env={"HOME": f"{home.folder}-of-another/t"}, start_new_session=True).pid,
    subprocess.Popen(sleep, env={"LOG": f"{home.folder}/log"}, cwd=home.folder, start_new_session=True).pid,
]
print(home.folder, *pids, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_what_runs_below_its_folder_is_ended_with_it_and_nobody_moves_in_before(
    tmp_path: Path, how: signal.Signals
) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, os.path.relpath(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert worker.stdout is not None
    folder, *numbers = worker.stdout.readline().split()
    first, second, *others = map(int, numbers)
    try:
        time.sleep(0.6)  # more than it takes the guard to look twice
        assert all(map(alive, (first, second, *others)))
        worker.send_signal(how)
        worker.wait()
        lock = os.open(f"{folder}.lock", os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)  # which waits until the guard is through
        os.close(lock)
        assert not alive(first)
        assert not alive(second)
        assert all(map(alive, others))
    finally:
        for pid in others:
            os.kill(pid, signal.SIGKILL)
        worker.stdout.close()
