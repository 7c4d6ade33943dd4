"""A job's assets and spec in any BlobStore. Knows nothing of which one, or of who runs the job.

A bundle is a record `bundles/<job>/<tree>.json` that names a tree; its files are blobs, shared with everything else in the
store. The record also says which blobs the bundle brought, its tree among them, so that deleting it takes away no more than that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from helios_pipe.action.model import Entry, Tree
from helios_pipe.action.tree import check_paths, read_tree
from helios_pipe.digest import Digest, canonical, digest_bytes, digest_file, is_digest
from helios_pipe.errors import BlobMissingError, StoreError
from helios_pipe.ports import BlobStore
from helios_pipe.regex import regex
from helios_pipe.stores.naming import blob_name
from helios_pipe.stores.parallel import each
from helios_pipe.worker.signing import check_key, sign

_JOB_ID = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_BUNDLES, _JOBS = "bundles/", "jobs/"


class SpecLike(Protocol):
    """A job spec that can be written as plain data."""

    def to_dict(self) -> Mapping[str, Any]: ...


class StoreArtifacts:
    """ArtifactStorage on a BlobStore. With `signing_key`, specs are signed. `workers`: files that are looked at or moved at
    once."""

    def __init__(self, blobs: BlobStore, *, signing_key: bytes | None = None, workers: int = 16) -> None:
        self._blobs = blobs
        self._key = check_key(signing_key)
        self._workers = workers

    @property
    def blobs(self) -> BlobStore:
        """See ArtifactStorage."""
        return self._blobs

    def upload_asset_bundle(self, job_id: str, local_dir: Path) -> str:
        """See ArtifactStorage. Raises StoreError on anything but files and folders."""
        paths = list(_files_below(str(local_dir), ""))
        check_paths(path for path, _ in paths)
        entries = each(lambda item: _entry(*item), paths, self._workers)
        tree = Tree.of(entries)
        files = {entry.digest: Path(local_dir, entry.path) for entry in entries}
        name = _bundle_name(job_id, tree.digest)
        # Tree and record come first: whoever deletes another bundle from now on leaves what this one relies on.
        brought = self._blobs.missing([tree.digest])
        self._put_bytes(tree)
        self._record(name, tree.digest, brought)
        lacking = self._blobs.missing([tree.digest, *files])
        self._record(name, tree.digest, lacking)
        if tree.digest in lacking:  # somebody who looked for others before there was this record took it away
            self._put_bytes(tree)
        each(lambda digest: self._blobs.put(digest, files[digest]), lacking - {tree.digest}, self._workers)
        return f"{self._blobs.url}/{name}"

    def download_asset_bundle(self, job_id: str, url: str, target_dir: Path) -> None:
        """See ArtifactStorage. `target_dir` is made; what stands there already is kept, unless a file takes its place."""
        tree = self._tree(self._name(url, _bundle_prefix(job_id)))
        target_dir.mkdir(parents=True, exist_ok=True)
        root = target_dir.resolve()
        for folder in sorted({os.path.dirname(entry.path) for entry in tree.entries}):
            _make_folder(root, folder)
        each(lambda entry: self._fetch(entry, root), tree.entries, self._workers)

    def delete_asset_bundle(self, job_id: str, url: str) -> None:
        """See ArtifactStorage."""
        name = self._name(url, _bundle_prefix(job_id))
        record = self._blobs.get_object(name)
        if record is None:
            return
        brought = set(_bundle(record, name)["brought"])
        self._blobs.delete_object(name)
        if brought:
            needed = self._needed_by_others()
            each(lambda digest: self._blobs.delete_object(blob_name(digest)), brought - needed, self._workers)

    def upload_job_spec(self, job_id: str, spec: Mapping[str, Any] | SpecLike) -> str:
        """See ArtifactStorage. A spec without an `id` gets the job's."""
        plain = spec if isinstance(spec, Mapping) else spec.to_dict()
        document = {"id": _checked_id(job_id), **{key: value for key, value in plain.items() if value is not None}}
        data = canonical(sign(document, self._key) if self._key else document)
        name = f"{_JOBS}{digest_bytes(data)}.json"
        self._blobs.put_object(name, data, if_absent=True)
        return f"{self._blobs.url}/{name}"

    def delete_job_spec(self, job_id: str, url: str) -> None:
        """See ArtifactStorage."""
        name = self._name(url, _JOBS)
        data = self._blobs.get_object(name)
        if data is not None:
            owner = json.loads(data).get("id")
            if owner != _checked_id(job_id):
                raise StoreError(f"{url} is the spec of job {owner!r}, not of {job_id!r}; it was not deleted")
            self._blobs.delete_object(name)

    def _name(self, url: str, prefix: str) -> str:
        """The object's name, of a URL that this storage gave out."""
        name = url.removeprefix(f"{self._blobs.url}/")
        rest = name.removeprefix(prefix).removesuffix(".json")
        if name is url or not name.startswith(prefix) or not is_digest(rest):
            raise StoreError(
                f"{url!r} is not a URL below {self._blobs.url}/{prefix}",
                hint="Only what this storage gave out can be fetched from it or deleted; never a folder, never its root.",
            )
        return name

    def _record(self, name: str, tree: Digest, brought: set[Digest]) -> None:
        known = self._blobs.get_object(name)
        earlier = _bundle(known, name)["brought"] if known is not None else []
        record = canonical({"version": 1, "tree": tree, "brought": sorted(brought.union(earlier))})
        if record != known:
            self._blobs.put_object(name, record)

    def _tree(self, name: str) -> Tree:
        record = self._blobs.get_object(name)
        if record is None:
            raise BlobMissingError(f"there is no bundle {self._blobs.url}/{name}")
        return self._tree_of(Digest(_bundle(record, name)["tree"]))

    def _tree_of(self, digest: Digest) -> Tree:
        data = self._blobs.get_object(blob_name(digest))
        if data is None:
            raise BlobMissingError(f"the tree {digest} is not in {self._blobs.url}")
        if digest_bytes(data) != digest:
            raise StoreError(f"the tree {digest} is damaged in {self._blobs.url}")
        return read_tree(data)

    def _needed_by_others(self) -> set[str]:
        names = self._blobs.list_objects(_BUNDLES)
        records = [record for record in each(self._blobs.get_object, names, self._workers) if record is not None]
        trees = {Digest(_bundle(record, _BUNDLES)["tree"]) for record in records}
        needed: set[str] = set(trees)
        for digest in trees:
            try:
                needed |= {entry.digest for entry in self._tree_of(digest).entries}
            except BlobMissingError:
                continue  # it comes before its record: this bundle was damaged from outside
        return needed

    def _put_bytes(self, tree: Tree) -> None:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="helios-pipe-") as folder:
            path = Path(folder, "tree")
            path.write_bytes(tree.data)
            self._blobs.put(tree.digest, path)

    def _fetch(self, entry: Entry, root: Path) -> None:
        target = root / entry.path
        self._blobs.get(entry.digest, target)
        if target.stat().st_size != entry.size:
            raise StoreError(f"{entry.path} has another size than its tree says")
        target.chmod(0o755 if entry.executable else 0o644)


