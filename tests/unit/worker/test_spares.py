"""Folders serve a second attempt only where nobody can be in them and nothing in them is other than it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helios_pipe.action.model import Action, Entry, Output, Tree
from helios_pipe.digest import digest_file
from helios_pipe.worker import bring, spares, staging
from helios_pipe.worker.workspaces import Workspaces


class Place:
    """A project with one input, and workspaces for it."""

    def __init__(self, folder: Path, *, link_size: int = 1 << 20) -> None:
        self.source = folder / "look.txt"
        self.source.write_text("warm")
        self.deserted = True
        self.entry = Entry("in/look.txt", digest_file(self.source), 4)
        self.workspaces = Workspaces(
            folder / "work", lambda _: self.source, project=folder, link_size=link_size, deserted=lambda: self.deserted
        )

    def action(self, output: str = "out/c.mp4") -> Action:
        return Action("zoom/0003", "chunk", ("true",), Output(output), Tree.of([self.entry]), Tree())

    def attempt(self, change: Callable[[Path], object], *, output: str = "out/c.mp4", checked: bool = True) -> int:
        """The inode of the folder that an attempt ran in, which changed something there."""
        workspace = self.workspaces.open(self.action(output))
        assert sorted(str(path.relative_to(workspace.cwd)) for path in workspace.cwd.rglob("*.*")) == ["in/look.txt"]
        assert (workspace.cwd / "in/look.txt").read_text() == "warm"
        assert os.listdir(workspace.home) == []
        assert os.stat(workspace.home).st_mode & 0o7777 == 0o700
        inode = workspace.cwd.stat().st_ino
        change(workspace.cwd)
        if checked:
            workspace.check()
        workspace.discard()
        workspace.discard()  # once more must not take it away from whoever has it now
        assert not Path(workspace.output).exists()
        return inode


@pytest.fixture(autouse=True)
def no_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot share blocks between files, as ext4, wherever the tests run: clones are never given on."""
    for module in (staging, bring):
        monkeypatch.setattr(module, "clone", lambda source, target: False)


