"""The clean folders that commands run in, each for one attempt and never used again. Knows nothing of what is run.

<folder>/stage-1/0, 1, …     copies of the inputs that many attempts share, made once
<folder>/7/                  an attempt's working directory: links to these, its own inputs, what it leaves
<folder>/7.tmp/              its HOME and TMPDIR
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from threading import Lock

from helios_pipe.action.model import Action, Entry, Tree
from helios_pipe.digest import Digest
from helios_pipe.errors import StaleInputError, StoreError, UnusableError, UsageError
from helios_pipe.transfer import write_failed
from helios_pipe.worker.bring import Locate, Mark, bring, mark_of, touched, write_text
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.staging import Stage, Way

LINK_SIZE = 64 << 20
"""Inputs of this many bytes and more are linked where the file system can only copy."""
_SOURCE_CHANGED = "it changed while it was used"


class Workspaces:
    """The workspaces of one run, in a folder that is this run's alone. Thread-safe. `locate` tells where bytes are; `project`
    is where commands run that cannot be moved."""

    def __init__(self, folder: Path, locate: Locate, *, project: Path, link_size: int = LINK_SIZE) -> None:
        self.project = project
        self._folder = os.path.abspath(folder)
        self._locate = locate
        self._link_size = link_size
        self._serial = count(1)
        self._way = Way()
        self._empty: list[str] = []
        self._lock = Lock()
        self._shelves: dict[Digest, _Shelf] = {}

    def open(self, action: Action) -> Workspace:
        """A workspace for one attempt at the action, with its inputs and the folders that its output needs. Raises
        StaleInputError, BlobMissingError or BlobDamagedError where an input is not what it should be, UsageError where
        inputs and output cannot stand in one folder, UnusableError where it cannot be written."""
        workspace = Workspace(self, f"{self._folder}/{next(self._serial)}", action)
        try:
            if action.workspace == "project":
                self._fill_for_project(workspace, action)
            else:
                self._fill(workspace, action)
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
        for _ in range(3):
            try:
                remove_tree(self._folder)
                return
            except OSError:
                continue  # an orphan put something there meanwhile

    def take_home(self, path: str) -> None:
        """Make the empty folder `path`. Raises OSError."""
        try:
            os.rename(self._empty.pop(), path)
        except (IndexError, FileNotFoundError):
            os.mkdir(path, 0o700)

    def give_back_home(self, path: str) -> None:
        """Remove the folder, or keep it for another where it is as it was made. Raises OSError where it isn't empty."""
        if os.stat(path).st_mode & 0o7777 == 0o700 and not os.listdir(path):
            self._empty.append(path)
        else:
            os.rmdir(path)

    def _fill(self, workspace: Workspace, action: Action) -> None:
        shelf = self._shelf(action.shared)
        stage = shelf.stage or self._prepare(shelf, action)
        own = [entry for entry in action.extra.entries if not stage.has(entry)]
        texts = [Entry(path, Digest(""), 0) for path, _ in action.files]
        try:
            folders = stage.fit(action.output.name, [*own, *texts])
        except StoreError as error:
            raise UsageError(f"{action.node}: {error.message}") from error
        root = workspace.make(stage.folders, folders)
        workspace.stage, workspace.shelf = stage, shelf
        stage.lay_out(root, self._way)
        for entry in own:
            mark = bring(entry, self._locate, f"{root}/{entry.path}", self._link_size)
            workspace.names.append(entry.path)
            if mark is not None:
                workspace.marks += (mark,)
        for path, text in action.files:
            write_text(f"{root}/{path}", text)
            workspace.names.append(path)

    def _fill_for_project(self, workspace: Workspace, action: Action) -> None:
        """Nothing is brought: the inputs are in the project, and are looked at again afterwards."""
        if action.files:
            raise UsageError(
                f"{action.node} runs in the project's folder and cannot be given {action.files[0][0]!r} there"
            )
        shelf = self._shelf(action.shared)
        if not shelf.marks:
            shelf.marks = tuple(self._mark(entry, action) for entry in action.shared.entries)
        workspace.shelf = shelf
        workspace.marks = (*shelf.marks, *(self._mark(entry, action) for entry in action.extra.entries))
        workspace.make((), Stage(Tree()).fit(action.output.name, ()))

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

    def _shelf(self, tree: Tree) -> _Shelf:
        shelf = self._shelves.get(tree.digest)
        if shelf is None:
            with self._lock:
                shelf = self._shelves.setdefault(tree.digest, _Shelf())
        return shelf

    def _prepare(self, shelf: _Shelf, action: Action) -> Stage:
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


