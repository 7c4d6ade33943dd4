"""Where nobody wants to hear of each node, known chunks never become tasks: what is made, placed and recorded is the same."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from helios_pipe.digest import digest_bytes
from tests.kit.poem import CHUNK, COUNT, manifest, poem
from tests.kit.project import Project

LENGTH = {
    "length": {
        "inputs": [{"job": "poem"}], "output": "out/length.txt",
        "command": ["/bin/sh", "-c", 'wc -c < jobs/poem/poem.txt | tr -d " " > "$1"', "sh", "{output}"],
    },
}  # fmt: skip
"""A job that takes the poem."""
SLOW = """
cat "$1" > "$2"; echo "$WORD" >> "$2"; grep -q slow "$1" || exit 0
: > "$3.there"; while [ ! -e "$3" ]; do sleep 0.05; done
"""


@pytest.fixture
def made(project: Project) -> Project:
    """The project after its first run."""
    for at in range(COUNT):
        project.write(f"in/{at:03d}.txt", f"text {at}\n")
    project.settled()
    project.manifest(manifest(LENGTH))
    assert quietly(project) == {*(f"poem/{at:04d}" for at in range(COUNT)), "poem/stitch", "length"}
    return project


def quietly(project: Project, *words: str) -> set[str]:
    """Run it with nobody listening. Returns what the journal says was made; everything else was in the cache."""
    run = project.helios("run", "render.yaml", "-q", *words)
    assert (run.exit_code, run.stdout) == (0, ""), str(run)
    return executed(project)


def executed(project: Project) -> set[str]:
    """What the journal says was made by the last run."""
    with closing(sqlite3.connect(project.path(".helios/index.v1.sqlite"))) as connection:
        number, summary = connection.execute("SELECT id, summary FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        rows = connection.execute("SELECT node FROM attempts WHERE run = ? AND status = 'done'", (number,)).fetchall()
    told = json.loads(summary)
    assert (told["executed"], told["failed"], told["skipped"]) == (len(rows), 0, 0)
    assert told["executed"] + told["cached"] == told["total"]
    return {row[0] for row in rows}


def check(project: Project, *executed: int, words: tuple[str, ...] = (), **changed: str) -> None:
    """The next run makes these chunks and what needs them, and what comes out is right; then all is up to date."""
    assert quietly(project, *words) == {*(f"poem/{at:04d}" for at in executed), "poem/stitch", "length"}
    right(project, poem(**changed))


def right(project: Project, text: str) -> None:
    assert project.path("out/poem.txt").read_text() == text
    assert project.path("out/length.txt").read_text() == f"{len(text)}\n"
    rows = project.plan()["nodes"]
    assert {row["action"] for row in rows} == {"cached"}
    assert {row["reason"] for row in rows} == {"up to date"}  # each node's key was noted


def blob(project: Project, text: str) -> Path:
    digest = digest_bytes(text.encode())
    return project.path(f".helios/cas/{digest[:2]}/{digest}")


def test_one_input_after_another(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")
    made.write("in/008.txt", "newer\n")
    check(made, 8, at7="new", at8="newer")
    for at in (0, 1, 2, COUNT - 1):
        made.write(f"in/{at:03d}.txt", "many\n")
    check(made, 0, 1, 2, COUNT - 1, at7="new", at8="newer", at0="many", at1="many", at2="many", at69="many")
    made.write("in/009.txt", "last\n")
    check(made, 9, at7="new", at8="newer", at0="many", at1="many", at2="many", at69="many", at9="last")


def test_an_input_changed_back(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")
    made.write("in/007.txt", "text 7\n")
    assert quietly(made) == set()
    right(made, poem())


def test_inputs_that_were_only_touched(made: Project) -> None:
    os.utime(made.path("in/007.txt"))
    assert quietly(made) == set()
    for at in range(COUNT):
        os.utime(made.path(f"in/{at:03d}.txt"))
    assert quietly(made) == set()
    right(made, poem())
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")


def test_another_request_and_back(made: Project) -> None:
    assert len(quietly(made, "--set", "word=or")) == COUNT + 2
    assert quietly(made) == set()
    right(made, poem())  # what each node was last is noted, though none became a task


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_blob_that_is_not_what_it_was(made: Project, damage: str) -> None:
    place = blob(made, "text 9\nand\n")
    if damage == "gone":
        place.unlink()
    else:
        place.chmod(0o644)
        place.write_text("tixt 9\nand\n")
    made.write("in/007.txt", "new\n")
    check(made, 7, 9, at7="new")


def test_a_joined_film_that_is_gone_with_some_of_its_chunks(made: Project) -> None:
    made.path("out/poem.txt").unlink()
    for text in (poem(), "text 3\nand\n", "text 4\nand\n"):
        blob(made, text).unlink()
    assert quietly(made) >= {"poem/0003", "poem/0004", "poem/stitch"}
    right(made, poem())


def test_a_forced_chunk(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    assert quietly(made, "--force-node", "poem/0003") == {"poem/0003", "poem/0007", "poem/stitch", "length"}
    right(made, poem(at7="new"))
    assert quietly(made, "--force") == {*(f"poem/{at:04d}" for at in range(COUNT)), "poem/stitch", "length"}
    right(made, poem(at7="new"))


def test_an_input_that_is_gone_is_told(made: Project) -> None:
    made.path("in/007.txt").unlink()
    run = made.helios("run", "render.yaml", "-q")
    assert run.exit_code == 2
    assert "in/007.txt" in run.stderr


def test_a_failing_chunk_among_known_ones(made: Project) -> None:
    made.path("in/007.txt").write_text("new\n")
    made.manifest(manifest({**LENGTH, "other": {"command": ["false"], "output": "never.txt"}}))
    run = made.helios("run", "render.yaml", "-q", "-k")
    assert run.exit_code == 1
    assert "other" in run.stderr
    made.manifest(manifest(LENGTH))
    assert quietly(made) <= {"poem/0007", "poem/stitch", "length"}
    right(made, poem(at7="new"))


def test_chunks_that_another_job_takes_one_by_one(made: Project) -> None:
    parts = {
        "frames": COUNT,
        "chunk": {
            "size": 1, "inputs": ["in/{chunk.start:03d}.txt"], "output": "p.txt",
            "command": ["cp", "in/{chunk.start:03d}.txt", "{output}"],
        },
    }  # fmt: skip
    listed = {
        "inputs": [{"job": "parts"}], "output": "out/listed.txt",
        "command": ["/bin/sh", "-c", 'cat jobs/parts/*/*/p.txt > "$1"', "sh", "{output}"],
    }  # fmt: skip
    made.manifest(manifest({**LENGTH, "parts": parts, "listed": listed}))
    assert quietly(made) == {*(f"parts/{at:04d}" for at in range(COUNT)), "listed"}
    made.write("in/007.txt", "new\n")
    assert quietly(made) == {"poem/0007", "poem/stitch", "length", "parts/0007", "listed"}
    assert made.path("out/listed.txt").read_text() == poem(at7="new").replace("and\n", "")


def test_what_stands_for_the_join_is_looked_at(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")
    (standing,) = made.path(".helios/standing").glob("*/poem/stitch/w/in/0009/c.txt")
    standing.chmod(0o644)
    standing.write_text("tixt 9\nand\n")
    made.write("in/008.txt", "new\n")
    check(made, 8, at7="new", at8="new")


def reverted(project: Project, *words: str) -> None:
    """One input changed and changed back, with a run each: its chunk is known again, and no task."""
    project.write("in/007.txt", "new\n")
    quietly(project, *words)
    project.write("in/007.txt", "text 7\n")
    assert quietly(project, *words) == set()


def nothing_is_obsolete(project: Project, *words: str) -> None:
    """Each node's last key is noted: nothing that the last run stood on may be taken away."""
    rows = project.plan(*words)["nodes"]
    assert {row["reason"] for row in rows} == {"up to date"}
    assert project.helios("cache", "gc", "--max-age", "0s").exit_code == 0
    assert project.plan(*words)["to_run"] == 0


