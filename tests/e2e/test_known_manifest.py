"""A manifest that was right once: what its text was read as is kept, and believed for that very text alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.project import Project

TEXT = """\
version: 1
vars: {more: ""}
env:
  WORD: 007  # a number with a spelling of its own
jobs:
  poem:
    frames: 0-3
    chunk:
      size: 1
      command: [sh, -c, 'cat in/{chunk.start}.txt > {output}; echo $WORD-{vars.more} >> {output}']
      inputs: ["in/{chunk.start}.txt"]
      output: part.txt
    stitch:
      method: command
      command: [sh, -c, 'xargs cat < {inputs_list} > {output}']
      output: poem.txt
"""


@pytest.fixture
def known(project: Project) -> Project:
    """The project after a run: its manifest is known."""
    for at in range(4):
        project.write(f"in/{at}.txt", f"{at}\n")
    project.write("render.yaml", TEXT)
    assert project.run().summary["executed"] == 5
    assert len(readings(project)) == 1
    return project


def readings(project: Project) -> list[Path]:
    return sorted(project.path(".helios/stamps").glob("manifest-*"))


def made(project: Project, *words: str) -> tuple[list[str], str]:
    return project.run(*words).nodes("executed"), project.path("poem.txt").read_text()


def test_it_means_what_it_meant(known: Project) -> None:
    known.write("in/2.txt", "new\n")
    assert made(known) == (["poem/0002", "poem/stitch"], "0\n007-\n1\n007-\nnew\n007-\n3\n007-\n")


def test_what_is_set_on_the_command_line_is_not_kept(known: Project) -> None:
    assert made(known, "--set", "more=set")[1].startswith("0\n007-set\n")
    assert made(known, "--set", "more=else")[1].startswith("0\n007-else\n")
    assert made(known)[1].startswith("0\n007-\n")


def test_what_is_wrong_still_has_its_line(known: Project) -> None:
    known.path("in/2.txt").unlink()
    ran = known.helios("run", "render.yaml")
    assert ran.exit_code == 2
    assert "render.yaml:11:16: " in ran.stderr
    assert "in/2.txt" in ran.stderr


def test_another_text_is_read_anew(known: Project) -> None:
    known.replace("render.yaml", "007", "008")
    assert made(known)[1] == "0\n008-\n1\n008-\n2\n008-\n3\n008-\n"
    assert len(readings(known)) == 1  # in the place of the one before
    known.replace("render.yaml", "008", "007")
    assert made(known)[1].startswith("0\n007-\n")


def test_what_is_no_manifest_any_more_is_refused_as_ever(known: Project) -> None:
    for old, new, said in (
        ("frames: 0-3", "frames: []", "render.yaml:7:5: jobs.poem.frames: "),
        ("size: 1", "sise: 1", "render.yaml:9:7: jobs.poem.chunk.sise: unknown key 'sise', did you mean 'size'?"),
        ("size: 1", "size: 0", "render.yaml:9:7: jobs.poem.chunk.size: is 0, expected 1 or more"),
        ("output: poem.txt", "output: ''", "render.yaml:16:7: jobs.poem.stitch.output: is an empty text"),
        ("method: command", "method: comand", "render.yaml:14:7: jobs.poem.stitch.method: "),
    ):
        known.write("render.yaml", TEXT.replace(old, new))
        ran = known.helios("run", "render.yaml")
        assert (ran.exit_code, said in ran.stderr) == (2, True), str(ran)
    known.write("render.yaml", TEXT.replace("size: 1", "size: 2"))
    assert made(known, "--set", "more=")[0] == ["poem/0000", "poem/0001", "poem/stitch"]


def test_two_manifests_in_a_folder_are_known_side_by_side(known: Project) -> None:
    known.write("other.yaml", TEXT.replace("poem", "verse"))
    assert known.helios("run", "other.yaml", "-q").exit_code == 0
    assert len(readings(known)) == 2
    assert known.path("verse.txt").read_text() == known.path("poem.txt").read_text()


@pytest.mark.parametrize("harm", [b"", b"\0" * 600, b"1234not what it was"])
def test_one_that_is_torn_is_not_believed(known: Project, harm: bytes) -> None:
    (there,) = readings(known)
    whole = there.read_bytes()
    there.write_bytes(harm)
    known.write("in/1.txt", "new\n")
    assert made(known)[1] == "0\n007-\nnew\n007-\n2\n007-\n3\n007-\n"
    assert there.read_bytes() == whole


def test_where_it_cannot_be_kept_nothing_is_missed(known: Project) -> None:
    (there,) = readings(known)
    there.unlink()
    there.mkdir()
    known.write("in/1.txt", "new\n")
    assert made(known)[0] == ["poem/0001", "poem/stitch"]