class _Shelf:
    """What is ready of one tree: the stage that attempts are given now, or the marks of the project's files."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.stage: Stage | None = None
        self.private = False
        self.marks: tuple[Mark, ...] = ()

    def retire(self, stage: Stage) -> None:
        """Somebody got at the stage's copies: from now on, attempts get copies of their own from a new one. Those that are
        under way go on with the old one, and find out for themselves."""
        with self.lock:
            if self.stage is stage:
                self.stage, self.private = None, True


class Workspace:
    """One attempt's folders. The command runs in `cwd`, with `home` as HOME and TMPDIR, and leaves its output at `output`."""

    def __init__(self, owner: Workspaces, root: str, action: Action) -> None:
        self.cwd = owner.project if action.workspace == "project" else Path(root)
        self.home = Path(f"{root}.tmp")
        self.output = Path(f"{root}/{action.output.name}")
        self._owner = owner
        self.shelf: _Shelf | None = None
        self.stage: Stage | None = None
        self.marks: tuple[Mark, ...] = ()
        self.names: list[str] = []
        self._root = root
        self._folders: tuple[str, ...] = ()
        self._output = action.output.name

    def make(self, shared: Iterable[str], own: tuple[str, ...]) -> str:
        """Make the folders, and return the root. Raises OSError."""
        root = self._root
        try:
            os.mkdir(root)
        except FileNotFoundError:
            os.makedirs(root)
        self._owner.take_home(f"{root}.tmp")
        for folder in shared:
            os.mkdir(f"{root}/{folder}")
        for folder in own:
            os.mkdir(f"{root}/{folder}")
        self._folders = own
        return root

    def real_argv(self, action: Action) -> list[str]:
        """The command as it is run here: in an isolated workspace as it stands, in the project with the output's path. Raises
        UsageError where such a command does not say where its output goes."""
        if action.workspace == "isolated":
            return list(action.argv)
        if not any("\0" in word for word in action.marked_argv):
            raise UsageError(
                f"{action.node} runs in the project's folder, but its command does not use {{output}}",
                hint="There the output has a path of the attempt's own, which the command must be told.",
            )
        return [word.replace("\0", str(self.output)) for word in action.marked_argv]

    def check(self) -> None:
        """To be called when the command has ended well: raises StaleInputError, naming the file, where an input that others
        use too was written to, by whoever. What was made of it must not be kept. The next attempt gets copies of its own."""
        try:
            whole = self.stage is None or self.stage.untouched()
        except StaleInputError:
            self._retire()
            raise
        if not whole:
            self._retire()
        if self.marks and touched(self.marks, _SOURCE_CHANGED) and self.shelf is not None:
            self.shelf.marks = ()  # the same bytes with another date: look afresh, or every attempt reads them again

    def keep(self, target: Path) -> Path:
        """Move what the attempt left to `target`, in place of what is there, for a post-mortem. Ends the workspace. Raises
        UnusableError."""
        try:
            remove_tree(str(target))
            target.parent.mkdir(parents=True, exist_ok=True)
            _move(self._root, str(target))
        except OSError as error:
            raise UnusableError(f"{self._root} cannot be kept as {target}: {error.strerror}") from error
        finally:
            self.discard()
        return target

    def discard(self) -> None:
        """Remove it. Idempotent. What something still writes to is left to `Workspaces.close`."""
        try:
            self._remove_known()
        except OSError:
            for folder in (self._root, f"{self._root}.tmp"):
                try:
                    remove_tree(folder)
                except OSError:
                    continue

    def _remove_known(self) -> None:
        """The usual case: what was put there, and the output where nobody took it. Raises OSError where there is more."""
        root, stage = self._root, self.stage
        if stage is not None:
            for name in stage.names:
                os.unlink(f"{root}/{name}")
        for name in self.names:
            os.unlink(f"{root}/{name}")
        try:
            os.unlink(f"{root}/{self._output}")
        except FileNotFoundError:
            pass
        for folder in reversed(self._folders):
            os.rmdir(f"{root}/{folder}")
        if stage is not None:
            for folder in reversed(stage.folders):
                os.rmdir(f"{root}/{folder}")
        os.rmdir(root)
        self._owner.give_back_home(f"{root}.tmp")

    def _retire(self) -> None:
        assert self.shelf is not None
        assert self.stage is not None
        self.shelf.retire(self.stage)


def _move(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        os.mkdir(target)  # the command removed its own folder
    except PermissionError:
        os.chmod(source, 0o700)  # it closed it: a folder that changes its parent is written to
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        import shutil

        shutil.move(source, target)
