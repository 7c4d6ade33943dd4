"""What bad input gets: each problem once, at its place, saying what is wrong and what was expected."""

# ruff: noqa: E501 - the texts stand whole, as users see them
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from helios_pipe.errors import UsageError
from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.problems import MAX_PROBLEMS, ManifestError, Problem

Refused = Callable[..., list[str]]

SHAPES = "expected exactly one of frames + chunk, chunks, command + output, or stitch with from"
NAME = "letters, digits, '.', '_' and '-', beginning with a letter or a digit"
VARIABLE = "letters, digits and '_', not beginning with a digit"


def job(text: str) -> str:
    """A manifest whose only job stands on line 3, its keys in braces."""
    return f"version: 1\njobs:\n  a: {{{text}}}\n"


def top(text: str) -> str:
    """A manifest with one more key, on line 2."""
    return f"version: 1\n{text}\njobs: {{a: {{command: x, output: y}}}}\n"


def test_every_problem_is_told_in_one_go_by_position(problems: Refused) -> None:
    assert problems("""\
version: 1
nmae: film
vars: {width: [1]}
jobs:
  a:
    frames: 9-3
    chunk: {size: 0, command: "x {chunk.strat} {output}", output: /c.mp4, typo: 1}
    stitch: {method: concatt, output: ../o.mp4}
    inputs: [{job: b}, 3]
  b: {command: x}
  a: {}
""") == [
        "2:1: nmae: unknown key 'nmae', did you mean 'name'?",
        "3:8: vars.width: is a list, expected a text, a number or true or false",
        "6:5: jobs.a.frames: an empty range (9 to 3), expected at least one frame",
        "7:13: jobs.a.chunk.size: is 0, expected 1 or more",
        "7:22: jobs.a.chunk.command: unknown placeholder {chunk.strat}: did you mean {chunk.start}? "
        "(write {{ and }} for braces)",
        "7:59: jobs.a.chunk.output: '/c.mp4' leaves the project, expected a path relative to the manifest's folder",
        "7:75: jobs.a.chunk.typo: unknown key 'typo', expected one of command, inputs, output, size",
        "8:14: jobs.a.stitch.method: 'concatt' is unknown, did you mean 'concat'?",
        "8:31: jobs.a.stitch.output: '../o.mp4' leaves the project, expected a path without '..'",
        "9:24: jobs.a.inputs[1]: is the number 3, expected a text or a mapping, such as scene.blend",
        "10:3: jobs.b: missing key 'output', expected one such as out/mix.wav",
        "11:3: jobs.a: the key 'a' is given twice, first on line 5",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jobs: {a: {command: x, output: y}}", "1:1: missing key 'version', expected 'version: 1' (known versions: 1)"),
        ("version: 2\nnonsense: 1", "1:1: version: is the number 2, expected one of the known versions: 1"),
        ("version: '1'", "1:1: version: is the text '1', expected one of the known versions: 1"),
        ("version: true", "1:1: version: is true, expected one of the known versions: 1"),
        ("version:", "1:1: version: is nothing, expected one of the known versions: 1"),
        ("version: 1", "1:1: missing key 'jobs', expected one"),
        ("version: 1\njobs:", "2:1: jobs: has no value, expected a mapping"),
        ("version: 1\njobs: {}", "2:1: jobs: is empty, expected at least one entry"),
        ("version: 1\njobs: [a]", "2:1: jobs: is a list, expected a mapping"),
        ("- 1", "1:1: is a list, expected a mapping that begins with 'version: 1'"),
        ("text", "1:1: is the text 'text', expected a mapping that begins with 'version: 1'"),
        (top("name: -x"), f"2:1: name: '-x' is no name, expected {NAME}"),
        (top("name: 5"), "2:1: name: is the number 5, expected a text, such as zoom"),
        (top("vars: {a.b: 1}"), "2:8: vars.a.b: 'a.b' is no name of a variable, expected letters, digits, '_' and '-'"),
        (top("tools: {x: }"), "2:9: tools.x: has no value, expected a text, a number or a mapping, such as auto"),
        (top("tools: {x: {}}"), "2:9: tools.x: is empty, expected at least one entry"),
        (top("tools: {x: {digest: false}}"), "2:9: tools.x: says nothing of the version, expected 'version', 'pin' or 'digest: true'"),
        (top("tools: {x: {digest: true, pin: '1'}}"), "2:13: tools.x.digest: 'digest' keys the program itself, expected no 'version' and no 'pin' beside it"),
        (top("env: {a-b: 1}"), f"2:7: env.a-b: 'a-b' is no name of a variable, expected {VARIABLE}"),
        (top("env: {a: }"), "2:7: env.a: has no value, expected a text, a number or true or false"),
        (top("env: {a: '{vars.x}'}"), "2:7: env.a: unknown placeholder {vars.x}: there are none here (write {{ and }} for braces)"),
        (top("pass_env: [2x]"), f"2:12: pass_env[0]: '2x' is no name of a variable, expected {VARIABLE}"),
        (top("pass_env: PATH"), "2:1: pass_env: is the text 'PATH', expected a list"),
        (top("pass_env: [A, B]\nsecrets: [B]"), "3:11: secrets[0]: 'B' is in 'pass_env' too, expected it in one of them"),
        (top("pass_env: [A]\nenv: {A: x}"), "3:7: env.A: 'A' is in 'pass_env' too: expected it set here or passed through"),
        (top("secrets: [A]\nenv: {A: x}"), "3:7: env.A: 'A' is in 'secrets' too: expected it set here or passed through"),
        ("version: 1\nsecrets: [A]\njobs: {a: {chunks: [{command: x, output: y, env: {A: x}}]}}", "3:51: jobs.a.chunks[0].env.A: 'A' is in 'secrets' too: expected it set here or passed through"),
        (top("cache: {remote: disk}"), "2:9: cache.remote: 'disk' is no store, expected s3://bucket/prefix, gs://bucket/prefix, file:///folder or http(s)://host"),
        (top("cache: {remote: 'https://me:pw@host/x'}"), "2:9: cache.remote: holds credentials, which never stand in a manifest: each SDK's own chain finds them"),
        (top("cache: {push: true}"), "2:9: cache.push: there is nowhere to push to, expected 'remote' beside it"),
        (top("adapters: {x: {type: dsk}}"), "2:16: adapters.x.type: unknown type 'dsk', did you mean 'dask'?"),
        (top("adapters: {x: {}}"), "2:12: adapters.x: missing key 'type', expected one such as local"),
        (top("adapters: {x: {type: lambda}}"), "2:12: adapters.x: missing key 'function', expected one such as render"),
        (top("adapters: {x: {type: lambda, function: f, url: y}}"), "2:43: adapters.x.url: unknown key 'url', expected one of concurrency, endpoint_url, function, prices, qualifier, region, storage, type"),
        (top("adapters: {local: {type: dask}}"), "2:20: adapters.local.type: is the text 'dask', expected 'local'"),
        (top("adapters: {local: {concurrency: 0}}"), "2:20: adapters.local.concurrency: is 0, expected 1 or more"),
        (top("adapters: {x: {type: dask}}"), "2:12: adapters.x: expected exactly one of 'address' and 'local_cluster'"),
        (top("adapters: {x: {type: http, url: 'ftp://h'}}"), "2:28: adapters.x.url: 'ftp://h' is no address, expected one such as https://host/path"),
        (top("adapters: {x: {type: http, url: 'http://h', token_env: a-b}}"), f"2:45: adapters.x.token_env: 'a-b' is no name of a variable, expected {VARIABLE}"),
        (top("adapters: {a b: {type: local}}"), f"2:12: adapters.a b: 'a b' is no name of an adapter, expected {NAME}"),
        ("version: 1\njobs: {a b: {command: x, output: y}}", f"2:8: jobs.a b: 'a b' is no name of a job, expected {NAME}"),
        (job(""), "3:3: jobs.a: is empty, expected at least one entry"),
        (job("fps: 3"), f"3:3: jobs.a: makes nothing, {SHAPES}"),
        (job("stitch: {output: o}"), f"3:3: jobs.a: makes nothing, {SHAPES}"),
        (job("command: x, output: y, chunks: [{command: x, output: y}]"), f"3:7: jobs.a.command: 'chunks' and 'command' are given, {SHAPES}"),
        (job("command: x, output: y, stitch: {output: z}"), "3:30: jobs.a.stitch: a single command has nothing to join, expected no 'stitch'"),
        (job("command: x"), "3:3: jobs.a: missing key 'output', expected one such as out/mix.wav"),
        (job("chunk: {size: 1, command: x, output: y}"), "3:3: jobs.a: missing key 'frames', expected one such as 0-239"),
        (job("frames: 3"), "3:7: jobs.a.frames: 'frames' goes with 'chunk' only: the range is cut into chunks"),
        (job("frames: 3, chunks: [{command: x, output: y}]"), "3:7: jobs.a.frames: 'frames' goes with 'chunk' only: give each of the chunks its own"),
        (job("output: z, chunks: [{command: x, output: y}]"), "3:7: jobs.a.output: 'output' goes with 'command' only: where chunks are joined it is 'stitch.output'"),
        (job("frames: 0, chunk: {size: 1, command: x, output: y}"), "3:7: jobs.a.frames: an empty range (a count of 0), expected at least one frame"),
        (job("frames: {start: 3, end: 1}, chunk: {size: 1, command: x, output: y}"), "3:7: jobs.a.frames: an empty range (3 to 1), expected at least one frame"),
        (job("frames: {start: 3}, chunk: {size: 1, command: x, output: y}"), "3:7: jobs.a.frames: missing key 'end', expected one such as 239"),
        (job("frames: {start: 3, end: 9, step: 0}, chunk: {size: 1, command: x, output: y}"), "3:34: jobs.a.frames.step: is 0, expected 1 or more"),
        (job("frames: 3.5, chunk: {size: 1, command: x, output: y}"), "3:7: jobs.a.frames: is the number 3.5, expected a text, a whole number or a mapping, such as 0-239"),
        (job("frames: 3, chunk: {size: -1, command: x, output: y}"), "3:26: jobs.a.chunk.size: is -1, expected 1 or more"),
        (job("frames: 3, chunk: {size: 1.0, command: x, output: y}"), "3:26: jobs.a.chunk.size: is the number 1.0, expected a whole number, such as 30"),
        (job("frames: 3, size: 3, chunk: {size: 1, command: x, output: y}"), "3:18: jobs.a.size: unknown key 'size' here: it belongs under 'chunk'"),
        (job("frames: 3, chunk: {size: 1, command: x, output: '{job}.mp4'}"), "3:47: jobs.a.chunk.output: '{job}.mp4' holds braces, expected a plain name: a chunk's output takes no placeholders"),
        (job("frames: 3, chunk: {size: 1, command: x, output: .}"), "3:47: jobs.a.chunk.output: '.' is the folder itself, expected a name in it"),
        (job("frames: 0-9999999, chunk: {size: 1, command: x, output: y}"), "3:7: jobs.a.frames: would give 10,000,000 nodes, the limit for a manifest is 1,000,000"),
        (job("command: '', output: y"), "3:7: jobs.a.command: is an empty text, expected some"),
        (job("command: ' ', output: y"), "3:7: jobs.a.command: the command is empty, expected a program and its arguments"),
        (job("command: [], output: y"), "3:7: jobs.a.command: is empty, expected at least one entry"),
        (job("command: ['', x], output: y"), "3:7: jobs.a.command: the first word of the command is empty, expected a program"),
        (job("command: [x, ], output: y, extra: 1"), "3:34: jobs.a.extra: unknown key 'extra', expected one of adapter, chunk, chunks, command, env, fps, frames, hedge, inputs, matrix, output, retries and 5 more"),
        (job("command: [x, null], output: y"), "3:20: jobs.a.command[1]: has no value, expected a text, a number or true or false"),
        (job("command: 5, output: y"), "3:7: jobs.a.command: is the number 5, expected a text or a list, such as ffmpeg -i in.png -frames:v {chunk.count} {output}"),
        (job("command: 'x \"y', output: y"), "3:7: jobs.a.command: a quote is not closed in 'x \"y'"),
        (job("command: 'x {', output: y"), "3:7: jobs.a.command: a single '{' in '{': write '{{' for a brace"),
        (job("command: 'x {chunk.start}', output: y"), "3:7: jobs.a.command: {chunk.start} means nothing in a job's command, it exists only in a chunk's command and inputs"),
        (job("command: 'x {inputs}', output: y"), "3:7: jobs.a.command: {inputs} means nothing in a job's command, it exists only in a stitch's command"),
        (job("command: 'x {fps}', output: y"), "3:7: jobs.a.command: {fps} means nothing in a job's command, it exists only in a job that says its 'fps'"),
        (job("command: 'x {fsp}', fps: 3, output: y"), "3:7: jobs.a.command: unknown placeholder {fsp}: did you mean {fps}? (write {{ and }} for braces)"),
        (job("command: 'x {output:>9}', output: y"), "3:7: jobs.a.command: {output:>9} takes no format, expected {output}"),
        (job("command: x, output: '{output}'"), "3:19: jobs.a.output: {output} means nothing here, it exists only in commands"),
        (job("frames: 3, chunk: {size: 1, command: 'x {chunk.start:q}', output: y}"), "3:35: jobs.a.chunk.command: {chunk.start:q} is no format for a frame number: Unknown format code 'q' for object of type 'int'"),
        (job("frames: 3, chunk: {size: 1, command: x, output: y, inputs: ['{output}']}"), "3:67: jobs.a.chunk.inputs[0]: {output} means nothing in a chunk's inputs, it exists only in commands"),
        (job("frames: 3, chunk: {size: 1, command: x, output: y, inputs: ['/{chunk.start}']}"), "3:67: jobs.a.chunk.inputs[0]: '/{chunk.start}' leaves the project, expected a path relative to the manifest's folder"),
        (job("chunks: [{command: 'x {chunk.start}', output: y}]"), "3:17: jobs.a.chunks[0].command: {chunk.start} means nothing in the command of a chunk without 'frames', it exists only in a chunk that says its 'frames'"),
        (job("chunks: []"), "3:7: jobs.a.chunks: is empty, expected at least one entry"),
        (job("chunks: [{output: y}]"), "3:16: jobs.a.chunks[0]: missing key 'command', expected one such as ffmpeg -i in.png -frames:v {chunk.count} {output}"),
        (job("command: x, output: y, timeout: 5x"), "3:30: jobs.a.timeout: '5x' is no duration, expected one such as 90s, 10m or 1h30m"),
        (job("command: x, output: y, timeout: 90"), "3:30: jobs.a.timeout: is the number 90, expected a text, such as 90s"),
        (job("command: x, output: y, timeout: 0s"), "3:30: jobs.a.timeout: is no time at all, expected more than 0s"),
        (job("command: x, output: y, retries: -1"), "3:30: jobs.a.retries: is -1, expected 0 or more"),
        (job("command: x, output: y, fps: 0"), "3:30: jobs.a.fps: is 0, expected more than 0"),
        (job("command: x, output: y, fps: 1/0"), "3:30: jobs.a.fps: '1/0' is no frame rate, expected a number or a ratio such as 30, 23.976 or 30000/1001"),
        (job("command: x, output: y, workspace: projekt"), "3:30: jobs.a.workspace: 'projekt' is unknown, did you mean 'project'?"),
        (job("command: x, output: y, hedge: no"), "3:30: jobs.a.hedge: is the text 'no', expected true or false"),
        (job("command: x, output: y, adapter: clout"), "3:30: jobs.a.adapter: unknown adapter 'clout', expected one of local"),
        (job("command: x, output: y, matrix: {}"), "3:30: jobs.a.matrix: is empty, expected at least one entry"),
        (job("command: x, output: 'y{matrix.l}', matrix: {l: [a b]}"), f"3:55: jobs.a.matrix.l[0]: 'a b' cannot be part of a job's name, expected {NAME}"),
        (job("command: x, output: 'y{matrix.l}', matrix: {l: [a, a]}"), "3:58: jobs.a.matrix.l[1]: the value 'a' is given twice"),
        (job("command: x, output: y, matrix: {l: [a, b]}"), "3:19: jobs.a.output: 'y' is made by 'a[a]' too (line 3): use {matrix.NAME} in it"),
        (job("command: x, output: y, inputs: [/etc/passwd]"), "3:39: jobs.a.inputs[0]: '/etc/passwd' leaves the project, expected a path relative to the manifest's folder"),
        (job("command: x, output: y, inputs: ['a/../../b']"), "3:39: jobs.a.inputs[0]: 'a/../../b' leaves the project, expected a path without '..'"),
        (job("command: x, output: y, inputs: ['!']"), "3:39: jobs.a.inputs[0]: '!' names nothing, expected a path or a glob"),
        (job("command: x, output: y, inputs: ['.']"), "3:39: jobs.a.inputs[0]: '.' is the whole folder, expected '**' for everything in it"),
        (job("command: x, output: y, inputs: ['[z-a]']"), "3:39: jobs.a.inputs[0]: '[z-a]' holds a set of characters that makes no sense, expected one such as [a-z]"),
        (job("command: x, output: y, inputs: [{job: b}]"), "3:40: jobs.a.inputs[0].job: unknown job 'b', expected one of a"),
        (job("command: x, output: y, inputs: [{as: b}]"), "3:39: jobs.a.inputs[0]: missing key 'job', expected one such as bake"),
        (job("command: x, output: /y"), "3:19: jobs.a.output: '/y' leaves the project, expected a path relative to the manifest's folder"),
        (job("command: x, output: a/../y"), "3:19: jobs.a.output: 'a/../y' leaves the project, expected a path without '..'"),
        (job("command: x, output: .helios/y"), "3:19: jobs.a.output: '.helios/y' lies in .helios, which is not part of the project"),
        (job("command: x, output: ./m.yaml"), "3:19: jobs.a.output: 'm.yaml' is the manifest itself, expected another path"),
        (job("command: x, output: out/y.mp4, inputs: ['**']"), "3:38: jobs.a.inputs: 'out/y.mp4' is an input here and made by 'a': expected it excluded ('!out/y.mp4'), or {job: a} in its place"),
        (job("command: x, output: out/y.mp4, inputs: [out/]"), "3:38: jobs.a.inputs: 'out/y.mp4' is an input here and made by 'a': expected it excluded ('!out/y.mp4'), or {job: a} in its place"),
        (job("command: x, output: out/, inputs: ['out/*.png']"), "3:33: jobs.a.inputs: 'out/' is an input here and made by 'a': expected it excluded ('!out/'), or {job: a} in its place"),
        (job("command: x, output: out/mix.wav, inputs: [mix.wav]"), "3:19: jobs.a.output: 'mix.wav' is the place of an input (mix.wav) too, expected a name of its own"),
    ],
)  # fmt: skip
def test_one_thing_wrong_gives_one_line(problems: Refused, text: str, expected: str) -> None:
    assert problems(text) == [expected]


