"""What a remote worker left, brought into the local cache and checked. Knows nothing of how it was made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helios_pipe.action.model import Entry, Output, Tree
from helios_pipe.action.tree import read_tree
from helios_pipe.cache.blobs import Blob, Blobs
from helios_pipe.digest import Digest
from helios_pipe.errors import AdapterError, OutputError, StoreError, TransientAdapterError
from helios_pipe.media.names import is_image
from helios_pipe.ports import Artifact, BlobStore, WorkerResult
from helios_pipe.worker.outputs import check_output

_AT_ONCE = 16


class Downloads:
    """From the store into the cache. Thread-safe. What the cache has already is not fetched again."""

    def __init__(self, store: BlobStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs

    def output(self, result: WorkerResult, output: Output) -> Blob:
        """The output that a successful result names. Raises AdapterError where it names none, TransientAdapterError where what
        it names is something else, OutputError where it is not what was declared, BlobMissingError and BlobDamagedError where
        the store does not have it as promised."""
        artifact = _artifact(result.artifacts, f"{output.name}/" if output.folder else output.name)
        return self._folder(artifact, output) if output.folder else self._file(artifact, output)

    def log(self, result: WorkerResult, target: Path) -> None:
        """Write the whole log where it is in the store, else the tails. One that cannot be had is no failure."""
        if result.log is not None:
            try:
                self._store.get(result.log.sha256, target)
                return
            except StoreError:
                pass  # the tails will do
        said = "".join(text if text.endswith("\n") else f"{text}\n" for text in (result.stdout, result.stderr) if text)
        if said:
            target.write_text(said, encoding="utf-8", errors="replace")

    def _file(self, artifact: Artifact, output: Output) -> Blob:
        digest = artifact.sha256
        if self._present(digest, artifact.size):
            mark = self._blobs.mark(digest)
            assert mark is not None
            return Blob(digest, mark)
        temp = self._blobs.temp_path()
        try:
            self._store.get(digest, Path(temp))
            if os.path.getsize(temp) != artifact.size:
                raise TransientAdapterError(
                    f"the worker says that {output.name} has {artifact.size} bytes, and it has others"
                )
            check_output(temp, output)
            return self._blobs.adopt(temp, digest)
        finally:
            Path(temp).unlink(missing_ok=True)

    def _folder(self, artifact: Artifact, output: Output) -> Blob:
        tree = self._tree(artifact.sha256)
        _check_folder(tree, output)
        lacking = {e.digest: e for e in tree.entries if not self._present(e.digest, e.size)}
        _each(self._member, lacking.values())
        return self._blobs.put_bytes(tree.data)._replace(folder=True)

    def _tree(self, digest: Digest) -> Tree:
        temp = self._blobs.temp_path()
        try:
            self._store.get(digest, Path(temp))
            tree = _read_tree(Path(temp).read_bytes(), digest)
        finally:
            Path(temp).unlink(missing_ok=True)
        if tree.digest != digest:
            raise TransientAdapterError(f"the worker's tree {digest} is not written as trees are")
        return tree

    def _member(self, entry: Entry) -> None:
        temp = self._blobs.temp_path()
        try:
            self._store.get(entry.digest, Path(temp))
            if os.path.getsize(temp) != entry.size:
                raise TransientAdapterError(
                    f"the worker's tree says that {entry.path} has {entry.size} bytes, and it has others"
                )
            self._blobs.adopt(temp, entry.digest)
        finally:
            Path(temp).unlink(missing_ok=True)

    def _present(self, digest: Digest, size: int) -> bool:
        mark = self._blobs.mark(digest)
        return mark is not None and mark.size == size


def _artifact(artifacts: Iterable[Artifact], wanted: str) -> Artifact:
    named = list(artifacts)
    for artifact in named:
        if artifact.path == wanted:
            return artifact
    what = ", ".join(repr(artifact.path) for artifact in named) or "nothing"
    raise AdapterError(
        f"the worker says that all went well, and names {what} where {wanted!r} was to be made",
        hint="Is it a helios-pipe worker? Helios' own leave nothing in the store (see docs/cloud.md).",
    )


def _read_tree(data: bytes, digest: Digest) -> Tree:
    try:
        return read_tree(data)
    except StoreError as error:
        raise TransientAdapterError(f"the worker's tree {digest} is none: {error.message}") from error


def _check_folder(tree: Tree, output: Output) -> None:
    if not tree.entries:
        raise OutputError(f"the folder {output.name}/ is empty")
    images = [entry for entry in tree.entries if "/" not in entry.path and is_image(entry.path)]
    for entry in images:
        if entry.size == 0:
            raise OutputError(f"{output.name}/{entry.path} is empty")
    if output.frames is not None and images and len(images) != output.frames:
        raise OutputError(f"{output.name} holds {len(images)} images, planned were {output.frames}")


def _each(function: Callable[[Entry], None], items: Iterable[Entry]) -> None:
    todo = list(items)
    if len(todo) < 2:
        for item in todo:
            function(item)
        return
    pool = ThreadPoolExecutor(min(_AT_ONCE, len(todo)), thread_name_prefix="download")
    try:
        list(pool.map(function, todo))
    finally:
        pool.shutdown(cancel_futures=True)
