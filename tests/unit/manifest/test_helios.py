"""Helios' job files: read and written as they are, and run as manifests."""

# ruff: noqa: E501 - the texts stand whole, as users see them
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.errors import UsageError
from helios_pipe.manifest.globs import expand
from helios_pipe.manifest.helios import JobChunk, JobMetadata, JobSpec, JobSpecError, is_job
from helios_pipe.manifest.helios_import import merge_target
from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.model import Frames, Manifest, Stitch
from helios_pipe.manifest.problems import ManifestError
from helios_pipe.manifest.words import split_helios

EMITTED = (Path(__file__).parents[2] / "data/helios-job.json").read_text()

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A project with a scene and the job file."""
    (tmp_path / "comp.html").write_text("<canvas>")

    def written(text: str = EMITTED, name: str = "job.json") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return written


def emitted(**changes: Any) -> str:
    return json.dumps({**json.loads(EMITTED), **changes})


def chunks(*commands: str, name: str = "p_{}.mov") -> list[dict[str, Any]]:
    return [
        {"id": n, "startFrame": n * 5, "frameCount": 5, "outputFile": name.format(n), "command": command}
        for n, command in enumerate(commands)
    ]


def test_a_job_spec_is_read_and_written_as_it_is() -> None:
    data = json.loads(EMITTED)
    spec = JobSpec.from_dict(data)
    assert spec.metadata == JobMetadata(total_frames=60, fps=30, width=320, height=180, duration=2)
    assert spec.chunks[1].start_frame == 15
    assert spec.chunk(3).output_file.endswith("_part_3.mov")
    assert spec.to_dict() == data
    assert list(spec.to_dict()) == ["metadata", "chunks", "mergeCommand"]
    with pytest.raises(UsageError) as caught:
        spec.chunk(9)
    assert str(caught.value) == "Chunk with ID 9 not found in job spec"


def test_keys_that_we_do_not_know_are_kept() -> None:
    data = json.loads(EMITTED)
    data |= {"id": "j-1", "assetsUrl": "s3://b/k", "heliosPipe": {"version": 1}}
    data["metadata"]["codec"] = "h264"
    data["chunks"][0]["priority"] = 3
    spec = JobSpec.from_dict(data)
    assert spec.to_dict() == data
    assert (spec.id, spec.assets_url, spec.extra) == ("j-1", "s3://b/k", {"heliosPipe": {"version": 1}})
    assert spec.metadata.extra == {"codec": "h264"}
    assert spec.chunks[0].extra == {"priority": 3}


CHUNKS = st.builds(
    JobChunk,
    id=st.integers(0, 99),
    start_frame=st.integers(0, 9),
    frame_count=st.integers(1, 9),
    output_file=st.just("a.mov"),
    command=st.just("x"),
)
METADATA = st.builds(
    JobMetadata,
    total_frames=st.integers(0, 9),
    fps=st.integers(1, 99) | st.floats(0.1, 99),
    width=st.none() | st.integers(1, 9),
    height=st.none(),
    duration=st.none() | st.floats(0, 9),
)
SPECS = st.builds(
    JobSpec,
    metadata=METADATA,
    chunks=st.lists(CHUNKS, unique_by=lambda chunk: chunk.id, max_size=3).map(tuple),
    merge_command=st.none() | st.text(),
    id=st.none() | st.text(),
    assets_url=st.none() | st.text(),
)


@given(SPECS)
def test_what_is_written_is_read_back(spec: JobSpec) -> None:
    assert JobSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_all_that_is_wrong_with_a_job_spec_is_told_at_once() -> None:
    data = {
        "id": 5,
        "metadata": {"totalFrames": "60", "fps": 0, "width": -1},
        "chunks": [
            {"id": 0, "startFrame": 0, "frameCount": 0, "outputFile": "", "command": "x"},
            {"id": 1, "startFrame": 1.5, "frameCount": 1, "outputFile": "a", "command": "x"},
            {"id": 2, "startFrame": 1, "frameCount": 1, "outputFile": "a", "command": "x"},
            {"id": 2, "startFrame": 1, "frameCount": 1, "outputFile": "a", "command": "x"},
            {"id": True, "startFrame": 1, "frameCount": 1, "outputFile": "a"},
            7,
        ],
    }
    with pytest.raises(JobSpecError) as caught:
        JobSpec.from_dict(data)
    assert str(caught.value).splitlines() == [
        "not a Helios job spec: id: is the number 5, expected a text",
        "metadata.totalFrames: is the text '60', expected a whole number",
        "metadata.fps: is 0, expected more than 0",
        "metadata.width: is -1, expected 0 or more",
        "chunks[0].frameCount: is 0, expected 1 or more",
        "chunks[0].outputFile: is the text '', expected a text that is not empty",
        "chunks[1].startFrame: is the number 1.5, expected a whole number",
        "chunks[3].id: 2 is the id of chunk 2 too, expected another",
        "chunks[4].id: is true, expected a whole number",
        "chunks[4].command: is missing, expected a text that is not empty",
        "chunks[5]: is the number 7, expected a mapping with 'id', 'startFrame', 'frameCount', ...",
    ]
    assert caught.value.exit_code == 2
    nothing: Any
    for nothing in ({}, [], None):
        for kind in (JobChunk, JobMetadata, JobSpec):
            with pytest.raises(JobSpecError):
                kind.from_dict(nothing)


def test_a_job_file_is_told_from_a_manifest() -> None:
    assert is_job(json.loads(EMITTED))
    assert not is_job({"version": 1, "jobs": {}})
    assert not is_job({"version": 1, "chunks": [], "metadata": {}})
    assert not is_job([])


def test_a_job_file_is_a_manifest_of_explicit_chunks(write: Write) -> None:
    manifest = load_manifest(write())
    (job,) = manifest.jobs
    assert (manifest.name, job.name, job.where, job.fps) == ("job", "render", (), Fraction(30))
    assert [chunk.frames for chunk in job.chunks] == [Frames(0, 14), Frames(15, 29), Frames(30, 44), Frames(45, 59)]
    assert {chunk.output for chunk in job.chunks} == {"part.mov"}
    assert " ".join(map(str, job.chunks[1].command[:7])) == "helios render comp.html -o {output} --start-frame 15"
    assert job.stitch == Stitch("concat", "out.mp4", audio_codec="aac")
    assert "HOME" in manifest.pass_env
    assert manifest.warnings == (
        f"{manifest.path}:15:7: chunks[0].command: 'helios' is no tool: a new version of it would go unnoticed, expected it "
        "under 'tools' (helios: auto)",
    )


def test_two_emits_that_differ_in_names_make_equal_chunks(write: Write) -> None:
    first = load_manifest(write())
    again = EMITTED.replace("temp_1795354467534_fw0r9w", "temp_9_zz").replace("out.mp4", "other.mp4")
    second = load_manifest(write(again, "again.json"))
    assert first.jobs[0].chunks == second.jobs[0].chunks


def test_the_inputs_are_the_folders_files_less_what_jobs_put_out(write: Write, tmp_path: Path) -> None:
    again = EMITTED.replace("temp_1795354467534_fw0r9w", "part_[9]").replace("out.mp4", "other.mp4")
    write(again, "again.json")
    path = write()
    (tmp_path / "assets").mkdir()
    made = ("out.mp4", "other.mp4", "out.mp4.proof.json", "part_[9]_part_0.mov", "temp_1_x_part_0.mov")
    for name in (*made, "assets/logo.svg", "data.json", ".helios", "assets/out.mp4"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "broken.json").write_text('{"startFrame')
    (job,) = load_manifest(path).jobs
    assert expand(tmp_path, job.inputs).files == (
        ".helios", "assets/logo.svg", "assets/out.mp4", "broken.json", "comp.html", "data.json",
    )  # fmt: skip
    assert (
        expand(tmp_path, load_manifest(tmp_path / "again.json").jobs[0].inputs).files
        == expand(tmp_path, job.inputs).files
    )


def test_a_job_alone_in_its_folder_has_no_inputs(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(EMITTED)
    (job,) = load_manifest(tmp_path / "job.json", look=True).jobs
    assert job.takes_what_is_there
    assert expand(tmp_path, job.inputs).files == ()


@pytest.mark.parametrize(
    ("command", "words", "output"),
    [
        ("r -o p_0.mov", ["r", "-o", "{output}"], "part.mov"),
        ("r --out=p_0.mov", ["r", "--out={output}"], "part.mov"),
        ("r -o ./p_0.mov,p_0.mov", ["r", "-o", "{output},{output}"], "part.mov"),
        ("r 'x {y}' p_0.mov", ["r", "x {{y}}", "{output}"], "part.mov"),
        ("r xp_0.mov p_0.mov.log p_0.mov", ["r", "xp_0.mov", "p_0.mov.log", "{output}"], "part.mov"),
        ("r /tmp/p_0.mov", ["r", "/tmp/p_0.mov"], "p_0.mov"),
        ("r nothing", ["r", "nothing"], "p_0.mov"),
    ],
)
def test_a_parts_name_becomes_the_output(write: Write, command: str, words: list[str], output: str) -> None:
    path = write(emitted(chunks=chunks(command), metadata={"totalFrames": 5, "fps": 29.97}))
    (job,) = load_manifest(path).jobs
    (chunk,) = job.chunks
    assert [str(word) for word in chunk.command] == words
    assert chunk.output == output
    assert job.fps == Fraction(30000, 1001)


def test_chunks_are_joined_in_the_order_of_their_frames(write: Write) -> None:
    reverse = list(reversed(chunks("r p_0.mov", "r p_1.mov", "r p_2.mov")))
    (job,) = load_manifest(write(emitted(chunks=reverse))).jobs
    assert [chunk.frames and chunk.frames.start for chunk in job.chunks] == [0, 5, 10]


@pytest.mark.parametrize(
    ("merge", "target", "codec"),
    [
        ("helios merge out.mp4 a b", "out.mp4", "aac"),
        ("helios merge out.mov a b", "out.mov", None),
        ("helios merge out.mp4 a b --audio-codec libopus", "out.mp4", "libopus"),
        ("helios merge out.mp4 a b --audio-codec=copy", "out.mp4", None),
        ("npx helios merge --quality 3 ./sub/out.mkv a b", "sub/out.mkv", None),
        ("ffmpeg -f concat -i list.txt -c copy out.mp4", "out.mp4", "aac"),
    ],
)
def test_the_target_of_the_merge_is_ours(write: Write, merge: str, target: str, codec: str | None) -> None:
    (job,) = load_manifest(write(emitted(mergeCommand=merge))).jobs
    assert job.stitch == Stitch("concat", target, audio_codec=codec)


def test_sound_that_is_not_pcm_is_not_encoded(write: Write) -> None:
    text = EMITTED.replace(" --audio-codec pcm_s16le", "")
    (job,) = load_manifest(write(text)).jobs
    assert job.stitch == Stitch("concat", "out.mp4")


@pytest.mark.parametrize(
    ("text", "target"),
    [("", None), ("helios", None), ("helios merge", None), ("helios merge -x y", None), ("a -o", None), ("a b", "b")],
)
def test_a_merge_without_a_target_makes_nothing(text: str, target: str | None) -> None:
    assert merge_target(split_helios(text))[0] == target


def warnings(manifest: Manifest) -> list[str]:
    return [line.partition(": ")[2] for line in manifest.warnings if "is no tool" not in line]


def test_what_is_not_followed_is_warned_of(write: Write) -> None:
    path = write(emitted(
        assetsUrl="s3://b/k", mergeCommand="helios merge o.mp4 a --video-codec libx264 --quality 20",
        chunks=chunks("r p_0.mov", "r other"), metadata={"totalFrames": 60, "fps": 30},
    ))  # fmt: skip
    assert sorted(warnings(load_manifest(path))) == [
        "assetsUrl: is not fetched: the files of the job's folder are used",
        "chunks[1].command: the command never mentions 'p_1.mov', which it must leave all the same",
        "mergeCommand: --quality is not followed: chunks are joined without encoding them again",
        "mergeCommand: --video-codec is not followed: chunks are joined without encoding them again",
        "metadata.totalFrames: is 60, but the chunks hold 10 frames",
    ]
    assert warnings(load_manifest(write(emitted(mergeCommand="")))) == [
        "mergeCommand: names no file to make: the chunks stay in the cache"
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"chunks": []}, "1:90: chunks: is empty, expected at least one chunk"),
        ({"chunks": 3}, "chunks: is the number 3, expected a list"),
        ({"metadata": {"fps": 30}}, "metadata.totalFrames: is missing, expected a whole number"),
        ({"metadata": {"totalFrames": 1, "fps": "30"}}, "metadata.fps: is the text '30', expected a number"),
        ({"mergeCommand": "helios merge ../out.mp4 a"}, "mergeCommand: '../out.mp4' leaves the project, expected a path without '..'"),
        ({"mergeCommand": "helios merge /out.mp4 a"}, "mergeCommand: '/out.mp4' leaves the project, expected a path relative to the manifest's folder"),
        ({"mergeCommand": "helios merge job.json a"}, "'job.json' is the manifest itself, expected another path"),
        ({"chunks": chunks("r p_0.mov") + chunks("r p_0.mov")}, "chunks[1].id: 0 is the id of chunk 0 too, expected another"),
        ({"chunks": [*chunks("r p_0.mov"), {"id": 5, "startFrame": 9, "frameCount": 1, "outputFile": "p", "command": "r p"}]},
         "9-9 leaves a hole after chunk 0 (0-4), expected frames from 5 on: 'concat' joins chunks in order"),
        ({"chunks": chunks("r", name="/abs_{}.mov")}, "chunks[0].outputFile: '/abs_0.mov' leaves the project, expected a path relative to the manifest's folder"),
    ],
)  # fmt: skip
def test_a_job_file_that_cannot_be_run_is_refused(write: Write, changes: dict[str, Any], problem: str) -> None:
    path = write(emitted(**changes))
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert problem in str(caught.value)
    assert len(caught.value.problems) == 1


def test_a_job_file_has_no_variables(write: Write) -> None:
    with pytest.raises(ManifestError) as caught:
        load_manifest(write(), {"x": "1"})
    assert str(caught.value).endswith(": --set x: a Helios job has no variables")


def test_a_submitted_job_keeps_its_id_as_the_name(write: Write) -> None:
    assert load_manifest(write(emitted(id="film-7"))).name == "film-7"
    assert load_manifest(write(emitted(id="no name"))).name == "job"
    assert replace(JobSpec.from_dict(json.loads(EMITTED)), id="x").to_dict()["id"] == "x"
