"""Whatever the text, what comes is a manifest or a ManifestError."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.model import Manifest
from helios_pipe.manifest.problems import ManifestError
from tests.unit.manifest.test_schema import GOOD

JOB = (Path(__file__).parents[2] / "data/helios-job.json").read_text()
JSON = '{"version": 1, "vars": {"a": 1}, "jobs": {"a": {"matrix": {"l": ["x", 2]}, "command": "x {vars.a}", "output": "{job}"}}}'

PIECES = (
    "", " ", "\n", "\t", ":", ": ", "- ", "{", "}", "[", "]", ",", "'", '"', "#", "&a ", "*a", "<<: *a", "!!str ", "| ", "? ",
    "~", "null", "true", "0", "-1", "1e999", ".nan", ".inf", "9" * 30, "0-9", "../x", "/", "**", "!", "[z-a]", "\\", "\0",
    "\ufeff", "é", "\U0001f600", "{chunk.start}", "{output}", "{vars.width}", "{inputs}", "{matrix.l:99d}", "{job!r}", "{{",
    "%TAG ! x", "---", "...", "jobs", "version", "from: [a]", "{job: e}", "\x85", "\u2028", "1:30", "0x", "a" * 300,
)  # fmt: skip


def outcome(path: Path, content: bytes) -> Manifest | None:
    path.write_bytes(content)
    try:
        return load_manifest(path, {"width": "3"} if b"width" in content else {}, look=True)
    except ManifestError as error:
        problems = error.problems
    assert problems
    assert all(problem.message and str(problem).startswith(str(path)) for problem in problems)
    return None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "m.yaml"


def mutated(text: str, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 6)):
        start = dice.randrange(len(text) + 1)
        end = min(len(text), start + dice.choice((0, 0, 1, 2, 5, 20, 80)))
        piece = dice.choice(PIECES)
        if dice.random() < 0.2:
            other = dice.randrange(len(text) + 1)
            piece = text[other : other + dice.randint(1, 60)]
        text = text[:start] + piece + text[end:]
    content = text.encode()
    if dice.random() < 0.05:
        at = dice.randrange(len(content) + 1)
        content = content[:at] + bytes([dice.randrange(256)]) + content[at:]
    return content


@pytest.mark.parametrize("text", [GOOD, JSON, JOB], ids=["yaml", "json", "helios"])
@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_manifest_gives_problems_and_nothing_else(place: Path, text: str, seed: int) -> None:
    dice = random.Random(f"{seed}{text[:9]}")
    refused = sum(outcome(place, mutated(text, dice)) is None for _ in range(150))
    assert refused > 50


KEYS = (
    "job",
    "as",
    "size",
    "command",
    "output",
    "inputs",
    "start",
    "end",
    "step",
    "method",
    "from",
    "audio",
    "l",
    "type",
)
TEXTS = ("x", "", "0-9", "{output}", "../x", "**", "1:30", "{chunk.start}")
VALUES = st.recursive(
    st.sampled_from(TEXTS) | st.integers(-2, 99) | st.none() | st.booleans() | st.floats(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=3),
    max_leaves=6,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        found += [below for key, item in value.items() for below in places(item, (*path, key))]
    elif isinstance(value, list):
        found += [below for index, item in enumerate(value) for below in places(item, (*path, index))]
    return found


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_value_anywhere_gives_problems_and_nothing_else(place: Path, data: st.DataObject) -> None:
    import yaml

    tree = yaml.safe_load(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(tree)))
        holder = tree
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = data.draw(VALUES)
    outcome(place, yaml.safe_dump(tree).encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_problems_and_nothing_else(place: Path, content: bytes) -> None:
    outcome(place, content)
