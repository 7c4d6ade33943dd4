"""What every BlobStore promises, against every one of them: see helios_pipe.ports.BlobStore."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from helios_pipe.digest import Digest, digest_bytes, digest_file
from helios_pipe.errors import BlobDamagedError, BlobMissingError, StoreError
from helios_pipe.ports import BlobStore
from helios_pipe.stores.gcs import GcsStore
from helios_pipe.stores.http import HttpStore
from helios_pipe.stores.local import LocalStore
from helios_pipe.stores.memory import MemoryStore
from helios_pipe.stores.s3 import S3Store
from tests.kit.servers.bazel import BuildCache
from tests.kit.servers.gcs import StorageEmulator
from tests.kit.servers.http import serving
from tests.kit.servers.s3 import BUCKET, S3, moto, swift

PART = 5 << 20
"""Bytes of a part here: S3's least, so that a file of 11 MiB has three."""

Damage = Callable[[str, bytes], None]
"""Puts other bytes in the place of an object, behind the store's back."""


class Place:
    """A store, a second one on the same place as another process would have it, and a way to damage what lies there."""

    def __init__(self, store: BlobStore, again: BlobStore, damage: Damage) -> None:
        self.store = store
        self.again = again
        self.damage = damage


@pytest.fixture(scope="session")
def moto_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with moto(tmp_path_factory.mktemp("moto")) as s3:
        yield s3


@pytest.fixture(scope="session")
def swift_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with swift(tmp_path_factory.mktemp("swift")) as s3:
        yield s3


KINDS = ["memory", "local", "s3", "gcs", "http", pytest.param("swift", marks=pytest.mark.slow)]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield {
            "memory": lambda: memory_place(),
            "local": lambda: local_place(tmp_path / "store"),
            "s3": lambda: s3_place(request.getfixturevalue("moto_s3"), tmp_path.name),
            "swift": lambda: s3_place(request.getfixturevalue("swift_s3"), tmp_path.name),
            "gcs": lambda: gcs_place(stack),
            "http": lambda: http_place(stack),
        }[request.param]()


def memory_place() -> Place:
    store = MemoryStore("test")

    def damage(name: str, data: bytes) -> None:
        store._objects[name] = data

    return Place(store, store, damage)


def local_place(root: Path) -> Place:
    def damage(name: str, data: bytes) -> None:
        path = root / "cas" / name[4:6] / name[4:]
        path.unlink()
        path.write_bytes(data)

    return Place(LocalStore(root), LocalStore(root), damage)


def s3_place(s3: S3, prefix: str) -> Place:
    client = s3.client()

    def damage(name: str, data: bytes) -> None:
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{name}", Body=data)

    return Place(
        S3Store(BUCKET, prefix, client=client, part_size=PART), S3Store(BUCKET, prefix, client=s3.client()), damage
    )


def gcs_place(stack: ExitStack) -> Place:
    emulator = StorageEmulator("bucket", page=3)
    stack.enter_context(serving(emulator))

    def damage(name: str, data: bytes) -> None:
        emulator._store(f"a b/{name}", data, {}, None)

    def open_one() -> GcsStore:
        return GcsStore("bucket", "a b", endpoint_url=emulator.url, block_size=4 << 20)

    return Place(open_one(), open_one(), damage)


def http_place(stack: ExitStack) -> Place:
    cache = BuildCache()
    stack.enter_context(serving(cache))

    def damage(name: str, data: bytes) -> None:
        cache.objects[f"/main/{name}"] = data

    return Place(HttpStore(f"{cache.url}/main"), HttpStore(f"{cache.url}/main/"), damage)


@pytest.fixture
def lists(place: Place) -> bool:
    return not isinstance(place.store, HttpStore)


def blob(folder: Path, data: bytes, name: str = "blob") -> tuple[Digest, Path]:
    path = folder / name
    path.write_bytes(data)
    return digest_bytes(data), path


