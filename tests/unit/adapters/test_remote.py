"""Actions on a worker that shares no files with us: what goes up, what comes back, what each failure is called."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from threading import Event, Thread

import pytest

from helios_pipe.action.model import Action, Join, Limits, Output, Tree
from helios_pipe.adapters.limiter import AdaptiveLimiter
from helios_pipe.adapters.remote import LONGEST_THROTTLE_S, RemoteActionRunner
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import Digest, digest_bytes
from helios_pipe.errors import (
    AdapterError,
    BlobMissingError,
    StoreError,
    ThrottledError,
    TransientAdapterError,
    UnreachedError,
    UsageError,
)
from helios_pipe.ports import Artifact, FailureClass, Outcome, WorkerResult
from helios_pipe.stores.artifacts import StoreArtifacts
from helios_pipe.stores.local import LocalStore
from helios_pipe.worker.aws import AwsHandlerConfig, create_aws_handler
from tests.kit.remote import HandlerAdapter, Shelf, action, python

COPY = "import sys, shutil; shutil.copy(sys.argv[1], sys.argv[2])"


class Watched(LocalStore):
    """A store that counts what it is asked."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: Counter[str] = Counter()
        self.stored: list[str] = []

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        self.asked["missing"] += 1
        return super().missing(digests)

    def put(self, digest: Digest, source: Path) -> None:
        self.asked["put"] += 1
        self.stored.append(digest)
        super().put(digest, source)

    def get(self, digest: Digest, target: Path) -> None:
        self.asked["get"] += 1
        super().get(digest, target)

    def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
        new = super().put_object(name, data, if_absent=if_absent)
        self.asked["new object" if new else "old object"] += 1
        return new


class Farm:
    """An orchestrator's side and a worker's, each with a view of its own on one store."""

    def __init__(self, folder: Path, key: bytes | None = None, limiter: AdaptiveLimiter | None = None) -> None:
        self.folder = folder
        self.store = Watched(folder / "store")
        self.shelf = Shelf(folder / "sources")
        self.blobs = Blobs(folder / "cache")
        config = AwsHandlerConfig(folder / "worker", StoreArtifacts(LocalStore(folder / "store")), signing_key=key)
        self.adapter = HandlerAdapter(create_aws_handler(config))
        self.runner = self.new_runner(key, limiter)

    def new_runner(self, key: bytes | None = None, limiter: AdaptiveLimiter | None = None) -> RemoteActionRunner:
        return RemoteActionRunner(
            self.adapter, self.store, self.blobs, self.locate, self.log, name="farm", signing_key=key, limiter=limiter
        )

    def locate(self, digest: Digest) -> Path:
        source = self.shelf.locate(digest)
        return source if source.exists() else self.blobs.locate(digest)

    def log(self, node: str, attempt: int) -> Path:
        return self.folder / f"{node.replace('/', '-')}.{attempt}.log"

    def run(self, job: Action, attempt: int = 1) -> Outcome:
        return self.runner.run(job, attempt, Event())


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return Farm(tmp_path)


def chunks(farm: Farm, count: int) -> list[Action]:
    shared = farm.shelf.tree(look_txt=b"warm", scene_bin=b"x" * 1000)
    return [
        action(
            python(COPY, "plate.exr", "out.txt"),
            node=f"zoom/{i:04d}",
            shared=shared,
            extra=farm.shelf.tree(plate_exr=b"plate %d" % i),
        )
        for i in range(count)
    ]


def content(farm: Farm, outcome: Outcome) -> bytes:
    assert outcome.digest is not None, outcome
    return farm.blobs.locate(outcome.digest).read_bytes()


def test_a_chunk_is_made_elsewhere_and_comes_back_into_the_cache(farm: Farm) -> None:
    (job,) = chunks(farm, 1)
    outcome = farm.run(job)
    assert outcome.digest == digest_bytes(b"plate 0")
    assert content(farm, outcome) == b"plate 0"
    assert (outcome.exit_code, outcome.failure, outcome.worker, outcome.folder) == (0, None, "farm", False)
    assert outcome.mark == farm.blobs.mark(outcome.digest)