def stitched(stitch: str, chunk: str = "c.mp4", more: str = "") -> str:
    return f"version: 1\njobs:\n  a: {{frames: 2, {more}chunk: {{size: 1, command: x, output: {chunk}}},\n    stitch: {{{stitch}}}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (stitched("method: concat"), "4:5: jobs.a.stitch: missing key 'output', expected one such as out/zoom.mp4"),
        (stitched("output: o.mp4, method: collect"), "4:14: jobs.a.stitch.output: 'o.mp4' is a file, but 'collect' makes a folder: expected a path that ends in '/'"),
        (stitched("output: o/, method: concat"), "4:14: jobs.a.stitch.output: 'o/' is a folder, but 'concat' makes one video: expected a file's path"),
        (stitched("output: o.mp4, method: concat", "f/"), "4:29: jobs.a.stitch.method: the chunk is a folder (f/), which 'concat' cannot join: expected a video, or 'encode' or 'collect'"),
        (stitched("output: o.mp4, method: encode", more="fps: 3, "), "4:29: jobs.a.stitch.method: the chunk is a video (c.mp4), but 'encode' expects images: expected a folder, or the method 'concat'"),
        (stitched("output: o.mp4", "f/"), "4:5: jobs.a.stitch: missing key 'fps' on the job: 'encode' needs to know how many images make a second, such as 24"),
        (stitched("output: o.mp4, encode: {crf: 3}"), "4:29: jobs.a.stitch.encode: encoder options beside the method 'concat', expected 'method: encode'"),
        (stitched("output: o/, audio: a.wav"), "4:26: jobs.a.stitch.audio: sound goes with a video, not with the method 'collect': expected 'concat' or 'encode'"),
        (stitched("output: o.mp4, audio: '*.wav'"), "4:29: jobs.a.stitch.audio: '*.wav' is a glob, expected the path of one file"),
        (stitched("output: o.mp4, audio: {jb: x}"), ["4:29: jobs.a.stitch.audio: missing key 'job', expected one such as mix", "4:37: jobs.a.stitch.audio.jb: unknown key 'jb', did you mean 'job'?"]),
        (stitched("output: o.mp4, audio: {job: mix}"), "4:37: jobs.a.stitch.audio.job: unknown job 'mix', expected one of a"),
        (stitched("output: o.mp4, method: command"), "4:29: jobs.a.stitch.method: the method 'command' without a command, expected 'command: ...' beside it"),
        (stitched("output: o.mp4, method: concat, command: x"), "4:45: jobs.a.stitch.command: a command beside the method 'concat', expected 'method: command' or none"),
        (stitched("output: o.mp4, command: 'x in={inputs} {output}'"), "4:29: jobs.a.stitch.command: {inputs} stands in 'in={inputs}', expected it alone: it becomes one word for each input"),
        (stitched("output: o.mp4, adapter: b"), "4:29: jobs.a.stitch.adapter: unknown adapter 'b', expected one of local"),
        (stitched("output: o.mp4, numbering: absolut"), "4:29: jobs.a.stitch.numbering: 'absolut' is unknown, did you mean 'absolute'?"),
        (stitched("output: o.mp4, proof: maybe"), "4:29: jobs.a.stitch.proof: is the text 'maybe', expected true or false"),
        (job("stitch: {output: o, from: []}"), "3:27: jobs.a.stitch.from: is empty, expected at least one entry"),
        (stitched("output: o.mp4, from: [a]"), f"4:5: jobs.a.stitch: 'chunk' and 'stitch.from' are given, {SHAPES}"),
    ],
)  # fmt: skip
def test_a_join_that_cannot_be_is_refused(problems: Refused, text: str, expected: str | list[str]) -> None:
    found = [line for line in problems(text) if "need each other" not in line]
    assert found == ([expected] if isinstance(expected, str) else expected)