def test_a_blob_comes_back_byte_for_byte(place: Place, tmp_path: Path) -> None:
    digest, source = blob(tmp_path, b"frames" * 1000)
    place.store.put(digest, source)
    place.again.get(digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == source.read_bytes()


def test_an_empty_blob_is_a_blob(place: Place, tmp_path: Path) -> None:
    digest, source = blob(tmp_path, b"")
    assert place.store.missing([digest]) == {digest}
    place.store.put(digest, source)
    assert place.again.missing([digest]) == set()
    place.again.get(digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b""


def test_a_blob_in_several_parts_comes_back(place: Place, tmp_path: Path) -> None:
    digest, source = blob(tmp_path, os.urandom(2 * PART + 12345))
    place.store.put(digest, source)
    place.again.get(digest, tmp_path / "back")
    assert digest_file(tmp_path / "back") == digest


def test_missing_names_those_that_are_not_there(place: Place, tmp_path: Path) -> None:
    here, source = blob(tmp_path, b"here")
    absent = {digest_bytes(b"%d" % i) for i in range(40)}
    place.store.put(here, source)
    assert place.again.missing([here, *absent, here]) == absent
    assert place.again.missing([]) == set()


def test_a_blob_that_is_there_needs_no_bytes(place: Place, tmp_path: Path) -> None:
    digest, source = blob(tmp_path, b"once")
    place.store.put(digest, source)
    place.store.put(digest, source)
    place.again.put(digest, source)
    assert place.again.missing([digest]) == set()


@pytest.mark.parametrize("size", [10, 2 * PART + 5], ids=["small", "in parts"])
def test_bytes_that_have_another_digest_are_not_stored(place: Place, tmp_path: Path, size: int) -> None:
    _, source = blob(tmp_path, b"x" * size)
    wanted = digest_bytes(b"something else")
    with pytest.raises(BlobDamagedError, match=f"blob has digest .* expected {wanted}"):
        place.store.put(wanted, source)
    assert place.again.missing([wanted]) == {wanted}


def test_a_source_that_cannot_be_read_is_named(place: Place, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nothing-here.*No such file"):
        place.store.put(digest_bytes(b"x"), tmp_path / "nothing-here")


def test_a_missing_blob_is_named_and_leaves_nothing(place: Place, tmp_path: Path) -> None:
    digest = digest_bytes(b"never stored")
    with pytest.raises(BlobMissingError, match=f"blob {digest} is not in "):
        place.store.get(digest, tmp_path / "back")
    assert list(tmp_path.glob("back*")) == []


def test_a_damaged_blob_is_refused_leaves_nothing_and_is_healed_by_the_next_put(place: Place, tmp_path: Path) -> None:
    digest, source = blob(tmp_path, b"the right bytes")
    place.store.put(digest, source)
    place.damage(f"cas/{digest}", b"the wrong bytes")
    with pytest.raises(BlobDamagedError, match=digest):
        place.store.get(digest, tmp_path / "back")
    assert list(tmp_path.glob("back*")) == []
    assert place.store.missing([digest]) == {digest}
    place.store.put(digest, source)
    place.again.get(digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"the right bytes"


def test_a_blob_of_another_size_is_healed_by_the_next_put(place: Place, tmp_path: Path) -> None:
    digest, source = blob(tmp_path, b"the whole of it")
    place.store.put(digest, source)
    place.damage(f"cas/{digest}", b"half")
    place.again.put(digest, source)
    place.again.get(digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"the whole of it"


def test_an_object_is_replaced_whole(place: Place) -> None:
    assert place.store.get_object("ac/key") is None
    assert place.store.put_object("ac/key", b"one")
    assert place.store.put_object("ac/key", b"two")
    assert place.again.get_object("ac/key") == b"two"


def test_if_absent_keeps_the_first(place: Place) -> None:
    assert place.store.put_object("jobs/a.json", b"first", if_absent=True)
    assert not place.again.put_object("jobs/a.json", b"second", if_absent=True)
    assert place.store.get_object("jobs/a.json") == b"first"


@pytest.mark.parametrize("place", KINDS[:-1], indirect=True)  # Swift's If-None-Match is not atomic
def test_one_of_many_creators_wins(place: Place) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda i: place.store.put_object("locks/one", b"%d" % i, if_absent=True), range(8)))
    assert won.count(True) == 1
    assert place.again.get_object("locks/one") == b"%d" % won.index(True)


def test_a_deleted_object_is_gone_and_may_be_deleted_again(place: Place) -> None:
    place.store.put_object("ac/key", b"x")
    place.store.delete_object("ac/key")
    assert place.again.get_object("ac/key") is None
    place.again.delete_object("ac/key")


def test_a_blob_may_be_read_and_deleted_as_an_object_but_not_written(place: Place, tmp_path: Path) -> None:
    digest, source = blob(tmp_path, b"bytes")
    place.store.put(digest, source)
    assert place.store.get_object(f"cas/{digest}") == b"bytes"
    with pytest.raises(StoreError, match="is a blob's name"):
        place.store.put_object(f"cas/{digest}", b"other bytes")
    place.store.delete_object(f"cas/{digest}")
    assert place.again.missing([digest]) == {digest}


def test_a_listing_is_sorted_and_whole(place: Place, lists: bool, tmp_path: Path) -> None:
    names = [f"ac/{i:02d}" for i in range(10)] + ["ac-other/1", "jobs/b.json", "jobs/a b+c.json"]
    for name in names:
        place.store.put_object(name, b"x")
    digest, source = blob(tmp_path, b"bytes")
    place.store.put(digest, source)
    if not lists:
        with pytest.raises(StoreError, match="HTTP has no listing"):
            place.again.list_objects("ac/")
        return
    assert place.again.list_objects("ac/") == sorted(n for n in names if n.startswith("ac/"))
    assert place.again.list_objects("ac/0") == sorted(n for n in names if n.startswith("ac/0"))
    assert place.again.list_objects("ac") == sorted(n for n in names if n.startswith("ac"))
    assert place.again.list_objects("none/") == []
    assert place.again.list_objects("") == sorted([*names, f"cas/{digest}"])


HOSTILE = [
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a//b",
    "./a",
    "a/.",
    "a/",
    "a\0b",
    "a\nb",
    "..",
    "a\\..\\b",
    "x" * 1000,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused(place: Place, name: str) -> None:
    for call in (place.store.get_object, place.store.delete_object, lambda n: place.store.put_object(n, b"x")):
        with pytest.raises(StoreError):
            call(name)
    if name not in ("", "a/"):
        with pytest.raises(StoreError):
            place.store.list_objects(name)


@pytest.mark.parametrize("digest", ["", "x", "../" * 20 + "aaaa", "A" * 64, "a" * 63, "a" * 65, "a" * 62 + "/."])
def test_what_is_no_digest_is_refused(place: Place, digest: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(StoreError, match="is not a SHA-256 digest"):
        place.store.put(Digest(digest), tmp_path / "source")
    with pytest.raises(StoreError, match="is not a SHA-256 digest"):
        place.store.get(Digest(digest), tmp_path / "target")
    with pytest.raises(StoreError, match="is not a SHA-256 digest"):
        place.store.missing([Digest(digest)])


def test_a_target_that_cannot_be_written_is_named(place: Place, tmp_path: Path) -> None:
    digest, source = blob(tmp_path, b"bytes")
    place.store.put(digest, source)
    with pytest.raises(StoreError, match="no-folder/back"):
        place.store.get(digest, tmp_path / "no-folder" / "back")


def test_many_threads_may_use_one_store(place: Place, tmp_path: Path) -> None:
    files = [blob(tmp_path, b"blob %d" % (i % 20), f"source-{i}") for i in range(60)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda pair: place.store.put(*pair), files))
        list(pool.map(lambda pair: place.again.get(pair[0], Path(f"{pair[1]}-back")), files))
    assert all(digest_file(f"{path}-back") == digest for digest, path in files)


MEASURED = """
import resource, sys
from pathlib import Path
from helios_pipe.digest import digest_file
from helios_pipe.stores.registry import open_store
store, source, target = open_store(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
store.missing([digest_file(source)])  # connected now
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
digest = digest_file(source)
store.put(digest, source)
store.get(digest, target)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, digest_file(target) == digest)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "s3", "gs", "http"])
def test_memory_stays_bounded_for_a_large_blob(kind: str, tmp_path: Path, moto_s3: S3) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        for _ in range(400):
            file.write(os.urandom(1 << 20))
    emulator, cache = StorageEmulator("bucket"), BuildCache()
    with serving(emulator), serving(cache):
        urls = {"file": (tmp_path / "s").as_uri(), "s3": f"s3://{BUCKET}/large", "gs": "gs://bucket", "http": cache.url}
        env = {**os.environ, **moto_s3.environment, "STORAGE_EMULATOR_HOST": emulator.url}
        words = [sys.executable, "-c", MEASURED, urls[kind], str(source), str(tmp_path / "back")]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    grown, right = done.stdout.split()
    assert right == "True"
    assert int(grown) < 200 << 10, f"{int(grown) >> 10} MiB for a blob of 400 MiB"
