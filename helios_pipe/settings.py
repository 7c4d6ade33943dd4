"""Flag over environment over default. The one module that reads the process's environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CACHE_DIR_VARIABLE = "HELIOS_PIPE_CACHE_DIR"
DEFAULT_CACHE_DIR = ".helios"


def environment() -> Mapping[str, str]:
    """The caller's environment, as it stands."""
    return os.environ


def cache_dir(root: Path, flag: str | None) -> Path:
    """The cache folder, absolute: the flag, else the variable, else `.helios` beside the manifest."""
    given = flag or os.environ.get(CACHE_DIR_VARIABLE)
    return Path(os.path.abspath(given)) if given else root / DEFAULT_CACHE_DIR


def default_concurrency() -> int:
    """How many commands run at once on this machine unless told otherwise: the CPUs that we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def storage_emulator() -> str | None:
    """The address of a Google Cloud Storage emulator that stands in for the real one, as Google's own clients read it."""
    given = os.environ.get("STORAGE_EMULATOR_HOST")
    return given if not given or "://" in given else f"http://{given}"
