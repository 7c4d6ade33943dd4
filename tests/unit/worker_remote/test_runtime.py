"""The worker on this machine: real commands, a store in a folder, what is left there and what is refused."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from helios_pipe.action.model import Limits, ToolMark
from helios_pipe.action.tree import read_tree
from helios_pipe.digest import Digest, digest_bytes, digest_file
from helios_pipe.errors import (
    AdapterError,
    BlobDamagedError,
    BlobMissingError,
    HeliosPipeError,
    StoreError,
    ToolError,
    UsageError,
)
from helios_pipe.manifest.helios import JobSpec
from helios_pipe.ports import FailureClass
from helios_pipe.stores.artifacts import StoreArtifacts
from helios_pipe.stores.local import LocalStore
from helios_pipe.worker.deadline import Deadline
from helios_pipe.worker.runtime import RenderExecutor, WorkerRuntime
from tests.kit.remote import Shelf, action, python, submit, submit_spec

COPY = "import sys, shutil; shutil.copy(sys.argv[1], sys.argv[2])"
KEY = b"0123456789abcdef0123456789abcdef"
Make = Callable[..., WorkerRuntime]


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def make(tmp_path: Path, store: LocalStore) -> Make:
    def make_runtime(**options: object) -> WorkerRuntime:
        environment = {"PATH": os.environ["PATH"], **options.pop("environment", {})}  # type: ignore[dict-item]
        return WorkerRuntime(tmp_path / "work", StoreArtifacts(store), environment=environment, **options)  # type: ignore[arg-type]

    return make_runtime


def left_over(folder: Path) -> list[str]:
    """What is left of attempts: all but stages, and the scratch folders that are used again."""
    names = [path.name for path in folder.glob("*/rooms/room-*/*")]
    return [name for name in names if not name.startswith("stage-") and not name.endswith(".tmp")]


def test_a_chunk_is_rendered_from_its_tree_and_its_output_left_in_the_store(
    make: Make, store: LocalStore, shelf: Shelf, tmp_path: Path
) -> None:
    shared, extra = shelf.tree(look_txt=b"warm"), shelf.tree(plates__0001_exr=b"plate one")
    shelf.upload(store, shared, extra)
    done = make().run(submit(store, action(python(COPY, "plates/0001.exr", "out.txt"), shared=shared, extra=extra)), 0)
    assert (done.exit_code, done.failure, done.reason) == (0, None, "")
    (artifact,) = done.artifacts
    assert (artifact.path, artifact.sha256, artifact.size) == ("out.txt", digest_bytes(b"plate one"), 9)
    store.get(artifact.sha256, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"plate one"
    assert left_over(tmp_path / "work") == []


def test_a_chunk_sees_its_declared_inputs_environment_and_files_and_nothing_else(
    make: Make, store: LocalStore, shelf: Shelf, tmp_path: Path
) -> None:
    code = (
        "import os, json; json.dump({'files': sorted(os.path.join(d, f) for d, _, fs in os.walk('.') for f in fs),"
        " 'env': dict(os.environ), 'list': open('list.txt').read(), 'x': os.access('tool', os.X_OK)}, open('out.txt', 'w'))"
    )
    shared = shelf.tree(look_txt=b"warm", tool_x=b"#!/bin/sh")
    shelf.upload(store, shared)
    url = submit(
        store,
        action(
            python(code), shared=shared, env=(("MOOD", "calm"),), pass_env=("DISPLAY", "NOT_SET"), secrets=("TOKEN",),
            files=(("list.txt", "a\nb\n"),),
        ),
    )  # fmt: skip
    environment = {
        "DISPLAY": ":0",
        "TOKEN": "s3cret",
        "AWS_SECRET_ACCESS_KEY": "key",
        "HELIOS_PIPE_SIGNING_KEY": "k" * 32,
    }
    done = make(environment=environment).run(url, 0)
    assert done.failure is None, done
    store.get(done.artifacts[0].sha256, tmp_path / "back")
    seen = json.loads((tmp_path / "back").read_text())
    assert seen["files"] == ["./list.txt", "./look.txt", "./tool"]
    assert seen["list"] == "a\nb\n"
    assert seen["x"] is True
    assert {k: seen["env"][k] for k in ("MOOD", "DISPLAY", "TOKEN", "TZ", "LC_ALL")} == {
        "MOOD": "calm", "DISPLAY": ":0", "TOKEN": "s3cret", "TZ": "UTC", "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    assert not {"AWS_SECRET_ACCESS_KEY", "HELIOS_PIPE_SIGNING_KEY", "NOT_SET"} & seen["env"].keys()


def test_a_folder_output_is_a_tree_in_the_store(make: Make, store: LocalStore, tmp_path: Path) -> None:
    code = (
        "import os; os.makedirs('frames/sub')\n"
        "for i in range(3): open(f'frames/{i}.png', 'w').write(f'frame {i}')\n"
        "open('frames/sub/run.sh', 'w').write('x'); os.chmod('frames/sub/run.sh', 0o755)"
    )
    done = make().run(submit(store, action(python(code), "frames/", frames=3)), 0)
    assert done.failure is None, done
    (artifact,) = done.artifacts
    assert artifact.path == "frames/"
    data = store.get_object(f"cas/{artifact.sha256}")
    assert data is not None
    tree = read_tree(data)
    assert [(e.path, e.executable) for e in tree.entries] == [
        ("0.png", False), ("1.png", False), ("2.png", False), ("sub/run.sh", True),
    ]  # fmt: skip
    assert store.missing(e.digest for e in tree.entries) == set()
    assert artifact.size == tree.size


def test_a_command_that_fails_is_a_result_with_its_output(make: Make, store: LocalStore) -> None:
    code = "import sys; print('to out'); print('to err', file=sys.stderr); sys.exit(3)"
    done = make().run(submit(store, action(python(code))), 0)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "to out\n", "to err\n")
    assert (done.failure, done.reason) == (FailureClass.COMMAND, "exit code 3")
    assert done.artifacts == ()


@pytest.mark.parametrize(
    ("code", "output", "frames", "reason"),
    [
        ("pass", "out.txt", None, "the command exited 0 but left no out.txt"),
        ("open('out.txt', 'w')", "out.txt", None, "out.txt is empty"),
        ("import os; os.mkdir('out.txt')", "out.txt", None, "out.txt is a folder, but a file was declared"),
        ("import os; os.mkdir('f'); open('f/1.png', 'w').write('x')", "f/", 2, "f holds 1 images, planned were 2"),
        ("import os; os.symlink('/etc/passwd', 'out.txt')", "out.txt", None, "out.txt is a link"),
        ("import os; os.mkdir('f'); os.symlink('/etc/passwd', 'f/x')", "f/", None, "is neither a file nor a folder"),
        ("import os; os.mkdir('f'); [open(f'f/{n}', 'w').write('x') for n in ('A', 'a')]", "f/", None, "ignore case"),
    ],
)  # fmt: skip
def test_exit_0_with_a_wrong_output_is_a_failure(
    code: str, output: str, frames: int | None, reason: str, make: Make, store: LocalStore
) -> None:
    done = make().run(submit(store, action(python(code), output, frames=frames)), 0)
    assert (done.exit_code, done.failure, done.artifacts) == (0, FailureClass.COMMAND, ())
    assert reason in done.reason


def test_a_secret_is_masked_in_what_comes_back_and_in_the_log(make: Make, store: LocalStore) -> None:
    code = "import os; print(os.environ['TOKEN'] * 3000); raise SystemExit(1)"
    environment = {"TOKEN": "correct-horse-battery-staple"}
    done = make(environment=environment).run(submit(store, action(python(code), secrets=("TOKEN",))), 0)
    assert "correct-horse" not in done.stdout + done.stderr + done.reason
    assert "***" in done.stdout


def test_a_long_log_goes_to_the_store_whole(make: Make, store: LocalStore) -> None:
    code = "for i in range(20000): print('line', i)\nopen('out.txt', 'w').write('x')"
    done = make().run(submit(store, action(python(code))), 0)
    assert done.log is not None
    log = store.get_object(f"cas/{done.log.sha256}")
    assert log is not None
    assert log.splitlines()[0] == b"line 0"
    assert len(log.splitlines()) == 20000
    assert len(done.stdout) < 50_000
    assert done.stdout.endswith("line 19999\n")


def test_a_missing_secret_is_named(make: Make, store: LocalStore) -> None:
    with pytest.raises(UsageError, match="job/0000 needs the secret TOKEN, which is not set"):
        make().run(submit(store, action(python("pass"), secrets=("TOKEN",))), 0)


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "HELIOS_PIPE_SIGNING_KEY"]
)
def test_the_workers_own_credentials_are_never_passed_on(name: str, make: Make, store: LocalStore) -> None:
    for job in (action(python("pass"), secrets=(name,)), action(python("pass"), pass_env=(name,))):
        with pytest.raises(AdapterError, match=f"asks for the variable {name}, which a worker never passes"):
            make(environment={name: "x"}).run(submit(store, job), 0)


def test_a_command_is_ended_in_time_to_report(make: Make, store: LocalStore) -> None:
    code = "import time; print('rendering', flush=True); time.sleep(60)"
    began = time.monotonic()
    done = make().run(submit(store, action(python(code))), 0, deadline=Deadline(2.0))
    assert time.monotonic() - began < 30
    assert done.failure is FailureClass.COMMAND
    assert done.reason.startswith("was ended after 1.")
    assert "before this worker's own time limit: give the worker more time, or make the chunks smaller" in done.reason
    assert done.stdout == "rendering\n"


def test_the_jobs_own_timeout_is_kept_where_it_is_shorter(make: Make, store: LocalStore) -> None:
    limits = Limits(timeout_s=0.5)
    done = make().run(
        submit(store, action(python("import time; time.sleep(60)"), limits=limits)), 0, deadline=Deadline(60)
    )
    assert (done.failure, done.reason) == (FailureClass.COMMAND, "ran longer than its timeout of 0.5 s, and was ended")


def test_a_cancelled_command_ends(make: Make, store: LocalStore) -> None:
    cancel = Event()
    runtime, url = make(), submit(store, action(python("import time; time.sleep(60)")))
    results = []
    thread = Thread(target=lambda: results.append(runtime.run(url, 0, cancel=cancel)))
    thread.start()
    time.sleep(0.3)
    cancel.set()
    thread.join(30)
    assert results[0].failure is FailureClass.CANCELLED


def test_requests_at_the_same_time_have_workspaces_of_their_own(
    make: Make, store: LocalStore, shelf: Shelf, tmp_path: Path
) -> None:
    code = (
        "import os, sys, time; assert sorted(os.listdir('.')) == ['look.txt'], os.listdir('.')\n"
        "open('scratch', 'w').write(sys.argv[1]); time.sleep(0.2)\n"
        "open('out.txt', 'w').write(open('scratch').read())"
    )
    shared = shelf.tree(look_txt=b"warm")
    shelf.upload(store, shared)
    actions = [action(python(code, str(i)), shared=shared, node=f"job/{i:04d}") for i in range(8)]
    runtime, url = make(), submit(store, *actions)
    results: dict[int, Digest] = {}

    def one(number: int) -> None:
        done = runtime.run(url, number)
        assert done.failure is None, done
        results[number] = done.artifacts[0].sha256

    threads = [Thread(target=one, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {i: digest_bytes(str(i).encode()) for i in range(8)}
    assert left_over(tmp_path / "work") == []


class Counting(LocalStore):
    """A store that counts what is fetched."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: list[str] = []

    def get(self, digest: Digest, target: Path) -> None:
        self.fetched.append(digest)
        super().get(digest, target)


