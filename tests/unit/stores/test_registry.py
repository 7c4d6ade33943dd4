"""Which store a URL means."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helios_pipe.errors import UsageError
from helios_pipe.stores.registry import open_store


@pytest.mark.parametrize(
    ("url", "kind", "shown"),
    [
        ("s3://bucket", "S3Store", "s3://bucket"),
        ("s3://bucket/a/b/", "S3Store", "s3://bucket/a/b"),
        ("gs://bucket/a", "GcsStore", "gs://bucket/a"),
        ("https://cache.example/x/", "HttpStore", "https://cache.example/x"),
        ("http://ada:pw@127.0.0.1:9/x", "HttpStore", "http://127.0.0.1:9/x"),
        ("file:///srv/cache", "LocalStore", "file:///srv/cache"),
        ("file://localhost/srv/a%20b", "LocalStore", "file:///srv/a%20b"),
        ("memory://test", "MemoryStore", "memory://test"),
    ],
)
def test_a_url_opens_the_store_that_it_means(url: str, kind: str, shown: str) -> None:
    store = open_store(url)
    assert type(store).__name__ == kind
    assert store.url == shown


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("/srv/cache", "'/srv/cache' is not the URL of a store; expected one of file://, gs://, http://"),
        ("ftp://host/x", "'ftp://host/x' is not the URL of a store"),
        ("s3:///prefix", "must be s3://BUCKET or s3://BUCKET/PREFIX"),
        ("gs://key@bucket", "must be gs://BUCKET"),
        ("s3://bucket/a/../b", "has an empty part, `.` or `..` in its prefix"),
        ("s3://bucket/a?region=x", "a store's URL has no query and no fragment"),
        ("file://host/share", "'file://host/share' names a host"),
        ("file:///", "file:/// is the whole file system; name a folder in it"),
    ],
)
def test_a_url_that_means_none_is_refused_by_name(url: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert text in str(caught.value)


def test_a_plain_path_is_told_how_it_is_written() -> None:
    with pytest.raises(UsageError) as caught:
        open_store("/srv/cache")
    assert caught.value.hint == "A folder is written as file:///its/absolute/path."


def test_opening_loads_no_sdk_and_connects_to_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; from helios_pipe.stores.registry import open_store\n"
        "for url in ('s3://b/p', 'gs://b/p', 'file:///tmp/none'): open_store(url)\n"
        "print([m for m in ('boto3', 'botocore', 'google.auth', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_emulator_of_google_storage_is_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.kit.servers.gcs import StorageEmulator
    from tests.kit.servers.http import serving

    emulator = StorageEmulator("bucket")
    with serving(emulator):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url.removeprefix("http://"))
        open_store("gs://bucket").put_object("ac/key", b"x")
    assert "ac/key" in emulator.objects
