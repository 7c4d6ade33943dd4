"""What changed is rendered, and what was rendered once is not rendered again."""

from __future__ import annotations

import pytest

from tests.kit.burnin import read_frame_numbers
from tests.kit.project import Project


@pytest.fixture
def made(project: Project) -> Project:
    """A film of 60 frames in chunks of 10, made."""
    project.manifest(project.burnin())
    assert project.run().summary["executed"] == 7
    assert len(project.rendered()) == 6
    return project


def film(project: Project) -> list[int]:
    return read_frame_numbers(project.path("out/film.mp4"))


def test_a_b_a_renders_nothing_the_third_time(made: Project) -> None:
    first = made.path("out/film.mp4").read_bytes()
    made.write("look.txt", "cold\n")
    made.run()
    assert len(made.rendered()) == 6
    assert made.path("out/film.mp4").read_bytes() != first
    made.write("look.txt", "warm\n")
    assert made.run().summary["executed"] == 0
    assert made.rendered() == []
    assert made.path("out/film.mp4").read_bytes() == first


def test_a_longer_range_renders_what_is_new(made: Project) -> None:
    made.manifest(made.burnin(frames="0-79"))
    assert made.run().nodes("executed") == ["film/0006", "film/0007", "film/stitch"]
    assert made.rendered() == ["60+10", "70+10"]
    assert film(made) == list(range(80))


def test_a_shifted_range_keeps_the_chunks_of_the_grid(made: Project) -> None:
    made.manifest(made.burnin(frames="20-69"))
    made.run()
    assert made.rendered() == ["60+10"]
    assert film(made) == list(range(20, 70))


def test_a_head_cut_inside_a_chunk_renders_that_cell_alone(made: Project) -> None:
    made.manifest(made.burnin(frames="15-59"))
    made.run()
    assert made.rendered() == ["15+5"]
    assert film(made) == list(range(15, 60))


def test_larger_chunks_are_covered_by_the_small_ones(made: Project) -> None:
    made.manifest(made.burnin(size=20))
    assert made.run().summary["state"] == "completed"
    assert made.rendered() == []
    assert film(made) == list(range(60))


def test_smaller_chunks_are_covered_by_the_large_ones(made: Project) -> None:
    made.manifest(made.burnin(size=5))
    made.run()
    assert made.rendered() == []
    assert film(made) == list(range(60))


def covered(project: Project, size: int) -> None:
    """The film of chunks of 10, in chunks of another size, which the small ones stand for."""
    project.manifest(project.burnin(size=size))
    project.run()
    assert project.rendered() == []


def planned(project: Project, *words: str) -> dict[str, str]:
    """Node -> why, of those that would run."""
    return {row["node"]: row["reason"] for row in project.plan(*words)["nodes"] if row["action"] == "run"}


def test_a_forced_chunk_among_covered_ones_is_made_alone(made: Project) -> None:
    covered(made, 20)
    force = ("--force-node", "film/0001")
    assert planned(made, *force) == {"film/0001": "forced", "film/stitch": "waits for 1 chunk"}
    assert made.run(*force).nodes("executed") == ["film/0001", "film/stitch"]
    assert made.rendered() == ["20+20"]
    assert film(made) == list(range(60))
    assert planned(made) == {}


def test_a_neighbour_that_only_a_forced_chunks_frames_stand_for_is_made_too_and_says_so(made: Project) -> None:
    covered(made, 15)
    force = ("--force-node", "film/0001")
    assert planned(made, *force) == {
        "film/0000": "the cached frames cannot be cut at the borders of what is forced",
        "film/0001": "forced",
        "film/stitch": "waits for 2 chunks",
    }
    run = made.run(*force)
    assert run.nodes("executed") == ["film/0000", "film/0001", "film/stitch"]
    assert made.rendered() == ["0+15", "15+15"]
    assert film(made) == list(range(60))


def test_a_forced_stitch_is_joined_of_the_intervals_that_stand_for_its_chunks(made: Project) -> None:
    covered(made, 20)
    assert made.run("--force-node", "film/stitch").nodes("executed") == ["film/stitch"]
    assert made.rendered() == []


def test_force_renders_every_chunk_whatever_could_stand_for_it(made: Project) -> None:
    covered(made, 20)
    assert set(planned(made, "--force").values()) == {"forced", "waits for 3 chunks"}
    made.run("--force-node", "film/000?")
    assert made.rendered() == ["0+20", "20+20", "40+20"]
    made.run("--force")
    assert made.rendered() == ["0+20", "20+20", "40+20"]


def test_a_chunk_that_nothing_stands_for_has_its_own_reason_beside_a_forced_one(made: Project) -> None:
    made.manifest(made.burnin(frames="0-79", size=20))
    own = planned(made)["film/0003"]
    reasons = planned(made, "--force-node", "film/0001")
    assert reasons == {"film/0001": "forced", "film/0003": own, "film/stitch": "waits for 2 chunks"}