@pytest.fixture(params=["looked through", "watched"])
def place(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Folders are looked through before another attempt gets them, or the kernel tells what happened in them."""
    if request.param == "watched":
        monkeypatch.setattr(spares, "_FEW", -1)
    return Place(tmp_path)


def _render(cwd: Path) -> None:
    (cwd / "out/c.mp4").write_text("video")


def test_what_was_left_as_it_was_serves_again_under_another_name(place: Place) -> None:
    first = place.attempt(_render)
    workspace = place.workspaces.open(place.action())
    assert workspace.cwd.stat().st_ino == first
    other = place.workspaces.open(place.action())  # two at once never share
    assert other.cwd.stat().st_ino != first
    assert other.cwd != workspace.cwd


def _note(folder: Path) -> None:
    """An attribute where the file system has them, else a file."""
    try:
        os.setxattr(folder, "user.note", b"x")
    except OSError:
        (folder / "note").touch()


def _render_folder(cwd: Path) -> None:
    (cwd / "out/c.mp4/in").mkdir(parents=True)
    (cwd / "out/c.mp4/in/1.png").touch()


def _behind_a_link(folder: Path) -> None:
    """Moved away, with a link to where it is now."""
    away = folder.parent.parent / f"away-{folder.name}"
    folder.rename(away)
    folder.symlink_to(away)


def _made_anew(folder: Path) -> None:
    old = folder.rename(folder.with_name("old"))
    shutil.copytree(old, folder)
    shutil.rmtree(old)


@pytest.mark.parametrize(
    "change",
    [
        lambda cwd: (cwd / "more.txt").write_text("x"),
        lambda cwd: (cwd / "in/__pycache__").mkdir(),
        lambda cwd: (cwd / "in/look.txt").unlink(),
        lambda cwd: ((cwd / "in/look.txt").unlink(), (cwd / "in/look.txt").write_text("warm")),
        lambda cwd: (cwd / "in/look.txt").rename(cwd / "in/new.txt"),
        lambda cwd: _made_anew(cwd / "in"),
        lambda cwd: cwd.chmod(0o777),
        lambda cwd: (cwd / "in").chmod(0o777),
        lambda cwd: (cwd.parent / "t/.config").write_text("x"),
        lambda cwd: (cwd.parent / "t").chmod(0o755),
        lambda cwd: (cwd / "in/look.txt").chmod(0o644),
        lambda cwd: os.utime(cwd / "in/look.txt"),
        lambda cwd: shutil.rmtree(cwd),
        lambda cwd: (cwd.parent / "more").write_text("x"),
        lambda cwd: _behind_a_link(cwd),
        lambda cwd: _behind_a_link(cwd.parent / "t"),
        lambda cwd: _note(cwd),
    ],
)  # fmt: skip
def test_what_was_changed_serves_nobody(place: Place, change: Callable[[Path], object]) -> None:
    kept = os.open(
        place.source.parent, os.O_RDONLY
    )  # so that no number of a removed folder is told for that of a new one
    try:
        first = place.workspaces.open(place.action())
        stay = os.open(first.cwd, os.O_RDONLY)
        change(first.cwd)
        first.check()
        first.discard()
        second = place.workspaces.open(place.action())
        assert second.cwd.stat().st_ino != os.fstat(stay).st_ino
        assert (second.cwd / "in/look.txt").read_text() == "warm"
        assert sorted(os.listdir(second.cwd)) == ["in", "out"]
        os.close(stay)
    finally:
        os.close(kept)


def test_an_output_folder_is_no_hindrance(place: Place) -> None:
    first = place.attempt(_render_folder)
    assert place.attempt(_render) == first


def test_where_somebody_may_still_be_in_it_it_serves_nobody(place: Place) -> None:
    place.deserted = False
    workspace = place.workspaces.open(place.action())
    stay = os.open(workspace.cwd, os.O_RDONLY)
    workspace.check()
    workspace.discard()
    with pytest.raises(FileNotFoundError):
        os.open("late", os.O_CREAT | os.O_WRONLY, dir_fd=stay)
    os.close(stay)


def test_a_failed_attempt_leaves_nothing_to_another(place: Place) -> None:
    workspace = place.workspaces.open(place.action())
    stay = os.open(workspace.cwd, os.O_RDONLY)
    workspace.discard()
    assert os.fstat(stay).st_nlink == 0
    os.close(stay)


def test_other_folders_are_another_layout(place: Place) -> None:
    first = place.attempt(_render)
    assert place.attempt(lambda _: None, output="else/c.mp4") != first
    assert place.attempt(_render) == first


def test_a_link_to_a_large_source_serves_once(tmp_path: Path) -> None:
    place = Place(tmp_path, link_size=2)
    workspace = place.workspaces.open(place.action())
    assert (workspace.cwd / "in/look.txt").is_symlink()
    stay = os.open(workspace.cwd, os.O_RDONLY)
    workspace.check()
    workspace.discard()
    assert os.fstat(stay).st_nlink == 0
    os.close(stay)


_RELAY = """
import os, sys, time
from helios_pipe.worker.adopted import adopt_orphans
deserted = adopt_orphans()
if os.fork() == 0:  # somebody who is always about to end, and always leaves another one
    for _ in range(2000):
        if os.fork():
            os._exit(0)
    os._exit(0)
time.sleep(0.005)
while not deserted():
    pass
print(open(f"/proc/self/task/{os.getpid()}/children").read() == "")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")
def test_who_passes_on_from_one_to_the_next_is_not_taken_for_gone() -> None:
    for _ in range(5):
        ran = subprocess.run([sys.executable, "-c", _RELAY], capture_output=True, text=True, check=True)
        assert ran.stdout == "True\n"


_DAEMON = """
import os, subprocess, sys, time
from helios_pipe.worker.adopted import adopt_orphans
deserted = adopt_orphans()
assert deserted is not None
print(deserted())
code = "import os, sys, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); time.sleep(float(sys.argv[1]))"
subprocess.run([sys.executable, "-c", code, "0"], check=True)
end = time.monotonic() + 20
while not deserted() and time.monotonic() < end:
    time.sleep(0.01)
print(deserted(), open(f"/proc/self/task/{os.getpid()}/children").read() == "")
subprocess.run([sys.executable, "-c", code, "60"], check=True)
print(deserted())
end = time.monotonic() + 20
while not deserted() and time.monotonic() < end:  # the one in between may only now start the daemon
    for pid in open(f"/proc/self/task/{os.getpid()}/children").read().split():
        os.kill(int(pid), 9)
    time.sleep(0.01)
print(deserted())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")
def test_a_daemon_is_seen_for_as_long_as_it_lives() -> None:
    ran = subprocess.run([sys.executable, "-c", _DAEMON], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True", "True", "False", "True"]


_OUR_OWN = """
import os, signal, time
from helios_pipe.worker.adopted import adopt_orphans
own = os.fork()
if own == 0:
    time.sleep(60)
    os._exit(0)
deserted = adopt_orphans(lambda: own)
assert deserted is not None
print(deserted())
other = os.fork()
if other == 0:
    time.sleep(60)
    os._exit(0)
print(deserted())
os.kill(other, 9)
end = time.monotonic() + 20
while not deserted() and time.monotonic() < end:
    time.sleep(0.01)
print(deserted(), open(f"/proc/self/task/{os.getpid()}/children").read().split() == [str(own)])
os.kill(own, 9)
print(deserted())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt orphans")
def test_a_process_of_our_own_is_not_taken_for_what_a_command_left() -> None:
    ran = subprocess.run([sys.executable, "-c", _OUR_OWN], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "False", "True", "True", "True"]
