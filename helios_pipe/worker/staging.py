"""Inputs made ready once for many attempts. Knows nothing of commands, or of whether an attempt went well.

A stage holds copies that exist for it alone. Attempts get hard links to these, never to sources or blobs: who writes
through a link hits nothing else, and is found out, for the copies have a date that no writer leaves behind.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence

from helios_pipe.action.model import Entry, Tree
from helios_pipe.action.tree import check_paths, fold
from helios_pipe.errors import StoreError
from helios_pipe.transfer import clone
from helios_pipe.worker.bring import Locate, Mark, bring, duplicate, mark_of, settle, touched
from helios_pipe.worker.removal import remove_tree

_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


class Way:
    """How this file system gives one file to many: found out by trying, once."""

    def __init__(self) -> None:
        self._clones = True
        self._links = True

    def give(self, copy: str, target: str) -> bool:
        """Make the new file `target` hold what our `copy` does: sharing its blocks, or else being the same file, or else
        copied. Whether it is the same file."""
        if self._clones:
            if _clone_file(copy, target):
                return False
            self._clones = False
        if self._links:
            try:
                os.link(copy, target)
                return True
            except OSError as error:
                if error.errno in _NO_LINKS:
                    self._links = False
                elif error.errno != errno.EMLINK:
                    raise
        duplicate(copy, target)
        return False


class Stage:
    """One tree. `folders` (parents first) and `names` are what it brings into a workspace."""

    def __init__(self, tree: Tree, *, private: bool = False) -> None:
        """With `private`, every attempt gets copies of its own. Raises StoreError where paths cannot stand in one folder."""
        self.names = tuple(entry.path for entry in tree.entries)
        check_paths(self.names)
        self.folders = parents(self.names)
        self._tree = tree
        self._private = private
        self._files = {fold(entry.path): entry for entry in tree.entries}
        self._inner = {fold(name) for name in self.folders}
        self._fitting: dict[str, tuple[str, ...]] = {}
        self._copies: list[tuple[str, str]] = []
        self._copied: list[Mark] = []
        self._linked: list[Mark] = []

    def prepare(self, folder: str, locate: Locate, link_size: int) -> None:
        """Copy the files to the new `folder`; those of `link_size` bytes and more are only looked at. Raises
        StaleInputError, BlobMissingError, BlobDamagedError, OSError; then there is no `folder`."""
        if not self.names:
            return
        os.mkdir(folder)
        try:
            for serial, entry in enumerate(self._tree.entries):
                copy = f"{folder}/{serial}"
                linked = bring(entry, locate, copy, link_size)
                if linked is None:
                    self._copies.append((copy, entry.path))
                    self._copied.append(mark_of(entry, copy))
                else:
                    self._linked.append(linked)
        except BaseException:
            remove_tree(folder)
            raise

    def fit(self, output: str, own: Sequence[Entry]) -> tuple[str, ...]:
        """The folders that an attempt's `own` inputs and its output need besides, parents first. Raises StoreError where
        they do not find room."""
        if not own and output in self._fitting:
            return self._fitting[output]
        paths = [*(entry.path for entry in own), output]
        check_paths(paths)
        if output in paths[:-1]:
            raise StoreError(f"{output!r} is an input and the output")
        more = parents(paths)
        if self._inner:
            more = tuple(folder for folder in more if fold(folder) not in self._inner)
        for path in paths if self._files else ():
            taken = self._files.get(fold(path))
            if taken is not None or fold(path) in self._inner:
                raise StoreError(f"{path!r} has the place of the input {taken.path if taken else path + '/…'!r}")
            within = next((folder for folder in parents([path]) if fold(folder) in self._files), None)
            if within is not None:
                raise StoreError(f"{within!r} is an input, and also the folder of {path!r}")
        if not own:
            self._fitting[output] = more
        return more

    def has(self, entry: Entry) -> bool:
        """Whether the very same input is among the files."""
        return self._files.get(fold(entry.path)) == entry

    def lay_out(self, root: str, way: Way) -> bool:
        """Put the files into the workspace `root`, where their folders are already. Whether all are the very files of the
        stage: nobody can change one of those without being found out here."""
        for mark in self._linked:
            os.symlink(mark.path, f"{root}/{mark.name}")
        if self._private:
            for copy, name in self._copies:
                duplicate(copy, f"{root}/{name}")
            return False
        same = [way.give(copy, f"{root}/{name}") for copy, name in self._copies]
        return all(same) and not self._linked

    def untouched(self) -> bool:
        """Whether the files look as they did. False: somebody touched one (its date, its mode), but the bytes are right.
        Raises StaleInputError where they are not."""
        if touched(self._linked, "it changed while it was used"):
            self._linked = [mark_of(self._files[fold(mark.name)], mark.path) for mark in self._linked]
        return not touched(self._copied, "a command wrote into it: inputs are shared between chunks")


def parents(paths: Sequence[str]) -> tuple[str, ...]:
    """Every folder that the paths need, parents first."""
    found: set[str] = set()
    level: Iterable[str] = paths
    while level := {path.rpartition("/")[0] for path in level} - found - {""}:
        found |= level
    return tuple(sorted(found))


def _clone_file(copy: str, target: str) -> bool:
    with open(copy, "rb", buffering=0) as reader, open(target, "xb", buffering=0) as writer:
        cloned = clone(reader.fileno(), writer.fileno())
        mode = os.fstat(reader.fileno()).st_mode
    if cloned:
        settle(target, executable=bool(mode & 0o100))
    else:
        os.unlink(target)
    return cloned
