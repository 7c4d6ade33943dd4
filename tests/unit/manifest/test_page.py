"""What the page on manifests shows is valid, and names every key that there is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.model import Manifest
from helios_pipe.manifest.schema import load_schema

PAGE = (Path(__file__).parents[3] / "docs/manifest.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:30])
def test_an_example_on_the_page_is_valid(load: Callable[..., Manifest], block: str) -> None:
    if "version:" not in block.splitlines()[1]:
        block = f"version: 1\n{block}" if not block.startswith("inputs:") else _as_input(block)
    if "jobs:" not in block:
        block += "\njobs: {a: {command: x, output: y}}\n"
    assert load(block).jobs


def _as_input(block: str) -> str:
    lines = "".join(f"    {line}\n" for line in block.splitlines())
    return f"version: 1\njobs:\n  bake: {{command: x, output: cloth.abc}}\n  a:\n    command: x\n    output: y\n{lines}"


def test_the_page_names_every_key() -> None:
    schema = load_schema()

    def keys(below: Any) -> set[str]:
        if isinstance(below, dict):
            own = below.get("properties")
            return set(own if isinstance(own, dict) else ()) | {key for value in below.values() for key in keys(value)}
        return {key for value in below for key in keys(value)} if isinstance(below, list) else set()

    missing = {key for key in keys(schema) if not re.search(rf"\b{re.escape(key)}\b", PAGE)}
    assert not missing


def test_the_errors_on_the_page_are_those_that_are_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from helios_pipe.manifest.problems import ManifestError

    monkeypatch.chdir(tmp_path)
    Path("film.yaml").write_text("""\
version: 1
vars: {}
jobs:
  zoom:
    frames: 0-239
    chunk:
      output: c.mp4
      size: 0
      command: render {chunk.strat} {output}
    sttich: {output: out/zoom.mp4}
""")
    with pytest.raises(ManifestError) as caught:
        load_manifest(Path("film.yaml"))
    (shown,) = re.findall(r"```\n(film\.yaml.*?)```", PAGE, re.DOTALL)
    assert shown.splitlines() == str(caught.value).splitlines()
