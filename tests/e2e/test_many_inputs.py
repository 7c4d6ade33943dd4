"""A stitch's command with very many inputs: they stay laid out from run to run, and what comes out is right all the same."""

from __future__ import annotations

import os

import pytest

from tests.kit.project import Project

COUNT = 70


@pytest.fixture
def joined(project: Project) -> Project:
    """Seventy texts, put one after another by a command."""
    for at in range(COUNT):
        project.write(f"in/{at:03d}.txt", f"text {at}\n")
    project.manifest(
        {
            "version": 1,
            "jobs": {
                "poem": {
                    "frames": COUNT,
                    "chunk": {
                        "size": 1, "inputs": ["in/{chunk.start:03d}.txt"], "output": "c.txt",
                        "command": ["/bin/cp", "in/{chunk.start:03d}.txt", "{output}"],
                    },
                    "stitch": {
                        "method": "command", "output": "out/poem.txt",
                        "command": ["/bin/sh", "-c", 'xargs cat < "$1" > "$2"', "join", "{inputs_list}", "{output}"],
                    },
                }
            },
        }
    )  # fmt: skip
    assert project.run().summary["executed"] == COUNT + 1
    assert project.path("out/poem.txt").read_text() == poem()
    return project


def poem(**changed: str) -> str:
    return "".join(changed.get(f"at{at}", f"text {at}") + "\n" for at in range(COUNT))


def laid_out(project: Project) -> list[str]:
    return sorted(str(path) for path in project.path(".helios/standing").rglob("c.txt"))


def test_one_of_them_changed(joined: Project) -> None:
    assert len(laid_out(joined)) == COUNT
    joined.write("in/007.txt", "new\n")
    assert joined.run().nodes("executed") == ["poem/0007", "poem/stitch"]
    assert joined.path("out/poem.txt").read_text() == poem(at7="new")
    assert len(laid_out(joined)) == COUNT


def test_a_run_whose_commands_said_nothing_leaves_no_empty_folders(joined: Project) -> None:
    assert list(joined.path(".helios").glob("work/*/*")) == []
    assert list(joined.path(".helios").glob("logs/*/*")) == []
    joined.write("in/007.txt", "new\n")
    joined.replace("render.yaml", "xargs cat <", "echo joining; xargs cat <")
    joined.run()
    assert [path.name for path in joined.path(".helios").rglob("*.log")] == ["stitch.1.log"]


def test_somebody_wrote_where_they_stand(joined: Project) -> None:
    place = laid_out(joined)[3]
    os.chmod(place, 0o644)
    joined.path(place).write_text("TEXT 3\n")
    joined.write("in/007.txt", "new\n")
    assert joined.run().summary["state"] == "completed"
    assert joined.path("out/poem.txt").read_text() == poem(at7="new")


def test_making_room_takes_them_away_and_nothing_else(joined: Project) -> None:
    assert joined.helios("cache", "gc").exit_code == 0
    assert not joined.path(".helios/standing").exists()
    joined.write("in/007.txt", "new\n")
    assert joined.run().nodes("executed") == ["poem/0007", "poem/stitch"]
    assert joined.path("out/poem.txt").read_text() == poem(at7="new")


def test_a_job_that_is_deleted_leaves_none(joined: Project) -> None:
    job = joined.run().summary["job"]
    assert joined.helios("delete", job).exit_code == 0
    assert laid_out(joined) == []


def test_a_manifest_that_was_right_once_is_checked_again_when_it_changes(joined: Project) -> None:
    joined.write("in/007.txt", "new\n")
    assert joined.run().summary["executed"] == 2  # its shape is known by now
    joined.replace("render.yaml", "frames", "farmes")
    ran = joined.helios("run", "render.yaml")
    assert ran.exit_code == 2
    assert "unknown key 'farmes', did you mean 'frames'?" in ran.stderr
