"""A real Dask cluster on the loopback: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.kit.loopback import HOST, free_port, running

_SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
_WORKER = [sys.executable, "-m", "distributed.cli.dask_worker"]


@dataclass
class Cluster:
    """Where its scheduler is, and the processes of all."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)


@contextmanager
def dask_cluster(
    folder: Path, *, workers: int = 2, env: Mapping[str, str] | None = None, port: int | None = None
) -> Iterator[Cluster]:
    """A cluster of workers of one thread each, without nannies: one that is killed stays dead. They work in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    common = {**os.environ, "HELIOS_PIPE_WORK_DIR": str(folder / "work"), **(env or {})}
    with ExitStack() as stack:
        port = port or free_port()
        words = [*_SCHEDULER, "--host", HOST, "--port", str(port), "--no-dashboard"]
        server = stack.enter_context(running(words, port=port, log=folder / "scheduler.log", env=common, cwd=folder))
        cluster = Cluster(f"tcp://{HOST}:{port}", server.process)
        for number in range(workers):
            words = [*_WORKER, cluster.address, "--host", HOST, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
            log = folder / f"worker-{number}.log"
            words += ["--local-directory", str(folder / f"dask-{number}")]
            server = stack.enter_context(
                running(words, port=0, log=log, env=common, cwd=folder, ready=lambda log=log: _registered(log))  # type: ignore[misc]
            )
            cluster.workers.append(server.process)
        yield cluster


def _registered(log: Path) -> bool:
    return "Registered to" in log.read_text(errors="replace")
