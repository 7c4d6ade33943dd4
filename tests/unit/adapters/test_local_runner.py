"""An attempt in two parts: what a command has left is taken in when its caller says so, and only once it is there."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event

import pytest

from helios_pipe.action.model import Action, Output
from helios_pipe.adapters.local import LocalWorkerAdapter
from helios_pipe.adapters.local_runner import LocalRunner
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import digest_bytes
from helios_pipe.ports import FailureClass, Outcome
from helios_pipe.worker.workspaces import Workspaces

PATH = f"{os.defpath}:/usr/local/bin"


class Place:
    """A runner with all that it needs in one folder."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.blobs = Blobs(folder / "cache")
        workspaces = Workspaces(self.work, self.blobs.path, project=folder)
        (folder / "logs").mkdir()
        self.runner = LocalRunner(
            workspaces, LocalWorkerAdapter(1), self.blobs, self.blobs.locate, {}, PATH,
            lambda node, attempt: folder / "logs" / f"{node.replace('/', '-')}.{attempt}", folder / "kept",
        )  # fmt: skip

    def begin(self, script: str, output: str = "o.txt") -> Outcome:
        """Both parts, and what there is of the output in between."""
        action = Action("zoom/0000", "chunk", ("sh", "-c", script), Output(output.rstrip("/"), output.endswith("/")))
        self.told: list[str] = []
        came = self.runner.begin(action, 1, Event(), lambda: self.told.append("runs"))
        self.between = [path.name for path in self.work.rglob("o*")]
        if isinstance(came, Outcome):
            return came
        self.told.append("rest")
        return came()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_file_is_taken_in_by_the_second_part(place: Place) -> None:
    outcome = place.begin("echo x > o.txt")
    assert (place.told, place.between) == (["runs", "rest"], ["o.txt"])
    assert outcome.digest == digest_bytes(b"x\n")
    assert place.blobs.locate(outcome.digest).read_bytes() == b"x\n"
    assert [path.name for path in place.work.glob("*/w")] == []


def test_a_folder_is_taken_in_by_the_first(place: Place) -> None:
    """Something may be wrong with it, which is the command's failure: nothing is to begin before that is known."""
    outcome = place.begin("mkdir o && echo x > o/1", "o/")
    assert (place.told, place.between) == (["runs"], [])
    assert outcome.folder


@pytest.mark.parametrize("script", ["exit 3", "true"], ids=["fails", "leaves nothing"])
def test_a_failure_is_known_after_the_first(place: Place, script: str) -> None:
    outcome = place.begin(script)
    assert (place.told, outcome.failure) == (["runs"], FailureClass.COMMAND)
    assert outcome.kept is not None


def test_an_output_that_goes_away_between_the_parts_is_not_the_commands_failure(place: Place) -> None:
    """By a daemon that the command has left, say. It is tried again."""
    action = Action("zoom/0000", "chunk", ("sh", "-c", "echo x > o.txt"), Output("o.txt"))
    rest = place.runner.begin(action, 1, Event(), lambda: None)
    assert not isinstance(rest, Outcome)
    for path in place.work.rglob("o.txt"):
        path.unlink()
    outcome = rest()
    assert (outcome.digest, outcome.failure) == (None, FailureClass.INFRASTRUCTURE)
    assert "o.txt" in outcome.reason
    assert [path.name for path in place.work.glob("*/w")] == []


def test_an_adapter_that_says_nothing_of_it_is_not_expected_to_tell(place: Place) -> None:
    class Old:
        """What an adapter said of itself before that could be said."""

        remote, costs_money, concurrency = False, False, None

    assert place.runner.relay is place.runner
    place.runner._adapter.capabilities = Old()  # type: ignore[misc, assignment]
    assert place.runner.relay is None
