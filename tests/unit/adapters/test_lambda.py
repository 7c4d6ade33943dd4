"""boto3 to real `awslambdaric` processes: chunks made by our worker, and every way in which a function fails."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from helios_pipe.adapters.aws_lambda import AwsLambdaAdapter, LambdaConfig
from helios_pipe.adapters.lambda_errors import function_error
from helios_pipe.adapters.remote import RemoteActionRunner
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import digest_bytes
from helios_pipe.errors import AdapterError, ThrottledError, TransientAdapterError, UnreachedError
from helios_pipe.ports import FailureClass, WorkerJob, WorkerResult
from helios_pipe.stores.local import LocalStore
from tests.kit.remote import Shelf, action, python, submit
from tests.kit.servers.awslambda import MEMORY_MB, Function, LambdaEmulator, lambda_emulator
from tests.kit.servers.http import Answer
from tests.kit.servers.toxic import Trouble, toxic

HANDLER = "helios_pipe.pipeline.workers.lambda_handler"
MISCHIEF = """
import os, signal, sys, time

def handler(event, context):
    mode = event["jobPath"].rpartition("/")[2]
    if mode == "hang": time.sleep(60)
    if mode == "exit": sys.stdout.flush(); os._exit(1)
    if mode == "oom": os.kill(os.getpid(), signal.SIGKILL)
    if mode == "large": return {"statusCode": 200, "body": "x" * (7 << 20)}
    if mode == "raise": raise ValueError("nobody thought of this")
    if mode == "print": print("into the function's log"); raise RuntimeError("after a word")
    return {"message": "Render complete", "chunkIndex": event["chunkIndex"], "output": "s3://b/out.mp4"}
