"""Fixtures that every test may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.clock import FakeClock
from tests.kit.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project, with the command to run in it."""
    return Project(tmp_path / "project")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that obeys."""
    return FakeClock()