def test_a_warm_worker_fetches_nothing_twice(tmp_path: Path, shelf: Shelf) -> None:
    store = Counting(tmp_path / "store")
    shared = shelf.tree(scene_bin=b"x" * 1000, look_txt=b"warm")
    extras = [shelf.tree(plate_exr=b"plate %d" % i) for i in range(2)]
    shelf.upload(store, shared, *extras)
    runtime = WorkerRuntime(tmp_path / "work", StoreArtifacts(store))
    copy = python(COPY, "plate.exr", "out.txt")
    url = submit(store, *(action(copy, shared=shared, extra=extra, node=f"job/{i}") for i, extra in enumerate(extras)))
    assert runtime.run(url, 0).failure is None
    assert len(store.fetched) == 3
    assert runtime.run(url, 1).failure is None
    assert runtime.run(url, 0).failure is None
    assert len(store.fetched) == 4
    beside = WorkerRuntime(tmp_path / "work", StoreArtifacts(store))
    assert beside.run(url, 1).failure is None
    assert len(store.fetched) == 7, "a second process has a folder of its own"
    runtime.close()
    again = WorkerRuntime(tmp_path / "work", StoreArtifacts(store))
    assert again.run(url, 1).failure is None
    assert len(store.fetched) == 7, "a new process takes over what the last one left"


