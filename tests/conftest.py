"""Fixtures that every test may ask for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.kit.clock import FakeClock
from tests.kit.project import Project


def pytest_configure() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and that is inherited: the commands under test would."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What a bare machine cannot run is skipped there, and said; in CI it runs, and fails where its tools are missing. What
    takes very long runs where it is asked for."""
    if "soak" not in (config.option.markexpr or ""):
        soak = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=soak)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
    if os.environ.get("CI") != "true":
        for item in items:
            if item.get_closest_marker("tools"):
                item.add_marker(pytest.mark.skip(reason="needs tools that pip does not bring: set CI=true to run it"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project, with the command to run in it."""
    return Project(tmp_path / "project")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that obeys."""
    return FakeClock()
