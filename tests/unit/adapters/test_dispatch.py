"""A thousand calls at once, from a process that begins with the usual 1,024 descriptors."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.kit.loopback import free_port, running
from tests.kit.project import REPOSITORY
from tests.kit.servers import latency

CALLS = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from helios_pipe.adapters.aws_lambda import AwsLambdaAdapter, LambdaConfig
from helios_pipe.adapters.http import HttpAdapter, HttpConfig
from helios_pipe.ports import WorkerJob
kind, url = sys.argv[1:]
if kind == "lambda":
    adapter = AwsLambdaAdapter(LambdaConfig("f", "us-east-1", endpoint_url=url, concurrency=1000))
else:
    adapter = HttpAdapter(HttpConfig(url, 1000))
def call(number):
    return adapter.execute(WorkerJob("x", cancel=Event(), meta={"chunkId": number, "jobSpecUrl": "s3://b/x"}))
with ThreadPoolExecutor(1000) as pool:
    results = list(pool.map(call, range(1000)))
print(sum(result.failure is None and len(result.artifacts) == 1 for result in results))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lambda", "http"])
def test_a_thousand_calls_are_under_way_at_once(kind: str, tmp_path: Path) -> None:
    artifact = json.dumps({"path": "out.txt", "sha256": "a" * 64, "size": 1})
    port = free_port()
    env = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, latency.__file__, str(port), "8", artifact]
    with running(words, port=port, log=tmp_path / "log", env={}) as server:
        done = subprocess.run(
            [sys.executable, "-c", CALLS, kind, server.url],
            env=env,
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 8192)),
        )
        assert done.stdout == "1000\n", done.stderr[-2000:]
        with urllib.request.urlopen(f"{server.url}/most") as answer:
            assert json.loads(answer.read()) == 1000