def test_what_a_worker_keeps_is_limited(tmp_path: Path, shelf: Shelf) -> None:
    store = Counting(tmp_path / "store")
    trees = [shelf.tree(big_bin=bytes([i]) * (600 << 10)) for i in range(3)]
    shelf.upload(store, *trees)
    runtime = WorkerRuntime(tmp_path / "work", StoreArtifacts(store), limit_bytes=1 << 20)
    copy = python(COPY, "big.bin", "out.txt")
    for tree in (*trees, trees[0]):
        assert runtime.run(submit(store, action(copy, shared=tree)), 0).failure is None
        kept = sum(path.lstat().st_size for path in (tmp_path / "work").rglob("*") if path.is_file())
        assert kept < 2 << 20
    assert len(store.fetched) == 4


def test_inputs_beyond_the_limit_are_refused_with_what_to_do(make: Make, store: LocalStore, shelf: Shelf) -> None:
    shared = shelf.tree(big_bin=b"x" * (3 << 20))
    shelf.upload(store, shared)
    with pytest.raises(AdapterError, match="the inputs take 3 MiB, and this worker keeps 2 MiB at most") as caught:
        make(limit_bytes=2 << 20).run(submit(store, action(python("pass"), shared=shared)), 0)
    assert "HELIOS_PIPE_TMP_LIMIT_MB" in caught.value.hint


