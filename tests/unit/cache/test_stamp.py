"""What is kept for the next run's start: whole or not at all, and nothing is left beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from helios_pipe.cache import stamp
from helios_pipe.cache.readings import Reading

REQUEST: stamp.Request = (("run", "m.yaml"), "/project", ())


def write_stamp(cache: Path) -> None:
    stamp.write(str(cache), REQUEST, "1.0", stamp.Seen.of([]), [], {"said": "fine"})


def write_reading(cache: Path) -> None:
    Reading(cache, Path("m.yaml")).keep("origin", "shape", {"version": 1})


@pytest.mark.parametrize("write", [write_stamp, write_reading])
def test_what_is_written_again_takes_the_place_of_what_was_there(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path)
    (kept,) = (tmp_path / "stamps").iterdir()
    first = kept.read_bytes()
    kept.write_bytes(b"torn")
    write(tmp_path)
    assert {path: path.read_bytes() for path in (tmp_path / "stamps").iterdir()} == {kept: first}


@pytest.mark.parametrize("write", [write_stamp, write_reading])
def test_what_cannot_be_written_leaves_no_half(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path)
    (kept,) = (tmp_path / "stamps").iterdir()
    kept.unlink()
    (kept / "in the way").mkdir(parents=True)
    write(tmp_path)
    assert os.listdir(tmp_path / "stamps") == [kept.name]
