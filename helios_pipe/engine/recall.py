"""Chunks known from the last time that all of a job's were there: those whose inputs hold what they held then have the key and
the result that they had then. Decides nothing for the others; changes nothing but the memo.

A key is made of the recipe, the command, the frames and the contents of the chunk's own inputs. All but the last is the
same for the whole job and stands in the memo's mark; so where the mark is the same and an input holds the same bytes, the
key is the same, and need not be spelled and hashed to know it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from helios_pipe.action.key import KEY_VERSION, record
from helios_pipe.ahead import Ahead, chunks_of
from helios_pipe.cache.memos import Known, Memo, Memos, Outcomes
from helios_pipe.cache.results import Result, Results
from helios_pipe.cache.sources import Origins
from helios_pipe.engine.inputs import Inputs, is_plain
from helios_pipe.engine.recipe import Recipe, chunk_values
from helios_pipe.engine.work import GOOD, JobWork, Task
from helios_pipe.errors import StaleInputError

FEWEST = 64
"""From this many chunks on: fewer are looked up in no time."""
_NEWS = 32
"""A memo that misses fewer than one chunk in so many is good enough: to look those up takes less time than to write it anew."""


class Recall:
    """The memos of one run. Where one cannot be used, for whatever reason, chunks are looked up one by one."""

    def __init__(self, memos: Memos, inputs: Inputs, results: Results, version: str, ahead: Ahead) -> None:
        self._memos = memos
        self._inputs = inputs
        self._results = results
        self._version = version
        self._ahead = ahead
        self._no_news: set[str] = set()

    def take(self, work: JobWork, unwanted: Collection[int]) -> Sequence[Task]:
        """Give the chunks that are known, and none of those at `unwanted`, their keys and results. Returns the others, in
        order."""
        memo = self._find(work)
        if memo is None:
            return work.chunks
        seen = self._ahead.answer(chunks_of(work.name))
        unsure, moved = seen[1:] if isinstance(seen, tuple) and seen[0] == memo.checksum else (None, None)
        off = self._changed(memo, unsure)
        if off is None:
            return work.chunks
        off |= self._results.not_there(memo.outcomes, moved)
        off.update(unwanted)
        if len(off) * _NEWS <= len(work.chunks):
            self._no_news.add(work.name)
        return work.chunks.recall(memo.outcomes, off)

    def _find(self, work: JobWork) -> Memo | None:
        if (recipe := _recipe(work)) is None:
            return None
        memo = self._memos.find(work.name, self._mark(work, recipe))
        return memo if memo is not None and len(memo.outcomes) == len(work.chunks) else None

    def _changed(self, memo: Memo, unsure: Sequence[int] | None) -> set[int] | None:
        """Which chunks have other inputs than they had; None where one cannot be read, which is told when it is looked up."""
        then = memo.origins
        moved = self._inputs.sources.recognise(then, unsure)
        try:
            now = self._inputs.sources.look([then.signatures[at][0] for at in moved])
        except StaleInputError:
            return None
        each = len(then) // len(memo.outcomes)
        return {
            at // each for at, source in zip(moved, now, strict=True)
            if (source.digest, source.executable) != then.content(at)
        }  # fmt: skip

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
        if recipe is None or work.name in self._no_news or not work.started:
            return
        if any(task.state not in GOOD or task.digest is None for task in work.chunks):
            return
        paths: list[str] = []
        for task in work.chunks if recipe.takes_inputs else ():
            assert task.span is not None
            paths += recipe.extra_patterns(chunk_values(task.span, ""))
        known = self._known(work)
        if known is None or not all(map(is_plain, paths)):
            return
        try:
            sources = self._inputs.sources_at(paths)
        except StaleInputError:  # a folder
            return
        self._memos.keep(work.name, self._mark(work, recipe), Memo(Origins.of(sources), Outcomes.of(known)))

    def _known(self, work: JobWork) -> list[Known] | None:
        """What is recorded of each chunk; None where that is not what it came to."""
        recorded = self._memos.recorded([task.key for task in work.chunks if not _is_it(task.found, task)])
        known: list[Known] = []
        for task in work.chunks:
            row = recorded.get(task.key) or task.found
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
