"""Chunks that are known from the last run are the right ones, whatever became of their inputs, their blobs or what was kept of
them; and where they are not known, they are looked up."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from helios_pipe.cache.generation import new_generation
from helios_pipe.cache.stamp import seal, unseal
from helios_pipe.digest import digest_bytes
from tests.kit.poem import COUNT, manifest, poem
from tests.kit.project import Project


@pytest.fixture
def made(project: Project) -> Project:
    """The project after its first run, with memory of what its chunks came to."""
    for at in range(COUNT):
        project.write(f"in/{at:03d}.txt", f"text {at}\n")
    project.settled()
    project.manifest(manifest())
    assert project.run().summary["executed"] == COUNT + 1
    assert kept(project) == 1
    return project


@contextmanager
def database(project: Project) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(project.path(".helios/index.v1.sqlite"))) as connection, connection:
        yield connection


def kept(project: Project) -> int:
    return len(list(project.path(".helios/memos").glob("*/*")))


def only_memory_knows(project: Project) -> None:
    """Take the chunks' results away behind everybody's back: who looks one up does not find it."""
    with database(project) as connection:
        connection.execute("DELETE FROM results WHERE kind = 'chunk'")


def blob(project: Project, text: str) -> Path:
    digest = digest_bytes(text.encode())
    return project.path(f".helios/cas/{digest[:2]}/{digest}")


def check(project: Project, *executed: int, words: tuple[str, ...] = (), **changed: str) -> None:
    """The next run makes these chunks and the join, no other, and what comes out is right."""
    run = project.run(*words)
    assert run.nodes("executed") == [*(f"poem/{at:04d}" for at in executed), "poem/stitch"]
    assert project.path("out/poem.txt").read_text() == poem(**changed)


def test_what_is_known_is_not_looked_up(made: Project) -> None:
    only_memory_knows(made)
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")
    made.write("in/008.txt", "newer\n")
    check(made, 8, at7="new", at8="newer")  # the first memory is good enough still: 7 alone is looked up


def test_after_results_were_taken_away_nothing_is_known(made: Project) -> None:
    only_memory_knows(made)
    new_generation(made.path(".helios"))
    made.write("in/007.txt", "new\n")
    assert made.run().summary["executed"] == COUNT + 1
    assert made.path("out/poem.txt").read_text() == poem(at7="new")
    only_memory_knows(made)  # and it was learnt anew
    made.write("in/009.txt", "new\n")
    check(made, 9, at7="new", at9="new")


def test_an_input_changed_back(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")
    made.write("in/007.txt", "text 7\n")
    assert made.run().summary["executed"] == 0
    assert made.path("out/poem.txt").read_text() == poem()


def test_an_input_that_was_only_touched(made: Project) -> None:
    only_memory_knows(made)
    os.utime(made.path("in/007.txt"))
    assert made.run().summary["executed"] == 0


def test_an_input_that_may_be_executed_now(made: Project) -> None:
    made.path("in/007.txt").chmod(0o755)
    run = made.run()
    assert "poem/0007" in run.nodes("executed")
    assert run.summary["executed"] <= 2  # the chunk comes out the same, and so does what is joined


def test_two_inputs_that_change_places(made: Project) -> None:
    made.path("in/003.txt").rename(made.path("in/x"))
    made.path("in/004.txt").rename(made.path("in/003.txt"))
    made.path("in/x").rename(made.path("in/004.txt"))
    made.run()
    assert made.path("out/poem.txt").read_text() == poem(at3="text 4", at4="text 3")


def test_an_input_that_is_gone_is_told(made: Project) -> None:
    made.path("in/007.txt").unlink()
    run = made.helios("run", "render.yaml")
    assert run.exit_code == 2
    assert "in/007.txt" in run.stderr


def another(data: bytes) -> bytes:
    """A memo that is whole, and not the one that was kept."""
    found = unseal(data)
    assert isinstance(found, tuple)
    return seal((*found[:-1], b""))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:2000],
        lambda data: bytes(len(data)),
        lambda data: b"",
        another,
    ],
)
def test_a_memory_that_is_torn_or_another_one_is_not_believed(made: Project, change: Callable[[bytes], bytes]) -> None:
    (memo,) = made.path(".helios/memos").glob("*/*")
    memo.write_bytes(change(memo.read_bytes()))
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")  # looked up
    only_memory_knows(made)
    made.write("in/008.txt", "new\n")
    check(made, 8, at7="new", at8="new")  # and learnt anew


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE memos SET data = x'00000000'",
        "UPDATE memos SET mark = 'of another version'",
        "UPDATE memos SET job = 'another'",
        "DELETE FROM memos",
    ],
)
def test_a_memory_that_holds_no_more_is_not_believed(made: Project, change: str) -> None:
    with database(made) as connection:
        connection.execute(change)
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")  # looked up
    only_memory_knows(made)
    made.write("in/008.txt", "new\n")
    check(made, 8, at7="new", at8="new")  # and learnt anew


def test_a_blob_that_is_gone(made: Project) -> None:
    blob(made, "text 9\nand\n").unlink()
    made.write("in/007.txt", "new\n")
    check(made, 7, 9, at7="new")


def test_a_blob_that_is_damaged(made: Project) -> None:
    damaged = blob(made, "text 9\nand\n")
    damaged.chmod(0o644)
    damaged.write_text("tixt 9\nand\n")
    made.write("in/007.txt", "new\n")
    check(made, 7, 9, at7="new")


def test_a_blob_that_was_copied_elsewhere_and_back_counts_by_its_bytes(made: Project) -> None:
    place = blob(made, "text 9\nand\n")
    data = place.read_bytes()
    place.unlink()
    place.write_bytes(data)
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")


def test_a_forced_chunk_is_made_though_it_is_known(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    run = made.run("--force-node", "poem/0003")
    assert run.nodes("executed") == ["poem/0003", "poem/0007", "poem/stitch"]
    assert made.path("out/poem.txt").read_text() == poem(at7="new")
    made.write("in/008.txt", "new\n")  # forcing replaced a result
    check(made, 8, at7="new", at8="new")


def test_everything_forced(made: Project) -> None:
    assert made.run("--force").summary["executed"] == COUNT + 1


def test_another_request_is_another_matter(made: Project) -> None:
    assert made.run("--set", "word=or").summary["executed"] == COUNT + 1
    assert made.path("out/poem.txt").read_text() == poem("or")
    assert made.run().summary["executed"] == 0
    assert made.path("out/poem.txt").read_text() == poem("and")
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")


def test_another_command_is_another_matter(made: Project) -> None:
    made.replace("render.yaml", 'cat \\"$1\\" >', 'head -c 5 \\"$1\\" >')
    assert made.run().summary["executed"] == COUNT + 1


def test_a_longer_range_is_another_matter(made: Project) -> None:
    made.write(f"in/{COUNT:03d}.txt", f"text {COUNT}\n")
    made.manifest(manifest(frames=COUNT + 1))
    check_longer = made.run()
    assert check_longer.nodes("executed") == [f"poem/{COUNT:04d}", "poem/stitch"]
    assert made.path("out/poem.txt").read_text() == poem() + f"text {COUNT}\nand\n"


def test_what_a_glob_means_is_looked_up(project: Project) -> None:
    for at in range(COUNT):
        project.write(f"in/{at:03d}/a.txt", f"text {at}\n")
    chunk = {
        "size": 1, "inputs": ["in/{chunk.start:03d}/*.txt"], "output": "c.txt",
        "command": ["/bin/sh", "-c", 'cat in/"$1"/*.txt > "$2"', "sh", "{chunk.start:03d}", "{output}"],
    }  # fmt: skip
    project.manifest(manifest(chunk=chunk))
    assert project.run().summary["executed"] == COUNT + 1
    assert kept(project) == 0
    project.write("in/007/b.txt", "more\n")
    assert project.run().nodes("executed") == ["poem/0007", "poem/stitch"]
    assert "text 7\nmore\ntext 8\n" in project.path("out/poem.txt").read_text()


def test_a_folder_as_input_is_looked_up(project: Project) -> None:
    for at in range(COUNT):
        project.write(f"in/{at:03d}/a.txt", f"text {at}\n")
    chunk = {
        "size": 1, "inputs": ["in/{chunk.start:03d}"], "output": "c.txt",
        "command": ["/bin/sh", "-c", 'cat in/"$1"/*.txt > "$2"', "sh", "{chunk.start:03d}", "{output}"],
    }  # fmt: skip
    project.manifest(manifest(chunk=chunk))
    assert project.run().summary["executed"] == COUNT + 1
    assert kept(project) == 0
    project.write("in/007/b.txt", "more\n")
    assert project.run().nodes("executed") == ["poem/0007", "poem/stitch"]


def test_chunks_without_inputs_of_their_own_are_known_as_well(project: Project) -> None:
    chunk = {
        "size": 1,
        "output": "c.txt",
        "command": ["/bin/sh", "-c", 'echo "$1" > "$2"', "sh", "{chunk.start}", "{output}"],
    }
    project.manifest(manifest(chunk=chunk))
    assert project.run().summary["executed"] == COUNT + 1
    only_memory_knows(project)
    project.path("out/poem.txt").unlink()
    assert project.run().summary["executed"] == 0
    assert project.path("out/poem.txt").read_text() == "".join(f"{at}\n" for at in range(COUNT))


def test_what_is_known_is_planned_and_explained_as_what_is_looked_up(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    rows = {row["node"]: row for row in made.plan()["nodes"]}
    assert [name for name, row in rows.items() if row["action"] == "run"] == ["poem/0007", "poem/stitch"]
    assert rows["poem/0008"]["reason"] == "up to date"
    explained = made.helios("explain", "render.yaml", "poem/0008")
    assert explained.exit_code == 0
    assert "in/008.txt" in explained.stdout


def test_making_room_and_forgetting_a_job_take_the_memory_along(made: Project) -> None:
    assert made.run("--set", "word=or").summary["executed"] == COUNT + 1
    assert made.helios("cache", "gc", "--max-age", "0s").exit_code == 0
    assert kept(made) == 0
    made.write("in/007.txt", "new\n")
    made.run()
    assert kept(made) == 1
    job = made.run().summary["job"]
    assert made.helios("delete", job).exit_code == 0
    assert kept(made) == 0
