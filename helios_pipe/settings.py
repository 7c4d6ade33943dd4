"""Flag over environment over default. The one module that reads the process's environment."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # this is loaded where nothing else is, and typing and pathlib take time
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import NoReturn

CACHE_DIR_VARIABLE = "HELIOS_PIPE_CACHE_DIR"
DEFAULT_CACHE_DIR = ".helios"


def environment() -> Mapping[str, str]:
    """The caller's environment, as it stands."""
    return os.environ


def cache_dir(root: Path, flag: str | None) -> Path:
    """The cache folder, absolute: the flag, else the variable, else `.helios` beside the manifest."""
    return given_cache_dir(flag) or root / DEFAULT_CACHE_DIR


def given_cache_dir(flag: str | None) -> Path | None:
    """The cache folder that the flag or the variable names, absolute; None where neither does."""
    from pathlib import Path

    given = flag or os.environ.get(CACHE_DIR_VARIABLE)
    return Path(os.path.abspath(given)) if given else None


def default_concurrency() -> int:
    """How many commands run at once on this machine unless told otherwise: the CPUs that we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def storage_emulator() -> str | None:
    """The address of a Google Cloud Storage emulator that stands in for the real one, as Google's own clients read it."""
    given = os.environ.get("STORAGE_EMULATOR_HOST")
    return given if not given or "://" in given else f"http://{given}"


def text(variable: str) -> str | None:
    """The variable without the white space around it; None where it is not set or empty."""
    return os.environ.get(variable, "").strip() or None


def words(variable: str) -> tuple[str, ...]:
    """The variable as a list, written with commas."""
    return tuple(part.strip() for part in os.environ.get(variable, "").split(",") if part.strip())


def flag(variable: str) -> bool:
    """The variable as yes or no; not set is no. Raises UsageError on anything else."""
    given = (text(variable) or "false").lower()
    if given not in ("1", "true", "yes", "0", "false", "no"):
        _refuse(variable, given, "true or false")
    return given in ("1", "true", "yes")


def whole(variable: str) -> int | None:
    """The variable as a whole number above 0; None where it is not set. Raises UsageError on anything else."""
    given = text(variable)
    if given is not None and (not given.isdecimal() or int(given) == 0):
        _refuse(variable, given, "a whole number above 0")
    return None if given is None else int(given)


def signing_key() -> bytes | None:
    """The key that job specs are signed with."""
    given = text("HELIOS_PIPE_SIGNING_KEY")
    return given.encode() if given else None


def _refuse(variable: str, given: str, expected: str) -> NoReturn:
    from helios_pipe.errors import UsageError

    raise UsageError(f"{variable} is {given!r}, expected {expected}")
