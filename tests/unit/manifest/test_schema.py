"""The schema: sound, good enough for an editor, and of one mind with the program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.schema import load_schema, schema_path

SCHEMA = load_schema()
STOCK = Draft202012Validator(SCHEMA)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """With what it refers to; what stands beside the reference wins."""
    reference = schema.get("$ref")
    return {**resolved(SCHEMA["$defs"][reference.rpartition("/")[2]]), **schema} if reference else schema


def keys(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that a manifest may have, with its schema."""
    if isinstance(schema, dict):
        for name, below in schema.get("properties", {}).items() if isinstance(schema.get("properties"), dict) else ():
            yield f"{path}.{name}", resolved(below)
        for name, below in schema.items():
            yield from keys(below, f"{path}.{name}" if name != "properties" else path)
    elif isinstance(schema, list):
        for below in schema:
            yield from keys(below, path)


EVERY = [(path, schema) for path, schema in keys(SCHEMA) if ".if." not in path]


def test_the_schema_is_one_of_its_draft() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema_path().name == "manifest.v1.schema.json"


@pytest.mark.parametrize(("path", "schema"), EVERY, ids=[path for path, _ in EVERY])
def test_every_key_tells_an_editor_what_it_is(path: str, schema: dict[str, Any]) -> None:
    if "const" in schema:
        return
    assert schema.get("description", "").endswith("."), path
    assert schema.get("examples"), path


def test_every_example_is_valid() -> None:
    checked = 0
    for path, schema in [("", SCHEMA), *((f".$defs.{name}", below) for name, below in SCHEMA["$defs"].items()), *EVERY]:
        for example in schema.get("examples", ()):
            whole = {**schema, "$defs": SCHEMA["$defs"]}
            errors = [error.message for error in Draft202012Validator(whole).iter_errors(example)]
            assert not errors, (path, example, errors)
            checked += 1
    assert checked > 100


GOOD = """\
version: 1
name: all
vars: {width: 640, ratio: 1.5, dark: true, nothing: null, text: x}
tools: {ffmpeg: auto, sox: "14", blender: {version: [blender, --version], pin: "4.2"}, sh: {digest: true}, pinned: 7.10}
env: {A: 1, B: x, C: true}
pass_env: [DISPLAY]
secrets: [TOKEN]
adapters:
  local: {concurrency: 2}
  l: {type: lambda, function: f, region: r, qualifier: 3, endpoint_url: "http://127.0.0.1:1", storage: "s3://b/p", concurrency: 8}
  c: {type: cloudrun, url: "https://x.run.app", audience: a, storage: "gs://b/p"}
  h: {type: http, url: "http://127.0.0.1:8080", headers: {X: y}, token_env: T, storage: "file:///tmp/x"}
  d: {type: dask, address: "tcp://127.0.0.1:1"}
  e: {type: dask, local_cluster: 2, storage: "file:///tmp/x"}
cache: {remote: "s3://bucket/prefix", push: true}
jobs:
  a:
    inputs: [x.txt, "!y", {job: c, as: c.wav}]
    frames: {start: 0, end: 9}
    fps: 23.976
    chunk: {size: 3, command: [ffmpeg, 1, 2.5, "{chunk.start}", "{output}"], output: f/, inputs: ["p/{chunk.start:04d}.png"]}
    stitch: {method: encode, output: a.mp4, audio: {job: c}, encode: {codec: libx264, crf: 18, args: [-x, 1]}, proof: false}
    env: {D: 1}
    timeout: 1h30m
    stall_timeout: 90s
    retries: 2
    retry_delay: 0s
    adapter: l
    hedge: false
  b:
    chunks: [{command: "ffmpeg {output}", output: x, inputs: [z], frames: 3, env: {E: 1}, timeout: 3m}]
    stitch: {method: collect, output: out/, numbering: chunk}
  c: {command: "sox {output}", output: "c.wav", fps: 30000/1001}
  d: {stitch: {from: [a, a], output: "{job}.mp4", command: "sh {inputs_list} {output}", adapter: h}}
  e: {matrix: {l: [en, de], n: [1, 2]}, command: "sh {matrix.l}{output}", output: "e-{matrix.l}-{matrix.n}", workspace: project}
"""


def test_a_manifest_with_every_key_pleases_the_schema_and_the_program(tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "m.yaml"
    path.write_text(GOOD)
    assert len(load_manifest(path).jobs) == 8
    assert [error.message for error in STOCK.iter_errors(yaml.safe_load(GOOD))] == []


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"name": "a b"}, {"vars": {"1x": 1}}, {"vars": {"x": []}}, {"env": {"a b": 1}}, {"pass_env": ["a b"]},
        {"jobs": {}}, {"jobs": {"a b": {"command": "x", "output": "y"}}}, {"jobs": {"a": {"command": "x"}}},
        {"jobs": {"a": {"output": "x"}}}, {"jobs": {"a": {"frames": 3}}}, {"cache": {"remote": "x"}}, {"typo": 1},
        {"jobs": {"a": {"command": "x", "output": "y", "timeout": "5x"}}},
        {"jobs": {"a": {"command": "x", "output": "y", "fps": 0}}},
        {"jobs": {"a": {"frames": 0, "chunk": {"size": 1, "command": "x", "output": "y"}}}},
        {"jobs": {"a": {"frames": "1-", "chunk": {"size": 1, "command": "x", "output": "y"}}}},
        {"adapters": {"x": {"type": "lambda"}}}, {"adapters": {"x": {"type": "http", "url": "x"}}}, {"tools": {"x": {}}},
    ],
    ids=json.dumps,
)  # fmt: skip
def test_what_an_editor_would_mark_the_program_refuses_too(tmp_path: Path, change: dict[str, Any]) -> None:
    data = {"version": 1, "jobs": {"a": {"command": "x", "output": "y"}}, **change}
    assert list(STOCK.iter_errors(data)), "the schema lets it pass"
    path = tmp_path / "m.yaml"
    path.write_text(json.dumps(data))
    from helios_pipe.manifest.problems import ManifestError

    with pytest.raises(ManifestError):
        load_manifest(path)
