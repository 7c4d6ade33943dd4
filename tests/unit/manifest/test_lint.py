"""Warnings: what does not stop a run but will be regretted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from helios_pipe.manifest.model import Manifest

Load = Callable[..., Manifest]

THREADS = (
    "libx264 makes other bytes with another number of threads, and ffmpeg takes as many as the machine has: "
    "expected '-threads 1' (or another number) behind the inputs"
)
VBV = (
    "libx264 under a rate limit (-maxrate, -bufsize) and with more than one thread makes other bytes in every run: "
    "expected '-threads 1'"
)


def bitexact(suffix: str) -> str:
    return (
        f"a {suffix} file gets random numbers for its name and tracks: expected '-fflags +bitexact' behind the inputs"
    )


def lossy(codec: str) -> str:
    return (
        f"sound encoded with {codec} gains silence at the edges of every chunk, so that it drifts once joined: expected "
        "pcm_s16le or flac in the chunks, or the sound made once by a job of its own and given as 'stitch.audio'"
    )


def warned(load: Load, command: str, output: str = "c.mp4") -> list[str]:
    manifest = load(f"""\
version: 1
tools: {{ffmpeg: auto}}
jobs:
  a:
    frames: 0-9
    chunk: {{size: 5, command: "{command}", output: {output}}}
    stitch: {{output: o{output}, method: concat}}
""")
    prefix = "m.yaml:6:22: jobs.a.chunk.command: "
    assert all(line.startswith(prefix) for line in manifest.warnings)
    return [line.removeprefix(prefix) for line in manifest.warnings]


@pytest.mark.parametrize(
    ("command", "output", "expected"),
    [
        ("ffmpeg -i x -c:v libx264 -threads 1 {output}", "c.mp4", []),
        ("ffmpeg -i x -c:v libx264 -threads 4 {output}", "c.mp4", []),
        ("ffmpeg -i x -c:v libx264 -x264-params keyint=5:threads=2 {output}", "c.mp4", []),
        ("ffmpeg -i x -c:v libx264 {output}", "c.mp4", [THREADS]),
        ("ffmpeg -i x -vcodec libx264 -threads 0 {output}", "c.mp4", [THREADS]),
        ("ffmpeg -threads 1 -i x -c:v libx264 {output}", "c.mp4", [THREADS]),
        ("ffmpeg -threads auto -i x {output}", "c.mov", [THREADS]),
        ("/opt/bin/ffmpeg -i x {output}", "c.mp4", [THREADS]),
        ("ffmpeg -i x -c copy {output}", "c.mp4", []),
        ("ffmpeg -i x -c:v prores_ks {output}", "c.mov", []),
        ("ffmpeg -i x -vn -c:a flac {output}", "c.mp4", []),
        ("ffmpeg -i x -c:v libx264 -threads 8 -maxrate 1M -bufsize 2M {output}", "c.mp4", [VBV]),
        ("ffmpeg -i x -c:v libx264 -maxrate 1M {output}", "c.mp4", [THREADS, VBV]),
        ("ffmpeg -i x -c:v libx264 -threads 1 -maxrate 1M {output}", "c.mp4", []),
        ("ffmpeg -i x -c:v libvpx-vp9 {output}", "c.webm", [bitexact(".webm")]),
        ("ffmpeg -i x -c:v ffv1 {output}", "c.mkv", [bitexact(".mkv")]),
        ("ffmpeg -i x -c:v ffv1 -fflags +bitexact {output}", "c.mkv", []),
        ("ffmpeg -fflags +bitexact -i x -c:v ffv1 {output}", "c.mkv", [bitexact(".mkv")]),
        ("ffmpeg -i x -c:v prores_ks -c:a aac {output}", "c.mov", [lossy("aac")]),
        ("ffmpeg -i x -c:v prores_ks -acodec libmp3lame {output}", "c.mov", [lossy("libmp3lame")]),
        ("ffmpeg -i x -c:v prores_ks -c:a pcm_s16le {output}", "c.mov", []),
    ],
)
def test_a_habit_of_ffmpeg_is_warned_of_with_its_cure(
    load: Load, command: str, output: str, expected: list[str]
) -> None:
    assert sorted(warned(load, command, output)) == sorted(expected)


def test_sound_of_a_single_command_may_be_lossy(load: Load) -> None:
    text = "version: 1\ntools: {ffmpeg: auto}\njobs: {mix: {command: 'ffmpeg -i x -c:a aac {output}', output: m.m4a}}"
    assert load(text).warnings == ()


def test_explicit_chunks_are_warned_of_once(load: Load) -> None:
    chunk = "      - {command: 'ffmpeg -i x {output}', output: c.mp4}\n"
    manifest = load(f"version: 1\njobs:\n  a:\n    chunks:\n{chunk * 3}    stitch: {{output: o.mp4}}\n")
    assert manifest.warnings == (
        "m.yaml:5:10: jobs.a.chunks[0].command: 'ffmpeg' is no tool: a new version of it would go unnoticed, expected it "
        "under 'tools' (ffmpeg: auto)",
        f"m.yaml:5:10: jobs.a.chunks[0].command: {THREADS}",
    )


def test_a_script_among_the_inputs_and_a_tool_by_its_path_need_no_tool(load: Load) -> None:
    manifest = load(
        """\
version: 1
tools: {sox: auto}
jobs:
  a: {inputs: ["bin/*.sh"], command: "bin/render.sh {output}", output: a}
  b: {inputs: [run.sh], command: "./run.sh {output}", output: b}
  c: {command: "/usr/bin/sox {output}", output: c}
  d: {inputs: ["**", "!d"], command: "python d.py {output}", output: d}
""".replace('["**", "!d"]', '["src/**"]')
    )
    assert manifest.warnings == (
        "m.yaml:7:27: jobs.d.command: 'python' is no tool: a new version of it would go unnoticed, expected it under 'tools' "
        "(python: auto)",
    )


def test_a_variable_that_nothing_uses_and_an_output_that_nobody_names(load: Load) -> None:
    manifest = load("""\
version: 1
vars: {used: 1, idle: 2}
tools: {x: auto}
jobs:
  a: {frames: 2, chunk: {size: 1, command: "x {vars.used}", output: c.mp4}, stitch: {output: "o{vars.used}", command: x}}
  b: {frames: 2, chunk: {size: 1, command: "x -o c.mp4", output: c.mp4}}
""")
    assert manifest.warnings == (
        "m.yaml:2:17: vars.idle: the variable 'idle' is used nowhere",
        "m.yaml:5:35: jobs.a.chunk.command: the command never mentions {output}: it must leave 'c.mp4' all the same",
        "m.yaml:5:110: jobs.a.stitch.command: the command never mentions {inputs} or {inputs_list}: it joins nothing",
        "m.yaml:5:110: jobs.a.stitch.command: the command never mentions {output}: it must leave 'o1'",
    )


def test_a_matrix_job_is_warned_of_once(load: Load) -> None:
    manifest = load("version: 1\njobs: {a: {matrix: {l: [a, b]}, command: 'x {output}', output: '{job}'}}")
    assert len(manifest.warnings) == 1
