"""Helios' job files run, become manifests, and come out of manifests, with a program that answers as the real one."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.manifest.export import spell_helios
from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.problems import Report
from helios_pipe.manifest.words import split_helios
from helios_pipe.manifest.write import scalar
from helios_pipe.manifest.yaml12 import parse_document
from tests.kit import burnin
from tests.kit.fake_helios import RATE, tone
from tests.kit.project import REPOSITORY

CHUNKS = [f"render/{index:04d}" for index in range(4)]


def streams(path: Path) -> list[tuple[str, str]]:
    with av.open(str(path)) as container:
        return [(stream.type, stream.codec_context.name) for stream in container.streams]


def samples(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [int(v) for frame in container.decode(audio=0) for v in frame.to_ndarray().reshape(-1)]


def test_a_job_file_runs_and_its_frames_and_sound_are_whole(scene: Any) -> None:
    scene.emit(output="out.mov")
    summary = scene.run(manifest="job.json").summary
    assert (summary["state"], summary["total"], summary["executed"]) == ("completed", 5, 5)
    film = scene.path("out.mov")
    assert burnin.read_frame_numbers(film) == list(range(40))
    assert streams(film) == [("video", "h264"), ("audio", "pcm_s16le")]
    assert samples(film) == [tone(at) for at in range(40 * RATE // 30)]
    assert not [path.name for path in scene.root.glob("temp_*")]


def test_an_mp4_that_the_programs_own_merge_cannot_make_gets_its_sound_encoded_once(scene: Any) -> None:
    scene.emit()
    scene.run(manifest="job.json")
    film = scene.path("out.mp4")
    assert burnin.read_frame_numbers(film) == list(range(40))
    assert streams(film) == [("video", "h264"), ("audio", "aac")]
    with av.open(str(film)) as container:
        sound = container.streams.audio[0]
        assert (sound.start_time, sound.duration) == (0, 40 * RATE // 30)


def test_two_emits_that_differ_in_every_name_share_every_chunk(scene: Any) -> None:
    scene.emit()
    scene.run(manifest="job.json")
    scene.emit("again.json", "other.mp4")
    first, second = (json.loads(scene.path(name).read_text()) for name in ("job.json", "again.json"))
    assert not {c["outputFile"] for c in first["chunks"]} & {c["outputFile"] for c in second["chunks"]}
    run = scene.run(manifest="again.json")
    assert run.nodes("executed") == []
    assert scene.path("other.mp4").read_bytes() == scene.path("out.mp4").read_bytes()


def test_another_composition_renders_all_chunks_again(scene: Any) -> None:
    scene.emit()
    scene.run(manifest="job.json")
    scene.write("comp.html", "<canvas id=other></canvas>\n")
    assert scene.run(manifest="job.json").nodes("executed") == [*CHUNKS, "render/stitch"]


def test_a_merge_that_is_kept_fails_as_it_does_by_itself(scene: Any) -> None:
    scene.emit()
    failed = scene.helios("run", "job.json", "--keep-merge")
    assert failed.exit_code == 1
    assert "Could not find tag for codec pcm_s16le" in failed.stderr
    assert not scene.path("out.mp4").exists()
    assert scene.run(manifest="job.json").nodes("executed") == ["render/stitch"]  # no chunk was lost by it


def test_a_merge_that_is_kept_is_run_with_the_parts_in_order(scene: Any) -> None:
    scene.emit(output="out.mov")
    scene.run("--keep-merge", manifest="job.json")
    assert burnin.read_frame_numbers(scene.path("out.mov")) == list(range(40))
    assert not scene.path("out.mov.proof.json").exists()  # only what was joined here is proved


def test_a_merge_that_names_no_parts_cannot_be_kept(scene: Any) -> None:
    scene.emit()
    job = json.loads(scene.path("job.json").read_text())
    scene.write("job.json", json.dumps({**job, "mergeCommand": "ffmpeg -f concat -i list.txt out.mov"}))
    refused = scene.helios("run", "job.json", "--keep-merge")
    assert refused.exit_code == 2
    assert (
        "mergeCommand: does not name the parts one after the other in the order of their frames: it cannot be kept"
        in refused.stderr
    )
    scene.manifest(scene.burnin())
    assert scene.helios("run", "render.yaml", "--keep-merge").stderr.splitlines()[0].endswith(
        "--keep-merge: a manifest has no merge command, only a Helios job has one"
    )  # fmt: skip


def test_an_imported_job_is_a_short_manifest_that_finds_every_chunk_made(scene: Any) -> None:
    scene.emit()
    scene.run(manifest="job.json")
    done = scene.helios("import", "job.json", "-o", "render.yaml")
    assert (done.exit_code, done.stdout) == (0, "render.yaml written; now: helios-pipe run render.yaml\n")
    text = scene.path("render.yaml").read_text()
    assert "    frames: 0-39\n    fps: 30\n    chunk:\n      size: 10\n" in text
    assert "--start-frame {chunk.start} --frame-count {chunk.count}" in " ".join(text.split())
    assert "#   inputs: [comp.html]\n" in text
    assert scene.run().nodes("executed") == []
    assert scene.run(manifest="job.json").nodes("executed") == []  # the manifest beside it is no input of it


def test_narrowed_as_the_comment_says_other_files_render_nothing(scene: Any) -> None:
    scene.emit()
    scene.helios("import", "job.json", "-o", "render.yaml")
    text = scene.path("render.yaml").read_text()
    head, tail = text.split("    inputs:\n")
    scene.write("render.yaml", head + "    inputs: [comp.html]\n" + tail[tail.index("    frames:") :])
    scene.run()
    scene.write("notes.txt", "nothing that the scene reads")
    assert scene.run().nodes("executed") == []


def test_a_merge_can_be_kept_in_the_imported_manifest(scene: Any) -> None:
    scene.emit(output="out.mov")
    scene.helios("import", "job.json", "--keep-merge", "-o", "render.yaml")
    assert "        helios merge {output} {inputs}\n" in scene.path("render.yaml").read_text()
    scene.run()
    assert burnin.read_frame_numbers(scene.path("out.mov")) == list(range(40))


def test_an_import_goes_beside_its_job_and_over_nothing(scene: Any) -> None:
    scene.emit()
    scene.path("sub").mkdir()
    away = scene.helios("import", "job.json", "-o", "sub/render.yaml")
    assert away.exit_code == 2
    assert "sub/render.yaml is not beside job.json" in away.stderr
    scene.write("render.yaml", "mine")
    kept = scene.helios("import", "job.json", "-o", "render.yaml")
    assert (kept.exit_code, scene.path("render.yaml").read_text()) == (2, "mine")
    assert "render.yaml is there already" in kept.stderr
    assert scene.helios("import", "job.json", "-o", "render.yaml", "--force").exit_code == 0
    again = scene.helios("import", "render.yaml")
    assert "render.yaml is a manifest already" in again.stderr


def listing(project: Any, name: str = "job.json") -> None:
    """A job file of one chunk that lists what is there."""
    chunk = {"id": 0, "startFrame": 0, "frameCount": 1, "outputFile": "p.txt", "command": "sh -c 'ls > $0' p.txt"}
    project.write(name, json.dumps({"metadata": {"totalFrames": 1, "fps": 30}, "chunks": [chunk]}))


def run_to_rest(project: Any) -> None:
    """Run it until there is proof that nothing is to be done."""
    for _ in range(3):
        project.settled()
        project.run(manifest="job.json")
    assert list(project.path(".helios/stamps").glob("????????"))


def test_the_first_file_beside_a_job_that_stood_alone_is_its_input(project: Any) -> None:
    listing(project)
    run_to_rest(project)
    project.write("foo.txt", "x")
    assert project.plan(manifest="job.json")["to_run"] == 1
    assert project.run(manifest="job.json").summary["executed"] == 1


def test_a_job_file_or_manifest_that_is_none_any_more_is_an_input(project: Any) -> None:
    listing(project)
    listing(project, "other.json")
    project.write("render.yaml", "version: 1\njobs: {}\n")
    run_to_rest(project)
    for name in ("other.json", "render.yaml"):
        project.write(name, "{}")
        assert project.run(manifest="job.json").summary["executed"] == 1
        run_to_rest(project)


def test_a_job_that_stands_alone_is_imported_without_inputs(project: Any) -> None:
    listing(project)
    assert project.helios("import", "job.json", "-o", "render.yaml").exit_code == 0
    assert "inputs:" not in project.path("render.yaml").read_text()
    assert project.run().summary["executed"] == 1


def test_what_an_import_does_not_follow_is_told(scene: Any) -> None:
    scene.emit()
    scene.replace("job.json", "helios merge out.mp4", "helios merge --quality 20 out.mp4")
    done = scene.helios("import", "job.json")
    assert done.exit_code == 0
    assert "mergeCommand: --quality is not followed: chunks are joined without encoding them again" in done.stderr


def test_uneven_chunks_stand_by_themselves(scene: Any) -> None:
    scene.emit()
    job = json.loads(scene.path("job.json").read_text())
    job["chunks"][1]["command"] += " --quality 'very \"high\"'"
    scene.write("job.json", json.dumps(job))
    text = scene.helios("import", "job.json").stdout
    assert text.count("      - command: >-\n") == 4
    scene.write("render.yaml", text)
    read, meant = load_manifest(scene.path("render.yaml")).jobs[0], load_manifest(scene.path("job.json")).jobs[0]
    assert read.chunks == meant.chunks
    assert read.stitch == meant.stitch


def test_an_exported_manifest_is_what_the_program_runs(scene: Any) -> None:
    scene.emit(output="out.mov")
    scene.helios("import", "job.json", "-o", "render.yaml")
    scene.run()
    film = scene.path("out.mov").read_bytes()
    scene.path("out.mov").unlink()
    done = scene.helios("export", "render.yaml", "-o", "exported.json")
    assert (done.exit_code, done.stdout) == (0, "exported.json written: 4 chunks, 40 frames\n")
    spec = json.loads(scene.path("exported.json").read_text())
    assert spec["metadata"] == {"totalFrames": 40, "fps": 30, "duration": 1.333333}
    ran = scene.call("job", "run", "exported.json")
    assert ran.returncode == 0, ran.stderr
    assert burnin.read_frame_numbers(scene.path("out.mov")) == list(range(40))
    assert samples(scene.path("out.mov"))[: 30 * RATE // 30] == [tone(at) for at in range(RATE)]
    assert film
    assert [path.name for path in sorted(scene.root.glob("render_part_*"))] == [
        f"render_part_{n}.mov" for n in range(4)
    ]


def test_the_examples_job_file_and_its_manifest_make_the_same_film(scene: Any) -> None:
    for name in ("comp.html", "job.json", "render.yaml"):
        scene.write(name, (REPOSITORY / "examples/helios" / name).read_text())
    scene.run(manifest="job.json")
    by_job = scene.path("out/comp.mp4").read_bytes()
    assert burnin.read_frame_numbers(scene.path("out/comp.mp4")) == list(range(60))
    summary = scene.run().summary
    assert (summary["executed"], summary["total"]) == (
        2,
        3,
    )  # its key has the program's version; the join is of the same bytes
    assert scene.path("out/comp.mp4").read_bytes() == by_job


def test_what_a_job_file_cannot_say_is_told(scene: Any) -> None:
    manifest = scene.burnin(timeout="9m", stitch={"output": "out/film.mp4"}, env={"B": "2 3", "A": 'q"\\'})
    manifest["jobs"]["film"]["chunk"]["command"] += " --width 128"
    manifest |= {"tools": {"sh": "1"}}
    scene.manifest(manifest)
    done = scene.helios("export", "render.yaml", "--size", "128x72")
    assert done.exit_code == 0, str(done)
    spec = json.loads(done.stdout)
    assert (spec["metadata"]["width"], spec["metadata"]["height"]) == (128, 72)
    assert split_helios(spec["chunks"][2]["command"])[:3] == ["env", 'A=q"\\', "B=2 3"]
    assert spec["chunks"][2]["startFrame"] == 20
    assert spec["mergeCommand"].startswith("helios merge out/film.mp4 film_part_0.mp4 film_part_1.mp4")
    assert done.stderr.splitlines() == [
        "note: the versions of sh are checked by nobody",
        "note: time limits and retries are Helios' own",
        "note: the folder out/ has to be there",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stitch": {"output": "out/", "method": "collect"}}, "a stitch of the method 'collect' has no merge command"),
        ({"frames": "0-59x2"}, "film/0000 renders every 2th frame, and a Helios chunk is a range of frames one after the other"),
        ({"stitch": None}, "job film has no stitch, and a Helios job ends with one file"),
        ({"fps": None}, "job film does not say its fps, which a Helios job has to"),
        ({"stitch": {"output": "o.mp4", "command": "join {inputs_list} {output}"}},
         "the stitch's command reads {inputs_list}, a file that a Helios job does not have"),
    ],
)  # fmt: skip
def test_what_no_job_file_can_hold_is_refused(scene: Any, changes: dict[str, Any], message: str) -> None:
    manifest = scene.burnin()
    job = {**manifest["jobs"]["film"], **changes}
    manifest["jobs"]["film"] = {key: value for key, value in job.items() if value is not None}
    scene.manifest(manifest)
    refused = scene.helios("export", "render.yaml")
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[0] == f"error: {message}"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=6))
def test_words_are_split_as_they_were_spelled(words: list[str]) -> None:
    assert split_helios(spell_helios(words)) == words


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_a_text_is_read_from_yaml_as_it_was_written(text: str) -> None:
    assert parse_document(f"- {scalar(text)}\n".encode(), Report("x")).data == [text]


ODD = st.text(st.sampled_from(list("ab'\"\\ {}#:-,é\n\t\u00a0\U0001f3ac")), min_size=1, max_size=8)


@given(words=st.lists(ODD, max_size=5))
def test_any_command_survives_the_import(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    folder = tmp_path_factory.mktemp("job")
    command = spell_helios(["run", *words, "p.mov"])
    chunk = {"id": 0, "startFrame": 0, "frameCount": 3, "outputFile": "p.mov", "command": command}
    job = {"metadata": {"totalFrames": 3, "fps": 30}, "chunks": [chunk], "mergeCommand": "helios merge o.mov p.mov"}
    (folder / "job.json").write_text(json.dumps(job))
    from helios_pipe.pipeline.exporting import imported

    meant = load_manifest(folder / "job.json").jobs[0]
    (folder / "render.yaml").write_text(imported(folder / "job.json", folder / "render.yaml")[0])
    rule = load_manifest(folder / "render.yaml").jobs[0].chunk
    assert rule is not None, shlex.join(words)
    assert rule.command == meant.chunks[0].command