def test_what_is_noted_of_chunks_that_nothing_joins(made: Project) -> None:
    made.manifest(manifest(stitch=None))
    assert quietly(made) == set()
    reverted(made)
    nothing_is_obsolete(made)


def test_what_is_noted_where_the_stitch_is_left_out(made: Project) -> None:
    reverted(made, "--no-stitch")
    nothing_is_obsolete(made, "--no-stitch")


def test_what_is_noted_where_the_joined_film_is_made_again(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")
    made.write("in/007.txt", "text 7\n")
    place = blob(made, poem())
    look = place.stat()
    place.chmod(0o644)
    place.write_text(poem().replace("text", "tixt"))  # seen only by whoever reads it
    os.utime(place, ns=(look.st_atime_ns, look.st_mtime_ns))
    assert quietly(made) == {"poem/stitch"}
    right(made, poem())
    nothing_is_obsolete(made)


def test_what_is_found_is_noted_before_the_rest_is_made(made: Project, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    slow = {**CHUNK, "command": ["/bin/sh", "-c", SLOW, "sh", "in/{chunk.start:03d}.txt", "{output}", str(gate)]}
    made.manifest(manifest(LENGTH, chunk=slow))
    assert len(quietly(made)) >= COUNT
    made.write("in/007.txt", "new\n")
    check(made, 7, at7="new")
    made.write("in/007.txt", "text 7\n")
    made.write("in/003.txt", "slow\n")
    with made.running("run", "render.yaml", "-q") as process:
        while not gate.with_suffix(".there").exists():
            time.sleep(0.02)
        assert made.helios("cache", "gc", "--max-age", "0s").exit_code == 0
        gate.write_text("")
        assert made.finish(process).exit_code == 0
    assert executed(made) == {"poem/0003", "poem/stitch", "length"}
    right(made, poem(at3="slow"))


def test_who_counts_only_is_told_how_many_were_found_at_once(made: Project) -> None:
    made.write("in/007.txt", "new\n")
    run = made.helios("run", "render.yaml")
    lines = [line.partition(" in ")[0] for line in run.stderr.splitlines() if line.startswith("[")]
    assert lines == ["[70/72] poem/0007 executed", "[71/72] poem/stitch executed", "[72/72] length executed"]
    assert "72 nodes: 3 executed, 69 cached" in run.stdout
    right(made, poem(at7="new"))
    made.write("in/008.txt", "new\n")
    run = made.helios("run", "render.yaml", "--verbose")
    assert "poem/0069 cached" in run.stderr  # who wants to hear of each does
    assert "start poem/0008 (input in/008.txt changed)" in run.stderr
    made.write("in/009.txt", "new\n")
    finished = [event for event in made.run().events if event["event"] == "node_finished"]
    assert len(finished) == COUNT + 2