def test_an_input_that_is_not_in_the_store_is_named(make: Make, store: LocalStore, shelf: Shelf) -> None:
    shared = shelf.tree(look_txt=b"warm")
    shelf.upload(store, shared)
    store.delete_object(f"cas/{digest_bytes(b'warm')}")
    runtime, url = make(), submit(store, action(python(COPY, "look.txt", "out.txt"), shared=shared))
    with pytest.raises(BlobMissingError) as caught:
        runtime.run(url, 0)
    assert caught.value.digest == digest_bytes(b"warm")
    shelf.upload(store, shared)
    assert runtime.run(url, 0).failure is None


def test_a_warm_blob_that_rots_is_fetched_anew(make: Make, store: LocalStore, shelf: Shelf, tmp_path: Path) -> None:
    one, two = shelf.tree(look_txt=b"warm"), shelf.tree(look_txt=b"warm", more_txt=b"x")
    shelf.upload(store, one, two)
    copy = python(COPY, "look.txt", "out.txt")
    runtime = make()
    assert runtime.run(submit(store, action(copy, shared=one)), 0).failure is None
    (kept,) = (tmp_path / "work").glob(f"*/blobs/{digest_bytes(b'warm')}")
    kept.write_bytes(b"wurm")
    with pytest.raises(BlobDamagedError):
        runtime.run(submit(store, action(copy, shared=two)), 0)
    assert runtime.run(submit(store, action(copy, shared=two)), 0).failure is None


