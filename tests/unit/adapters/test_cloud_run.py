"""The HTTP adapters against our worker under its real server, with Google's identity on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from helios_pipe.adapters.cloud_run import CloudRunAdapter, CloudRunConfig
from helios_pipe.adapters.http import HttpAdapter, HttpConfig
from helios_pipe.adapters.identity import EARLY_S, IdTokens
from helios_pipe.adapters.remote import RemoteActionRunner
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import digest_bytes
from helios_pipe.errors import AdapterError, ThrottledError, TransientAdapterError, UnreachedError
from helios_pipe.ports import FailureClass, WorkerJob, WorkerResult
from helios_pipe.stores.local import LocalStore
from tests.kit.clock import FakeClock
from tests.kit.loopback import HOST, Server, free_port, running
from tests.kit.remote import Shelf, action, python, submit
from tests.kit.servers.google import EMAIL, FakeGoogle, Signer
from tests.kit.servers.http import Answer, HttpService, Request, serving
from tests.kit.servers.toxic import Trouble, toxic

SERVE = "from helios_pipe.pipeline.workers import serve_cloudrun; serve_cloudrun()"
Start = Callable[..., Server]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def start(tmp_path: Path, store: LocalStore) -> Iterator[Start]:
    """Starts our worker as a container does."""
    with ExitStack() as stack:

        def start_worker(**env: str) -> Server:
            port = free_port()
            variables = {
                "PORT": str(port), "HELIOS_PIPE_HOST": HOST, "HELIOS_PIPE_STORE": store.url,
                "HELIOS_PIPE_WORK_DIR": str(tmp_path / "work"), **env,
            }  # fmt: skip
            log = tmp_path / f"worker-{port}.log"
            return stack.enter_context(running([sys.executable, "-c", SERVE], port=port, log=log, env=variables))

        yield start_worker


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGoogle]:
    """Google, with a service account of ours that is signed in."""
    service = FakeGoogle()
    with serving(service):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(service.service_account(tmp_path)))
        yield service


class Scripted(HttpService):
    """A worker that answers as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.reply = Answer(200, b'{"exitCode": 0, "stdout": "ok", "stderr": ""}')

    def answer(self, request: Request) -> Answer:
        return self.reply


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    service = Scripted()
    with serving(service):
        yield service


def call(
    worker: HttpAdapter, url: str = "s3://b/jobs/x.json", chunk: int = 0, cancel: Event | None = None
) -> WorkerResult:
    return worker.execute(WorkerJob("x", cancel=cancel, meta={"chunkId": chunk, "jobSpecUrl": url}))


def plain(url: str, **options: Any) -> HttpAdapter:
    return HttpAdapter(HttpConfig(url, **options))


def test_a_whole_action_goes_to_a_service_and_back(
    start: Start, google: FakeGoogle, store: LocalStore, tmp_path: Path
) -> None:
    server = start(
        HELIOS_PIPE_AUDIENCE="https://render.example",
        HELIOS_PIPE_CALLERS=EMAIL,
        HELIOS_PIPE_OIDC_CERTS=f"{google.url}/certs",
    )
    worker = CloudRunAdapter(CloudRunConfig(server.url, "https://render.example"))
    shelf, blobs = Shelf(tmp_path / "shelf"), Blobs(tmp_path / "cache")
    runner = RemoteActionRunner(worker, store, blobs, shelf.locate, lambda node, n: tmp_path / f"{n}.log", name="farm")
    shared = shelf.tree(look_txt=b"warm")
    code = "open('out.txt', 'w').write(open('look.txt').read() * 2)"
    for number in range(3):
        job = action(python(code, str(number)), shared=shared, node=f"job/{number:04d}")
        outcome = runner.run(job, 1, Event())
        assert outcome.digest == digest_bytes(b"warmwarm")
        assert outcome.billed_ms is not None
        assert outcome.billed_ms % 100 == 0
        assert outcome.billed_ms > 0
    assert google.tokens == 1
    assert google.count("GET", "/certs") == 1


def test_a_caller_without_a_token_or_for_another_audience_is_told_what_to_do(
    start: Start, google: FakeGoogle, store: LocalStore
) -> None:
    server = start(HELIOS_PIPE_AUDIENCE="https://render.example", HELIOS_PIPE_OIDC_CERTS=f"{google.url}/certs")
    for worker in (plain(server.url), CloudRunAdapter(CloudRunConfig(server.url, "https://other.example"))):
        with pytest.raises(AdapterError, match="was answered 401") as caught:
            call(worker)
        assert caught.value.hint.startswith("The worker wants an id token for its audience")
        assert not caught.value.retryable


