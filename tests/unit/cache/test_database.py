"""Many processes share one database, from its first moment on."""

from __future__ import annotations

import multiprocessing
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from helios_pipe.cache.database import Database

PROCESSES, ROUNDS = 3, 40


def opened(folders: list[Path], together: Barrier, told: SimpleQueue[str]) -> None:
    for folder in folders:
        together.wait(30)
        try:
            Database(folder).close()
            told.put("")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test says it
            told.put(repr(error))


def test_all_can_make_it_at_the_same_moment(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    folders = [tmp_path / f"{number}" for number in range(ROUNDS)]
    together, told = context.Barrier(PROCESSES), context.SimpleQueue()
    processes = [context.Process(target=opened, args=(folders, together, told)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    assert {told.get() for _ in range(PROCESSES * ROUNDS)} == {""}