def test_a_cycle_is_printed_whole_and_once(problems: Refused) -> None:
    assert problems("""\
version: 1
jobs:
  z: {command: x, output: z, inputs: [{job: a}]}
  a: {command: x, output: a, inputs: [{job: c}, {job: b}]}
  b: {stitch: {from: [c], output: b}}
  c: {frames: 2, chunk: {size: 1, command: x, output: c.mp4}, stitch: {output: c, audio: {job: a}}}
  d: {stitch: {from: [d], output: d}}
""") == [
        "4:40: jobs.a.inputs[0].job: the jobs need each other: a -> c -> a",
        "4:50: jobs.a.inputs[1].job: the jobs need each other: a -> b -> c -> a",
        "7:23: jobs.d.stitch.from[0]: the jobs need each other: d -> d",
    ]  # fmt: skip


def test_a_long_chain_of_jobs_is_no_cycle(load: Callable[..., object]) -> None:
    lines = ["  j0: {command: x, output: o/0}"]
    lines += [f"  j{n}: {{command: x, output: o/{n}, inputs: [{{job: j{n - 1}}}]}}" for n in range(1, 3000)]
    load("version: 1\njobs:\n" + "\n".join(reversed(lines)))


def test_a_matrix_job_is_named_with_its_values(problems: Refused) -> None:
    assert problems("""\
version: 1
jobs:
  m: {matrix: {l: [de, en]}, command: x, output: "{job}"}
  a: {command: x, output: a, inputs: [{job: m}, {job: "m[de]"}, {job: "m[dn]"}]}
""") == [
        "4:40: jobs.a.inputs[0].job: 'm' is a matrix job, expected one of its combinations: m[de], m[en]",
        "4:66: jobs.a.inputs[2].job: unknown job 'm[dn]', did you mean 'm[en]'?",
    ]