def test_a_caller_that_is_not_named_may_not_call(start: Start, google: FakeGoogle) -> None:
    server = start(
        HELIOS_PIPE_AUDIENCE="https://render.example",
        HELIOS_PIPE_CALLERS="somebody@else.example",
        HELIOS_PIPE_OIDC_CERTS=f"{google.url}/certs",
    )
    with pytest.raises(AdapterError, match=f"was answered 403: .*'{EMAIL}' may not call this worker") as caught:
        call(CloudRunAdapter(CloudRunConfig(server.url, "https://render.example")))
    assert "HELIOS_PIPE_CALLERS" in caught.value.hint


def test_requests_run_at_the_same_time(start: Start, store: LocalStore, tmp_path: Path) -> None:
    server = start(HELIOS_PIPE_THREADS="4")
    code = (
        "import sys, os, time; from pathlib import Path; here = Path(sys.argv[1]); (here / sys.argv[2]).touch()\n"
        "while len(list(here.iterdir())) < 4: time.sleep(0.01)\n"
        "open('out.txt', 'w').write('x')"
    )
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    url = submit(store, *(action(python(code, str(meeting), str(i)), node=f"job/{i}") for i in range(4)))
    worker, results = plain(server.url), []
    threads = [Thread(target=lambda i=i: results.append(call(worker, url, i))) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [result.failure for result in results] == [None] * 4


def test_a_request_that_runs_is_finished_when_the_server_is_told_to_stop(start: Start, store: LocalStore) -> None:
    server = start()
    url = submit(store, action(python("import time; time.sleep(1.5); open('out.txt', 'w').write('x')")))
    results: list[WorkerResult] = []
    thread = Thread(target=lambda: results.append(call(plain(server.url), url)))
    thread.start()
    time.sleep(0.7)
    server.process.terminate()
    thread.join(60)
    assert [result.failure for result in results] == [None]
    assert server.process.wait(20) == 0


@pytest.mark.slow
def test_a_request_that_outlasts_the_shutdown_is_preempted(start: Start, store: LocalStore) -> None:
    server = start()
    url = submit(store, action(python("import time; print('frame 1', flush=True); time.sleep(60)")))
    results: list[WorkerResult] = []
    thread = Thread(target=lambda: results.append(call(plain(server.url), url)))
    thread.start()
    time.sleep(1)
    server.process.terminate()
    thread.join(60)
    assert (results[0].failure, results[0].stdout) == (FailureClass.PREEMPTED, "frame 1\n")


def test_a_command_is_ended_before_the_services_own_timeout(start: Start, store: LocalStore) -> None:
    server = start(HELIOS_PIPE_REQUEST_TIMEOUT_S="3")
    result = call(plain(server.url), submit(store, action(python("import time; time.sleep(60)"))))
    assert result.failure is FailureClass.COMMAND
    assert "before this worker's own time limit" in result.reason


def test_a_command_that_fails_keeps_its_exit_code_and_output(start: Start, store: LocalStore) -> None:
    url = submit(store, action(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)")))
    result = call(plain(start().url), url)
    assert (result.exit_code, result.stdout, result.stderr) == (7, "out\n", "err\n")
    assert (result.failure, result.reason) == (FailureClass.COMMAND, "exit code 7")


def test_a_probe_says_which_version_answers(start: Start) -> None:
    from helios_pipe.version import __version__

    assert plain(start().url).probe() == __version__


def test_a_health_that_names_no_version_is_no_workers(scripted: Scripted) -> None:
    for said in (b'{"status": "ok"}', b'{"worker": null}', b"fine"):
        scripted.reply = Answer(200, said)
        with pytest.raises(AdapterError, match="is no helios-pipe worker: its /health says something else"):
            plain(scripted.url).probe()


def test_the_request_is_what_helios_sends(scripted: Scripted) -> None:
    call(plain(f"{scripted.url}/render"), "https://b/job.json", 3)
    request = scripted.seen[0]
    assert (request.method, request.path) == ("POST", "/render")
    assert json.loads(request.body) == {"jobPath": "https://b/job.json", "chunkIndex": 3}
    assert request.headers["content-type"] == "application/json"


def test_cloud_run_gets_the_token_twice(scripted: Scripted, google: FakeGoogle) -> None:
    call(CloudRunAdapter(CloudRunConfig(scripted.url)))
    headers = scripted.seen[0].headers
    assert headers["authorization"] == headers["x-serverless-authorization"]
    assert headers["authorization"].startswith("Bearer ey")


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (Answer(429, headers={"Retry-After": "3"}), ThrottledError, "was answered 429: (nothing said)"),
        (Answer(503, b"warming up", {"Retry-After": "3"}), ThrottledError, "was answered 503: warming up"),
        (Answer(503), TransientAdapterError, "was answered 503"),
        (
            Answer(502, b"<html>Bad\n Gateway</html>"),
            TransientAdapterError,
            "was answered 502: <html>Bad Gateway</html>",
        ),
        (Answer(500, b"no available instance"), TransientAdapterError, "is not JSON: no available instance"),
        (Answer(200, b""), TransientAdapterError, "is not JSON: (nothing)"),
        (Answer(200, b'{"exitCode": 0, "std'), TransientAdapterError, "is not JSON"),
        (Answer(200, b"x" * 1000, cut=500), TransientAdapterError, "the connection broke"),
        (None, TransientAdapterError, "the connection broke"),
        (
            Answer(400, b'{"message": "Missing jobPath or chunkIndex"}'),
            AdapterError,
            "refused the request: Missing jobPath",
        ),
        (Answer(403, b"Forbidden"), AdapterError, "was answered 403: Forbidden"),
        (Answer(404), AdapterError, "was answered 404"),
        (Answer(405), AdapterError, "was answered 405"),
        (Answer(302, headers={"Location": "http://169.254.169.254/"}), AdapterError, "was answered 302"),
    ],
)
def test_each_answer_has_its_class(
    answer: Answer | None, kind: type[AdapterError], text: str, scripted: Scripted
) -> None:
    scripted.fail("POST", "/", answer, times=1)
    with pytest.raises(AdapterError) as caught:
        call(plain(scripted.url))
    assert type(caught.value) is kind
    assert text in caught.value.message
    assert bool(caught.value.hint) is (kind is AdapterError)
    if isinstance(caught.value, ThrottledError):
        assert caught.value.retry_after_s == 3.0
    assert len(scripted.seen) == 1
    assert call(plain(scripted.url)).stdout == "ok"


