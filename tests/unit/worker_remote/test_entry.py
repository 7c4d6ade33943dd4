"""How a worker in a container is started, and what its environment must say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helios_pipe.digest import digest_bytes
from helios_pipe.errors import UnusableError, UsageError
from helios_pipe.pipeline.workers import serve_lambda
from helios_pipe.stores.local import LocalStore
from helios_pipe.worker.config import WorkerConfig, worker_config
from tests.kit.remote import action, python, submit

RUN = "from helios_pipe.pipeline.workers import serve_cloudrun; serve_cloudrun()"


def test_the_environment_sets_a_worker_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HELIOS_PIPE_STORE": "s3://b/p", "HELIOS_PIPE_JOB_PREFIXES": "https://a.example/x, https://b.example/y",
        "HELIOS_PIPE_SIGNING_KEY": "0123456789abcdef", "HELIOS_PIPE_WORK_DIR": "/srv/work", "HELIOS_PIPE_TMP_LIMIT_MB": "100",
        "HELIOS_PIPE_REQUEST_TIMEOUT_S": "300", "HELIOS_PIPE_HOST": "127.0.0.1", "PORT": "9000", "HELIOS_PIPE_THREADS": "2",
        "HELIOS_PIPE_AUDIENCE": "https://r.example", "HELIOS_PIPE_CALLERS": "a@b.c,d@e.f", "HELIOS_PIPE_TRUST_IAM": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    config = worker_config()
    assert (config.store, config.signing_key) == ("s3://b/p", b"0123456789abcdef")
    assert config.job_prefixes == ("https://a.example/x", "https://b.example/y")
    assert (config.folder, config.limit_bytes, config.timeout_s) == (Path("/srv/work"), 100 << 20, 300)
    assert (config.host, config.port, config.threads) == ("127.0.0.1", 9000, 2)
    assert (config.identity.audience, config.identity.callers) == ("https://r.example", ("a@b.c", "d@e.f"))
    assert config.identity.trust_iam


def test_an_empty_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("HELIOS_PIPE_") or name == "PORT":
            monkeypatch.delenv(name)
    assert worker_config() == WorkerConfig()


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("PORT", "eighty", "PORT is 'eighty', expected a whole number above 0"),
        ("HELIOS_PIPE_TMP_LIMIT_MB", "-1", "HELIOS_PIPE_TMP_LIMIT_MB is '-1', expected a whole number above 0"),
        ("HELIOS_PIPE_TRUST_IAM", "maybe", "HELIOS_PIPE_TRUST_IAM is 'maybe', expected true or false"),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(
    name: str, value: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"^{text}$"):
        worker_config()


def test_a_task_of_a_cloud_run_job_runs_its_chunk(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    jobs = [action(python("open('out.txt', 'w').write('x')")), action(python("raise SystemExit(5)"), node="job/0001")]
    env = {
        **os.environ, "HELIOS_PIPE_STORE": store.url, "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work"),
        "HELIOS_JOB_SPEC": submit(store, *jobs),
    }  # fmt: skip

    def task(index: str) -> tuple[int, dict[str, object]]:
        words = [sys.executable, "-c", RUN]
        done = subprocess.run(words, env={**env, "CLOUD_RUN_TASK_INDEX": index}, capture_output=True, text=True)
        return done.returncode, json.loads(done.stdout)

    code, reply = task("0")
    assert (code, reply["exitCode"]) == (0, 0)
    assert reply["artifacts"] == [{"path": "out.txt", "sha256": digest_bytes(b"x"), "size": 1}]
    code, reply = task("1")
    assert (code, reply["exitCode"], reply["failure"]) == (5, 5, "command")


def test_outside_of_lambda_there_is_nothing_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_LAMBDA_RUNTIME_API", raising=False)
    with pytest.raises(UnusableError, match="AWS_LAMBDA_RUNTIME_API is not set: this is not AWS Lambda"):
        serve_lambda()
