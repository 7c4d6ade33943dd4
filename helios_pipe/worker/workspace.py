"""One attempt's folders, from when they are made to when they are gone. Knows nothing of what is run in them."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from helios_pipe.action.model import Action
from helios_pipe.errors import StaleInputError, UnusableError, UsageError
from helios_pipe.worker.bring import Mark, touched
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.shelf import Shelf
from helios_pipe.worker.spares import Layout, Seen, Spares
from helios_pipe.worker.staging import Way

_SOURCE_CHANGED = "it changed while it was used"


class Workspace:
    """One attempt's folders. The command runs in `folder`, with `home` as HOME and TMPDIR, and leaves its output at `output`."""

    def __init__(self, root: str, action: Action, shelf: Shelf, spares: Spares, project: Path | None = None) -> None:
        """`project` is where the command runs that cannot be moved."""
        self._inner = f"{root}/w"
        self.folder = self._inner if project is None else str(project)
        self.home = f"{root}/t"
        self.output = f"{root}/w/{action.output.name}"
        self._output = action.output.name
        self.marks: tuple[Mark, ...] = ()
        self.names: list[str] = []
        """The paths of the inputs that it was given besides those of the layout."""
        self.taken = False
        """Whether the output has been moved away."""
        self.given_on = False
        """Whether, when it was over, nobody was left who could still write, and its folders are another attempt's."""
        self._root = root
        self._shelf = shelf
        self._spares = spares
        self._layout: Layout | None = None
        self._seen: Seen | None = None
        self._whole = False
        self._over = False

    @property
    def cwd(self) -> Path:
        """Where the command runs."""
        return Path(self.folder)

    def lay_out(self, layout: Layout, way: Way) -> str:
        """Make the folders, with the stage's files in them, and return where the command's inputs belong. Raises OSError."""
        self._layout = layout
        self._seen = self._spares.take(layout, self._root)
        if self._seen is None:
            folders = _folders(layout)
            self._make(folders)
            if layout.stage.lay_out(self._inner, way):
                self._seen = self._spares.note(self._root, folders)
        return self._inner

    def _make(self, folders: Sequence[str]) -> None:
        root = self._root
        try:
            os.mkdir(root)
        except FileNotFoundError:
            os.makedirs(root)
        for folder in folders[:-1]:
            os.mkdir(f"{root}/{folder}")
        os.mkdir(self.home, 0o700)

    def real_argv(self, action: Action, output: str | None = None) -> tuple[str, ...]:
        """The command as it is run here: in an isolated workspace as it stands, in the project with the output's path (or
        another one for it). Raises UsageError where such a command does not say where its output goes."""
        if action.workspace == "isolated":
            return action.argv
        if not any("\0" in word for word in action.marked_argv):
            raise UsageError(
                f"{action.node} runs in the project's folder, but its command does not use {{output}}",
                hint="There the output has a path of the attempt's own, which the command must be told.",
            )
        return tuple(word.replace("\0", output or self.output) for word in action.marked_argv)

    def check(self) -> None:
        """To be called when the command has ended well: raises StaleInputError, naming the file, where an input that others
        use too was written to, by whoever. What was made of it must not be kept. The next attempt gets copies of its own."""
        self._whole = self._looked_whole()
        if self.marks and touched(self.marks, _SOURCE_CHANGED):
            self._shelf.marks = ()  # the same bytes with another date: look afresh, or every attempt reads them again

    def _looked_whole(self) -> bool:
        assert self._layout is not None
        stage = self._layout.stage
        try:
            whole = stage.untouched()
        except StaleInputError:
            self._shelf.retire(stage)
            raise
        if not whole:
            self._shelf.retire(stage)
        return whole

    def keep(self, target: Path) -> Path:
        """Move what the attempt left to `target`, in place of what is there, for a post-mortem. Ends the workspace. Raises
        UnusableError."""
        try:
            remove_tree(str(target))
            target.parent.mkdir(parents=True, exist_ok=True)
            _move(self._inner, str(target))
        except OSError as error:
            raise UnusableError(f"{self._inner} cannot be kept as {target}: {error.strerror}") from error
        finally:
            self.discard()
        return target

    def discard(self) -> None:
        """End it: its folders are removed, or are another attempt's from now on. Idempotent. What something still writes to is
        left to `Workspaces.close`."""
        if self._over:
            return
        self._over = True
        try:
            self._remove_known()
        except OSError:
            try:
                remove_tree(self._root)
            except OSError:
                pass

    def _remove_known(self) -> None:
        """The usual case: what was put there, and the output where nobody took it. Raises OSError where there is more."""
        for name in self.names:
            os.unlink(f"{self._inner}/{name}")
        if not self.taken:
            remove_tree(self.output)
        self.given_on = self._give_on()
        if not self.given_on:
            self._remove_layout()

    def _give_on(self) -> bool:
        """Whether another attempt has the folders from now on. Raises OSError."""
        seen, layout = self._seen, self._layout
        if not self._whole or seen is None or layout is None:
            self._spares.deserted()  # or whoever has ended of what others left would stay in the table of processes
            return False
        return self._spares.give_back(layout, self._root, seen, (self._output, *self.names))

    def _remove_layout(self) -> None:
        root, layout = self._root, self._layout
        for name in layout.stage.names if layout is not None else ():
            os.unlink(f"{self._inner}/{name}")
        for folder in reversed(_folders(layout) if layout is not None else ()):
            os.rmdir(f"{root}/{folder}")
        os.rmdir(root)


def _folders(layout: Layout) -> tuple[str, ...]:
    """All folders of a workspace, those that others stand in first."""
    return ("w", *(f"w/{folder}" for folder in (*layout.stage.folders, *layout.folders)), "t")


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