def test_two_jobs_with_one_output_and_outputs_in_one_another(problems: Refused) -> None:
    assert problems("""\
version: 1
jobs:
  a: {command: x, output: out/a.mp4}
  b: {command: x, output: ./out//a.mp4}
  c: {frames: 2, chunk: {size: 1, command: x, output: c.png}, stitch: {output: seq/}}
  d: {command: x, output: seq/deep/er.png}
  e: {stitch: {from: [a], output: e.mp4}}
  f: {command: x, output: e.mp4.proof.json}
""") == [
        "4:19: jobs.b.output: 'out/a.mp4' is made by 'a' too (line 3): expected a path of its own",
        "6:19: jobs.d.output: 'seq/deep/er.png' lies in 'seq/', which 'c' makes",
        "8:19: jobs.f.output: 'e.mp4.proof.json' is the proof file of 'e.mp4', expected another path",
    ]


def test_an_output_through_a_link_out_of_the_project_is_refused(problems: Refused, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "away").symlink_to(outside)
    (tmp_path / "stays").symlink_to("inside")
    assert problems("""\
version: 1
jobs:
  a: {command: x, output: away/sub/a.mp4}
  b: {command: x, output: stays/b.mp4}
  c: {frames: 2, chunk: {size: 1, command: x, output: c.png}, stitch: {output: away/}}
""") == [
        "3:19: jobs.a.output: 'away/sub/a.mp4' leaves the project: 'away' is a link to somewhere else",
        "3:19: jobs.a.output: 'away/sub/a.mp4' lies in 'away/', which 'c' makes",
        "5:72: jobs.c.stitch.output: 'away/' leaves the project: 'away' is a link to somewhere else",
    ]
    assert os.listdir(outside) == []


