"""`helios-pipe verify`: what was joined is proved at any time after, and what is not as it was is named."""

from __future__ import annotations

import array
import json
import random
import wave
from typing import Any

import pytest

from tests.kit.project import Project, Run

RATE = 48_000


def write_sound(project: Project, name: str, *, late: int = 0) -> None:
    """Two seconds of noise, which begins so many samples late."""
    noise = random.Random(3)
    samples = array.array("h", [0] * late + [noise.randrange(-8000, 8000) for _ in range(2 * RATE - late)])
    with wave.open(str(project.path(name)), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def verify(project: Project, *words: str) -> Run:
    return project.helios("verify", *words, "--json")


def verdicts(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture
def film(project: Project) -> Project:
    """A film of two seconds with sound, joined of six chunks."""
    write_sound(project, "mix.wav")
    document = project.burnin()
    document["jobs"]["film"]["stitch"]["audio"] = "mix.wav"
    project.manifest(document)
    assert project.run().summary["executed"] == 7
    return project


def test_what_was_joined_is_proved_by_file_and_by_manifest(film: Project) -> None:
    for words in (("out/film.mp4",), ("render.yaml",), ("render.yaml", "--full")):
        run = verify(film, *words)
        assert run.exit_code == 0, str(run)
        (verdict,) = verdicts(run)
        assert verdict["ok"]
        assert "60 frames of 6 chunks" in verdict["detail"]
        assert "seams: 5" in verdict["detail"]


@pytest.mark.parametrize(
    ("chunk", "output"),
    [("c.mp4", "v.mkv"), ("c.mp4", "v.ts"), ("c.mkv", "v.mp4"), ("c.ts", "v.mp4"), ("c.mkv", "v.ts")],
)
def test_chunks_of_another_container_prove_it_as_well(chunk: str, output: str, project: Project) -> None:
    document = project.burnin(frames="0-19", stitch={"output": f"out/{output}"})
    document["jobs"]["film"]["chunk"]["output"] = chunk
    project.manifest(document)
    project.run()
    for words in ((f"out/{output}",), (f"out/{output}", "--full"), ("render.yaml",), ("render.yaml", "--full")):
        run = verify(project, *words)
        assert run.exit_code == 0, str(run)
        compared = 20 if "--full" in words else 4
        assert f"seams: 1, frames compared: {compared}" in verdicts(run)[0]["detail"]


def test_the_sound_is_held_against_the_file_it_came_from(film: Project) -> None:
    assert "samples of sound, held against its file" in verdicts(verify(film, "render.yaml"))[0]["detail"]
    film.path("mix.wav").unlink()
    detail = verdicts(verify(film, "out/film.mp4"))[0]["detail"]
    assert "samples of sound" in detail
    assert "held against" not in detail


def test_sound_that_came_late_when_it_was_proved_is_told(film: Project) -> None:
    """As by an encoder that pads: the proof was made of the late file, the mix is the right one."""
    from helios_pipe.digest import digest_file

    write_sound(film, "mix.wav", late=480)
    film.run()
    write_sound(film, "mix.wav")
    proof = json.loads(film.path("out/film.mp4.proof.json").read_text())
    proof["sound"]["sha256"] = digest_file(film.path("mix.wav"))
    film.path("out/film.mp4.proof.json").write_text(json.dumps(proof))
    run = verify(film, "render.yaml")
    assert run.exit_code == 1, str(run)
    assert verdicts(run)[0]["problems"] == ["it comes 480 samples late"]


def test_one_flipped_bit_is_found_with_its_frame(film: Project) -> None:
    path = film.path("out/film.mp4")
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4 + (len(data) - data.index(b"mdat")) // 2
    data[at] ^= 1
    path.write_bytes(data)
    run = verify(film, "render.yaml")
    assert run.exit_code == 1, str(run)
    (verdict,) = verdicts(run)
    assert not verdict["ok"]
    assert verdict["problems"]


def test_a_film_without_a_proof_says_what_to_do(film: Project) -> None:
    film.path("out/film.mp4.proof.json").unlink()
    run = verify(film, "out/film.mp4")
    assert run.exit_code != 0
    assert "out/film.mp4.proof.json" in run.stdout + run.stderr


def test_chunks_that_are_made_again_are_compared(film: Project) -> None:
    run = verify(film, "render.yaml", "--rerender", "2")
    assert run.exit_code == 0, str(run)
    assert [verdict["ok"] for verdict in verdicts(run)] == [True, True]
    assert len(film.rendered()) == 8


def recut(film: Project, size: int) -> None:
    """The film of chunks of 10, in chunks of another size, which the small ones stand for."""
    film.rendered()
    film.manifest(film.burnin(size=size))
    film.run()
    assert film.rendered() == []


def test_frames_that_stand_for_chunks_are_made_again_and_compared(film: Project) -> None:
    recut(film, 20)
    run = verify(film, "render.yaml", "--rerender", "2")
    assert run.exit_code == 0, str(run)
    assert [(v["subject"], v["ok"], v["detail"]) for v in verdicts(run)] == [
        ("film frames 0-9", True, "bytes equal"),
        ("film frames 30-39", True, "bytes equal"),
    ]
    assert film.rendered() == ["0+10", "30+10"]


def test_chunks_and_frames_that_stand_for_others_are_chosen_from_alike(film: Project) -> None:
    recut(film, 20)
    film.run("--force-node", "film/0001")
    film.rendered()
    run = verify(film, "render.yaml", "--rerender", "99")
    assert run.exit_code == 0, str(run)
    assert [v["subject"] for v in verdicts(run)] == [
        "film frames 0-9", "film frames 10-19", "film/0001", "film frames 40-49", "film frames 50-59"
    ]  # fmt: skip
    assert film.rendered() == ["0+10", "10+10", "20+20", "40+10", "50+10"]


def test_a_step_stands_in_the_name_of_frames_that_are_made_again(project: Project) -> None:
    project.manifest(project.burnin(frames="0-38x2", size=5))
    project.run()
    project.manifest(project.burnin(frames="0-38x2", size=10))
    project.run()
    assert [v["subject"] for v in verdicts(verify(project, "render.yaml", "--rerender", "1"))] == ["film frames 0-8x2"]


def test_frames_that_stand_for_chunks_and_come_out_another_way_are_named(project: Project) -> None:
    words = "mkdir -p {output}; for i in $(seq {chunk.start} {chunk.end}); do echo $NOW > {output}/$i.png; done"
    project.env["NOW"] = "then"
    for size in (1, 2):
        chunk = {"size": size, "command": ["sh", "-c", words], "output": "c/"}
        job = {"frames": "0-3", "chunk": chunk, "stitch": {"method": "collect", "output": "out/"}}
        project.manifest({"version": 1, "pass_env": ["NOW"], "jobs": {"film": job}})
        project.run()
    project.env["NOW"] = "now"
    run = verify(project, "render.yaml", "--rerender", "1")
    assert run.exit_code == 1, str(run)
    assert [(v["subject"], v["detail"]) for v in verdicts(run)] == [("film frames 0-0", "files differ")]


def test_the_job_made_whole_is_compared_frame_by_frame(film: Project) -> None:
    """The encoder is lossy and begins anew with each chunk: up to the first border the two are the same."""
    run = verify(film, "render.yaml", "--whole")
    (verdict,) = verdicts(run)
    assert (run.exit_code, verdict["detail"], verdict["frame"]) == (1, "frames differ", 10)
    assert "0+60" in film.rendered()
