"""A run so large that a second process looks at its files while it is being loaded: whatever happened to them is found."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.ahead import chunks_of, standing_at
from helios_pipe.cache.stamp import Kept, Seen, unseal
from helios_pipe.cli.fast import _VERY_MANY, _look
from helios_pipe.digest import digest_bytes
from tests.kit.project import Project

COUNT = _VERY_MANY + 100


def manifest() -> dict[str, Any]:
    chunk = {
        "size": 1, "inputs": ["in/{chunk.start:04d}.txt"], "output": "c.txt",
        "command": ["cp", "in/{chunk.start:04d}.txt", "{output}"],
    }  # fmt: skip
    stitch = {
        "method": "command", "output": "out/poem.txt",
        "command": ["/bin/sh", "-c", 'xargs cat < "$1" > "$2"', "join", "{inputs_list}", "{output}"],
    }  # fmt: skip
    return {"version": 1, "jobs": {"poem": {"frames": COUNT, "chunk": chunk, "stitch": stitch}}}


class Poem:
    """The project, and what its lines are now."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.lines = [f"text {at}" for at in range(COUNT)]
        self.serial = 0

    def write(self, *places: int) -> None:
        self.serial += 1
        for at in places:
            self.lines[at] = f"new {at} {self.serial}"
            self.project.write(f"in/{at:04d}.txt", f"{self.lines[at]}\n")

    def blob(self, at: int) -> Path:
        digest = digest_bytes(f"{self.lines[at]}\n".encode())
        return self.project.path(f".helios/cas/{digest[:2]}/{digest}")

    def standing(self, path: str) -> Path:
        (folder,) = self.project.path(".helios/standing").glob("*/poem/stitch/w")
        return folder / path

    def check(
        self, *executed: int, join: bool = True, by: Callable[[list[str]], list[str]] = lambda words: words
    ) -> None:
        """The next run makes these chunks and the join, and what comes out is right."""
        words = by(self.project.command("run", "render.yaml", "-q"))
        done = subprocess.run(
            words, cwd=self.project.root, env=self.project.environment(), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        with closing(sqlite3.connect(self.project.path(".helios/index.v1.sqlite"))) as connection:
            query = "SELECT node FROM attempts WHERE run = (SELECT max(id) FROM runs) AND status = 'done'"
            made = {row[0] for row in connection.execute(query)}
        assert made == {*(f"poem/{at:04d}" for at in executed), *(["poem/stitch"] if join else [])}
        assert self.project.path("out/poem.txt").read_text() == "".join(f"{line}\n" for line in self.lines)


@pytest.fixture(scope="module")
def poem(tmp_path_factory: pytest.TempPathFactory) -> Poem:
    """Made once: every test goes on from where the one before left it."""
    root = tmp_path_factory.mktemp("ahead")
    project = Project(root)
    one = Poem(project)
    for at in range(COUNT):
        project.write(f"in/{at:04d}.txt", f"text {at}\n")
    project.settled()
    project.manifest(manifest())
    one.check(*range(COUNT))
    return one


def one_core(words: list[str]) -> list[str]:
    return ["taskset", "-c", "0", *words]


def test_inputs_in_either_half(poem: Poem) -> None:
    for places in ((0,), (COUNT - 1,), (COUNT // 2, COUNT // 2 - 1), (3, 9, COUNT - 7)):
        poem.write(*places)
        poem.check(*places)


def test_nothing_to_do_and_then_something(poem: Poem) -> None:
    poem.write(5)
    poem.check(5)
    for _ in range(2):
        done = poem.project.helios("run", "render.yaml", "-q")
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    poem.write(6)
    poem.check(6)


def test_blobs_that_are_gone_or_damaged(poem: Poem) -> None:
    poem.blob(11).unlink()
    place = poem.blob(12)
    place.chmod(0o644)
    place.write_text("damaged\n")
    poem.write(COUNT - 2)
    poem.check(11, 12, COUNT - 2)


@pytest.mark.parametrize("change", ["text", "more", "fewer", "index", "all"])
def test_what_stands_for_the_join_is_looked_at(poem: Poem, change: str) -> None:
    poem.write(20)
    poem.check(20)
    path = poem.standing("in/0021/c.txt")
    if change == "text":
        path.chmod(0o644)
        path.write_text("other\n")
    elif change == "more":
        path.with_name("d.txt").write_text("more\n")
    elif change == "fewer":
        path.unlink()
    elif change == "index":
        (index,) = poem.project.path(".helios/standing").glob("*/poem/stitch.index")
        data = bytearray(index.read_bytes())
        data[len(data) // 2] ^= 1
        index.write_bytes(data)
    else:
        shutil.rmtree(poem.project.path(".helios/standing"))
    poem.write(22)
    poem.check(22)


def test_inputs_that_were_all_touched_or_changed_back(poem: Poem) -> None:
    for at in range(COUNT):
        os.utime(poem.project.path(f"in/{at:04d}.txt"))
    poem.check(join=False)
    poem.write(25)
    poem.check(25)


def test_with_one_core_it_is_the_same(poem: Poem) -> None:
    poem.blob(31).unlink()
    poem.write(30)
    poem.check(30, 31, by=one_core)
    poem.write(32)
    poem.check(32)


def test_a_memory_that_is_no_more(poem: Poem) -> None:
    (memo,) = poem.project.path(".helios/memos").glob("*/*")
    memo.write_bytes(bytes(memo.stat().st_size))
    poem.write(40)
    poem.check(40)
    poem.write(41)
    poem.check(41)


def test_an_input_that_is_gone_is_told(poem: Poem) -> None:
    path = poem.project.path("in/0050.txt")
    path.rename(path.with_suffix(".away"))
    run = poem.project.helios("run", "render.yaml", "-q")
    assert run.exit_code == 2
    assert "in/0050.txt" in run.stderr
    path.with_suffix(".away").rename(path)
    poem.write(51)
    poem.check(51)


def test_the_second_process_finds_what_the_run_needs(poem: Poem) -> None:
    poem.write(60)
    poem.check(60)
    poem.blob(61).unlink()
    poem.write(0, COUNT - 1)
    stamps = poem.project.path(".helios/stamps").iterdir()
    newest = max(stamps, key=lambda path: path.stat().st_mtime_ns)
    found = unseal(newest.read_bytes())
    assert isinstance(found, tuple)
    present, *rest = found[2:]
    ahead, _ = _look(Kept(Seen.opened(present), *rest))
    inputs = {str(poem.project.path(f"in/{at:04d}.txt")) for at in (0, COUNT - 1)}
    assert ahead.changed is not None
    assert inputs <= ahead.changed  # and the folder of the blob that is gone
    answer = ahead.answer(chunks_of("poem"))
    assert isinstance(answer, tuple)
    assert answer[0] == ahead.jobs["poem"][0]
    assert 61 in answer[1]  # beside those that others of these tests left otherwise than the memo says
    answer = ahead.answer(standing_at(str(poem.standing("").parent)))
    assert isinstance(answer, tuple)
    assert answer[1] == []
    poem.check(0, 61, COUNT - 1)
