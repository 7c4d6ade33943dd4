"""What commands leave running when they have ended: daemons that took a session of their own. Knows nothing of commands.

Linux lets a process adopt the orphans among its descendants (prctl, PR_SET_CHILD_SUBREAPER). Then whatever outlives the
command that started it is a child of ours, however it broke away, and /proc lists it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

_PR_SET_CHILD_SUBREAPER = 36
_MOST_BYTES = 4096
"""Of a list of which only the first names are needed: while there are any, the answer is no."""


def adopt_orphans(but: Callable[[], int] = lambda: -1) -> Callable[[], bool] | None:
    """Become the parent of what this process's descendants leave. Returns what tells whether nothing is left of any command
    that has ended; None where the system cannot do it. For a process of our own, whose main thread starts no commands while
    others ask: whatever is a child of that thread, `but` for one, counts as adopted, and is waited for."""
    children = f"/proc/self/task/{os.getpid()}/children"  # the main thread's: it is the one that adopts
    if sys.platform != "linux" or not os.path.exists(children):
        return None
    import ctypes

    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        return None

    file = os.open(
        children, os.O_RDONLY | os.O_CLOEXEC
    )  # for as long as the process lives: it is asked for each command

    def deserted() -> bool:
        while True:
            try:
                adopted = os.pread(file, _MOST_BYTES, 0).rpartition(b" ")[0].split()  # a space follows each
            except OSError:
                return False
            if not adopted:
                return True
            own = but()
            ended = [_ended(pid) for pid in map(int, adopted) if pid != own]  # each one: it is to be waited for
            if not ended:
                return True
            if not all(ended):
                return False
            # what ended may have left somebody meanwhile, who is only now a child of ours

    return deserted


def _ended(pid: int) -> bool:
    """Whether it runs no more; then it is waited for."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