def test_two_inputs_at_one_place_are_refused(problems: Refused) -> None:
    assert problems("""\
version: 1
jobs:
  a: {command: x, output: x/a.wav}
  b: {command: x, output: y/a.wav}
  c: {command: x, output: c, inputs: [{job: a, as: in.wav}, {job: b, as: in.wav}, {job: a, as: look/a}, look]}
  d: {frames: 2, chunk: {size: 1, command: x, output: f/}, inputs: [f/x.png], stitch: {output: d/}}
""") == [
        "5:61: jobs.c.inputs[1]: 'in.wav' is the place of the output of job 'a' too, expected another: say it with 'as'",
        "5:83: jobs.c.inputs[2]: 'look/a' is the place of an input too, expected another: say it with 'as'",
        "6:47: jobs.d.chunk.output: 'f/' is the place of an input (f/x.png) too, expected a name of its own",
    ]


def test_chunks_that_overlap_or_leave_a_hole_are_refused_where_they_are_joined_in_order(problems: Refused) -> None:
    text = """\
version: 1
jobs:
  a:
    chunks:
      - {command: x, output: c.mp4, frames: 0-9}
      - {command: x, output: c.mp4, frames: 5-14}
      - {command: x, output: c.mp4, frames: 20-24}
      - {command: x, output: c.mp4}
    stitch: {output: o.mp4}
"""
    assert problems(text) == [
        "6:37: jobs.a.chunks[1].frames: 5-14 overlaps chunk 0 (0-9), expected frames from 10 on: 'concat' joins chunks in order",
        "7:37: jobs.a.chunks[2].frames: 20-24 leaves a hole after chunk 1 (5-14), expected frames from 15 on: "
        "'concat' joins chunks in order",
        "8:9: jobs.a.chunks[3]: some chunks say their 'frames' and some do not, expected all of them or none",
    ]


