"""What stores do when the network or the server fails: go on where it broke, wait when asked, say what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.digest import Digest, digest_bytes, digest_file
from helios_pipe.errors import BlobDamagedError, StoreError, TransientStoreError
from helios_pipe.stores.gcs import GcsStore
from helios_pipe.stores.http import HttpStore
from helios_pipe.stores.retry import Backoff
from helios_pipe.stores.s3 import S3Store
from tests.kit.clock import FakeClock
from tests.kit.servers.bazel import BuildCache
from tests.kit.servers.gcs import StorageEmulator
from tests.kit.servers.http import Answer, serving
from tests.kit.servers.s3 import BUCKET, S3, moto
from tests.kit.servers.toxic import Toxic, Trouble, toxic

BLOCK = 1 << 20


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def backoff(clock: FakeClock) -> Backoff:
    return Backoff(sleep=clock.sleep, random=lambda: 1.0)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def emulator() -> Iterator[StorageEmulator]:
    service = StorageEmulator("bucket")
    with serving(service):
        yield service


@pytest.fixture
def cache() -> Iterator[BuildCache]:
    service = BuildCache()
    with serving(service):
        yield service


def port(url: str) -> int:
    return int(url.rpartition(":")[2])


def client(s3: S3, url: str, **config: Any) -> Any:
    from botocore.config import Config

    options = Config(retries={"total_max_attempts": 1}, **config)
    return S3(url, s3.key, s3.secret).client(config=options)


@pytest.fixture(params=["s3", "gcs", "http"])
def behind(
    request: pytest.FixtureRequest, tmp_path: Path, backoff: Backoff
) -> Iterator[tuple[Callable[[str], Any], Toxic]]:
    """A way to open the store through a proxy that breaks things."""
    kind = request.param
    service = request.getfixturevalue({"s3": "s3", "gcs": "emulator", "http": "cache"}[kind])
    with toxic(port(service.url)) as proxy:

        def open_at(url: str) -> Any:
            if kind == "s3":
                return S3Store(BUCKET, tmp_path.name, client=client(service, url), backoff=backoff, part_size=5 * BLOCK)
            if kind == "gcs":
                return GcsStore("bucket", endpoint_url=url, backoff=backoff, block_size=BLOCK)
            return HttpStore(url, backoff=backoff)

        yield open_at, proxy


def random_file(folder: Path, size: int) -> tuple[Digest, Path]:
    path = folder / "source"
    path.write_bytes(os.urandom(size))
    return digest_file(path), path


def test_a_download_goes_on_where_the_connection_broke(
    behind: tuple[Callable[[str], Any], Toxic], tmp_path: Path, clock: FakeClock
) -> None:
    open_at, proxy = behind
    digest, source = random_file(tmp_path, 12 * BLOCK)
    store = open_at(proxy.url)
    store.put(digest, source)
    proxy.down = Trouble(reset_after=4 * BLOCK, times=2)
    open_at(proxy.url).get(digest, tmp_path / "back")
    assert digest_file(tmp_path / "back") == digest
    assert proxy.down.times == 0
    assert clock.slept


def test_an_upload_survives_broken_connections(
    behind: tuple[Callable[[str], Any], Toxic], tmp_path: Path, clock: FakeClock
) -> None:
    open_at, proxy = behind
    digest, source = random_file(tmp_path, 12 * BLOCK)
    proxy.up = Trouble(reset_after=700_000, times=2)
    store = open_at(proxy.url)
    store.put(digest, source)
    assert proxy.up.times == 0
    assert clock.slept
    proxy.up = None
    store.get(digest, tmp_path / "back")
    assert digest_file(tmp_path / "back") == digest


def test_a_bit_that_flips_on_the_way_down_is_noticed_and_fetched_again(
    behind: tuple[Callable[[str], Any], Toxic], tmp_path: Path
) -> None:
    open_at, proxy = behind
    digest, source = random_file(tmp_path, 3 * BLOCK)
    store = open_at(proxy.url)
    store.put(digest, source)
    proxy.down = Trouble(flip_at=2 * BLOCK, times=1)
    open_at(proxy.url).get(digest, tmp_path / "back")
    assert digest_file(tmp_path / "back") == digest
    assert proxy.down.times == 0


def test_bits_that_always_flip_make_a_damaged_blob_and_leave_nothing(
    behind: tuple[Callable[[str], Any], Toxic], tmp_path: Path
) -> None:
    open_at, proxy = behind
    digest, source = random_file(tmp_path, 3 * BLOCK)
    store = open_at(proxy.url)
    store.put(digest, source)
    proxy.down = Trouble(flip_at=2 * BLOCK, flip_again=True, times=9)
    with pytest.raises(BlobDamagedError, match=f"blob {digest} came with other bytes"):
        open_at(proxy.url).get(digest, tmp_path / "back")
    assert list(tmp_path.glob("back*")) == []


def test_a_store_that_is_gone_is_transient_and_named(
    behind: tuple[Callable[[str], Any], Toxic], clock: FakeClock
) -> None:
    open_at, proxy = behind
    proxy.close()
    store = open_at(proxy.url)
    with pytest.raises(TransientStoreError) as caught:
        store.missing([digest_bytes(b"x")])
    assert caught.value.message.startswith(store.url)
    assert len(clock.slept) == 5


def test_the_pauses_double_and_are_cut_at_random(clock: FakeClock) -> None:
    def fail() -> None:
        raise TransientStoreError("down")

    cuts = iter([1.0, 0.0, 0.5, 1.0, 0.0])
    with pytest.raises(TransientStoreError):
        Backoff(sleep=clock.sleep, random=lambda: next(cuts)).call(fail)
    assert clock.slept == [0.2, 0.2, 0.6000000000000001, 1.6, 1.6]


def test_an_error_that_time_does_not_mend_is_raised_at_once(
    cache: BuildCache, backoff: Backoff, clock: FakeClock
) -> None:
    cache.fail("GET", "/ac/key", Answer(403, b"not for you"), times=9)
    with pytest.raises(StoreError) as caught:
        HttpStore(cache.url, backoff=backoff).get_object("ac/key")
    assert str(caught.value) == (
        f"{cache.url}: GET {cache.url}/ac/key was answered 403 Forbidden: not for you\n"
        "  The credentials do not allow it. Give a token with `token_env`, or a login in ~/.netrc."
    )
    assert not caught.value.retryable
    assert clock.slept == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_server_that_stumbles_is_asked_again(
    status: int, cache: BuildCache, backoff: Backoff, clock: FakeClock
) -> None:
    store = HttpStore(cache.url, backoff=backoff)
    store.put_object("ac/key", b"value")
    cache.fail("GET", "/ac/key", Answer(status), times=3)
    assert store.get_object("ac/key") == b"value"
    assert len(clock.slept) == 3


def test_a_server_that_asks_for_time_gets_it(cache: BuildCache, backoff: Backoff, clock: FakeClock) -> None:
    store = HttpStore(cache.url, backoff=backoff)
    store.put_object("ac/key", b"value")
    cache.fail("GET", "/ac/key", Answer(429, headers={"Retry-After": "7"}))
    cache.fail("GET", "/ac/key", Answer(503, headers={"Retry-After": "86400"}))
    assert store.get_object("ac/key") == b"value"
    assert clock.slept == [7.0, 60.0]


def test_a_connection_closed_with_nothing_said_is_tried_again(cache: BuildCache, backoff: Backoff) -> None:
    store = HttpStore(cache.url, backoff=backoff)
    cache.fail("PUT", "/ac/key", None, times=2)
    store.put_object("ac/key", b"value")
    assert store.get_object("ac/key") == b"value"


def test_a_redirect_is_not_followed(cache: BuildCache, backoff: Backoff) -> None:
    cache.fail("GET", "/ac/key", Answer(302, headers={"Location": "http://169.254.169.254/latest"}))
    with pytest.raises(StoreError, match="was answered 302"):
        HttpStore(cache.url, backoff=backoff).get_object("ac/key")


def test_a_blob_that_is_there_moves_no_bytes(tmp_path: Path, cache: BuildCache, emulator: StorageEmulator) -> None:
    digest, source = random_file(tmp_path, 100_000)
    for service, store in ((cache, HttpStore(cache.url)), (emulator, GcsStore("bucket", endpoint_url=emulator.url))):
        store.put(digest, source)
        assert service.received >= 100_000
        service.received = 0
        store.put(digest, source)
        assert service.received == 0


def test_what_was_just_found_missing_is_uploaded_without_a_second_look(tmp_path: Path, cache: BuildCache) -> None:
    digest, source = random_file(tmp_path, 10)
    store = HttpStore(cache.url)
    store.missing([digest])
    store.put(digest, source)
    assert (cache.count("HEAD"), cache.count("PUT")) == (1, 1)


def test_a_token_is_sent_and_a_wrong_one_explained(tmp_path: Path) -> None:
    cache = BuildCache(token="s3cret")
    with serving(cache):
        HttpStore(cache.url, token="s3cret").put_object("ac/key", b"x")
        with pytest.raises(StoreError, match=r"401 .*who are you") as caught:
            HttpStore(cache.url, token="hunter2").put_object("ac/key", b"x")
    assert "hunter2" not in str(caught.value)


def test_a_login_in_the_url_is_used_and_never_shown(cache: BuildCache) -> None:
    store = HttpStore(cache.url.replace("//", "//ada:hunter2@"))
    store.put_object("ac/key", b"x")
    assert cache.seen[-1].headers["authorization"].startswith("Basic ")
    assert store.url == cache.url


def test_a_server_that_ignores_conditions_is_looked_at_first() -> None:
    cache = BuildCache(conditional=False)
    with serving(cache):
        store = HttpStore(cache.url)
        assert store.put_object("ac/key", b"first", if_absent=True)
        assert not store.put_object("ac/key", b"second", if_absent=True)
        assert store.get_object("ac/key") == b"first"


def test_a_lost_resumable_upload_begins_anew(emulator: StorageEmulator, backoff: Backoff, tmp_path: Path) -> None:
    digest, source = random_file(tmp_path, 3 * BLOCK)
    emulator.fail("PUT", "/upload/", Answer(410, b"gone"))
    store = GcsStore("bucket", endpoint_url=emulator.url, backoff=backoff, block_size=BLOCK)
    store.put(digest, source)
    assert emulator.count("POST") == 2
    assert emulator.objects[f"cas/{digest}"].data == source.read_bytes()


def test_a_resumable_upload_that_is_always_lost_is_given_up(
    emulator: StorageEmulator, backoff: Backoff, tmp_path: Path
) -> None:
    digest, source = random_file(tmp_path, 3 * BLOCK)
    emulator.fail("PUT", "/upload/", Answer(410, b"gone"), times=99)
    with pytest.raises(TransientStoreError, match="the server forgot the upload"):
        GcsStore("bucket", endpoint_url=emulator.url, backoff=backoff, block_size=BLOCK).put(digest, source)
    assert emulator.objects == {}


def test_a_server_that_takes_a_part_of_each_block_gets_the_rest(
    emulator: StorageEmulator, backoff: Backoff, tmp_path: Path
) -> None:
    digest, source = random_file(tmp_path, 3 * BLOCK)
    emulator.takes_at_most = 256 << 10
    GcsStore("bucket", endpoint_url=emulator.url, backoff=backoff, block_size=BLOCK).put(digest, source)
    assert emulator.objects[f"cas/{digest}"].data == source.read_bytes()


def test_an_answer_that_was_lost_after_the_last_block_is_asked_for(
    emulator: StorageEmulator, backoff: Backoff, tmp_path: Path
) -> None:
    digest, source = random_file(tmp_path, 2 * BLOCK)
    store = GcsStore("bucket", endpoint_url=emulator.url, backoff=backoff, block_size=BLOCK)
    emulator.lose_last_answer = True
    store.put(digest, source)
    assert emulator.objects[f"cas/{digest}"].data == source.read_bytes()


def test_an_upload_that_was_damaged_on_its_way_is_deleted(
    emulator: StorageEmulator, backoff: Backoff, tmp_path: Path
) -> None:
    digest, source = random_file(tmp_path, 3 * BLOCK)
    emulator.spoil = True
    with pytest.raises(TransientStoreError, match="was damaged on its way up, and was deleted"):
        GcsStore("bucket", endpoint_url=emulator.url, backoff=backoff, block_size=BLOCK).put(digest, source)
    assert emulator.objects == {}


def test_a_wrong_file_given_up_midway_leaves_no_session(
    emulator: StorageEmulator, backoff: Backoff, tmp_path: Path
) -> None:
    _, source = random_file(tmp_path, 3 * BLOCK)
    with pytest.raises(BlobDamagedError):
        GcsStore("bucket", endpoint_url=emulator.url, backoff=backoff, block_size=BLOCK).put(
            digest_bytes(b"other"), source
        )
    assert emulator.sessions == {}
    assert emulator.objects == {}


def test_a_wrong_file_in_parts_leaves_no_unfinished_upload_in_s3(s3: S3, backoff: Backoff, tmp_path: Path) -> None:
    _, source = random_file(tmp_path, 12 * BLOCK)
    store = S3Store(BUCKET, tmp_path.name, client=client(s3, s3.url), backoff=backoff, part_size=5 * BLOCK)
    with pytest.raises(BlobDamagedError):
        store.put(digest_bytes(b"other"), source)
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=BUCKET)


def test_a_bucket_that_does_not_exist_is_named_with_what_to_do(s3: S3, backoff: Backoff, clock: FakeClock) -> None:
    store = S3Store("no-such-bucket", "renders", client=client(s3, s3.url), backoff=backoff)
    with pytest.raises(StoreError) as caught:
        store.put_object("jobs/a.json", b"x")
    assert str(caught.value) == (
        "s3://no-such-bucket/renders: PutObject was answered NoSuchBucket: The specified bucket does not exist\n"
        "  Create the bucket, or correct the store's URL."
    )
    assert clock.slept == []


def test_missing_aws_credentials_say_where_they_come_from(
    s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError) as caught:
        S3Store(BUCKET, endpoint_url=s3.url, region="us-east-1").get_object("ac/key")
    assert str(caught.value) == (
        f"s3://{BUCKET}: no AWS credentials: Unable to locate credentials\n"
        "  Sign in again: `aws sso login`, new keys in the environment, or the role of this machine."
    )


def test_a_presigned_url_lets_its_holder_at_one_object(s3: S3, tmp_path: Path) -> None:
    import requests

    store = S3Store(BUCKET, tmp_path.name, client=client(s3, s3.url))
    sent = requests.put(store.presigned_url("PUT", "handed/out.mp4", 60), data=b"frames", timeout=10)
    assert sent.status_code == 200
    assert store.get_object("handed/out.mp4") == b"frames"
    assert requests.get(store.presigned_url("GET", "handed/out.mp4", 60), timeout=10).content == b"frames"


@pytest.mark.slow
def test_a_real_store_refuses_wrong_keys_by_name(tmp_path: Path, backoff: Backoff) -> None:
    from tests.kit.servers.s3 import swift

    with swift(tmp_path / "swift") as real:
        store = S3Store(BUCKET, client=client(S3(real.url, real.key, "wrong"), real.url), backoff=backoff)
        with pytest.raises(StoreError, match="PutObject was answered SignatureDoesNotMatch") as caught:
            store.put_object("ac/key", b"x")
        assert caught.value.hint.startswith("Sign in again")


def test_missing_google_credentials_say_where_they_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(StoreError) as caught:
        GcsStore("bucket").get_object("ac/key")
    assert "gs://bucket: no Google credentials: Your default credentials were not found" in str(caught.value)
    assert caught.value.hint.startswith("Sign in with `gcloud auth application-default login`")
