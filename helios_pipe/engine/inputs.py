"""What commands are given: source files and other jobs' outputs, as trees of digests, and where their bytes are. Knows
nothing of commands or keys."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice, repeat
from pathlib import Path

from helios_pipe.action.model import Entry, Tree
from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.sources import Source, Sources, is_racy
from helios_pipe.cache.stamp import Signature, signature
from helios_pipe.digest import Digest
from helios_pipe.errors import StaleInputError, UsageError
from helios_pipe.manifest.globs import Expansion, expand
from helios_pipe.manifest.inputs import missing_inputs
from helios_pipe.manifest.model import Job, Manifest, MarkPath
from helios_pipe.regex import regex
from helios_pipe.tuples import NamedTuple

_ENTRY = partial(tuple.__new__, Entry)
"""Past its own way to make one, which takes three times as long."""
_SPECIAL = regex(r"[*?\[\]!\\#]|/$")


class JobOutput(NamedTuple):
    """A finished job's output: the base name under which others see it, and its content. A job without a stitch has the
    contents of its chunks, in order, as `pieces`."""

    name: str
    digest: Digest | None = None
    folder: bool = False
    pieces: tuple[tuple[Digest, bool], ...] = ()


class InputSet(NamedTuple):
    """A tree of inputs, and the source files among them, which are looked at again after they were used."""

    tree: Tree
    sources: tuple[Source, ...] = ()

    def changed(self) -> str | None:
        """The path of a source file that is no longer as it was hashed; None where all are."""
        for source in self.sources:
            if source.changed():
                return source.path
        return None


EMPTY = InputSet(Tree())


def is_plain(pattern: str) -> bool:
    """Whether a pattern can only mean the one file of that name."""
    return (
        not _SPECIAL.search(pattern)
        and pattern == os.path.normpath(pattern)
        and not pattern.startswith(("/", "..", "."))
    )


def chunk_inputs_place(job: Job, index: int) -> MarkPath:
    """Where the manifest asks for the inputs of one chunk."""
    return (*job.where, "chunk", "inputs") if job.chunk is not None else (*job.where, "chunks", index, "inputs")


def _refuse_odd_name(path: str, job: Job) -> None:
    """Names are keyed and recorded as texts: one that is none cannot be."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path)
        raise UsageError(
            f"job {job.name}: the input {shown!r} has a name that is not UTF-8",
            hint="Rename it, or leave it out with `!`.",
        ) from error


