"""Keys stand still: a changed digest here is a changed meaning, and needs a new KEY_VERSION.

`keys.json` holds, beside each fixed action, the digest of its record and the record itself.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.action.key import action_record, family_record, ingredients, join_record, recipe_record
from helios_pipe.action.model import Action, Entry, Join, Limits, Output, Part, ToolMark, Tree
from helios_pipe.digest import Digest, canonical, digest_bytes

GOLDEN = Path(__file__).parent / "keys.json"


def digest(text: str) -> Digest:
    return digest_bytes(text.encode())


CHUNK = Action(
    "zoom/0003",
    "chunk",
    ("ffmpeg", "-i", "look.txt", "chunk.mp4"),
    Output("chunk.mp4", frames=30),
    shared=Tree.of([Entry("look.txt", digest("look"), 4)]),
    extra=Tree.of([Entry("plates/00090.exr", digest("plate"), 5)]),
    env=(("GAMMA", "2.2"),),
    tools=(ToolMark("ffmpeg", "ffmpeg version 9.0"),),
)
JOIN = Join(
    "zoom/stitch",
    "concat",
    (Part("zoom/0000", digest("a"), "chunk.mp4", frames=30), Part("zoom/0001", digest("b"), "chunk.mp4", frames=30)),
    Output("zoom.mp4", frames=60),
    (("container", ".mp4"), ("fps", "30")),
)


def key(action: Action) -> str:
    return action_record(action, recipe_record(action).digest).digest


def records() -> dict[str, Any]:
    command = CHUNK._replace(
        kind="command", node="bake", argv=("bake",), output=Output("b/", folder=True), extra=Tree()
    )
    named = {
        "recipe": recipe_record(CHUNK),
        "chunk": action_record(CHUNK, recipe_record(CHUNK).digest),
        "command": action_record(command, recipe_record(command).digest),
        "family": family_record(recipe_record(CHUNK).digest, ["ffmpeg", "{chunk.start:05d}", "chunk.mp4"]),
        "join": join_record(JOIN, 1),
        "unicode": action_record(CHUNK._replace(argv=("echo", "é\u2028\U0001f3ac", "\udcff")), "0" * 64),
    }
    return {
        name: {"digest": r.digest, "record": r.data.decode("utf-8", "surrogateescape")} for name, r in named.items()
    }


def test_the_keys_of_fixed_actions_stand_still() -> None:
    assert records() == json.loads(GOLDEN.read_text("ascii"))


def changed(change: Callable[[Action], Action]) -> str:
    return key(change(CHUNK))


CHANGES: dict[str, Callable[[Action], Action]] = {
    "kind": lambda a: a._replace(kind="command"),
    "argv": lambda a: a._replace(argv=(*a.argv, "-y")),
    "argv split otherwise": lambda a: a._replace(argv=("ffmpeg -i", "look.txt", "chunk.mp4")),
    "env value": lambda a: a._replace(env=(("GAMMA", "2.4"),)),
    "env name": lambda a: a._replace(env=(("GAMMB", "2.2"),)),
    "env gone": lambda a: a._replace(env=()),
    "tool": lambda a: a._replace(tools=(ToolMark("ffmpeg", "ffmpeg version 9.1"),)),
    "tool pinned": lambda a: a._replace(tools=(ToolMark("ffmpeg", "ffmpeg version 9.0", pinned=True),)),
    "shared content": lambda a: a._replace(shared=Tree.of([Entry("look.txt", digest("other"), 4)])),
    "shared path": lambda a: a._replace(shared=Tree.of([Entry("look2.txt", digest("look"), 4)])),
    "executable": lambda a: a._replace(shared=Tree.of([Entry("look.txt", digest("look"), 4, executable=True)])),
    "extra content": lambda a: a._replace(extra=Tree.of([Entry("plates/00090.exr", digest("other"), 5)])),
    "roles swapped": lambda a: a._replace(shared=a.extra, extra=a.shared),
    "output name": lambda a: a._replace(output=a.output._replace(name="chunk.mov")),
    "output kind": lambda a: a._replace(output=a.output._replace(folder=True)),
    "frames": lambda a: a._replace(output=a.output._replace(frames=29)),
    "workspace": lambda a: a._replace(workspace="project"),
    "generated file": lambda a: a._replace(files=(("inputs.txt", "a\n"),)),
}
SAME: dict[str, Callable[[Action], Action]] = {
    "node name": lambda a: a._replace(node="other/0009"),
    "timeout and retries": lambda a: a._replace(limits=Limits(9.0, 3.0, 4, 5.0)),
    "pass_env": lambda a: a._replace(pass_env=("DISPLAY",)),
    "secrets": lambda a: a._replace(secrets=("TOKEN",)),
    "how a version is asked": lambda a: a._replace(tools=(a.tools[0]._replace(argv=("ffmpeg", "-V")),)),
    "sizes": lambda a: a._replace(shared=Tree.of([Entry("look.txt", digest("look"), 99)])),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_ingredient_changes_the_key(name: str) -> None:
    assert changed(CHANGES[name]) != key(CHUNK)


def test_no_two_changes_give_one_key() -> None:
    keys = [changed(change) for change in CHANGES.values()]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", SAME)
def test_nothing_else_changes_the_key(name: str) -> None:
    assert changed(SAME[name]) == key(CHUNK)


def test_a_join_is_keyed_by_order_content_and_settings_alone() -> None:
    base = join_record(JOIN, 1).digest
    assert join_record(JOIN._replace(parts=JOIN.parts[::-1]), 1).digest != base
    assert join_record(JOIN._replace(settings=(("container", ".mov"), ("fps", "30"))), 1).digest != base
    assert join_record(JOIN._replace(audio=(digest("sound"), "s.wav")), 1).digest != base
    assert join_record(JOIN, 2).digest != base
    renamed = tuple(part._replace(node=f"other/{at}") for at, part in enumerate(JOIN.parts))
    assert join_record(JOIN._replace(node="other/stitch", parts=renamed, output=Output("moved.mp4")), 1).digest == base


texts = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(texts, max_size=5), st.lists(texts, max_size=5))
def test_different_commands_have_different_keys(one: list[str], other: list[str]) -> None:
    same = key(CHUNK._replace(argv=tuple(one))) == key(CHUNK._replace(argv=tuple(other)))
    assert same == (one == other)


@given(st.dictionaries(texts, texts, max_size=4), st.dictionaries(texts, texts, max_size=4))
def test_different_environments_have_different_keys(one: dict[str, str], other: dict[str, str]) -> None:
    keys = [key(CHUNK._replace(env=tuple(sorted(env.items())))) for env in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@given(st.lists(texts, max_size=6))
def test_an_explanation_names_every_word_of_the_command(argv: list[str]) -> None:
    found = dict(ingredients(action_record(CHUNK._replace(argv=tuple(argv)), "0" * 64).data))
    assert [found[f"argv.{at}"] for at in range(len(argv))] == argv


@given(
    st.lists(texts, max_size=5),
    st.none() | st.integers(0, 10**9),
    st.dictionaries(texts, st.booleans(), max_size=4),
    st.dictionaries(texts, texts, max_size=2),
)
def test_a_record_is_canonical_json(
    argv: list[str], frames: int | None, inputs: dict[str, bool], files: dict[str, str]
) -> None:
    extra = Tree.of(Entry(path, digest(path), 1, executable) for path, executable in inputs.items())
    action = CHUNK._replace(
        argv=tuple(argv), output=Output("o", frames=frames), extra=extra, files=tuple(files.items())
    )
    data = action_record(action, "0" * 64).data
    assert canonical(json.loads(data)) == data
    assert json.loads(data)["argv"] == argv