def test_inputs_go_up_once_and_a_later_run_uploads_nothing(farm: Farm) -> None:
    jobs = chunks(farm, 10)
    farm.runner.prepare(jobs)
    assert farm.store.asked == {"missing": 1}
    for job in jobs:
        assert farm.run(job).digest is not None
    # 2 shared files, 10 plates, 1 shared tree, 10 trees of one plate each
    assert farm.store.asked["put"] == 23
    assert len(set(farm.store.stored)) == 23
    assert (farm.store.asked["missing"], farm.store.asked["new object"]) == (1, 1)
    assert {event["jobPath"] for event in farm.adapter.events} == {farm.adapter.events[0]["jobPath"]}
    assert [event["chunkIndex"] for event in farm.adapter.events] == list(range(10))
    farm.store.asked.clear()
    later = farm.new_runner()
    later.prepare(jobs)
    for job in jobs[3:]:
        assert later.run(job, 1, Event()).digest is not None
    assert farm.store.asked["new object"] == 0
    assert farm.store.asked["get"] == 0, "what the cache has is not fetched"
    objects = farm.store.list_objects("")
    assert [later.run(job, 2, Event()).digest for job in jobs] == [digest_bytes(b"plate %d" % i) for i in range(10)]
    assert farm.store.list_objects("") == objects


def test_a_later_run_that_announces_nothing_makes_the_same_specs(farm: Farm) -> None:
    jobs = chunks(farm, 3)
    for job in jobs:
        farm.run(job)
    objects = farm.store.list_objects("")
    later = farm.new_runner()
    for job in reversed(jobs):
        assert later.run(job, 1, Event()).digest is not None
    assert farm.store.list_objects("") == objects


def test_steps_that_were_not_announced_are_made_all_the_same(farm: Farm) -> None:
    jobs = chunks(farm, 3)
    assert [content(farm, farm.run(job)) for job in jobs] == [b"plate 0", b"plate 1", b"plate 2"]


