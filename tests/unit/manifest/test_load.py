"""Manifests to values: every shape, and what is filled in when one is loaded."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.model import (
    AdapterConfig,
    CacheConfig,
    ChunkRule,
    Encode,
    ExplicitChunk,
    Frames,
    Job,
    JobInput,
    Manifest,
    Stitch,
    Tool,
)
from helios_pipe.manifest.template import Field, Template

Load = Callable[..., Manifest]


def words(*texts: str | Field) -> tuple[Template, ...]:
    return tuple(Template((text,)) for text in texts)


OUTPUT = Field("output")


def test_frames_cut_into_chunks_and_joined(load: Load) -> None:
    manifest = load("""\
version: 1
vars: {width: 640}
tools: {burn: auto}
jobs:
  zoom:
    inputs: [look.txt, "!*.tmp"]
    frames: 0-240x2
    fps: 29.97
    chunk:
      size: 30
      command: burn -i 'a b' s={vars.width}:r={fps}:t={chunk.start:05d} {output}
      output: chunk.mp4
      inputs: ["plates/{chunk.start:05d}.exr"]
    stitch: {output: ./out//zoom.mp4}
""")
    assert manifest.jobs == (
        Job(
            name="zoom",
            where=("jobs", "zoom"),
            inputs=("look.txt", "!*.tmp"),
            frames=Frames(0, 240, 2),
            fps=Fraction(30000, 1001),
            chunk=ChunkRule(
                30,
                (
                    *words("burn", "-i", "a b"),
                    Template(("s=640:r=30000/1001:t=", Field("chunk.start", "05d"))),
                    *words(OUTPUT),
                ),
                "chunk.mp4",
                (Template(("plates/", Field("chunk.start", "05d"), ".exr")),),
            ),
            stitch=Stitch("concat", "out/zoom.mp4"),
        ),
    )
    assert manifest.warnings == ()
    assert manifest.tools == (Tool("burn"),)
    assert manifest.marks["jobs", "zoom", "chunk", "size"] == (10, 7)


def test_explicit_chunks(load: Load) -> None:
    (job,) = load("""\
version: 1
jobs:
  a:
    chunks:
      - {command: [x, 010, 1.50, true, "{output}"], output: a/, frames: 3, env: {N: 010}, timeout: 1m, inputs: [p.png]}
      - {command: "y {chunk.index}", output: "b/"}
""").jobs
    assert job.chunks == (
        ExplicitChunk(
            words("x", "010", "1.50", "true", OUTPUT), "a/", words("p.png"), Frames(0, 2), {"N": "010"}, 60.0
        ),
        ExplicitChunk(words("y", Field("chunk.index")), "b/"),
    )
    assert job.stitch is None


def test_a_single_command(load: Load) -> None:
    (job,) = load("""\
version: 1
jobs:
  bake:
    command: bake {output} {job}
    output: out/{job}/
    env: {A: "{job}", B: "{{}}"}
    timeout: 1h30m
    stall_timeout: 90s
    retries: 2
    retry_delay: 500ms
    workspace: project
    hedge: false
""").jobs
    assert job == Job(
        name="bake",
        where=("jobs", "bake"),
        command=words("bake", OUTPUT, "bake"),
        output="out/bake/",
        env={"A": "bake", "B": "{}"},
        timeout_s=5400.0,
        stall_timeout_s=90.0,
        retries=2,
        retry_delay_s=0.5,
        workspace="project",
        hedge=False,
    )


def test_the_outputs_of_other_jobs_joined(load: Load) -> None:
    manifest = load("""\
version: 1
jobs:
  a: {command: x, output: a.mp4}
  b: {command: x, output: b.mp4}
  mix: {command: x, output: mix.wav, inputs: [{job: a}, {job: b, as: sub/./b.mp4}]}
  all: {stitch: {from: [b, a, b], output: all.mp4, audio: {job: mix}, proof: false}}
""")
    assert manifest.job("all").stitch == Stitch(
        "concat", "all.mp4", ("b", "a", "b"), audio=JobInput("mix"), proof=False
    )
    assert manifest.job("mix").job_inputs == (JobInput("a"), JobInput("b", "sub/b.mp4"))
    with pytest.raises(KeyError):
        manifest.job("c")


def test_a_matrix_makes_a_job_of_each_combination(load: Load) -> None:
    manifest = load("""\
version: 1
jobs:
  main:
    matrix: {lang: [en, de], size: [540, 1080], hdr: [true]}
    inputs: ["text/{matrix.lang}.json", {job: "voice[{matrix.lang}]"}]
    command: render {matrix.lang} {matrix.size:05d} {matrix.hdr} {job} {output}
    output: out/{matrix.lang}-{matrix.size}.mp4
  voice: {matrix: {lang: [de, en]}, command: say, output: "{job}.wav"}
  last: {stitch: {from: ["main[de,540,true]"], output: z.mp4}}
""")
    assert [job.name for job in manifest.jobs] == [
        "main[en,540,true]", "main[en,1080,true]", "main[de,540,true]", "main[de,1080,true]",
        "voice[de]", "voice[en]", "last",
    ]  # fmt: skip
    job = manifest.job("main[de,540,true]")
    assert job.where == ("jobs", "main")
    assert job.inputs == ("text/de.json",)
    assert job.job_inputs == (JobInput("voice[de]"),)
    assert [str(word) for word in job.command] == ["render", "de", "00540", "true", "main[de,540,true]", "{output}"]
    assert job.output == "out/de-540.mp4"


@pytest.mark.parametrize(
    ("chunk", "stitch", "method"),
    [
        ("c.mp4", "{output: o.mp4}", "concat"),
        ("c.mp4", "{output: o/}", "collect"),
        ("c/", "{output: o/}", "collect"),
        ("c/", "{output: o.mp4}", "encode"),
        ("c/", "{output: o.mp4, command: 'x {inputs} {output}'}", "command"),
        ("c/", "{output: o/, command: 'x {inputs} {output}'}", "command"),
        ("c.png", "{output: o.mp4, method: encode}", "encode"),
    ],
)
def test_the_method_follows_from_what_is_joined(load: Load, chunk: str, stitch: str, method: str) -> None:
    (job,) = load(
        f"version: 1\njobs: {{a: {{frames: 2, fps: 1, chunk: {{size: 1, command: x, output: {chunk}}}, stitch: {stitch}}}}}"
    ).jobs
    assert job.stitch is not None
    assert job.stitch.method == method


@pytest.mark.parametrize(
    ("first", "output", "method"),
    [("a/", "o.mp4", "encode"), ("a/", "o/", "collect"), ("a.mp4", "o.mp4", "concat")],
)
def test_the_method_of_joined_jobs_follows_from_their_outputs(load: Load, first: str, output: str, method: str) -> None:
    """Also where they come later in the document."""
    manifest = load(
        f"version: 1\njobs: {{z: {{fps: 1, stitch: {{from: [a], output: {output}}}}}, a: {{command: x, output: {first}}}}}"
    )
    stitch = manifest.job("z").stitch
    assert stitch is not None
    assert stitch.method == method


def test_what_stands_at_the_top(load: Load) -> None:
    manifest = load("""\
version: 1
name: trailer
vars: {width: 640, title: a b, dark: true, none: }
tools: {ffmpeg: 7.10, sox: "14", blender: {version: [blender, --version], pin: 4.2}, me: {digest: true}}
env: {W: "{vars.width}", T: "{vars.title}|{vars.dark}|{vars.none}", ON: yes}
pass_env: [DISPLAY, DISPLAY]
secrets: [TOKEN]
adapters: {local: {concurrency: 2}, cloud: {type: lambda, function: f}}
cache: {remote: "s3://b/p", push: true}
jobs: {a: {command: ffmpeg, output: o, adapter: cloud}}
""")
    assert manifest.name == "trailer"
    assert manifest.vars == {"width": 640, "title": "a b", "dark": True, "none": None}
    assert manifest.env == {"W": "640", "T": "a b|true|", "ON": "yes"}
    assert manifest.tools == (
        Tool("ffmpeg", pin="7.10"),
        Tool("sox", pin="14"),
        Tool("blender", pin="4.2", argv=("blender", "--version")),
        Tool("me", digest=True),
    )
    assert (manifest.pass_env, manifest.secrets) == (("DISPLAY",), ("TOKEN",))
    assert manifest.adapters == {
        "local": AdapterConfig("local", "local", {"concurrency": 2}),
        "cloud": AdapterConfig("cloud", "lambda", {"function": "f"}),
    }
    assert manifest.cache == CacheConfig("s3://b/p", True)


def test_paths_are_absolute_and_the_name_is_the_files(load: Load, tmp_path: Path) -> None:
    manifest = load("version: 1\njobs: {a: {command: x, output: o}}")
    assert manifest.path == tmp_path / "m.yaml"
    assert manifest.root == tmp_path
    assert manifest.shown == "m.yaml"
    assert manifest.name == "m"
    odd = tmp_path / "-my film (2).yaml"
    odd.write_text("version: 1\njobs: {a: {command: x, output: o}}")
    assert load_manifest(odd).name == "my-film-2-"


def test_overrides_replace_variables_as_yaml_scalars(load: Load) -> None:
    text = "version: 1\nvars: {n: 1, t: x}\njobs: {a: {command: '{vars.n:03d} {vars.t}', output: o}}"
    manifest = load(text, n="010", t="'010'")
    assert manifest.vars == {"n": 10, "t": "010"}
    assert [str(word) for word in manifest.jobs[0].command] == ["010", "010"]


def test_a_value_with_braces_or_spaces_is_no_template_and_stays_one_word(load: Load) -> None:
    manifest = load("version: 1\nvars: {t: '{x} $(y) \"z'}\njobs: {a: {command: 'say {vars.t}', output: o}}")
    assert manifest.jobs[0].command[1].fill({}) == '{x} $(y) "z'


def test_encoder_options(load: Load) -> None:
    (job,) = load("""\
version: 1
vars: {q: 20}
jobs:
  a:
    frames: 2
    fps: 24
    chunk: {size: 1, command: x, output: f/}
    stitch: {output: o.mp4, encode: {codec: libx265, crf: 18, pix_fmt: yuv420p10le, preset: slow, args: [-q, "{vars.q}", 1]}}
""").jobs
    assert job.stitch is not None
    assert job.stitch.encode == Encode("libx265", 18, "yuv420p10le", "slow", ("-q", "20", "1"))


def test_an_anchor_saves_repeating(load: Load) -> None:
    manifest = load("""\
version: 1
jobs:
  a: &job {frames: 0-9, chunk: {size: 5, command: "x {output}", output: c.mp4}, stitch: {output: a.mp4}}
  b: {<<: *job, stitch: {output: b.mp4}}
""")
    assert manifest.job("b").frames == Frames(0, 9)
    assert manifest.job("b").stitch == Stitch("concat", "b.mp4")


def test_a_manifest_may_be_json(load: Load) -> None:
    manifest = load('{"version": 1, "jobs": {"a": {"command": ["x", "{output}"], "output": "\\ud83d\\ude00.mp4"}}}')
    assert manifest.jobs[0].output == "😀.mp4"


def test_the_registry_of_plugins_is_asked_for_other_adapter_types(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    point = metadata.EntryPoint("slurm", "somewhere:Slurm", "helios_pipe.adapters")
    monkeypatch.setattr(metadata, "entry_points", lambda group: metadata.EntryPoints([point]))
    manifest = load(
        "version: 1\nadapters: {hpc: {type: slurm, queue: big}}\njobs: {a: {command: x, output: o, adapter: hpc}}"
    )
    assert manifest.adapters["hpc"] == AdapterConfig("hpc", "slurm", {"queue": "big"})


@pytest.mark.parametrize("text", ["version: 1\njobs: {a: {command: x, output: o}}", "version: 1\n"])
def test_the_collector_is_left_as_it_was(load: Load, text: str) -> None:
    import gc

    for wanted in (True, False):
        (gc.enable if wanted else gc.disable)()
        try:
            load(text)
        except Exception:  # noqa: BLE001
            assert "jobs" not in text
        found = gc.isenabled()
        gc.enable()
        assert found is wanted


def test_a_number_is_a_number_as_a_variable_and_as_it_was_written_where_a_text_is_wanted(load: Load) -> None:
    (job,) = load(
        """\
version: 1
vars: {c: 1.50, d: 1e3, e: 010, f: "1.50"}
jobs: {a: {command: [x, "{vars.c} {vars.c:.2f} {vars.d} {vars.e} {vars.e:03d} {vars.f}", 1.50, 010], output: y}}
"""
    ).jobs
    assert [str(word) for word in job.command] == ["x", "1.5 1.50 1000.0 10 010 1.50", "1.50", "010"]
