"""Chunks known from the last time that all of a job's were there: those whose inputs hold what they held then have the key and
the result that they had then. Decides nothing for the others; changes nothing but the memo.

A key is made of the recipe, the command, the frames and the contents of the chunk's own inputs. All but the last is the
same for the whole job and stands in the memo's mark; so where the mark is the same and an input holds the same bytes, the
key is the same, and need not be spelled and hashed to know it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from helios_pipe.action.key import KEY_VERSION, record
from helios_pipe.ahead import Ahead, Remembered, chunks_of
from helios_pipe.cache.memo import Known, Memo, Origins, Outcomes
from helios_pipe.cache.memos import Memos
from helios_pipe.cache.results import Result, Results
from helios_pipe.engine.inputs import Inputs, is_plain
from helios_pipe.engine.recipe import Recipe, chunk_values
from helios_pipe.engine.work import GOOD, JobWork, Task
from helios_pipe.errors import StaleInputError

FEWEST = 64
"""From this many chunks on: fewer are looked up in no time."""
_NEWS = 32
"""A memo that misses fewer than one chunk in so many is good enough: to look those up takes less time than to write it anew."""


Recorded = Callable[[Sequence[str]], Mapping[str, Known]]


class Recall:
    """The memos of one run. Where one cannot be used, for whatever reason, chunks are looked up one by one."""

    def __init__(
        self, memos: Memos, inputs: Inputs, results: Results, recorded: Recorded, version: str, ahead: Ahead
    ) -> None:
        """`recorded` tells what results say, by their keys."""
        self._memos = memos
        self._inputs = inputs
        self._results = results
        self._recorded = recorded
        self._version = version
        self._ahead = ahead
        self._whole: dict[str, Memo] = {}
        """Those that still say of every chunk what it came to."""
        self.remembered: dict[str, Remembered] = {}
        """Of each job of which it is known what its chunks came to: which memo says so, and the places of those of its sources
        that look otherwise by now."""

    def take(self, work: JobWork, unwanted: Collection[int]) -> Sequence[Task]:
        """Give the chunks that are known, and none of those at `unwanted`, their keys and results. Returns the others, in
        order."""
        memo = self._find(work)
        moved = None if memo is None else self._moved(work, memo)
        if memo is None or moved is None:
            return work.chunks
        off = self._changed(memo, moved) | self._lost(work, memo)
        off.update(unwanted)
        if not off:
            self._whole[work.name] = memo
        if max(len(off), len(moved)) * _NEWS <= len(work.chunks):
            self.remembered[work.name] = memo.checksum, moved
        return work.chunks.recall(memo.outcomes, off)

    def _find(self, work: JobWork) -> Memo | None:
        if (recipe := _recipe(work)) is None:
            return None
        memo = self._memos.find(work.name, self._mark(work, recipe))
        return memo if memo is not None and len(memo.outcomes) == len(work.chunks) else None

    def _moved(self, work: JobWork, memo: Memo) -> list[int] | None:
        """The places of the sources that look otherwise than they did; None where one cannot be read, which is told when its
        chunk is looked up."""
        checksum, odd = self._ahead.jobs.get(work.name, (b"", []))
        unsure: Collection[int] | None = None
        if checksum == memo.checksum and self._ahead.changed is not None and self._ahead.recent:
            unsure = sorted({*odd, *memo.origins.places_of(self._ahead.changed)})
        sources = self._inputs.sources
        moved = sources.recognise(memo.origins, unsure)
        try:
            sources.look([memo.origins.seen.paths[at] for at in moved])
        except StaleInputError:
            return None
        return moved

    def _changed(self, memo: Memo, moved: Sequence[int]) -> set[int]:
        """Which chunks have other inputs than they had, where some of them look otherwise."""
        then, each = memo.origins, len(memo.origins) // len(memo.outcomes)
        now = self._inputs.sources.look([then.seen.paths[at] for at in moved])
        return {
            at // each for at, source in zip(moved, now, strict=True)
            if (source.digest, source.executable) != then.content(at)
        }  # fmt: skip

    def _lost(self, work: JobWork, memo: Memo) -> set[int]:
        """Which chunks have other blobs than they had, or none."""
        return self._results.not_there(memo.outcomes, partial(self._ahead.look, chunks_of(work.name), memo.checksum))

    def _mark(self, work: JobWork, recipe: Recipe) -> str:
        """All that decides on the keys of the job's chunks, but for what their own inputs hold, and on what the memo says."""
        job = work.nodes.job
        assert job.chunk is not None
        return record(
            {
                "version": [self._version, KEY_VERSION],
                "root": self._inputs.root,
                "recipe": recipe.record.digest,
                "command": [str(word) for word in job.chunk.command],
                "inputs": [str(pattern) for pattern in job.chunk.inputs],
                "output": job.chunk.output,
                "frames": [list(span) for span in (work.nodes.spans[0], work.nodes.spans[-1])],
                "size": job.chunk.size,
            }
        ).digest

    def keep(self, work: JobWork) -> None:
        """Remember the job's chunks for the next run, where all are there and that is news. Raises StoreError."""
        recipe = _recipe(work)
        if recipe is None or work.name in self.remembered or not work.started:
            return
        paths: list[str] | None
        if (memo := self._whole.get(work.name)) is not None:
            paths, outcomes = memo.origins.seen.paths, memo.outcomes
        else:
            known = self._known(work)
            paths = self._paths(work, recipe) if known is not None else None
            if known is None or paths is None:
                return
            outcomes = Outcomes.of(known)
        try:
            sources = self._inputs.sources.look(paths)
        except StaleInputError:  # a folder
            return
        checksum = self._memos.keep(work.name, self._mark(work, recipe), Memo(Origins.of(sources), outcomes))
        self.remembered[work.name] = checksum, [at for at, source in enumerate(sources) if source.racy]

    def _paths(self, work: JobWork, recipe: Recipe) -> list[str] | None:
        """Where the chunks' own inputs are; None where one of their patterns means more than the file that it names."""
        patterns: list[str] = []
        for task in work.chunks if recipe.takes_inputs else ():
            assert task.span is not None
            patterns += recipe.extra_patterns(chunk_values(task.span, ""))
        return self._inputs.paths_of(patterns) if all(map(is_plain, patterns)) else None

    def _known(self, work: JobWork) -> list[Known] | None:
        """What is recorded of each chunk; None where one is not there, or that is not what it came to."""
        if any(task.state not in GOOD or task.digest is None for task in work.chunks):
            return None
        rows = self._recorded([task.key for task in work.chunks if not _is_it(task.found, task)])
        known: list[Known] = []
        for task in work.chunks:
            row = rows.get(task.key) or task.found
            if row is None or not _is_it(row, task):
                return None
            known.append(Known(row.key, row.digest, row.folder, row.size, row.mtime_ns, row.inode))
        return known


def _is_it(row: Result | Known | None, task: Task) -> bool:
    return row is not None and row.key == task.key and row.digest == task.digest


def _recipe(work: JobWork) -> Recipe | None:
    """The one recipe of all chunks, where there is one and they are many."""
    if work.nodes.job.chunk is None or len(work.chunks) < FEWEST:
        return None
    return work.chunks.recipe
