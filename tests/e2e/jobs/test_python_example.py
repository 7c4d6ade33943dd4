"""The example of the Python API does what its page says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av

from tests.kit.project import REPOSITORY, Project

SCRIPT = REPOSITORY / "examples/python-api/submit.py"


def run(folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, SCRIPT, folder], capture_output=True, text=True, env=Project(folder).environment()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_film_is_made_once_through_a_pause(tmp_path: Path) -> None:
    lines = run(tmp_path)
    assert sorted(line.split(" in ")[0] for line in lines if "rendered in" in line) == [
        f"chunk {n}: rendered" for n in range(8)
    ]
    assert lines[-1] == f"completed: {tmp_path}/out/card.mp4"
    with av.open(str(tmp_path / "out/card.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == 120
    again = run(tmp_path)
    assert not [line for line in again if "rendered in" in line]
    assert again[-1] == lines[-1]