def test_a_tool_of_another_version_is_refused_with_both_named(make: Make, store: LocalStore, tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "brush"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho brush 2.1\n")
    tool.chmod(0o755)
    environment = {"PATH": f"{tool.parent}:{os.environ['PATH']}"}
    ok = python("open('out.txt', 'w').write('x')")

    def run(mark: ToolMark) -> dict[str, str]:
        return dict(make(environment=environment).run(submit(store, action(ok, tools=(mark,))), 0).tools)

    assert run(ToolMark("brush", "brush 2.1")) == {"brush": "brush 2.1"}
    assert run(ToolMark("brush", "2.1", pinned=True)) == {"brush": "brush 2.1"}
    assert run(ToolMark("brush", f"sha256:{digest_file(tool)}")) == {"brush": f"sha256:{digest_file(tool)}"}
    with pytest.raises(ToolError) as caught:
        run(ToolMark("brush", "brush 2.0"))
    assert str(caught.value) == (
        "tool brush is 'brush 2.1' on this worker, and 'brush 2.0' where the job was planned\n"
        '  Put the same version into the worker\'s image, or pin what both have in common (`tools: {brush: "…"}`).'
    )
    with pytest.raises(ToolError, match=r"'brush 2.1' on this worker, and the job wants one with '3' in its version"):
        run(ToolMark("brush", "3", pinned=True))
    with pytest.raises(ToolError, match="tool nothing-like-it is not on PATH"):
        run(ToolMark("nothing-like-it", "1"))


def test_an_unsigned_or_wrongly_signed_spec_is_refused_where_there_is_a_key(make: Make, store: LocalStore) -> None:
    job = action(python("open('out.txt', 'w').write('x')"))
    runtime = make(signing_key=KEY)
    assert runtime.run(submit(store, job, key=KEY), 0).failure is None
    with pytest.raises(AdapterError, match="is not signed, and this worker runs signed ones only"):
        runtime.run(submit(store, job), 0)
    with pytest.raises(AdapterError, match="has a wrong signature"):
        runtime.run(submit(store, job, key=b"another key that is long"), 0)
    with pytest.raises(AdapterError, match="is not signed"):
        runtime.run(submit_spec(store, {**PLAIN, "heliosPipe": {"version": 1}}), 0)


def test_a_signed_spec_that_was_changed_is_refused(make: Make, store: LocalStore) -> None:
    url = submit(store, action(python("pass")), key=KEY)
    data = store.get_object(url.removeprefix(f"{store.url}/"))
    assert data is not None
    spec = json.loads(data)
    spec["heliosPipe"]["chunks"][0]["argv"] = ["rm", "-rf", "/"]
    with pytest.raises(AdapterError, match="has a wrong signature"):
        make(signing_key=KEY).run(submit_spec(store, spec), 0)


def test_a_spec_with_other_bytes_than_its_name_says_is_damaged(make: Make, store: LocalStore) -> None:
    url = submit(store, action(python("pass")))
    store.put_object(url.removeprefix(f"{store.url}/"), b"{}")
    with pytest.raises(BlobDamagedError, match=r"the job spec .* is damaged"):
        make().run(url, 0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"version": 2}, "has version 2, and this worker knows version 1"),
        ({"chunks": "x"}, "is damaged"),
        ({"chunks": [{}]}, "is damaged"),
        ({"inputs": "../../etc"}, "is damaged"),
        ({"env": {"A": 1}}, "is damaged"),
        ({"env": {"A": "\0"}}, "is damaged"),
        ({"timeoutMs": -1}, "is damaged"),
        ({"tools": [{"name": "x"}]}, "is damaged"),
    ],
)
def test_a_spec_that_is_none_is_refused(change: dict[str, Any], text: str, make: Make, store: LocalStore) -> None:
    with pytest.raises(AdapterError, match=text):
        make().run(submit(store, action(python("pass")), **change), 0)


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "", "."])
def test_an_output_outside_of_its_workspace_is_refused(name: str, make: Make, store: LocalStore) -> None:
    url = submit(store, action(python("pass")))
    data = store.get_object(url.removeprefix(f"{store.url}/"))
    assert data is not None
    spec = json.loads(data)
    spec["heliosPipe"]["chunks"][0]["output"]["name"] = name
    with pytest.raises(AdapterError, match="is damaged"):
        make().run(submit_spec(store, spec), 0)