"""


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-secret")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def emulator() -> Iterator[LambdaEmulator]:
    with lambda_emulator() as service:
        yield service


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def worker(emulator: LambdaEmulator, store: LocalStore, tmp_path: Path) -> AwsLambdaAdapter:
    """Our own worker, deployed."""
    env = {"HELIOS_PIPE_STORE": store.url, "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work")}
    emulator.functions["render"] = Function(HANDLER, tmp_path, env=env, concurrency=4)
    return adapter(emulator.url, "render")


@pytest.fixture
def mischief(emulator: LambdaEmulator, tmp_path: Path) -> AwsLambdaAdapter:
    """A function that fails on demand."""
    (tmp_path / "app.py").write_text(MISCHIEF)
    emulator.functions["mischief"] = Function("app.handler", tmp_path, timeout_s=2)
    return adapter(emulator.url, "mischief")


def adapter(url: str, function: str, **options: Any) -> AwsLambdaAdapter:
    return AwsLambdaAdapter(LambdaConfig(function, region="us-east-1", endpoint_url=url, **options))


def call(worker: AwsLambdaAdapter, url: str, chunk: int = 0, cancel: Event | None = None) -> WorkerResult:
    return worker.execute(WorkerJob("x", cancel=cancel, meta={"chunkId": chunk, "jobSpecUrl": url}))


def test_a_chunk_is_rendered_by_a_function(
    worker: AwsLambdaAdapter, store: LocalStore, emulator: LambdaEmulator
) -> None:
    url = submit(store, action(python("print('hello'); open('out.txt', 'w').write('x')")))
    result = call(worker, url)
    assert (result.exit_code, result.failure, result.stdout) == (0, None, "hello\n")
    assert [a.sha256 for a in result.artifacts] == [digest_bytes(b"x")]
    assert result.memory_mb == MEMORY_MB
    assert result.billed_ms is not None
    assert result.billed_ms >= result.duration_ms
    assert json.loads(emulator.payloads[0]) == {"jobPath": url, "chunkIndex": 0}


def test_a_whole_action_goes_there_and_back(worker: AwsLambdaAdapter, store: LocalStore, tmp_path: Path) -> None:
    shelf, blobs = Shelf(tmp_path / "shelf"), Blobs(tmp_path / "cache")
    runner = RemoteActionRunner(worker, store, blobs, shelf.locate, lambda node, n: tmp_path / f"{n}.log", name="farm")
    shared = shelf.tree(look_txt=b"warm")
    code = "open('out.txt', 'w').write(open('look.txt').read() * 2)"
    for number in range(3):
        job = action(python(code, str(number)), shared=shared, node=f"job/{number:04d}")
        assert runner.run(job, 1, Event()).digest == digest_bytes(b"warmwarm")


def test_a_warm_environment_is_used_again(
    worker: AwsLambdaAdapter, store: LocalStore, emulator: LambdaEmulator
) -> None:
    url = submit(store, action(python("open('out.txt', 'w').write('x')")))
    for _ in range(3):
        assert call(worker, url).failure is None
    assert emulator.cold_starts == 1


def test_a_command_that_would_outlast_the_function_is_ended_in_time(
    emulator: LambdaEmulator, store: LocalStore, tmp_path: Path
) -> None:
    env = {"HELIOS_PIPE_STORE": store.url, "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work")}
    emulator.functions["short"] = Function(HANDLER, tmp_path, timeout_s=4, env=env)
    url = submit(store, action(python("import time; print('frame 1', flush=True); time.sleep(60)")))
    result = call(adapter(emulator.url, "short"), url)
    assert result.failure is FailureClass.COMMAND
    assert "before this worker's own time limit" in result.reason
    assert result.stdout == "frame 1\n"


def test_a_worker_that_is_not_set_up_says_what_is_missing(emulator: LambdaEmulator, tmp_path: Path) -> None:
    emulator.functions["bare"] = Function(HANDLER, tmp_path)
    result = call(adapter(emulator.url, "bare"), "s3://b/jobs/x.json")
    assert result.failure is FailureClass.FATAL
    assert result.reason.startswith("HELIOS_PIPE_STORE is not set\n  It says where this worker reads jobs")


@pytest.mark.parametrize(
    ("mode", "failure", "text"),
    [
        ("hang", FailureClass.COMMAND, "the function ran out of its time"),
        ("oom", FailureClass.COMMAND, "the function was killed, as it is when it runs out of memory"),
        ("exit", FailureClass.INFRASTRUCTURE, "the function failed: Runtime.ExitError"),
        ("raise", FailureClass.INFRASTRUCTURE, "the function failed: ValueError: nobody thought of this"),
        ("large", FailureClass.COMMAND, "the function's answer was too large: Response payload size exceeded"),
    ],
)
def test_each_way_to_fail_has_its_class(
    mode: str, failure: FailureClass, text: str, mischief: AwsLambdaAdapter
) -> None:
    result = call(mischief, f"s3://b/{mode}")
    assert (result.exit_code, result.failure) == (1, failure)
    assert text in result.reason
    assert result.memory_mb == MEMORY_MB
    assert result.billed_ms


def test_an_error_without_words_is_said_to_have_none() -> None:
    for payload in (b'{"errorType": null, "errorMessage": null}', b"{}"):
        result = function_error(payload, "")
        assert (result.stderr, result.reason) == ("", "the function failed: (nothing said)")


def test_a_failed_functions_log_comes_with_the_failure(mischief: AwsLambdaAdapter) -> None:
    result = call(mischief, "s3://b/print")
    assert result.stderr.startswith("after a word\n")
    assert "into the function's log" in result.stderr


def test_a_function_that_failed_is_not_run_twice(mischief: AwsLambdaAdapter, emulator: LambdaEmulator) -> None:
    call(mischief, "s3://b/hang")
    assert len(emulator.payloads) == 1


def test_the_second_dialect_of_helios_is_understood(mischief: AwsLambdaAdapter) -> None:
    result = call(mischief, "s3://b/fine")
    assert (result.exit_code, result.stdout, result.failure) == (0, "s3://b/out.mp4", None)


def test_a_throttle_says_when_to_come_back(mischief: AwsLambdaAdapter, emulator: LambdaEmulator) -> None:
    emulator.functions["mischief"] = Function("app.handler", emulator.functions["mischief"].folder, concurrency=0)
    with pytest.raises(
        ThrottledError, match="Lambda mischief was answered TooManyRequestsException: Rate Exceeded"
    ) as caught:
        call(mischief, "s3://b/fine")
    assert caught.value.retryable
    assert caught.value.retry_after_s == 1.0
    assert len(emulator.payloads) == 1, "the SDK does not try again by itself"


def test_a_function_that_does_not_exist_is_named_with_what_to_do(emulator: LambdaEmulator) -> None:
    with pytest.raises(AdapterError) as caught:
        call(adapter(emulator.url, "nothing"), "s3://b/x")
    assert str(caught.value) == (
        "Lambda nothing was answered ResourceNotFoundException: Function not found: nothing\n"
        "  Deploy the function (docs/deploy/lambda), or correct its name, region or qualifier."
    )
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("ExpiredTokenException", 403, AdapterError),
        ("AccessDeniedException", 403, AdapterError),
        ("UnrecognizedClientException", 403, AdapterError),
        ("RequestTooLargeException", 413, AdapterError),
        ("ServiceException", 500, TransientAdapterError),
        ("ENILimitReachedException", 502, TransientAdapterError),
        ("ServiceUnavailableException", 503, TransientAdapterError),
        ("SomethingNew", 502, TransientAdapterError),
        ("EC2ThrottledException", 502, ThrottledError),
        ("ThrottlingException", 400, ThrottledError),
    ],
)
def test_each_refusal_has_its_class(
    code: str, status: int, kind: type[AdapterError], mischief: AwsLambdaAdapter, emulator: LambdaEmulator
) -> None:
    body = json.dumps({"Message": "said the cloud"}).encode()
    emulator.fail("POST", "/mischief/", Answer(status, body, {"x-amzn-ErrorType": code}))
    with pytest.raises(AdapterError, match=f"was answered {code}: said the cloud") as caught:
        call(mischief, "s3://b/fine")
    assert type(caught.value) is kind
    assert bool(caught.value.hint) is (kind is AdapterError)
    assert call(mischief, "s3://b/fine").exit_code == 0


def test_a_payload_that_is_no_json_is_transient(mischief: AwsLambdaAdapter, emulator: LambdaEmulator) -> None:
    emulator.fail("POST", "/mischief/", Answer(200, b"<html>gateway</html>"))
    with pytest.raises(TransientAdapterError, match="the function's answer is not JSON: <html>gateway</html>"):
        call(mischief, "s3://b/fine")


def test_a_broken_connection_is_transient_and_not_repeated(
    mischief: AwsLambdaAdapter, emulator: LambdaEmulator
) -> None:
    with toxic(int(emulator.url.rpartition(":")[2])) as proxy:
        proxy.down = Trouble(reset_after=20)
        with pytest.raises(TransientAdapterError, match="Lambda mischief: the connection broke"):
            call(adapter(proxy.url, "mischief"), "s3://b/fine")
    assert len(emulator.payloads) == 1
    with pytest.raises(UnreachedError, match=r"Lambda mischief cannot be reached: .*Connection refused"):
        call(adapter(proxy.url, "mischief"), "s3://b/fine")


def test_without_credentials_it_says_how_to_sign_in(
    emulator: LambdaEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(AdapterError, match="Lambda render: no AWS credentials") as caught:
        call(adapter(emulator.url, "render"), "s3://b/x")
    assert caught.value.hint.startswith("Sign in again")


def test_a_cancelled_call_returns_at_once(mischief: AwsLambdaAdapter) -> None:
    cancel = Event()
    threading.Timer(0.3, cancel.set).start()
    result = call(mischief, "s3://b/hang", cancel=cancel)
    assert (result.failure, result.reason) == (FailureClass.CANCELLED, "cancelled")


def test_a_function_that_owes_an_answer_for_too_long_is_lost(mischief: AwsLambdaAdapter) -> None:
    job = WorkerJob("x", timeout_s=0.2, grace_s=0.3, meta={"chunkId": 0, "jobSpecUrl": "s3://b/hang"})
    with pytest.raises(TransientAdapterError, match=r"Lambda \S+ has not answered for 0.5 s, though .* 0.2 s at most"):
        mischief.execute(job)


def test_a_probe_runs_nothing(mischief: AwsLambdaAdapter, emulator: LambdaEmulator) -> None:
    assert mischief.probe() == "$LATEST"
    assert emulator.payloads == []
    with pytest.raises(AdapterError, match="ResourceNotFoundException"):
        adapter(emulator.url, "nothing").probe()


def test_calls_at_the_same_time_have_environments_of_their_own(
    worker: AwsLambdaAdapter, store: LocalStore, emulator: LambdaEmulator
) -> None:
    code = "import time; time.sleep(0.5); open('out.txt', 'w').write('x')"
    url = submit(store, *(action(python(code), node=f"job/{i}") for i in range(4)))
    results: list[WorkerResult] = []
    threads = [Thread(target=lambda i=i: results.append(call(worker, url, i))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.failure for result in results] == [None] * 4
    assert emulator.cold_starts == 4


def test_credentials_reach_no_event_and_no_command(
    worker: AwsLambdaAdapter, store: LocalStore, emulator: LambdaEmulator
) -> None:
    assert "wJalrXUtnFEMI" in os.environ["AWS_SECRET_ACCESS_KEY"]
    url = submit(store, action(python("import os; print(sorted(os.environ)); open('out.txt', 'w').write('x')")))
    result = call(worker, url)
    assert result.failure is None
    assert "AWS" not in result.stdout
    assert not any(b"wJalrXUtnFEMI" in payload for payload in emulator.payloads)
