"""What it costs to keep 1,000 calls under way: chunks through the whole remote path, to a worker with a fixed latency.

    python benchmarks/dispatch.py [CALLS] [SECONDS] [ROUNDS]

Prints one line of JSON for each adapter: how long it took, how long the worker alone would have taken, and the difference
for each chunk. Run from the repository's folder, in an environment with the `dev` extra.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench import Bench
from benchmarks.place import REPOSITORY
from benchmarks.rows import Row
from benchmarks.timing import WrongOutcomeError, measure
from helios_pipe.adapters.aws_lambda import AwsLambdaAdapter, LambdaConfig
from helios_pipe.adapters.http import HttpAdapter, HttpConfig
from helios_pipe.adapters.remote import RemoteActionRunner
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import digest_bytes
from helios_pipe.ports import WorkerAdapter
from helios_pipe.stores.local import LocalStore
from tests.kit.loopback import free_port, running
from tests.kit.remote import Shelf, action
from tests.kit.servers import latency


def fan_out(bench: Bench) -> Iterator[Row]:
    """1,000 calls at once, twice over, by each adapter; in a process of its own, as it starts 1,000 threads."""
    calls, seconds, waves = (50, 0.2, 2) if bench.quick else (1000, 10.0, 2)
    values: dict[str, list[float]] = {}
    costs: dict[str, str] = {}
    for turn in range(bench.rounds):
        words = [sys.executable, str(Path(__file__).resolve()), str(calls), str(seconds), str(waves)]
        for line in measure(bench.place, words, REPOSITORY).stdout.splitlines():
            bench.say(f"fanout  round {turn + 1}/{bench.rounds}  {line}")
            found = json.loads(line)
            name = found["adapter"]
            values.setdefault(name, []).append(found["took_s"] / found["worker_s"])
            costs[name] = (
                f"{found['overhead_ms_a_chunk']:.2f} ms a chunk, {found['cpu_ms_a_chunk']:.2f} ms of processor"
            )
    if values.keys() != {"lambda", "http"}:
        raise WrongOutcomeError(f"the fan-out tells of {sorted(values)}")
    for name, ratios in values.items():
        what = f"{waves} waves of {calls:,} {name} calls of {seconds:g} s"
        yield Row("fanout", what, tuple(ratios), against="the latency alone", goal=bench.goal(1.15), note=costs[name])


def time_adapter(name: str, adapter: WorkerAdapter, calls: int, seconds: float, rounds: int, folder: Path) -> None:
    """Send `calls` at once, `rounds` times over, and print what it took."""
    store, shelf, blobs = LocalStore(folder / "store"), Shelf(folder / "shelf"), Blobs(folder / name)
    output = digest_bytes(b"x")
    shelf.add(b"x")
    store.put(output, shelf.locate(output))
    runner = RemoteActionRunner(adapter, store, blobs, shelf.locate, lambda *_: folder / "none.log", name=name)
    shared = shelf.tree(look_txt=b"warm")
    steps = [action(("render", str(i)), node=f"job/{i:06d}", shared=shared) for i in range(calls * rounds)]
    runner.prepare(steps)
    with ThreadPoolExecutor(calls) as pool:
        cpu, began = time.process_time(), time.perf_counter()
        outcomes = list(pool.map(lambda step: runner.run(step, 1, Event()), steps))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert all(outcome.digest == output for outcome in outcomes), outcomes[0]
    row = {
        "adapter": name,
        "calls": len(steps),
        "at_once": calls,
        "took_s": round(took, 3),
        "worker_s": seconds * rounds,
        "overhead_ms_a_chunk": round((took - seconds * rounds) / len(steps) * 1000, 3),
        "cpu_ms_a_chunk": round(cpu / len(steps) * 1000, 3),
    }
    print(json.dumps(row), flush=True)


def main() -> None:
    """As a program."""
    calls, seconds, rounds = (float(word) for word in [*sys.argv[1:], *("1000", "2", "3")[len(sys.argv) - 1 :]])
    artifact = json.dumps({"path": "out.txt", "sha256": digest_bytes(b"x"), "size": 1})
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        words = [sys.executable, latency.__file__, str(port), str(seconds), artifact]
        with running(words, port=port, log=folder / "log") as server:
            config = LambdaConfig("f", "us-east-1", endpoint_url=server.url, concurrency=int(calls))
            time_adapter("lambda", AwsLambdaAdapter(config), int(calls), seconds, int(rounds), folder)
            http = HttpAdapter(HttpConfig(server.url, int(calls)))
            time_adapter("http", http, int(calls), seconds, int(rounds), folder)


if __name__ == "__main__":
    main()