def test_a_tree_that_leaves_its_folder_is_refused(make: Make, store: LocalStore, shelf: Shelf) -> None:
    tree = shelf.tree(look_txt=b"warm")
    evil = tree.data.replace(b"look.txt", b"../look.txt")
    digest = shelf.add(evil)
    shelf.upload(store, tree)
    store.put(digest, shelf.locate(digest))
    with pytest.raises(StoreError, match=r"has an empty part, `\.` or `\.\.` in it"):
        make().run(submit(store, action(python("pass"), shared=tree), inputs=digest), 0)


def test_a_chunk_that_the_spec_does_not_have_is_named_as_helios_names_it(make: Make, store: LocalStore) -> None:
    url = submit(store, action(python("pass")))
    for number in (1, -1, 9):
        with pytest.raises(AdapterError, match=f"^Chunk with ID {number} not found in job spec$"):
            make().run(url, number)


PLAIN = {
    "id": "job-1",
    "metadata": {"totalFrames": 2, "fps": 29.97, "width": 1, "height": 1, "duration": 0.07},
    "chunks": [
        {"id": 0, "startFrame": 0, "frameCount": 1, "outputFile": "c0.txt", "command": "cp scene.json c0.txt"},
        {"id": 1, "startFrame": 1, "frameCount": 1, "outputFile": "c1.txt", "command": "echo 'already uploaded'"},
        {"id": 2, "startFrame": 2, "frameCount": 1, "outputFile": "c2.txt", "command": "no_such_binary_x"},
        {"id": 3, "startFrame": 3, "frameCount": 1, "outputFile": "../c3.txt", "command": "touch ../c3.txt"},
    ],
}


def test_a_plain_helios_job_runs_with_its_bundle(make: Make, store: LocalStore, tmp_path: Path) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    (assets / "scene.json").write_bytes(b"{}")
    storage = StoreArtifacts(store)
    url = storage.upload_job_spec("job-1", {**PLAIN, "assetsUrl": storage.upload_asset_bundle("job-1", assets)})
    runtime = make()
    done = runtime.run(url, 0)
    assert (done.exit_code, [a.sha256 for a in done.artifacts]) == (0, [digest_bytes(b"{}")])
    done = runtime.run(url, 1)
    assert (done.exit_code, done.stdout, done.artifacts) == (0, "already uploaded\n", ())
    done = runtime.run(url, 2)
    assert (done.exit_code, done.failure) == (127, FailureClass.COMMAND)
    with pytest.raises(HeliosPipeError, match="Chunk with ID 9 not found in job spec"):
        runtime.run(url, 9)
    with pytest.raises(AdapterError, match="is not in its workspace"):
        runtime.run(url, 3)
    assert list((tmp_path / "work").glob("*/helios-*")) == []


def test_a_plain_helios_command_does_not_see_the_workers_credentials(
    make: Make, store: LocalStore, tmp_path: Path
) -> None:
    spec = json.loads(json.dumps(PLAIN))
    spec["chunks"][0]["command"] = "env"
    environment = {"AWS_SECRET_ACCESS_KEY": "key", "CHROME": "/opt/chrome"}
    done = make(environment=environment).run(submit_spec(store, spec), 0)
    assert "CHROME=/opt/chrome" in done.stdout
    assert "AWS_" not in done.stdout


def test_a_chunk_is_executed_in_the_folder_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "scene.json").write_bytes(b"{}")
    done = RenderExecutor(tmp_path).execute_chunk(JobSpec.from_dict(PLAIN), 0)
    assert done.exit_code == 0
    assert (tmp_path / "c0.txt").read_bytes() == b"{}"