def test_threads_upload_each_blob_once(farm: Farm) -> None:
    jobs = chunks(farm, 8)
    farm.runner.prepare(jobs)
    outcomes: list[Outcome] = []
    threads = [Thread(target=lambda job=job: outcomes.append(farm.run(job))) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(outcome.digest is not None for outcome in outcomes)
    shared = {digest_bytes(b"warm"), digest_bytes(b"x" * 1000)}
    assert Counter(d for d in farm.store.stored if d in shared) == dict.fromkeys(shared, 1)
    assert (farm.store.asked["new object"], farm.store.asked["old object"]) == (1, 0)


def test_specs_of_large_jobs_are_split_and_of_different_settings_apart(farm: Farm) -> None:
    from helios_pipe.worker.spec import CHUNKS_PER_SPEC

    jobs = chunks(farm, CHUNKS_PER_SPEC + 3)
    slow = [action(python("pass"), node=f"slow/{i}", limits=Limits(timeout_s=60)) for i in range(2)]
    farm.runner.prepare([*jobs, *slow])
    for job in (jobs[0], jobs[-1], slow[0], slow[1]):
        farm.run(job)
    assert farm.store.asked["new object"] == 3
    assert [(e["chunkIndex"]) for e in farm.adapter.events] == [0, 2, 0, 1]


def test_a_spec_says_nothing_of_the_run_and_holds_no_secret(farm: Farm) -> None:
    job = action(python("pass"), secrets=("TOKEN",), env=(("MOOD", "calm"),))
    farm.run(job)
    (name,) = farm.store.list_objects("jobs/")
    data = farm.store.get_object(name)
    assert data is not None
    spec = json.loads(data)
    assert spec["heliosPipe"]["secrets"] == ["TOKEN"]
    assert not {"time", "run", "url"} & spec["heliosPipe"].keys()
    farm.new_runner().run(job, 1, Event())
    assert farm.store.list_objects("jobs/") == [name]


def test_a_limited_command_is_waited_for_longer_the_more_inputs_it_has(farm: Farm) -> None:
    shared = farm.shelf.tree(look_txt=b"x" * (2 << 20))
    for limit in (None, 60.0):
        code = "open('out.txt', 'w').write('x')"
        farm.run(action(python(code), shared=shared, node=f"job/{limit}", limits=Limits(timeout_s=limit)))
    assert [(job.timeout_s, job.grace_s) for job in farm.adapter.jobs] == [(None, 300.0), (60.0, 300.5)]


def test_a_folder_comes_back_as_a_tree_with_its_files(farm: Farm) -> None:
    code = (
        "import os; os.makedirs('frames/a')\n"
        "for i in range(3): open(f'frames/{i}.png', 'w').write(str(i))\n"
        "open('frames/a/x', 'w').write('x')"
    )
    outcome = farm.run(action(python(code), "frames/", frames=3))
    assert outcome.folder
    assert outcome.digest is not None
    tree = farm.blobs.tree(outcome.digest)
    assert [entry.path for entry in tree.entries] == ["0.png", "1.png", "2.png", "a/x"]
    assert farm.blobs.intact(outcome.digest, folder=True)


def test_a_command_that_fails_brings_its_output_and_log_back(farm: Farm) -> None:
    code = "import sys; print('out'); print('the lamp is broken', file=sys.stderr); sys.exit(3)"
    outcome = farm.run(action(python(code)), attempt=2)
    assert (outcome.exit_code, outcome.failure, outcome.reason) == (3, FailureClass.COMMAND, "exit code 3")
    assert outcome.tail == "the lamp is broken\n"
    assert outcome.log is not None
    assert outcome.log.read_text() == "out\nthe lamp is broken\n"


def test_a_long_log_comes_back_whole(farm: Farm) -> None:
    code = "for i in range(20000): print('line', i)\nopen('out.txt', 'w').write('x')"
    outcome = farm.run(action(python(code)))
    assert outcome.log is not None
    assert len(outcome.log.read_text().splitlines()) == 20000


def test_signed_specs_are_run_by_who_has_the_key(tmp_path: Path) -> None:
    key = b"0123456789abcdef"
    farm = Farm(tmp_path, key)
    job = action(python("open('out.txt', 'w').write('x')"))
    assert farm.run(job).digest is not None
    refused = farm.new_runner().run(job, 1, Event())
    assert refused.failure is FailureClass.FATAL
    assert "is not signed, and this worker runs signed ones only" in refused.reason


def test_a_tool_mismatch_is_fatal_and_names_both_versions(farm: Farm) -> None:
    from helios_pipe.action.model import ToolMark

    job = action(python("pass"), tools=(ToolMark("ffmpeg", "ffmpeg version 1.0-mine"),))
    outcome = farm.run(job)
    assert outcome.failure is FailureClass.FATAL
    assert "on this worker, and 'ffmpeg version 1.0-mine' where the job was planned" in outcome.reason
    assert "or pin what both have in common" in outcome.reason


def test_inputs_deleted_from_the_store_during_the_run_are_uploaded_again(farm: Farm) -> None:
    jobs = chunks(farm, 2)
    farm.runner.prepare(jobs)
    assert farm.run(jobs[1]).digest is not None
    shutil.rmtree(farm.folder / "worker")  # a cold one
    for entry in (*jobs[1].shared.entries, *jobs[1].extra.entries):
        farm.store.delete_object(f"cas/{entry.digest}")
    farm.store.delete_object(f"cas/{jobs[1].extra.digest}")
    farm.adapter = Farm(farm.folder).adapter
    farm.runner._adapter = farm.adapter
    lost = farm.run(jobs[1])
    assert lost.failure is FailureClass.INFRASTRUCTURE
    assert f"the tree {jobs[1].extra.digest} is not in file://" in lost.reason
    assert content(farm, farm.run(jobs[1], attempt=2)) == b"plate 1"


def test_an_input_damaged_in_the_store_is_replaced(farm: Farm) -> None:
    (job,) = chunks(farm, 1)
    assert farm.run(job).digest is not None
    blob = farm.folder / "store" / "cas" / digest_bytes(b"warm")[:2] / digest_bytes(b"warm")
    blob.chmod(0o644)
    blob.write_bytes(b"wurm")
    shutil.rmtree(farm.folder / "worker")
    cold = Farm(farm.folder)
    lost = cold.run(job)
    assert lost.failure is FailureClass.INFRASTRUCTURE
    assert f"blob {digest_bytes(b'warm')}" in lost.reason
    assert content(cold, cold.run(job, attempt=2)) == b"plate 0"
    assert blob.read_bytes() == b"warm"


def test_a_spec_deleted_from_the_store_is_written_again(farm: Farm) -> None:
    jobs = chunks(farm, 1)
    farm.runner._specs.place(jobs[0])
    for name in farm.store.list_objects("jobs/"):
        farm.store.delete_object(name)
    assert farm.run(jobs[0]).failure is FailureClass.INFRASTRUCTURE
    assert farm.run(jobs[0], attempt=2).digest is not None


def test_a_source_that_changed_is_stale_and_named(farm: Farm) -> None:
    (job,) = chunks(farm, 1)
    source = farm.shelf.locate(digest_bytes(b"plate 0"))
    source.write_bytes(b"plate !")
    outcome = farm.run(job)
    assert (outcome.failure, outcome.stale) == (FailureClass.FATAL, True)
    assert outcome.reason.startswith(f"{source} changed since it was hashed")


def test_a_damaged_or_missing_blob_of_ours_is_said_so_that_it_is_made_again(farm: Farm) -> None:
    blob = farm.blobs.put_bytes(b"made by another chunk")
    tree = Tree.of([*farm.shelf.tree(a_txt=b"a").entries])
    from helios_pipe.action.model import Entry

    tree = Tree.of([*tree.entries, Entry("b.mp4", blob.digest, blob.mark.size)])
    path = Path(farm.blobs.path(blob.digest))
    path.chmod(0o644)
    path.write_bytes(b"made by another chunk?")
    job = action(python("pass"), extra=tree)
    outcome = farm.run(job)
    assert (outcome.failure, outcome.damaged, outcome.stale) == (FailureClass.INFRASTRUCTURE, (blob.digest,), False)
    assert not path.exists()
    assert farm.run(job).damaged == (blob.digest,)


def answer(farm: Farm, result: WorkerResult | Exception) -> Outcome:
    """The outcome where the worker answers this."""

    def give() -> WorkerResult:
        if isinstance(result, Exception):
            raise result
        return result

    farm.adapter.before = give
    return farm.run(action(python("pass")))


GOOD = digest_bytes(b"x")


@pytest.mark.parametrize(
    ("result", "failure", "text"),
    [
        (WorkerResult(0), FailureClass.FATAL, "the worker says that all went well, and names nothing where 'out.txt'"),
        (
            WorkerResult(0, artifacts=(Artifact("b", GOOD, 1),)),
            FailureClass.FATAL,
            "names 'b' where 'out.txt' was to be made",
        ),
        (
            WorkerResult(0, artifacts=(Artifact("out.txt", GOOD, 1),)),
            FailureClass.INFRASTRUCTURE,
            f"blob {GOOD} is not in",
        ),
        (WorkerResult(137), FailureClass.COMMAND, "exit code 137"),
        (WorkerResult(1, failure=FailureClass.PREEMPTED, reason="shut down"), FailureClass.PREEMPTED, "shut down"),
        (TransientAdapterError("reset"), FailureClass.INFRASTRUCTURE, "reset"),
    ],
)
def test_each_answer_has_its_class(
    result: WorkerResult | Exception, failure: FailureClass, text: str, farm: Farm
) -> None:
    outcome = answer(farm, result)
    assert outcome.failure is failure
    assert text in outcome.reason
    assert outcome.digest is None


def test_an_artifact_of_another_size_or_content_is_refused(farm: Farm) -> None:
    (farm.folder / "blob").write_bytes(b"xyz")
    digest = digest_bytes(b"xyz")
    farm.store.put(digest, farm.folder / "blob")
    outcome = answer(farm, WorkerResult(0, artifacts=(Artifact("out.txt", digest, 4),)))
    assert outcome.failure is FailureClass.INFRASTRUCTURE
    assert "the worker says that out.txt has 4 bytes, and it has others" in outcome.reason
    path = farm.folder / "store" / "cas" / digest[:2] / digest
    path.chmod(0o644)
    path.write_bytes(b"xyy")
    outcome = answer(farm, WorkerResult(0, artifacts=(Artifact("out.txt", digest, 3),)))
    assert outcome.failure is FailureClass.INFRASTRUCTURE
    assert f"blob {digest} is damaged" in outcome.reason
    assert farm.blobs.mark(digest) is None


@pytest.mark.parametrize("data", [b"no tree", b'{"../x": {"mode": 420, "sha256": "%s", "size": 1}}' % (b"a" * 64)])
def test_a_folder_whose_tree_is_none_is_tried_again(farm: Farm, data: bytes) -> None:
    (farm.folder / "blob").write_bytes(data)
    farm.store.put(digest_bytes(data), farm.folder / "blob")
    farm.adapter.before = lambda: WorkerResult(0, artifacts=(Artifact("f/", digest_bytes(data), 1),))
    outcome = farm.run(action(python("pass"), "f/"))
    assert outcome.failure is FailureClass.INFRASTRUCTURE
    assert outcome.reason.startswith(f"the worker's tree {digest_bytes(data)} is none: ")


def test_an_artifact_with_too_few_frames_is_refused_by_us_too(farm: Farm) -> None:
    code = "import os; os.mkdir('f'); open('f/1.png', 'w').write('x')"
    good = farm.run(action(python(code), "f/"))
    assert good.digest is not None
    artifact = Artifact("f/", good.digest, 1)
    farm.adapter.before = lambda: WorkerResult(0, artifacts=(artifact,))
    outcome = farm.run(action(python(code), "f/", frames=2, node="job/0001"))
    assert (outcome.failure, outcome.reason) == (FailureClass.COMMAND, "f holds 1 images, planned were 2")


@pytest.mark.parametrize("error", [AdapterError("credentials refused"), StoreError("access denied")])
def test_what_is_broken_for_good_is_raised(error: Exception, farm: Farm) -> None:
    with pytest.raises(type(error), match=str(error)):
        answer(farm, error)


def test_an_adapter_is_out_of_reach_until_one_call_got_through(farm: Farm) -> None:
    assert farm.runner.unreached == "", "nothing was tried"
    outcome = answer(farm, UnreachedError("http://box cannot be reached: Connection refused"))
    assert (outcome.failure, outcome.worker) == (FailureClass.INFRASTRUCTURE, "farm")
    assert farm.runner.unreached == "http://box cannot be reached: Connection refused"
    answer(farm, WorkerResult(1, failure=FailureClass.CANCELLED, reason="cancelled"))
    assert farm.runner.unreached, "who gave up has heard nothing"
    answer(farm, TransientAdapterError("http://box was answered 503"))
    assert farm.runner.unreached == ""
    answer(farm, UnreachedError("http://box cannot be reached: Connection refused"))
    assert farm.runner.unreached == "", "it was there before"


def test_a_throttle_slows_down_and_fails_nobody(tmp_path: Path) -> None:
    limiter = AdaptiveLimiter(8, random=lambda: 0.0)
    farm = Farm(tmp_path, limiter=limiter)
    throttles = iter(range(20))
    windows: list[float] = []

    def throttle() -> WorkerResult | None:
        windows.append(limiter.window)
        if farm.adapter.under_way > 2 and next(throttles, None) is not None:
            raise ThrottledError("Rate Exceeded", retry_after_s=None)
        return None

    farm.adapter.before = throttle
    outcomes: list[Outcome] = []
    jobs = [action(python("open('out.txt', 'w').write('x')"), node=f"job/{i:04d}") for i in range(12)]
    threads = [Thread(target=lambda job=job: outcomes.append(farm.run(job))) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.digest for outcome in outcomes] == [digest_bytes(b"x")] * 12
    assert min(windows) < 8


def test_a_worker_that_only_throttles_is_given_up_in_the_end(tmp_path: Path) -> None:
    seconds = count()
    farm = Farm(tmp_path, limiter=AdaptiveLimiter(8, lambda: float(next(seconds)), random=lambda: 0.0))
    tries = []

    def throttle() -> WorkerResult | None:
        tries.append(1)
        for _ in range(100):
            next(seconds)
        raise ThrottledError("Rate Exceeded")

    farm.adapter.before = throttle
    outcome = farm.run(action(python("pass")))
    assert outcome.failure is FailureClass.INFRASTRUCTURE
    assert outcome.reason == f"farm has taken no call for {LONGEST_THROTTLE_S:.0f} s: Rate Exceeded"
    assert 5 < len(tries) < 10


def test_a_cancelled_attempt_says_so(farm: Farm) -> None:
    cancel = Event()
    cancel.set()
    outcome = farm.runner.run(action(python("pass")), 1, cancel)
    assert (outcome.failure, outcome.digest) == (FailureClass.CANCELLED, None)
    assert farm.adapter.events == []


def test_a_step_in_the_projects_folder_is_refused(farm: Farm) -> None:
    with pytest.raises(UsageError, match="job/0000 runs in the project's folder, which a remote worker does not have"):
        farm.run(action(python("pass"), workspace="project"))


def test_a_join_is_no_business_of_a_worker(farm: Farm) -> None:
    with pytest.raises(TypeError):
        farm.runner.run(Join("job/stitch", "concat", (), Output("out.mp4")), 1, Event())


def test_what_it_cost_comes_with_the_outcome(farm: Farm) -> None:
    outcome = answer(farm, WorkerResult(1, billed_ms=1300, memory_mb=1769, failure=FailureClass.COMMAND))
    assert (outcome.billed_ms, outcome.memory_mb) == (1300, 1769)


def test_credentials_in_the_environment_never_reach_an_event(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-secret")
    monkeypatch.setenv("SOME_TOKEN", "very-secret-token")
    code = "import os; print(sorted(os.environ)); open('out.txt', 'w').write('x')"
    outcome = farm.run(action(python(code), secrets=("SOME_TOKEN",)))
    assert outcome.digest is not None
    assert outcome.log is not None
    everything = json.dumps(farm.adapter.events) + outcome.log.read_text()
    for path in (farm.folder / "store").rglob("*"):
        everything += path.read_bytes().decode(errors="replace") if path.is_file() else ""
    assert "wJalrXUtnFEMI" not in everything
    assert "very-secret" not in everything
    assert "AWS_SECRET_ACCESS_KEY" not in outcome.log.read_text()


def test_a_blob_that_is_nowhere_is_named(farm: Farm) -> None:
    tree = farm.shelf.tree(a_txt=b"a")
    farm.shelf.locate(digest_bytes(b"a")).unlink()
    outcome = farm.run(action(python("pass"), shared=tree))
    assert outcome.damaged == (digest_bytes(b"a"),)
    with pytest.raises(BlobMissingError):
        farm.locate(digest_bytes(b"a"))