class Inputs:
    """The inputs of one run. Every file is looked at once; `locate` tells where bytes are, for any thread."""

    def __init__(self, manifest: Manifest, sources: Sources, blobs: Blobs) -> None:
        self._manifest = manifest
        self._root = f"{manifest.root}{os.sep}"
        self.sources = sources
        self._blobs = blobs
        self._places: dict[Digest, str] = {}
        self.folders: dict[str, Signature] = {}
        """Every folder that a glob looked into, as it was then."""
        self.provable = True
        """Whether these folders show it when a file joins or leaves what globs mean."""

    def place_of(self, digest: Digest) -> str:
        """Where a file with that content is, or would be: a source, else a blob."""
        return self._places.get(digest) or self._blobs.path(digest)

    def locate(self, digest: Digest) -> Path:
        """The same; raises BlobMissingError where it is a blob and not there."""
        place = self._places.get(digest)
        return Path(place) if place is not None else self._blobs.locate(digest)

    def shared(self, job: Job, outputs: Mapping[str, JobOutput]) -> InputSet:
        """What every command of the job is given. Raises ManifestError on a pattern without a match."""
        own = self.files(job.inputs, job, (*job.where, "inputs"), needed=not job.takes_what_is_there)
        entries = list(own.tree.entries)
        for given in job.job_inputs:
            entries += self._of_job(
                outputs[given.job], given.path or f"jobs/{given.job}/{outputs[given.job].name}".rstrip("/")
            )
        return InputSet(Tree.of(entries), own.sources)

    def files(self, patterns: Sequence[str], job: Job, where: MarkPath, *, needed: bool = True) -> InputSet:
        """The project's files that match; `where` is the place in the manifest that asks for them. Raises ManifestError where
        they are `needed` and a pattern has no match; else what it looked into is noted all the same."""
        if not patterns:
            return EMPTY
        began = time.time_ns()
        found = expand(Path(self._root), patterns)
        if needed and found.unmatched:
            raise missing_inputs(self._manifest, job, found.unmatched, where)
        for path in found.files:
            _refuse_odd_name(path, job)
        self._note_folders(found, began)
        sources = self.sources.look([self._root + path for path in found.files])
        entries = [self._entry(path, source) for path, source in zip(found.files, sources, strict=True)]
        return InputSet(Tree.of(entries), tuple(sources))

    def _note_folders(self, found: Expansion, began_ns: int) -> None:
        self.provable &= not found.dangling
        for folder in found.folders:
            path = os.path.normpath(self._root + folder)
            seen = signature(path)
            if seen is None or is_racy(max(seen[2], seen[3]), began_ns) or self.folders.setdefault(path, seen) != seen:
                self.provable = False

    def each(self, asked: Sequence[tuple[int, Sequence[str]]], job: Job) -> list[InputSet]:
        """The files for each chunk's list of patterns, which comes with its index. Where all are plain paths, they are looked
        at together."""
        if all(is_plain(pattern) for _, patterns in asked for pattern in patterns):
            try:
                sources = iter(self.sources.look([self._root + path for _, patterns in asked for path in patterns]))
                return [self._plain_set(patterns, list(islice(sources, len(patterns)))) for _, patterns in asked]
            except StaleInputError:
                pass  # one is a folder, or not there: one by one, to say which and for whom
        return [self.files(patterns, job, chunk_inputs_place(job, index)) for index, patterns in asked]

    @property
    def root(self) -> str:
        """The project's folder."""
        return self._root

    def paths_of(self, names: Sequence[str]) -> list[str]:
        """Where these files of the project are."""
        return [self._root + name for name in names]

    def _plain_set(self, paths: Sequence[str], sources: list[Source]) -> InputSet:
        entries = [self._entry(path, source) for path, source in zip(paths, sources, strict=True)]
        return InputSet(Tree(tuple(entries)) if len(entries) == 1 else Tree.of(entries), tuple(sources))

    def _entry(self, path: str, source: Source) -> Entry:
        self._places.setdefault(source.digest, source.path)
        return Entry(path, source.digest, source.size, source.executable)

    def _of_job(self, output: JobOutput, path: str) -> list[Entry]:
        if output.digest is not None:
            return self.entries_of(output.digest, output.folder, path)
        found: list[Entry] = []
        for index, (digest, folder) in enumerate(output.pieces):
            found += self.entries_of(digest, folder, f"{path}/{index:04d}/{output.name}")
        return found

    def files_of(
        self, paths: Sequence[str], digests: Sequence[Digest], folders: Sequence[bool], sizes: Sequence[int | None]
    ) -> list[Entry]:
        """Blobs as files of a workspace, each at its path or below it. Of each comes whether it is a folder, and its size in
        bytes where that is known."""
        if not any(folders) and None not in sizes:
            return list(map(_ENTRY, zip(paths, digests, sizes, repeat(False))))
        entries: list[Entry] = []
        for path, digest, folder, size in zip(paths, digests, folders, sizes, strict=True):
            if folder or size is None:
                entries += self.entries_of(digest, folder, path)
            else:
                entries.append(Entry(path, digest, size))
        return entries

    def entries_of(self, digest: Digest, folder: bool, path: str) -> list[Entry]:
        """A blob as files of a workspace: one, or a tree's below `path`."""
        if folder:
            return [Entry(f"{path}/{e.path}", e.digest, e.size, e.executable) for e in self._blobs.tree(digest).entries]
        mark = self._blobs.mark(digest)
        return [Entry(path, digest, mark.size if mark else 0)]
