"""Room for many connections: shells give a process 1,024 descriptors by habit, far below what the system allows."""

from __future__ import annotations

import resource

_OURS = 512
"""For files, pipes and everything else that a run has open."""


def make_room(connections: int) -> None:
    """Let this process have so many connections open, as far as the system allows. What it starts inherits that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + _OURS  # a connection that is being replaced counts twice for a while
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