def _checked_id(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        raise StoreError(f"{job_id!r} is not a job's id")
    return job_id


def _bundle_prefix(job_id: str) -> str:
    return f"{_BUNDLES}{_checked_id(job_id)}/"


def _bundle_name(job_id: str, tree: Digest) -> str:
    return f"{_bundle_prefix(job_id)}{tree}.json"


def _bundle(record: bytes, name: str) -> dict[str, Any]:
    try:
        bundle: dict[str, Any] = json.loads(record)
        if bundle["version"] != 1 or not all(map(is_digest, [bundle["tree"], *bundle["brought"]])):
            raise ValueError("it is of another version")
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{name} is no bundle: {error}") from error
    return bundle


def _entry(path: str, source: str) -> Entry:
    try:
        stat = os.stat(source)
        return Entry(path, digest_file(source), stat.st_size, bool(stat.st_mode & 0o100))
    except OSError as error:
        raise StoreError(f"{source} cannot be read: {error.strerror}") from error


def _files_below(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    try:
        found = sorted(os.scandir(folder), key=lambda item: item.name)
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror}") from error
    for item in found:
        path = f"{prefix}{item.name}"
        if item.is_symlink() or not (item.is_file() or item.is_dir()):
            raise StoreError(f"{item.path} is neither a file nor a folder; a bundle holds nothing else")
        if item.is_dir():
            yield from _files_below(item.path, f"{path}/")
        else:
            yield path, item.path


def _make_folder(root: Path, folder: str) -> None:
    """Make a folder of the bundle, and refuse one that leads out by a link that stands there already. Each part is looked at
    before anything is made below it."""
    path = root
    for part in Path(folder).parts:
        path = path / part
        if path.is_symlink():
            raise StoreError(f"{path} leads out of {root} by a link")
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path} cannot be made: {error.strerror}") from error