def written_out(project: Project, *chunks: tuple[str, str]) -> None:
    """A job of explicit chunks: the frames of each, and what is written into its pictures."""
    words = (
        "mkdir -p {{output}}; for i in $(seq {{chunk.start}} {{chunk.end}}); do echo {text} > {{output}}/$i.png; done"
    )
    found = [
        {"frames": frames, "command": ["sh", "-c", words.format(text=text)], "output": "frames/"}
        for frames, text in chunks
    ]
    job = {"chunks": found, "stitch": {"method": "collect", "output": "out/"}}
    project.manifest({"version": 1, "jobs": {"film": job}})


def test_an_explicit_chunk_with_another_command_is_made(project: Project) -> None:
    written_out(project, ("0-4", "A"), ("5-9", "A"))
    project.run()
    written_out(project, ("0-4", "A"), ("5-9", "B"))
    assert planned(project).keys() == {"film/0001", "film/stitch"}
    assert project.run().nodes("executed") == ["film/0001", "film/stitch"]
    assert [project.path(f"out/{at}.png").read_text() for at in (4, 5)] == ["A\n", "B\n"]


def test_frames_that_no_explicit_chunk_holds_stay_out_though_they_are_in_the_cache(project: Project) -> None:
    written_out(project, ("0-4", "A"), ("5-9", "A"), ("10-14", "A"))
    project.run()
    written_out(project, ("0-4", "A"), ("10-15", "A"))
    project.run()
    assert sorted(int(path.stem) for path in project.path("out").iterdir()) == [*range(5), *range(10, 16)]


def test_a_step_is_another_set_of_frames(made: Project) -> None:
    made.manifest(made.burnin(frames="0-59x2", size=10))
    made.run()
    assert made.rendered() == ["0+10", "20+10", "40+10"]
    assert film(made) == list(range(0, 60, 2))


def test_one_chunks_own_input_renders_that_chunk_and_the_join(project: Project) -> None:
    project.add_renderer()
    document = project.burnin(frames="0-39", size=10)
    chunk = document["jobs"]["film"]["chunk"]
    chunk["inputs"] = ["looks/{chunk.start:05d}.txt"]
    chunk["command"] = chunk["command"].replace("--look look.txt", "--look looks/{chunk.start:05d}.txt")
    for start in range(0, 40, 10):
        project.write(f"looks/{start:05d}.txt", "plain\n")
    project.manifest(document)
    assert project.run().summary["executed"] == 5
    project.rendered()
    project.write("looks/00020.txt", "special\n")
    run = project.run()
    assert run.nodes("executed") == ["film/0002", "film/stitch"]
    assert project.rendered() == ["20+10"]
    assert {e["node"]: e["reason"] for e in run.events if e["event"] == "node_finished"}["film/0002"] == (
        "input looks/00020.txt changed"
    )


def test_chunks_that_come_out_the_same_stop_the_rebuild_there(made: Project) -> None:
    renderer = made.path("burnin.py")
    renderer.write_text(renderer.read_text() + "\n# another renderer, the same pictures\n")
    run = made.run()
    assert len(made.rendered()) == 6
    assert run.nodes("cached") == ["film/stitch"]
    finished = {e["node"]: e for e in run.events if e["event"] == "node_finished"}
    assert finished["film/stitch"]["reason"] == "same bytes"


def test_force_renders_all_and_force_node_one(made: Project) -> None:
    assert made.run("--force").summary["executed"] == 7
    assert len(made.rendered()) == 6
    assert "film/0003" in made.run("--force-node", "film/0003").nodes("executed")
    assert made.rendered() == ["30+10"]


def test_a_set_variable_that_a_command_uses_is_an_ingredient(project: Project) -> None:
    document = project.burnin(frames="0-9", size=10, words="--option qp={vars.qp}")
    document["vars"] = {"qp": 20}
    project.manifest(document)
    project.run()
    assert len(project.rendered()) == 1
    project.run("--set", "qp=30")
    assert len(project.rendered()) == 1
    project.run("--set", "qp=20")
    assert project.rendered() == []


def test_a_lost_blob_is_made_again_and_a_damaged_one_too(made: Project) -> None:
    blobs = sorted(made.path(".helios/cas").rglob("*"), key=lambda p: p.stat().st_size)
    videos = [p for p in blobs if p.is_file() and b"ftyp" in p.read_bytes()[:16]]
    chunk = videos[0]
    chunk.chmod(0o644)
    chunk.unlink()
    made.manifest(made.burnin(frames="0-69"))
    run = made.run()
    assert run.summary["state"] == "completed"
    assert len(made.rendered()) == 2
    assert film(made) == list(range(70))


def test_a_chunk_whose_bytes_were_flipped_in_the_cache_never_reaches_the_film(made: Project) -> None:
    blobs = [p for p in made.path(".helios/cas").rglob("*") if p.is_file() and b"ftyp" in p.read_bytes()[:16]]
    chunk = min(blobs, key=lambda p: p.stat().st_size)
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 0xFF
    chunk.chmod(0o644)
    chunk.write_bytes(data)
    made.manifest(made.burnin(frames="0-69"))
    run = made.run()
    assert run.summary["state"] == "completed"
    assert len(made.rendered()) == 2
    assert film(made) == list(range(70))
