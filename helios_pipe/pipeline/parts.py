"""A job's chunks as files in its folder: taken from there where they are said to be complete, put there where nothing
joins them."""

from __future__ import annotations

from helios_pipe.action.model import Output
from helios_pipe.digest import Digest
from helios_pipe.engine.options import Placed
from helios_pipe.engine.work import GOOD, JobWork, State, Task
from helios_pipe.errors import OutputError, UsageError
from helios_pipe.job_ports import JobExecutionOptions
from helios_pipe.pipeline.session import Session
from helios_pipe.pipeline.specs import Prepared
from helios_pipe.transfer import copy_file
from helios_pipe.worker.outputs import check_output


class GivenParts:
    """Marks the chunks that a program says are complete: from the cache where they are there, else from their files. No
    record is made of the latter, for nobody knows how they came about."""

    def __init__(self, session: Session, prepared: Prepared, options: JobExecutionOptions) -> None:
        self._blobs = session.blobs
        self._prepared = prepared
        self._merge = options.merge
        self._wanted = frozenset(options.completed_chunk_ids)

    def __call__(self, work: JobWork) -> None:
        """The tasks were just keyed. Raises UsageError, OutputError where what is said is not so."""
        for task in work.chunks if self._wanted else ():
            chunk = self._prepared.chunk_ids[task.name]
            if chunk in self._wanted and task.state is State.READY:
                self._take(task, chunk)

    def _take(self, task: Task, chunk: int) -> None:
        path = self._prepared.part(chunk)
        task.reason = "said to be complete"
        if path.is_file() and task.recipe is not None:
            output = task.recipe.base.output._replace(frames=task.span.count if task.span is not None else None)
            task.digest = self._taken(str(path), output, chunk)
        elif self._merge:
            raise UsageError(f"chunk {chunk} is said to be complete, but is neither in the cache nor at {path}")
        task.state = State.CACHED

    def _taken(self, path: str, output: Output, chunk: int) -> Digest:
        try:
            check_output(path, output)
        except OutputError as error:
            raise OutputError(f"chunk {chunk} is said to be complete, but {path} is not: {error.message}") from error
        temp = self._blobs.temp_path()
        copy_file(path, temp)
        return self._blobs.adopt(temp).digest


def put_parts(session: Session, prepared: Prepared) -> list[Placed]:
    """Put every chunk that was made (or found) at the name that the spec gives it. Raises StoreError."""
    placed = []
    for work in session.works:
        for task in work.chunks:
            if task.state in GOOD and task.digest is not None:
                path = prepared.part(prepared.chunk_ids[task.name])
                size = session.placer.place(Digest(task.digest), task.folder, str(path))
                placed.append(Placed(str(path), Digest(task.digest), size))
    return placed
