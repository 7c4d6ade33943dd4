"""Ends the commands of a worker that was killed. Knows nothing of workers, but where their commands have their folders.

A command runs in a session of its own, so nothing that ends its worker ends it, too. In a container all goes down together; on
a machine of a cluster it would render on for nobody, beside the worker that took its place.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from helios_pipe import settings
from helios_pipe.worker.spawn import spawn

_PROGRAM = """
import os, signal, sys, time
parent, folder = int(sys.argv[1]), os.fsencode(sys.argv[2]) + b"/"

def ours(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return any(line.startswith((b"HOME=" + folder, b"TMPDIR=" + folder)) for line in file.read().split(b"\\0"))
    except OSError:
        return False

while os.getppid() == parent:
    time.sleep(0.25)
for _ in range(100):  # what is killed may just have started something
    found = [int(name) for name in os.listdir("/proc") if name.isdecimal() and int(name) != os.getpid() and ours(name)]
    if not found:
        break
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.02)
"""


def guard(folder: Path, lock: int) -> None:
    """When this process is gone, end whatever has its HOME or TMPDIR below `folder`, as commands do; until then nobody else gets
    `lock`, a descriptor that is locked for us. Where there is no /proc, nobody does that."""
    if not os.path.isdir("/proc/self"):
        return
    words = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(os.getpid()), str(folder)]
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        spawn(words, "/", settings.environment(), lock, nowhere)  # it writes nothing
    finally:
        os.close(nowhere)
