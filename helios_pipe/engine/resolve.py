"""Keys and hits: what of a job is there already. Reads the cache, changes nothing; plan and run both ask here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from helios_pipe.action.key import Record
from helios_pipe.action.model import Action, Step
from helios_pipe.cache.results import Result, Results
from helios_pipe.engine.inputs import Inputs, JobOutput
from helios_pipe.engine.recall import Recall
from helios_pipe.engine.recipe import (
    Common,
    chunk_recipes,
    chunk_values,
    command_action,
    expected_frames,
)  # fmt: skip
from helios_pipe.engine.stitches import Stitches
from helios_pipe.engine.work import JobWork, State, Task
from helios_pipe.graph.nodes import takes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helios_pipe.engine.cover import Piece

_SAME = "same bytes"


class Resolver:
    """Turns jobs into tasks with keys, and finds those that need not be made."""

    def __init__(
        self,
        common: Common,
        inputs: Inputs,
        results: Results,
        forced: Callable[[str], bool] | None,
        stitch_version: int,
        encoder: Callable[[], str],
        recall: Recall,
        elsewhere: Callable[[Sequence[str]], Mapping[str, Result]] | None = None,
    ) -> None:
        """`forced` tells of a node's name whether it must be made even so; None where none must. `elsewhere` finds results
        under keys that the local cache lacks."""
        self._recall = recall
        self._common = common
        self._inputs = inputs
        self._results = results
        self._forced = forced
        self._makers: dict[str, Task] = {}
        self._elsewhere = elsewhere
        self._stitches = Stitches(common, inputs, stitch_version, encoder)

    def start(self, work: JobWork, outputs: Mapping[str, JobOutput]) -> None:
        """Give the job's chunks (or its command) their keys; those with a usable result become CACHED, the others READY.
        Raises UsageError, StaleInputError where an input is not there."""
        work.started = True
        nodes = work.nodes
        work.shared = self._inputs.shared(nodes.job, outputs)
        if not work.chunks:
            if nodes.job.stitch is None and work.final is not None:
                self._start_command(work, work.final)
            return
        work.chunks.give(chunk_recipes(nodes, self._common, work.shared.tree))
        names = nodes.chunk_names() if self._forced is not None else []
        unknown = self._recall.take(work, [at for at, name in enumerate(names) if self._is_forced(name)])
        self._find_inputs(work, unknown)
        for task in unknown:
            assert task.recipe is not None
            task.key = task.recipe.chunk_key(_values(task), _frames(task), task.extra.tree)
        self._find(unknown)
        self._cover(work)

    def _is_forced(self, name: str) -> bool:
        return self._forced is not None and self._forced(name)

    def action(self, task: Task) -> Action:
        """The action of a chunk, built when it is asked for: a hundred thousand of them need not be kept."""
        assert task.recipe is not None
        if task.recalled:
            task.recalled = False
            self._find_inputs(task.work, [task])
        return task.recipe.action(task.name, _values(task), _frames(task), task.extra.tree)

    def _find_inputs(self, work: JobWork, tasks: Sequence[Task]) -> None:
        """Look for the inputs that these chunks of a job name, all in one go."""
        if not any(task.recipe is not None and task.recipe.takes_inputs for task in tasks):
            return
        asked = [(task.index, task.recipe.extra_patterns(_values(task))) for task in tasks if task.recipe is not None]
        for task, found in zip(tasks, self._inputs.each(asked, work.nodes.job), strict=True):
            task.extra = found

    def note_cutoff(self, found: Sequence[Task], works: Mapping[str, JobWork]) -> None:
        """Say of a job's nodes of one kind, found although something they need was made anew, that this came out the same."""
        first = found[0]
        needs = [task for name in takes(first.work.nodes.job, first.kind) for task in works[name].single()]
        needs += first.work.chunks.single() if first.kind == "stitch" else ()
        if any(task.state is State.DONE or task.reason == _SAME for task in needs):
            for task in found:
                task.reason = task.reason or _SAME

    def start_final(self, work: JobWork, outputs: Mapping[str, JobOutput]) -> None:
        """Give the job's stitch its key, once all that it joins is there, and look for its result."""
        work.final_started = True
        assert work.final is not None
        step, record, work.final.recipe = self._stitches.build(work, outputs)
        self._keyed(work.final, step, record)
        self._find([work.final])

    def _start_command(self, work: JobWork, task: Task) -> None:
        work.final_started = True
        action, recipe = command_action(work.nodes, self._common, work.shared.tree)
        task.recipe = recipe
        self._keyed(task, action, recipe.key(action))
        self._find([task])

    def _keyed(self, task: Task, step: Step, record: Record) -> None:
        task.step, task.key, task.preimage = step, record.digest, record.data

    def _find(self, tasks: Sequence[Task]) -> None:
        wanted = []
        for task in tasks:
            task.forced = self._is_forced(task.name)
            task.state = State.READY
            if not task.forced:
                wanted.append(task)
        found = self._results.find([task.key for task in wanted])
        if self._elsewhere is not None:
            missing = {task.key: task for task in wanted if task.key not in found}
            remote = self._elsewhere(list(missing))
            found |= remote
            for key in remote:
                missing[key].reason = "found in the remote cache"
        for task in tasks:
            if not task.forced and (row := found.get(task.key)) is not None:
                task.state, task.digest, task.folder, task.found = State.CACHED, row.digest, row.folder, row
            elif (first := self._makers.setdefault(task.key, task)) is not task:
                task.state, task.twin, task.reason = State.WAITING, first, f"the same as {first.name}"

    # -- intervals ------------------------------------------------------------------------------------------------

    def _cover(self, work: JobWork) -> None:
        """Where chunks are missing, let cached intervals of the same sequence stand for them, if a join can take those."""
        stitch, family = work.nodes.job.stitch, work.chunks.recipe and work.chunks.recipe.family
        work.plan_pieces = work.chunks
        missing = [task for task in work.chunks.single() if task.state is State.READY and not task.forced]
        if not missing or not family or not work.may_cover or stitch is None or not _is_sequence(work):
            return
        rows = [row for row in self._results.of_family(family.digest) if row.key not in {t.key for t in work.chunks}]
        rows = [row for row in rows if row.start is not None and row.frames and _same_grid(row, work.chunks[0])]
        if rows:
            self._take_cover(work, rows)

    def _take_cover(self, work: JobWork, rows: list[Result]) -> None:
        from helios_pipe.engine.cover import Piece, clear_of, cover

        first = work.chunks[0].span
        assert first is not None
        cells = [
            Piece(t.span.start, t.span.end + t.span.step, t.span.count if t.state is State.READY else 0, cell=t.index)
            for t in work.chunks
            if t.span is not None
        ]
        intervals = [
            Piece(row.start, row.start + row.frames * first.step, 0, cached=at)
            for at, row in enumerate(rows)
            if row.start is not None and row.frames is not None
        ]
        path = cover(cells, intervals)
        if forced := [cell for cell in cells if cell.cell is not None and work.chunks[cell.cell].forced]:
            free, path = path, cover(cells, clear_of(forced, intervals))
            self._say_uncut(work, free, path)
        work.plan_pieces = [work.chunks[p.cell] if p.cell is not None else rows[p.cached or 0] for p in path]
        used = {piece.cell for piece in path}
        for piece in path:
            if piece.cached is not None:
                self._mark_covered(work, rows[piece.cached], piece, used)

    def _say_uncut(self, work: JobWork, free: list[Piece], path: list[Piece]) -> None:
        """Say of chunks that must be made only because others are forced, that this is why. `free` would do if none were."""
        added = {piece.cell for piece in path} - {piece.cell for piece in free}
        for task in [work.chunks[cell] for cell in added if cell is not None]:
            if task.state is State.READY and not task.forced:
                task.reason = "the cached frames cannot be cut at the borders of what is forced"

    def _mark_covered(self, work: JobWork, row: Result, piece: Piece, used: set[int | None]) -> None:
        last = piece.stop - (row.step or 1)
        for task in work.chunks:
            span = task.span
            if task.state is not State.READY or task.index in used or span is None:
                continue
            if span.start < piece.stop and span.end >= piece.start:
                task.state, task.reason = State.CACHED, f"frames {piece.start}-{last} are in the cache"
                work.covered[task.index] = row

    def uncover(self, work: JobWork) -> list[Task]:
        """Give the intervals up (they could not be joined): the chunks they stood for must be made. Returns
        those, as they were."""
        again = [work.chunks[index] for index in sorted(work.covered)]
        for task in again:
            task.reason = "the cached frames cannot be joined with the others"
        work.covered.clear()
        work.may_cover = False
        work.plan_pieces = work.chunks
        return again