def test_a_request_that_the_platform_ended_is_the_commands_failure(scripted: Scripted) -> None:
    scripted.fail("POST", "/", Answer(504, b"upstream request timeout"))
    result = call(plain(scripted.url))
    assert (result.failure, result.exit_code) == (FailureClass.COMMAND, 1)
    assert result.reason.startswith("the service's request timeout was reached")


def test_an_answer_without_end_is_not_swallowed(scripted: Scripted) -> None:
    scripted.reply = Answer(200, b"x" * (33 << 20))
    with pytest.raises(AdapterError, match="the worker's answer is larger than 32 MiB"):
        call(plain(scripted.url))


def test_a_broken_connection_is_transient(scripted: Scripted) -> None:
    with toxic(int(scripted.url.rpartition(":")[2])) as proxy:
        proxy.down = Trouble(reset_after=10)
        with pytest.raises(TransientAdapterError, match="the connection broke"):
            call(plain(proxy.url))
    with pytest.raises(UnreachedError, match=r"cannot be reached: .*Connection refused"):
        call(plain(proxy.url))


def test_a_token_that_expired_on_the_way_is_renewed_once(scripted: Scripted, google: FakeGoogle) -> None:
    worker = CloudRunAdapter(CloudRunConfig(scripted.url))
    scripted.fail("POST", "/", Answer(401, b"expired"))
    assert call(worker).stdout == "ok"
    assert google.tokens == 2
    scripted.fail("POST", "/", Answer(401, b"expired"), times=2)
    with pytest.raises(AdapterError, match="was answered 401: expired"):
        call(worker)
    assert google.tokens == 3


def test_a_cancelled_call_returns_at_once() -> None:
    class Silent(HttpService):
        def answer(self, request: Request) -> Answer:
            release.wait(60)
            return Answer(500)

    release, cancel, silent = Event(), Event(), Silent()
    with serving(silent):
        threading.Timer(0.3, cancel.set).start()
        assert call(plain(silent.url), cancel=cancel).failure is FailureClass.CANCELLED
        release.set()