def test_chunks_in_any_order_may_be_collected_or_given_to_a_command(load: Callable[..., object]) -> None:
    chunks = "chunks: [{command: x, output: c, frames: 5-9}, {command: x, output: c, frames: 0-4}]"
    load(f"version: 1\njobs:\n  a:\n    {chunks}\n    stitch: {{output: o/}}\n")
    load(f"version: 1\njobs:\n  a:\n    {chunks}\n    stitch: {{output: o, command: 'x {{inputs}} {{output}}'}}\n")


def test_a_job_elsewhere_cannot_run_in_the_projects_folder(problems: Refused) -> None:
    assert problems("""\
version: 1
adapters: {cloud: {type: lambda, function: f}}
jobs:
  a: {command: x, output: a, workspace: project, adapter: cloud}
""") == ["4:50: jobs.a.adapter: 'cloud' runs elsewhere, where 'workspace: project' cannot be: expected 'local'"]


def test_a_job_without_one_output_cannot_be_joined(problems: Refused) -> None:
    assert problems("""\
version: 1
jobs:
  a: {frames: 2, chunk: {size: 1, command: x, output: c.mp4}}
  b: {stitch: {from: [a], output: b.mp4}}
""") == ["4:7: jobs.b.stitch.method: job 'a' has no single output to join, expected it to have a 'stitch' of its own"]


