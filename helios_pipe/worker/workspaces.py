"""The clean folders that commands run in, each under a name of its own. Knows nothing of what is run.

<folder>/stage-1/0, 1, …     copies of the inputs that many attempts share, made once
<folder>/7/w/                an attempt's working directory: links to these, its own inputs, what it leaves
<folder>/7/t/                its HOME and TMPDIR
<standing>/<node>/           the inputs of a node that are very many, between its attempts
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock

from helios_pipe.action.model import Action, Entry, Tree
from helios_pipe.ahead import Ahead
from helios_pipe.digest import Digest
from helios_pipe.errors import StaleInputError, StoreError, UsageError
from helios_pipe.transfer import write_failed
from helios_pipe.worker.bring import Locate, Mark, bring, mark_of, write_text
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.shelf import Shelf
from helios_pipe.worker.spares import Layout, Spares
from helios_pipe.worker.staging import Stage, Way
from helios_pipe.worker.standing import worth_it
from helios_pipe.worker.standing_workspace import StandingWorkspace
from helios_pipe.worker.workspace import Workspace

LINK_SIZE = 64 << 20
"""Inputs of this many bytes and more are linked where the file system can only copy."""


class Workspaces:
    """The workspaces of one run, in a folder that is this run's alone. Thread-safe. `locate` tells where bytes are; `project`
    is where commands run that cannot be moved. With `deserted`, which tells whether nothing is left of any command that has
    ended, folders that were left as they were serve more than one attempt, and very many inputs stay in `standing`,
    which may have been looked at `ahead`."""

    def __init__(
        self,
        folder: Path,
        locate: Locate,
        *,
        project: Path,
        link_size: int = LINK_SIZE,
        deserted: Callable[[], bool] | None = None,
        standing: Path | None = None,
        ahead: Ahead | None = None,
    ) -> None:
        self.project = project
        self.folder = Path(os.path.abspath(folder))
        self._folder = str(self.folder)
        self._locate = locate
        self._link_size = link_size
        self._serial = count(1)
        self._way = Way()
        self._spares = Spares(deserted)
        self._deserted = deserted
        self._standing = standing
        self._ahead = ahead or Ahead()
        self._bare = Stage(Tree())
        self._lock = Lock()
        self._shelves: dict[Digest, Shelf] = {}

    def open(self, action: Action) -> Workspace:
        """A workspace for one attempt at the action, with its inputs and the folders that its output needs. Raises
        StaleInputError, BlobMissingError or BlobDamagedError where an input is not what it should be, UsageError where
        inputs and output cannot stand in one folder, UnusableError where it cannot be written."""
        shelf, in_project = self._shelf(action.shared), action.workspace == "project"
        root = f"{self._folder}/{next(self._serial)}"
        workspace: Workspace
        if (stands := self._stands(action)) is not None:
            workspace = StandingWorkspace(root, action, shelf, *stands, self._ahead)
        else:
            workspace = Workspace(root, action, shelf, self._spares, self.project if in_project else None)
        try:
            if isinstance(workspace, StandingWorkspace):
                self._fill_standing(workspace, action)
            elif in_project:
                self._fill_for_project(workspace, shelf, action)
            else:
                self._fill(workspace, shelf, action)
        except OSError as error:
            workspace.discard()
            needed = action.shared.size + action.extra.size
            raise write_failed(
                f"no workspace for {action.node} in {self._folder}", self._folder, error, needed
            ) from error
        except BaseException:
            workspace.discard()
            raise
        return workspace

    def close(self) -> None:
        """Remove the folder with all that is left in it. Idempotent. What something still writes to is left."""
        self._spares.close()
        for _ in range(3):
            try:
                remove_tree(self._folder)
                return
            except OSError:
                continue  # an orphan put something there meanwhile

    def _fill(self, workspace: Workspace, shelf: Shelf, action: Action) -> None:
        stage = shelf.stage or self._prepare(shelf, action)
        own = [entry for entry in action.extra.entries if not stage.has(entry)]
        folders = _fit(stage, action, own)
        root = workspace.lay_out(Layout(stage, folders), self._way)
        for entry in own:
            mark = bring(entry, self._locate, f"{root}/{entry.path}", self._link_size)
            workspace.names.append(entry.path)
            if mark is not None:
                workspace.marks += (mark,)
        _write_texts(workspace, root, action)

    def _stands(self, action: Action) -> tuple[str, Callable[[], bool]] | None:
        """Where the inputs of the action stand between its attempts; None where they do not."""
        if self._standing is None or self._deserted is None or action.workspace == "project" or action.shared.entries:
            return None
        if not worth_it(action.extra.entries, self._link_size):
            return None
        return f"{self._standing}/{action.node}", self._deserted

    def _fill_standing(self, workspace: StandingWorkspace, action: Action) -> None:
        fit = partial(_fit, self._bare, action, action.extra.entries)
        root = workspace.bring(action, fit, self._locate, self._link_size)
        _write_texts(workspace, root, action)

    def _fill_for_project(self, workspace: Workspace, shelf: Shelf, action: Action) -> None:
        """Nothing is brought: the inputs are in the project, and are looked at again afterwards."""
        if action.files:
            raise UsageError(
                f"{action.node} runs in the project's folder and cannot be given {action.files[0][0]!r} there"
            )
        if not shelf.marks:
            shelf.marks = tuple(self._mark(entry, action) for entry in action.shared.entries)
        workspace.marks = (*shelf.marks, *(self._mark(entry, action) for entry in action.extra.entries))
        workspace.lay_out(Layout(self._bare, self._bare.fit(action.output.name, ())), self._way)

    def _mark(self, entry: Entry, action: Action) -> Mark:
        try:
            mark = mark_of(entry, f"{self.project}/{entry.path}")
        except OSError as error:
            raise UsageError(
                f"{action.node} runs in the project's folder, but its input {entry.path} is not there",
                hint="What another job makes must be placed in the project, or the job needs an isolated workspace.",
            ) from error
        if mark.seen[0] != entry.size:
            raise StaleInputError(f"{entry.path} changed before {action.node} began")
        return mark

    def _shelf(self, tree: Tree) -> Shelf:
        shelf = self._shelves.get(tree.digest)
        if shelf is None:
            with self._lock:
                shelf = self._shelves.setdefault(tree.digest, Shelf())
        return shelf

    def _prepare(self, shelf: Shelf, action: Action) -> Stage:
        """Make the stage. Whoever needs it meanwhile waits."""
        with shelf.lock:
            if shelf.stage is None:
                try:
                    stage = Stage(action.shared, private=shelf.private)
                except StoreError as error:
                    raise UsageError(f"{action.node}: {error.message}") from error
                os.makedirs(self._folder, exist_ok=True)
                stage.prepare(f"{self._folder}/stage-{next(self._serial)}", self._locate, self._link_size)
                shelf.stage = stage
            return shelf.stage


def _fit(stage: Stage, action: Action, own: Sequence[Entry]) -> tuple[str, ...]:
    """The folders that the action needs besides the stage's."""
    texts = [Entry(path, Digest(""), 0) for path, _ in action.files]
    try:
        return stage.fit(action.output.name, [*own, *texts])
    except StoreError as error:
        raise UsageError(f"{action.node}: {error.message}") from error


def _write_texts(workspace: Workspace, root: str, action: Action) -> None:
    for path, text in action.files:
        write_text(f"{root}/{path}", text)
        workspace.names.append(path)
