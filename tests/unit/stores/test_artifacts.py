"""Bundles and specs in a store: only what is lacking goes up, nothing leaves its folder, nothing shared is deleted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.action.model import Entry, Tree
from helios_pipe.digest import canonical, digest_bytes
from helios_pipe.errors import AdapterError, BlobDamagedError, BlobMissingError, StoreError
from helios_pipe.stores.artifacts import StoreArtifacts
from helios_pipe.stores.http import HttpStore
from helios_pipe.stores.local import LocalStore
from helios_pipe.stores.memory import MemoryStore
from tests.kit.servers.bazel import BuildCache
from tests.kit.servers.http import serving

KEY = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    for name, data in {
        "scene.json": b"{}",
        "tex/wood.png": b"wood",
        "tex/wood-copy.png": b"wood",
        "run.sh": b"#!/bin/sh",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "run.sh").chmod(0o755)
    return folder


@pytest.fixture
def cache() -> Iterator[BuildCache]:
    service = BuildCache()
    with serving(service):
        yield service


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_bundle_comes_back_as_it_was(assets: Path, tmp_path: Path) -> None:
    storage = StoreArtifacts(LocalStore(tmp_path / "store"))
    url = storage.upload_asset_bundle("job-1", assets)
    assert url.startswith((tmp_path / "store").as_uri() + "/bundles/job-1/")
    storage.download_asset_bundle("job-1", url, tmp_path / "back")
    assert files(tmp_path / "back") == files(assets)
    assert os.access(tmp_path / "back" / "run.sh", os.X_OK)
    assert not os.access(tmp_path / "back" / "scene.json", os.X_OK)


def test_only_blobs_that_the_store_lacks_go_up(assets: Path, cache: BuildCache) -> None:
    storage = StoreArtifacts(HttpStore(cache.url))
    first = storage.upload_asset_bundle("job-1", assets)
    assert cache.count("PUT", "/cas/") == 4  # three contents and the tree
    (assets / "tex" / "wood.png").write_bytes(b"oak")
    cache.seen.clear()
    second = storage.upload_asset_bundle("job-1", assets)
    assert cache.count("PUT", "/cas/") == 2  # the one that changed and the tree
    assert first != second
    cache.seen.clear()
    assert storage.upload_asset_bundle("job-1", assets) == second
    assert cache.count("PUT") == 0


def test_a_deleted_bundle_takes_away_what_it_brought_and_no_more(assets: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    storage = StoreArtifacts(store)
    render = tmp_path / "render"
    render.write_bytes(b"{}")  # the same content as scene.json, there before the bundle
    store.put(digest_bytes(b"{}"), render)
    one = storage.upload_asset_bundle("job-1", assets)
    (assets / "own.txt").write_bytes(b"only the second has it")
    two = storage.upload_asset_bundle("job-2", assets)
    storage.delete_asset_bundle("job-1", one)
    storage.download_asset_bundle("job-2", two, tmp_path / "back")
    assert files(tmp_path / "back") == files(assets)
    with pytest.raises(BlobMissingError, match="there is no bundle memory://"):
        storage.download_asset_bundle("job-1", one, tmp_path / "gone")
    storage.delete_asset_bundle("job-2", two)
    storage.delete_asset_bundle("job-2", two)
    assert store.missing([digest_bytes(b"only the second has it")])
    assert not store.missing([digest_bytes(b"{}")])
    assert store.list_objects("bundles/") == []


def test_a_deleted_bundle_leaves_nothing_of_its_own(assets: Path) -> None:
    store = MemoryStore()
    storage = StoreArtifacts(store)
    url = storage.upload_asset_bundle("job-1", assets)
    assert storage.upload_asset_bundle("job-1", assets) == url
    storage.delete_asset_bundle("job-1", url)
    assert store.list_objects("") == []


def test_a_tree_stays_that_others_have_or_that_was_there_before(assets: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    storage = StoreArtifacts(store)
    one, two = (storage.upload_asset_bundle(job, assets) for job in ("job-1", "job-2"))
    storage.delete_asset_bundle("job-1", one)
    storage.download_asset_bundle("job-2", two, tmp_path / "back")
    assert files(tmp_path / "back") == files(assets)
    before = store.list_objects("cas/")
    storage.delete_asset_bundle("job-1", storage.upload_asset_bundle("job-1", assets))
    assert store.list_objects("cas/") == before


def test_a_tree_that_is_deleted_while_it_is_recorded_is_brought_anew(assets: Path, tmp_path: Path) -> None:
    class Raced(MemoryStore):
        def put_object(self, name: str, data: bytes, *, if_absent: bool = False) -> bool:
            for tree in [n for n in self.list_objects("cas/") if name.startswith("bundles/") and n[4:] in name]:
                if not self.list_objects("bundles/"):
                    self.delete_object(tree)  # by somebody who looked for others just before
            return super().put_object(name, data, if_absent=if_absent)

    storage = StoreArtifacts(Raced())
    url = storage.upload_asset_bundle("job-1", assets)
    storage.download_asset_bundle("job-1", url, tmp_path / "back")
    assert files(tmp_path / "back") == files(assets)


@pytest.mark.parametrize("job", ["../x", "", "a/b", ".hidden", "a b", "x" * 300])
def test_a_job_id_that_is_no_name_is_refused(job: str, assets: Path, tmp_path: Path) -> None:
    storage = StoreArtifacts(MemoryStore())
    for call in (
        lambda: storage.upload_asset_bundle(job, assets),
        lambda: storage.download_asset_bundle(job, "memory:///bundles/x/y.json", tmp_path),
        lambda: storage.delete_asset_bundle(job, "memory:///bundles/x/y.json"),
        lambda: storage.upload_job_spec(job, {}),
    ):
        with pytest.raises(StoreError, match="is not a job's id"):
            call()


def urls(root: str) -> list[str]:
    digest = "a" * 64
    return [
        root, f"{root}/", f"{root}/bundles", f"{root}/bundles/", f"{root}/bundles/job-1", f"{root}/bundles/job-1/",
        f"{root}/cas/{digest}", f"{root}/bundles/job-2/{digest}.json", f"{root}/bundles/job-1/../../{digest}.json",
        f"{root}-other/bundles/job-1/{digest}.json", "/", "", "file:///", "/etc/passwd", f"bundles/job-1/{digest}.json",
    ]  # fmt: skip


def test_deleting_or_fetching_anything_but_a_bundle_of_the_job_is_refused(assets: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    storage = StoreArtifacts(LocalStore(root))
    storage.upload_asset_bundle("job-1", assets)
    before = files(root)
    for url in urls(root.as_uri()):
        with pytest.raises(StoreError, match="is not a URL below"):
            storage.delete_asset_bundle("job-1", url)
        with pytest.raises(StoreError, match="is not a URL below"):
            storage.download_asset_bundle("job-1", url, tmp_path / "back")
        with pytest.raises(StoreError, match="is not a URL below"):
            storage.delete_job_spec("job-1", url)
    assert files(root) == before
    assert not (tmp_path / "back").exists()


def entry(path: str, data: bytes = b"x") -> Entry:
    return Entry(path, digest_bytes(data), len(data))


HOSTILE = {
    "../escape": [entry("../escape")],
    "/etc/passwd": [entry("/etc/passwd")],
    "a/../../b": [entry("a/../../b")],
    "a//b": [entry("a//b")],
    "NUL": [entry("a\0b")],
    "empty": [entry("")],
    "case": [entry("Readme.md"), entry("README.md", b"y")],
    "unicode": [entry("caf\u00e9"), entry("cafe\u0301", b"y")],
    "file and folder": [entry("a"), entry("a/b", b"y")],
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_tree_is_refused_and_writes_nothing(entries: list[Entry], tmp_path: Path) -> None:
    store = MemoryStore()
    tree = Tree(tuple(entries))
    for data in (tree.data, b"x", b"y"):
        (tmp_path / "blob").write_bytes(data)
        store.put(digest_bytes(data), tmp_path / "blob")
    name = f"bundles/job-1/{tree.digest}.json"
    store.put_object(name, canonical({"version": 1, "tree": tree.digest, "brought": []}))
    target = tmp_path / "inside" / "target"
    with pytest.raises(StoreError):
        StoreArtifacts(store).download_asset_bundle("job-1", f"{store.url}/{name}", target)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["blob"]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{", b'{"a": 1}', b'{"a": {"sha256": "x", "size": 1, "mode": 420}}', b"\xff"]
)
def test_what_is_no_tree_is_refused(data: bytes, tmp_path: Path) -> None:
    store = MemoryStore()
    (tmp_path / "blob").write_bytes(data)
    store.put(digest_bytes(data), tmp_path / "blob")
    name = f"bundles/job-1/{digest_bytes(data)}.json"
    store.put_object(name, canonical({"version": 1, "tree": digest_bytes(data), "brought": []}))
    with pytest.raises(StoreError, match="this is no tree of files"):
        StoreArtifacts(store).download_asset_bundle("job-1", f"{store.url}/{name}", tmp_path / "target")


def test_a_damaged_file_of_a_bundle_is_refused(assets: Path, tmp_path: Path) -> None:
    store = MemoryStore()
    storage = StoreArtifacts(store)
    url = storage.upload_asset_bundle("job-1", assets)
    store._objects[f"cas/{digest_bytes(b'wood')}"] = b"doow"
    with pytest.raises(BlobDamagedError, match=digest_bytes(b"wood")):
        storage.download_asset_bundle("job-1", url, tmp_path / "back")


def test_links_are_not_bundled(assets: Path) -> None:
    (assets / "link").symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match="link is neither a file nor a folder"):
        StoreArtifacts(MemoryStore()).upload_asset_bundle("job-1", assets)


def test_a_link_in_the_target_leads_nothing_out(assets: Path, tmp_path: Path) -> None:
    storage = StoreArtifacts(MemoryStore())
    url = storage.upload_asset_bundle("job-1", assets)
    target, outside = tmp_path / "target", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    (target / "tex").symlink_to(outside)
    with pytest.raises(StoreError, match=r"leads out of .* by a link"):
        storage.download_asset_bundle("job-1", url, target)
    assert list(outside.iterdir()) == []
    (target / "tex").unlink()
    (target / "tex").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"leads out of .* by a link"):
        storage.download_asset_bundle("job-1", url, target)
    assert not (tmp_path / "nowhere").exists()
    (target / "tex").unlink()
    (target / "scene.json").symlink_to(outside / "scene.json")
    storage.download_asset_bundle("job-1", url, target)
    assert files(target) == files(assets)
    assert list(outside.iterdir()) == []


def test_a_link_on_the_way_makes_no_folder_outside(tmp_path: Path) -> None:
    source, target, outside = (tmp_path / name for name in ("source", "target", "outside"))
    for folder in (source / "tex/deep/er", target, outside):
        folder.mkdir(parents=True)
    (source / "tex/deep/er/wood.png").write_bytes(b"wood")
    (target / "tex").symlink_to(outside)
    storage = StoreArtifacts(MemoryStore())
    url = storage.upload_asset_bundle("job-1", source)
    with pytest.raises(StoreError, match=r"tex leads out of .* by a link"):
        storage.download_asset_bundle("job-1", url, target)
    assert list(outside.iterdir()) == []


SPEC: dict[str, Any] = {"metadata": {"totalFrames": 2, "fps": 29.97}, "chunks": [], "mergeCommand": None}


def test_a_spec_has_a_url_made_of_its_content() -> None:
    store = MemoryStore()
    storage = StoreArtifacts(store)
    url = storage.upload_job_spec("job-1", SPEC)
    assert storage.upload_job_spec("job-1", SPEC) == url
    assert storage.upload_job_spec("job-2", SPEC) != url
    name = url.removeprefix(f"{store.url}/")
    data = store.get_object(name)
    assert data is not None
    assert name == f"jobs/{digest_bytes(data)}.json"
    assert json.loads(data) == {"id": "job-1", "metadata": {"totalFrames": 2, "fps": 29.97}, "chunks": []}


def test_a_spec_is_deleted_by_its_job_only() -> None:
    storage = StoreArtifacts(MemoryStore())
    url = storage.upload_job_spec("job-1", SPEC)
    with pytest.raises(StoreError, match="is the spec of job 'job-1', not of 'job-2'; it was not deleted"):
        storage.delete_job_spec("job-2", url)
    storage.delete_job_spec("job-1", url)
    storage.delete_job_spec("job-1", url)
    assert storage.blobs.list_objects("") == []


def test_a_spec_is_signed_where_there_is_a_key() -> None:
    store = MemoryStore()
    url = StoreArtifacts(store, signing_key=KEY).upload_job_spec("job-1", SPEC)
    data = store.get_object(url.removeprefix(f"{store.url}/"))
    assert data is not None
    assert len(json.loads(data)["heliosPipe"]["signature"]) == 64


def test_a_short_key_is_refused() -> None:
    with pytest.raises(AdapterError, match="HELIOS_PIPE_SIGNING_KEY has 5 bytes, expected at least 16"):
        StoreArtifacts(MemoryStore(), signing_key=b"short")
