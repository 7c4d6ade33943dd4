"""Inputs that stay laid out are the right ones, whatever happened to them in between."""

from __future__ import annotations

import marshal
import os
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.action.model import Action, Entry, Output, Tree
from helios_pipe.digest import Digest, digest_file
from helios_pipe.worker import standing, standing_index
from helios_pipe.worker.workspace import Workspace
from helios_pipe.worker.workspaces import Workspaces

COUNT = standing.FEWEST


class Place:
    """Blobs, and one node after the other that joins them, each in a run of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "cas"
        self.blobs.mkdir()
        self.runs = 0
        self.deserted = True
        self.stands = folder / "standing/zoom/stitch"

    def blob(self, text: str) -> Digest:
        (self.blobs / "new").write_text(text)
        digest = digest_file(self.blobs / "new")
        (self.blobs / "new").rename(self.blobs / digest)
        return digest

    def entries(self, texts: list[str]) -> list[Entry]:
        return [Entry(f"in/{at:04d}/c.txt", self.blob(text), len(text)) for at, text in enumerate(texts)]

    def open(self, entries: list[Entry], output: str = "out/final") -> Workspace:
        """A workspace as another process would make it."""
        self.runs += 1
        workspaces = Workspaces(
            self.folder / f"work/{self.runs}", lambda digest: self.blobs / digest, project=self.folder,
            deserted=lambda: self.deserted, standing=self.folder / "standing",
        )  # fmt: skip
        files = (("inputs.txt", "".join(f"{entry.path}\n" for entry in entries)),)
        action = Action("zoom/stitch", "stitch", ("true",), Output(output), extra=Tree.of(entries), files=files)
        return workspaces.open(action)

    def join(self, texts: list[str], change: Callable[[Path], object] = lambda _: None) -> dict[str, tuple[int, int]]:
        """One attempt, which sees just these inputs and ends well. Returns which files they were: a number that is free again
        may be given to the next one, at another time."""
        workspace = self.open(self.entries(texts))
        assert sorted(os.listdir(workspace.cwd.parent)) == ["t", "w"]
        found = sorted(str(path.relative_to(workspace.cwd)) for path in workspace.cwd.rglob("*") if path.is_file())
        assert found == [*(f"in/{at:04d}/c.txt" for at in range(len(texts))), "inputs.txt"]
        folders = sorted(str(path.relative_to(workspace.cwd)) for path in workspace.cwd.rglob("*") if path.is_dir())
        assert folders == ["in", *(f"in/{at:04d}" for at in range(len(texts))), "out"]
        assert [(workspace.cwd / path).read_text() for path in found[:-1]] == texts
        assert os.listdir(workspace.home) == []
        looks = {path: (workspace.cwd / path).stat() for path in found[:-1]}
        (workspace.cwd / "out/final").write_text("".join(texts))
        change(workspace.cwd)
        workspace.check()
        workspace.discard()
        workspace.discard()
        return {path: (look.st_ino, look.st_ctime_ns) for path, look in looks.items()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def texts(count: int = COUNT, **changed: str) -> list[str]:
    return [changed.get(f"at{at}", f"input {at}") for at in range(count)]


def test_what_is_right_stays_and_what_is_not_is_brought(place: Place) -> None:
    first = place.join(texts())
    second = place.join(texts(at7="new"))
    assert {path for path in first if first[path] != second[path]} == {"in/0007/c.txt"}
    assert place.join(texts(at7="new")) == second


def test_inputs_that_are_added_or_no_longer_there(place: Place) -> None:
    first = place.join(texts(COUNT + 10))
    second = place.join(texts(COUNT))
    assert second.items() <= first.items()
    third = place.join(texts(COUNT + 3))
    assert second.items() <= third.items()


@pytest.mark.parametrize(
    "change",
    [
        lambda inside: _swap(inside / "in/0003/c.txt", "INPUT 3"),
        lambda inside: (inside / "in/0003/c.txt").unlink(),
        lambda inside: (inside / "in/0003/more.txt").write_text("x"),
        lambda inside: (inside / "in/0003/c.txt").rename(inside / "in/0003/d.txt"),
        lambda inside: (inside / "in/9999").mkdir(),
        lambda inside: (inside / "more.txt").write_text("x"),
        lambda inside: (inside.parent / "more.txt").write_text("x"),
        lambda inside: (inside / "in/0003").chmod(0o777),
        lambda inside: (inside.parent.parent / "stitch.index").write_bytes(b"torn"),
        lambda inside: (inside.parent.parent / "stitch.index").unlink(),
        lambda inside: (inside.parent.parent / "stitch.index").write_bytes(b""),
    ],
)
def test_what_was_changed_in_between_is_never_used(place: Place, change: Callable[[Path], object]) -> None:
    first = place.join(texts())
    change(place.stands / "w")
    assert place.join(texts()).values() != first.values()


def _swap(path: Path, text: str) -> None:
    """Another file with the same size and date."""
    seen = path.stat()
    path.unlink()
    path.write_text(text)
    path.chmod(seen.st_mode)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def test_one_that_was_written_to_in_between_is_brought_anew(place: Place) -> None:
    place.join(texts())
    path = place.stands / "w/in/0003/c.txt"
    path.chmod(0o644)
    path.write_text("INPUT 3")
    os.utime(path, ns=(standing_date := 315_619_200 * 10**9, standing_date))
    path.chmod(0o444)
    place.join(texts())
    assert path.read_text() == "input 3"


@pytest.mark.parametrize(
    "change",
    [
        lambda cwd: (cwd / "in/0003/c.txt").chmod(0o644) or (cwd / "in/0003/c.txt").write_text("INPUT 3"),
        lambda cwd: _swap(cwd / "in/0003/c.txt", "INPUT 3"),
        lambda cwd: _rewrite(cwd / f"in/{COUNT - 1:04d}/c.txt", "INPUT 6"),
        lambda cwd: shutil.rmtree(cwd / "in"),
        lambda cwd: (cwd / "in/0003/c.txt").rename(cwd / "in/gone.txt"),
    ],
)
def test_the_inputs_are_the_commands_own_to_do_with_as_it_likes(place: Place, change: Callable[[Path], object]) -> None:
    place.join(texts(), change)
    place.join(texts())
    place.join(texts())


def _rewrite(path: Path, text: str) -> None:
    """Other bytes in the same file, at once and with its date put back."""
    seen = path.stat()
    path.chmod(0o644)
    path.write_text(f"{text}{path.read_text()[len(text) :]}")
    path.chmod(seen.st_mode & 0o777)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        lambda cwd: (cwd / "in/0003/__pycache__").mkdir(),
        lambda cwd: (cwd / "left").write_text("x"),
        lambda cwd: (cwd / "out/more").write_text("x"),
        lambda cwd: os.utime(cwd / "in/0003/c.txt"),
        lambda cwd: (cwd.parent / "more").write_text("x"),
        lambda cwd: (cwd.parent / "new").mkdir(),
        lambda cwd: (cwd.parent / "t/.config").write_text("x"),
    ],
)
def test_what_a_command_leaves_is_not_there_for_the_next(place: Place, change: Callable[[Path], object]) -> None:
    place.join(texts(), change)
    place.join(texts())


def test_a_failed_attempt_and_one_that_left_a_daemon_leave_nothing_standing(place: Place) -> None:
    place.open(place.entries(texts())).discard()
    assert not place.stands.exists()
    place.deserted = False
    place.join(texts())
    assert not place.stands.exists()


def test_what_was_killed_in_between_begins_anew(place: Place) -> None:
    place.join(texts())
    place.open(place.entries(texts()))  # killed: neither checked nor discarded
    assert not place.stands.exists()
    place.join(texts())


def test_two_attempts_at_once_never_share(place: Place) -> None:
    place.join(texts())
    first, second = place.open(place.entries(texts())), place.open(place.entries(texts()))
    assert (first.cwd / "in/0003/c.txt").stat().st_ino != (second.cwd / "in/0003/c.txt").stat().st_ino
    for workspace in (first, second):
        workspace.check()
        workspace.discard()
    place.join(texts())


def test_few_inputs_large_ones_and_very_many_bytes_do_not_stand(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.join(texts(COUNT - 1))
    assert not place.stands.exists()
    monkeypatch.setattr(standing, "MOST_BYTES", 7 * COUNT)
    place.join(texts())
    assert not place.stands.exists()


def test_where_nothing_can_stand_each_attempt_brings_its_own(place: Place) -> None:
    (place.folder / "standing").write_text("a file in its place")
    place.join(texts())
    place.join(texts())


def test_any_flipped_bit_of_the_index_brings_everything_anew(place: Place) -> None:
    place.join(texts())
    index = place.stands.with_name("stitch.index")
    for at in range(0, 4000, 371):
        data = bytearray(index.read_bytes())
        data[at] ^= 4
        index.write_bytes(data)
        place.join(texts())


def test_an_index_of_another_version_brings_everything_anew(place: Place) -> None:
    first = place.join(texts())
    index = place.stands.with_name("stitch.index")
    for other in (b"", b"\0" * 4 + marshal.dumps((1, {}, {})), sealed(marshal.dumps((3, "a", b"", b"", (), 0)))):
        index.write_bytes(other)
        second = place.join(texts())
        assert not set(first.items()) & set(second.items())
        first = second


def sealed(what: bytes) -> bytes:
    """An index that says this, and nothing else."""
    parts = [what, marshal.dumps(([], {})), marshal.dumps(({}, {}))]
    return b"".join(len(p).to_bytes(8, "big") + zlib.crc32(p).to_bytes(4, "big") for p in parts) + b"".join(parts)


def test_a_kept_workspace_is_as_the_command_left_it(place: Place, tmp_path: Path) -> None:
    workspace = place.open(place.entries(texts()))
    (workspace.cwd / "half").write_text("x")
    kept = workspace.keep(tmp_path / "failed/zoom/stitch")
    assert (kept / "half").read_text() == "x"
    assert (kept / "in/0003/c.txt").read_text() == "input 3"
    assert not place.stands.exists()


def test_the_names_in_few_folders_and_in_many_are_found_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    look = (1, 2, 3, 4, 5)
    paths = sorted([f"in/{at:04d}/c.txt" for at in range(9)] + ["in/0003/deep/er/d.txt", "in/0003-a", "top.txt"])
    others = ("out/far/final", "inputs.txt")
    folders = {*(f"in/{at:04d}" for at in range(9)), "in", "in/0003/deep", "in/0003/deep/er", "out", "out/far"}
    index = standing_index.Index.of(dict.fromkeys(paths, ("0" * 64, False, look)), dict.fromkeys(folders, look), others)
    for asked in ({""}, {"in", "out"}, {"in/0003", "in/0003/deep", "out/far", "", "in"}, folders | {""}):
        monkeypatch.setattr(standing_index, "_FEW_FOLDERS", 1000)
        few = {folder: names for folder, names in index.inside(asked).items() if names}
        monkeypatch.setattr(standing_index, "_FEW_FOLDERS", 0)
        assert index.inside(asked) == few


NAMES = st.lists(st.sampled_from(["a", "a-", "a.", "a0", "a1", "b", "ä", "/"]), min_size=1, max_size=6).map(
    lambda parts: re.sub("/+", "/", "".join(parts)).strip("/")
)


@given(st.sets(NAMES.filter(bool), max_size=20))
def test_the_names_in_a_folder_are_those_that_its_paths_begin_with(found: set[str]) -> None:
    paths = sorted(found)
    for folder in {"", *(path.rpartition("/")[0] for path in paths), "a", "a/b"}:
        inside = [
            path[len(folder) + 1 if folder else 0 :] for path in paths if not folder or path.startswith(f"{folder}/")
        ]
        assert standing_index._names_in(folder, paths) == {path.partition("/")[0] for path in inside}