def _is_sequence(work: JobWork) -> bool:
    """Whether the stitch takes frames, however they are cut: videos end to end, or images by number. To a command, and
    among gathered files, each chunk is a thing of its own; so is one that is written out, with a command of its own, and
    gaps beside it."""
    stitch, recipe = work.nodes.job.stitch, work.chunks.recipe
    return (
        stitch is not None
        and recipe is not None
        and work.nodes.job.chunk is not None
        and (stitch.method == "concat" or recipe.base.output.folder)
        and (stitch.method != "command")
    )


def _values(task: Task) -> dict[str, object]:
    assert task.recipe is not None
    assert task.span is not None
    return chunk_values(task.span, task.recipe.base.output.name)


def _frames(task: Task) -> int | None:
    assert task.span is not None
    return expected_frames(task.work.nodes.job, task.span)


def _same_grid(row: Result, first: Task) -> bool:
    span = first.span
    return (
        span is not None
        and row.start is not None
        and row.step == span.step
        and (row.start - span.start) % span.step == 0
    )


def forced_by(everything: bool, globs: tuple[str, ...]) -> Callable[[str], bool] | None:
    """Whether a node is forced: all of them, or by exact name first, then by `*` and `?` (brackets are part of names). None
    where none is."""
    if everything:
        return lambda _: True
    if not globs:
        return None
    import re

    exact = frozenset(globs)
    pattern = re.compile("|".join(re.escape(g).replace(r"\*", ".*").replace(r"\?", ".") for g in globs))
    return lambda name: name in exact or pattern.fullmatch(name) is not None
