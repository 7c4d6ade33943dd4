"""A workspace whose many inputs stay laid out for the next run. Knows nothing of what is run in it."""

from __future__ import annotations

import os
from collections.abc import Callable

from helios_pipe.action.model import Action
from helios_pipe.ahead import Ahead
from helios_pipe.worker.bring import Locate
from helios_pipe.worker.removal import remove_tree
from helios_pipe.worker.shelf import Shelf
from helios_pipe.worker.spares import Spares
from helios_pipe.worker.standing import Fit, Standing
from helios_pipe.worker.workspace import Workspace


class StandingWorkspace(Workspace):
    """One attempt at a node whose own inputs stand at `place` between its attempts."""

    def __init__(
        self, root: str, action: Action, shelf: Shelf, place: str, deserted: Callable[[], bool], ahead: Ahead
    ) -> None:
        super().__init__(root, action, shelf, Spares(None))
        self._standing = Standing(root)
        self._place = place
        self._deserted = deserted
        self._ahead = ahead
        self._used = {path.rpartition("/")[0] for path in (action.output.name, *(path for path, _ in action.files))}

    def bring(self, action: Action, fit: Fit, locate: Locate, link_size: int) -> str:
        """Have the action's own inputs there and the folders that `fit` finds, and return where its other files belong. Raises
        as `fit` and `worker.bring.bring`."""
        self._standing.take(self._place, self._ahead)
        others = (action.output.name, *(path for path, _ in action.files))
        self._standing.prepare(action.extra.entries, others, fit, locate, link_size)
        os.mkdir(self.home, 0o700)
        return self._inner

    def _looked_whole(self) -> bool:
        return True  # they were looked at when they were taken, and are this attempt's own

    def _give_on(self) -> bool:
        os.rmdir(self.home)
        return self._deserted() and self._whole and self._standing.leave(self._place, self._used)

    def _remove_layout(self) -> None:
        remove_tree(self._root)
