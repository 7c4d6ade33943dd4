"""Inputs on their way to the store that remote workers read: each blob once a run, only those that the store lacks. Knows
nothing of commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from helios_pipe.action.model import Tree
from helios_pipe.action.tree import check_paths
from helios_pipe.digest import Digest
from helios_pipe.errors import BlobError, BlobMissingError, StoreError
from helios_pipe.ports import BlobStore

_AT_ONCE = 16
"""Blobs uploaded at once for one caller."""
Locate = Callable[[Digest], Path]


class Uploads:
    """What is known of the store in this run. Thread-safe: a blob that two callers need is uploaded once, and both wait."""

    def __init__(self, store: BlobStore, locate: Locate, temp_path: Callable[[], str]) -> None:
        self._store = store
        self._locate = locate
        self._temp_path = temp_path
        self._lock = Lock()
        self._looking = Lock()
        self._asked: set[Digest] = set()
        self._present: set[Digest] = set()
        self._lacking: set[Digest] = set()
        self._coming: dict[Digest, Future[None]] = {}
        self._trees: set[Digest] = set()

    def look(self, trees: Iterable[Tree]) -> None:
        """Ask which blobs of these the store lacks: in one go for all who ask meanwhile."""
        digests = {entry.digest for tree in trees for entry in tree.entries}
        with self._lock:
            self._asked |= digests - self._present - self._lacking
        with self._looking:  # whoever waited here finds that somebody asked for him
            with self._lock:
                unknown, self._asked = self._asked, set()
            lacking = self._store.missing(unknown) if unknown else set()
            with self._lock:
                self._lacking |= lacking
                self._present |= unknown - lacking

    def ensure(self, tree: Tree) -> None:
        """Have the tree and all that it names in the store. Raises BlobMissingError or BlobDamagedError with the digest of a
        content that is not here any more as it was, StoreError where the store fails."""
        if not tree.entries or tree.digest in self._trees:
            return
        check_paths(entry.path for entry in tree.entries)
        if any(entry.digest not in self._present for entry in tree.entries):
            self.look([tree])
            with self._lock:
                todo = {entry.digest for entry in tree.entries if entry.digest not in self._present}
            _each(lambda digest: self._once(digest, lambda: self._put(digest)), list(todo))
        self._once(tree.digest, lambda: self._put_tree(tree))
        with self._lock:
            self._trees.add(tree.digest)

    def forget(self, lacking: Iterable[Digest], trees: Iterable[Tree]) -> None:
        """A worker that was given these trees did not find `lacking` whole. Take it away, so that whatever is wrong with it
        it is uploaded anew; and look again for all the rest, for what deletes one blob deletes others."""
        gone = set(lacking)
        for digest in gone:
            try:
                self._store.delete_object(f"cas/{digest}")
            except StoreError:
                continue  # we may not delete there: what is missing is uploaded all the same
        with self._lock:
            self._trees.clear()
            self._present -= gone.union(entry.digest for tree in trees for entry in tree.entries)
            self._lacking |= gone

    def _once(self, digest: Digest, put: Callable[[], None]) -> None:
        """`put` this content, unless it is there, or is being put: then wait for that."""
        with self._lock:
            if digest in self._present:
                return None
            mine = digest not in self._coming
            future = self._coming.setdefault(digest, Future())
        if not mine:
            return future.result()
        try:
            put()
        except BaseException as error:
            future.set_exception(error)
            raise
        else:
            with self._lock:
                self._present.add(digest)
                self._lacking.discard(digest)
            future.set_result(None)
        finally:
            with self._lock:
                del self._coming[digest]
        return None

    def _put(self, digest: Digest) -> None:
        try:
            path = self._locate(digest)
            self._store.put(digest, path)
        except BlobError as error:
            error.digest = digest
            raise
        except StoreError as error:
            if not os.path.exists(path):
                raise BlobMissingError(f"{path} is not there any more", digest=digest) from error
            raise

    def _put_tree(self, tree: Tree) -> None:
        temp = Path(self._temp_path())
        try:
            temp.write_bytes(tree.data)
            self._store.put(tree.digest, temp)
        except OSError as error:
            raise StoreError(f"{temp} cannot be written: {error.strerror}") from error
        finally:
            temp.unlink(missing_ok=True)


def _each(function: Callable[[Digest], None], items: list[Digest]) -> None:
    if len(items) < 2:
        for item in items:
            function(item)
        return
    pool = ThreadPoolExecutor(min(_AT_ONCE, len(items)), thread_name_prefix="upload")
    try:
        list(pool.map(function, items))
    finally:
        pool.shutdown(cancel_futures=True)
