"""A file gets a new name, or stays what it is: with the kernel's help, and without it."""

from __future__ import annotations

import ctypes  # noqa: F401 - as it is in a process that starts commands
import errno
import sys
from pathlib import Path

import pytest

from helios_pipe.cache import moving
from helios_pipe.cache.moving import move_to_new


def refused(number: int) -> moving._Move:
    """A kernel that knows nothing of it."""
    return lambda _source, _target: number


@pytest.fixture(params=["kernel", "no kernel", "ENOSYS", "EINVAL"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """EINVAL is what a file system says that cannot do it (some network shares)."""
    if request.param == "no kernel":
        monkeypatch.setattr(moving, "_kernels_move", lambda: None)
    elif request.param != "kernel":
        monkeypatch.setattr(moving, "_kernels_move", lambda: refused(getattr(errno, request.param)))
    return str(request.param)


def test_a_new_name_is_given(tmp_path: Path, way: str) -> None:
    (tmp_path / "ä b").write_text("one")
    assert move_to_new(f"{tmp_path}/ä b", f"{tmp_path}/new")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("new", "one")]


def test_what_has_the_name_keeps_it(tmp_path: Path, way: str) -> None:
    (tmp_path / "old").write_text("one")
    (tmp_path / "there").write_text("two")
    assert not move_to_new(f"{tmp_path}/old", f"{tmp_path}/there")
    assert ((tmp_path / "old").read_text(), (tmp_path / "there").read_text()) == ("one", "two")


def test_a_link_that_leads_nowhere_is_there_too(tmp_path: Path, way: str) -> None:
    (tmp_path / "old").write_text("one")
    (tmp_path / "there").symlink_to("nowhere")
    assert not move_to_new(f"{tmp_path}/old", f"{tmp_path}/there")


@pytest.mark.parametrize("missing", ["source", "folder"])
def test_what_is_missing_is_named(tmp_path: Path, way: str, missing: str) -> None:
    if missing == "folder":
        (tmp_path / "old").write_text("one")
    with pytest.raises(FileNotFoundError) as raised:
        move_to_new(f"{tmp_path}/old", f"{tmp_path}/folder/new")
    assert (raised.value.filename, raised.value.filename2) == (f"{tmp_path}/old", f"{tmp_path}/folder/new")


@pytest.mark.skipif(sys.platform != "linux", reason="a system call of Linux")
def test_the_kernel_is_asked_here() -> None:
    assert moving._kernels_move() is not None