def test_sound_comes_from_a_job_that_makes_a_file(problems: Refused) -> None:
    assert problems("""\
version: 1
jobs:
  a: {frames: 2, chunk: {size: 1, command: x, output: c.wav}}
  b: {command: x, output: b/}
  c: {stitch: {from: [e], output: c.mp4, audio: {job: a}}}
  d: {stitch: {from: [e], output: d.mp4, audio: {job: b}}}
  e: {command: x, output: e.mp4}
""") == [
        "5:50: jobs.c.stitch.audio.job: job 'a' keeps its chunks and has no single output, expected one that makes a file of sound",
        "6:50: jobs.d.stitch.audio.job: job 'b' makes a folder (b/), expected one that makes a file of sound",
    ]


def test_limits_are_checked_before_anything_is_made(problems: Refused) -> None:
    values = "[" + ", ".join(map(str, range(100))) + "]"
    matrix = ", ".join(f"k{n}: {values}" for n in range(9))
    assert problems(job(f"command: x, output: y, matrix: {{{matrix}}}")) == [
        "3:30: jobs.a.matrix: would give 1,000,000,000,000,000,000 nodes, the limit for a manifest is 1,000,000"
    ]
    half = "{frames: 0-599998, chunk: {size: 1, command: x, output: c.mp4}, stitch: {output: %s}}"
    assert problems(f"version: 1\njobs:\n  a: {half % 'a.mp4'}\n  b: {half % 'b.mp4'}\n") == [
        "4:7: jobs.b.frames: would give 600,000 nodes more, the limit for a manifest is 1,000,000"
    ]


def test_an_unknown_override_names_the_nearest_variable(problems: Refused) -> None:
    text = "version: 1\nvars: {width: 1}\njobs: {a: {command: '{vars.width}', output: y}}"
    assert problems(text, widht="3") == ["2:1: vars: --set widht: unknown variable 'widht', did you mean 'width'?"]
    assert problems("version: 1\njobs: {a: {command: x, output: y}}", w="3") == [
        "1:1: vars: --set w: unknown variable 'w', there are none"
    ]


def test_an_override_that_does_not_fit_its_format_is_said_where_it_is_used(problems: Refused) -> None:
    text = "version: 1\nvars: {n: 1}\njobs: {a: {command: '{vars.n:03d}', output: y}}"
    assert problems(text, n="x") == [
        "3:12: jobs.a.command: {vars.n:03d} does not fit the value 'x': Unknown format code 'd' for object of type 'str'"
    ]


