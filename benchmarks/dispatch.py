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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

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


def measure(name: str, adapter: WorkerAdapter, calls: int, seconds: float, rounds: int, folder: Path) -> None:
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
    overhead_ms = (took - seconds * rounds) / len(steps) * 1000
    row = {
        "adapter": name,
        "calls": len(steps),
        "at_once": calls,
        "took_s": round(took, 2),
        "worker_s": seconds * rounds,
    }
    print(
        json.dumps(
            {**row, "overhead_ms_a_chunk": round(overhead_ms, 3), "cpu_ms_a_chunk": round(cpu / len(steps) * 1000, 3)}
        )
    )


def main() -> None:
    calls, seconds, rounds = (float(word) for word in [*sys.argv[1:], *("1000", "2", "3")[len(sys.argv) - 1 :]])
    artifact = json.dumps({"path": "out.txt", "sha256": digest_bytes(b"x"), "size": 1})
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        words = [sys.executable, latency.__file__, str(port), str(seconds), artifact]
        with running(words, port=port, log=folder / "log") as server:
            config = LambdaConfig("f", "us-east-1", endpoint_url=server.url, concurrency=int(calls))
            measure("lambda", AwsLambdaAdapter(config), int(calls), seconds, int(rounds), folder)
            measure("http", HttpAdapter(HttpConfig(server.url, int(calls))), int(calls), seconds, int(rounds), folder)


main()