def limited(worker: HttpAdapter, timeout_s: float, grace_s: float) -> WorkerResult:
    meta = {"chunkId": 0, "jobSpecUrl": "s3://b/jobs/x.json"}
    return worker.execute(WorkerJob("x", timeout_s=timeout_s, grace_s=grace_s, meta=meta))


class Hanging(HttpService):
    """A worker that takes a request and never answers, but those for chunk 1."""

    def __init__(self) -> None:
        super().__init__()
        self.release = Event()

    def answer(self, request: Request) -> Answer:
        if json.loads(request.body)["chunkIndex"] != 1:
            self.release.wait()
        return Answer(200, b'{"exitCode": 0, "stdout": "ok", "stderr": ""}')


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    service = Hanging()
    with serving(service):
        yield service
        service.release.set()


def test_a_worker_that_owes_an_answer_for_too_long_is_lost(hanging: Hanging) -> None:
    began = time.monotonic()
    with pytest.raises(
        TransientAdapterError, match=r"has not answered for 1 s, though the command may take 0\.5 s at most"
    ):
        limited(plain(hanging.url), 0.5, 0.5)
    assert 1.0 <= time.monotonic() - began < 10


def test_a_worker_that_answers_others_is_not_lost(hanging: Hanging) -> None:
    worker = plain(hanging.url)
    release = threading.Timer(2.0, hanging.release.set)
    stop = Event()

    def others() -> None:
        while not stop.wait(0.1):
            call(worker, chunk=1)

    with ExitStack() as stack:
        for thread in (release, Thread(target=others)):
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        assert limited(worker, 0.5, 0.5).stdout == "ok"


def test_a_token_is_kept_until_shortly_before_it_expires(google: FakeGoogle, clock: FakeClock) -> None:
    clock.now = time.time()
    tokens = IdTokens("https://render.example", clock=clock)
    first = tokens.token()
    clock.sleep(3600 - EARLY_S - 10)
    assert tokens.token() == first
    assert google.tokens == 1
    clock.sleep(20)
    tokens.token()
    assert google.tokens == 2


def test_threads_fetch_one_token_together() -> None:
    fetched = []

    def fetch(audience: str) -> str:
        time.sleep(0.1)
        fetched.append(audience)
        return signer.token(audience)

    signer = Signer("key-1")
    tokens = IdTokens("https://render.example", fetch)
    threads = [Thread(target=tokens.headers) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fetched == ["https://render.example"]


def test_without_google_credentials_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setattr("google.auth.compute_engine._metadata.ping", lambda *_, **__: False)
    with pytest.raises(AdapterError, match="no Google credentials that give id tokens") as caught:
        IdTokens("https://render.example").token()
    assert caught.value.hint.startswith("Set GOOGLE_APPLICATION_CREDENTIALS")


def test_a_refused_service_account_is_fatal(google: FakeGoogle) -> None:
    google.fail(
        "POST", "/token", Answer(400, b'{"error": "invalid_grant", "error_description": "account deleted"}'), times=9
    )
    with pytest.raises(AdapterError, match="account deleted") as caught:
        IdTokens("https://render.example").token()
    assert not caught.value.retryable


def test_the_metadata_server_gives_a_token_too(google: FakeGoogle) -> None:
    code = "from helios_pipe.adapters.identity import IdTokens\nprint(IdTokens('https://render.example').token())"
    host = google.url.removeprefix("http://")
    env = {k: v for k, v in os.environ.items() if k != "GOOGLE_APPLICATION_CREDENTIALS"}
    env |= {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(".") == 2
    assert google.tokens == 1


def test_headers_and_a_token_are_sent_to_any_other_worker(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    from helios_pipe.adapters.registry import make_adapter
    from helios_pipe.errors import UnusableError
    from helios_pipe.manifest.model import AdapterConfig

    options = {"url": scripted.url, "headers": {"X-Team": "render"}, "token_env": "FARM_TOKEN", "concurrency": 3}
    config = AdapterConfig("farm", "http", options)
    with pytest.raises(UnusableError, match="adapter farm takes its token from FARM_TOKEN, which is not set"):
        make_adapter(config)
    monkeypatch.setenv("FARM_TOKEN", "s3cret")
    worker = make_adapter(config)
    worker.execute(WorkerJob("x", meta={"chunkId": 0, "jobSpecUrl": "s3://b/x"}))
    assert scripted.seen[0].headers["x-team"] == "render"
    assert scripted.seen[0].headers["authorization"] == "Bearer s3cret"
    assert worker.capabilities.concurrency == 3