def test_missing_inputs_are_told_with_all_else(problems: Refused, tmp_path: Path) -> None:
    (tmp_path / "looks.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    assert problems(
        """\
version: 1
jobs:
  a:
    inputs: [{job: b}, look.txt, "*.exr", "!x", empty/, looks.txt]
    frames: 2
    chunk: {size: 1, command: x, output: c.mp4, inputs: [plate.png, "{chunk.start}.png"]}
    stitch: {output: a.mp4, audio: mix.wav}
  b: {chunks: [{command: x, output: y, inputs: ["no*"]}], typo: 1}
""",
        look=True,
    ) == [
        "4:24: jobs.a.inputs[1]: there is no file 'look.txt', did you mean 'looks.txt'?",
        "4:34: jobs.a.inputs[2]: '*.exr' matches no file, expected a glob of files below the manifest's folder",
        "4:49: jobs.a.inputs[4]: the folder 'empty/' holds no file, expected at least one",
        "6:49: jobs.a.chunk.inputs: there is no file 'plate.png', expected it there",
        "7:29: jobs.a.stitch.audio: there is no file 'mix.wav', expected it there",
        "8:49: jobs.b.chunks[0].inputs[0]: 'no*' matches no file, expected a glob of files below the manifest's folder",
        "8:59: jobs.b.typo: unknown key 'typo', expected one of adapter, chunk, chunks, command, env, fps, frames, "
        "hedge, inputs, matrix, output, retries and 5 more",
    ]


def test_missing_inputs_are_told_where_something_else_is_wrong(problems: Refused) -> None:
    assert problems(
        """\
version: 1
foo: 1
jobs:
  a:
    inputs: ["zz*", "/up", x.mp4, "{vars.q}"]
    frames: 0-x
    chunk: {size: 1, command: x, output: c.mp4, inputs: [/up, plate.png, "{chunk.start}.png"]}
    stitch: {output: a.mp4, audio: mix.wav}
  b: {command: x, output: x.mp4}
""",
        look_if_wrong=True,
    ) == [
        "2:1: foo: unknown key 'foo', expected one of adapters, cache, env, jobs, name, pass_env, secrets, tools, vars, version",
        "5:5: jobs.a.inputs: 'x.mp4' is an input here and made by 'b': expected it excluded ('!x.mp4'), or {job: b} in its place",
        "5:5: jobs.a.inputs: 'zz*' matches no file, expected a glob of files below the manifest's folder",
        "5:21: jobs.a.inputs[1]: '/up' leaves the project, expected a path relative to the manifest's folder",
        "5:35: jobs.a.inputs[3]: unknown placeholder {vars.q}: known: {job} (write {{ and }} for braces)",
        "6:5: jobs.a.frames: '0-x' is no frame range, expected one such as 0-239, 0-239x2, or a count such as 240",
        "7:49: jobs.a.chunk.inputs: there is no file 'plate.png', expected it there",
        "7:58: jobs.a.chunk.inputs[0]: '/up' leaves the project, expected a path relative to the manifest's folder",
        "8:29: jobs.a.stitch.audio: there is no file 'mix.wav', expected it there",
    ]


def test_what_a_joins_command_needs_is_looked_for_too(problems: Refused, tmp_path: Path) -> None:
    (tmp_path / "look.txt").write_text("x")
    text = """\
version: 1
jobs:
  a:
    frames: 2
    chunk: {size: 1, command: x, output: c.mp4, inputs: ["{chunk.start}.png", gone.png, look.txt]}
    stitch: {output: o.mp4, command: "x {inputs} {output}", inputs: [look.txt, join.sh]}
"""
    assert problems(text, look=True) == [
        "5:49: jobs.a.chunk.inputs: there is no file 'gone.png', expected it there",
        "6:80: jobs.a.stitch.inputs[1]: there is no file 'join.sh', expected it there",
    ]
    assert problems(text.replace("join.sh", "o.mp4")) == [
        "6:61: jobs.a.stitch.inputs: 'o.mp4' is an input here and made by 'a': expected it excluded ('!o.mp4'), or {job: a} "
        "in its place"
    ]


def test_problems_stand_in_the_order_of_their_places() -> None:
    error = ManifestError([Problem("m", 2, 10, "b", "x"), Problem("m", 2, 9, "c", "y"), Problem("m", 0, 0, "", "z")])
    assert str(error) == "m: z\nm:2:9: c: y\nm:2:10: b: x"
    assert isinstance(error, UsageError)
    assert error.exit_code == 2


def test_more_problems_than_anybody_reads_are_not_listed(load: Callable[..., object]) -> None:
    with pytest.raises(ManifestError) as caught:
        load("version: 1\n" + "\n".join(f"k{n}: 1" for n in range(MAX_PROBLEMS + 500)))
    assert len(caught.value.problems) == MAX_PROBLEMS
    assert str(caught.value).splitlines()[-1] == "there are more problems than the 1,000 that are listed"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "no.yaml"
    for path, reason in [
        (missing, "cannot be read: No such file or directory"),
        (tmp_path, "is a folder, expected a manifest's file"),
    ]:
        with pytest.raises(ManifestError) as caught:
            load_manifest(path)
        assert str(caught.value) == f"{path}: {reason}"
    with pytest.raises(ManifestError) as caught:
        load_manifest(Path("a\0b"))
    assert str(caught.value) == "a\0b: cannot be read: embedded null byte"
