"""How fast source files are hashed: a run's own look at its inputs, beside bare SHA-256 of the same bytes in memory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.rows import OURS, Row
from benchmarks.timing import Sample, WrongOutcomeError, interleave, middle

_FILES, _MEBIBYTES = 4, 256
_BARE, _ONE = "hashlib, a thread a core", "hashlib, one core"


def hashing(bench: Bench) -> Iterator[Row]:
    """Four large files in the page cache. The bare hash has them in memory and as many threads as there are cores."""
    folder, size = bench.folder("hashing"), (4 if bench.quick else _MEBIBYTES) << 20
    paths = [folder / f"{number}.bin" for number in range(_FILES)]
    for path in paths:
        path.write_bytes(os.urandom(1 << 20) * (size >> 20))
    os.sync()
    contents = [path.read_bytes() for path in paths]  # into the page cache, too
    digests = [sha256(data).hexdigest() for data in contents]
    samples = interleave(
        f"hash {_FILES} x {size >> 20} MiB",
        {
            _BARE: lambda _: _bare(contents, digests, len(os.sched_getaffinity(0))),
            OURS: lambda turn: _ours(paths, digests, folder / f"cache{turn}"),
            _ONE: lambda _: _bare(contents, digests, 1),
        },
        bench.rounds,
        bench.say,
    )
    cores = min(_FILES, len(os.sched_getaffinity(0)))
    speeds = [bare.wall_s / ours.wall_s for bare, ours in zip(samples[_BARE], samples[OURS], strict=True)]
    rate = _FILES * size / middle(samples[OURS]) / cores / 1e9
    alone = median(one.wall_s / ours.wall_s / cores for one, ours in zip(samples[_ONE], samples[OURS], strict=True))
    note = f"{rate:.2f} GB/s a core; {alone:.2f} of what one core does while the others rest"
    what = f"hashing {_FILES} sources of {size >> 20} MiB, speed per core"
    yield Row("hash", what, tuple(speeds), against="hashlib.sha256", goal=bench.goal(0.9, at_least=True), note=note)
    shutil.rmtree(folder)


def _ours(paths: list[Path], digests: list[str], cache: Path) -> Sample:
    from helios_pipe.cache.database import Database
    from helios_pipe.cache.sources import Sources

    database = Database(cache)
    began, cpu = time.perf_counter(), time.process_time()
    found = Sources(database, str(paths[0].parent)).look([str(path) for path in paths])
    sample = Sample(time.perf_counter() - began, time.process_time() - cpu)
    database.close()
    if [source.digest for source in found] != digests:
        raise WrongOutcomeError("a source has another digest than its bytes")
    return sample


def _bare(contents: list[bytes], digests: list[str], threads: int) -> Sample:
    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda data: sha256(data).hexdigest(), contents))
    sample = Sample(time.perf_counter() - began, time.process_time() - cpu)
    if found != digests:
        raise WrongOutcomeError("hashlib gives two digests for the same bytes")
    return sample
