"""Preloaded by the workers of a Dask cluster that was started for one run: a Ctrl-C in the terminal, which reaches all that were
started there, is for the run to decide on."""

from __future__ import annotations

import signal
from types import FrameType


def dask_setup(_worker: object) -> None:
    """What Dask calls in the worker's process, in its main thread."""
    signal.signal(signal.SIGINT, _nothing)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Not ignored: whom the worker starts would ignore it, too."""
