"""What a node's key is made of. Knows nothing of files, caches or adapters.

A key is the SHA-256 of a record: canonical JSON in which every ingredient stands by name. The record is stored with the
result, and `ingredients` reads it back for people, so that an explanation cannot differ from the key. What all chunks of
a job have in common is a record of its own (the recipe), named in theirs by its digest: it is written, hashed and stored
once, however many chunks there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring as quoted

from helios_pipe.action.model import Action, Entry, Join, Tree
from helios_pipe.digest import canonical, digest_bytes, read_canonical
from helios_pipe.regex import regex
from helios_pipe.texts import readable
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

KEY_VERSION = 1
"""Changes with the meaning of any record. The golden tests hold it to that."""


_AS_IT_IS = regex(r"[ !#-\[\]-~]*")
"""Texts that JSON spells as they are."""


class Record(NamedTuple):
    """A record's canonical JSON, and its digest."""

    digest: str
    data: bytes


def record(value: Mapping[str, Any]) -> Record:
    """The record of `value`."""
    data = canonical(value)
    return Record(digest_bytes(data), data)


def recipe_record(action: Action) -> Record:
    """What an action has in common with those made like it: environment, tools, shared inputs, the output's shape."""
    return record(
        {
            "kind": "recipe",
            "version": KEY_VERSION,
            "env": dict(action.env),
            "tools": {tool.name: f"contains {tool.text}" if tool.pinned else tool.text for tool in action.tools},
            "inputs": tree_record(action.shared),
            "output": f"{action.output.name}/" if action.output.folder else action.output.name,
            "workspace": action.workspace,
        }
    )


def action_record(action: Action, recipe: str) -> Record:
    """The action itself: its command, its own inputs, the frames it must leave. `recipe` is its recipe record's digest."""
    return node_record(action.kind, action.argv, action.output.frames, action.extra, recipe, action.files)


def node_record(
    kind: str,
    argv: Sequence[str],
    frames: int | None,
    extra: Tree,
    recipe: str,
    files: Sequence[tuple[str, str]] = (),
) -> Record:
    """The same from its parts. Spelled by hand, name by name in order, because a job has one for every chunk: this takes a
    quarter of the time of a JSON encoder, and the tests hold it to the same bytes."""
    text = f'{{"argv":[{",".join(map(quoted, argv))}]'
    if files:
        named = sorted((path, digest_bytes(content.encode("utf-8", "surrogateescape"))) for path, content in files)
        text += f',"files":{{{",".join(f"{quoted(path)}:{quoted(digest)}" for path, digest in named)}}}'
    if frames is not None:
        text += f',"frames":{frames}'
    if extra.entries:
        text += f',"inputs":{{{_spelled(extra)}}}'
    data = f'{text},"kind":"{kind}","recipe":"{recipe}","version":{KEY_VERSION}}}'.encode("utf-8", "surrogateescape")
    return Record(digest_bytes(data), data)


def _spelled(tree: Tree) -> str:
    """Each path and its content's mark, as JSON spells them."""
    names = [entry[0] for entry in tree.entries]
    marks = [f"{digest}+x" if x else digest for _, digest, _, x in tree.entries]
    if _AS_IT_IS.fullmatch("".join(names)):
        return '"' + '","'.join(map('":"'.join, zip(names, marks, strict=True))) + '"'
    return ",".join([f'{quoted(name)}:"{mark}"' for name, mark in zip(names, marks, strict=True)])


def family_record(recipe: str, template: list[str]) -> Record:
    """A chunk's recipe with the frame range taken out: results of one family are of one sequence of frames."""
    return record({"kind": "family", "version": KEY_VERSION, "recipe": recipe, "argv": template})


def join_record(join: Join, stitch_version: int) -> Record:
    """A join that needs no command: the digests of what is joined, in order, and how. Nothing of how those were made, nor
    where the result goes. Where files are gathered by name, their names count, and by chunk also where each chunk begins."""
    value: dict[str, Any] = {
        "kind": "stitch",
        "version": KEY_VERSION,
        "stitch_version": stitch_version,
        "method": join.method,
        "settings": dict(join.settings),
        "inputs": [part.digest for part in join.parts],
        "audio": join.audio[0] if join.audio else None,
    }
    if join.method != "concat":
        value["names"] = [part.name for part in join.parts]
        if value["settings"].get("numbering") == "chunk":
            value["places"] = [[part.start, part.step] for part in join.parts]
    return record(value)


def tree_record(tree: Tree) -> dict[str, str]:
    """Logical path -> content."""
    return {entry.path: content_mark(entry) for entry in tree.entries}


def content_mark(entry: Entry) -> str:
    """An input's content as it is keyed: its digest, and whether it may be executed."""
    return f"{entry.digest}+x" if entry.executable else entry.digest


class Ingredient(NamedTuple):
    """One ingredient of a key: a dotted name such as `inputs.look.txt` or `argv.3`, and its value as a text."""

    name: str
    value: str


def ingredients(data: bytes) -> Iterator[Ingredient]:
    """Every ingredient of a record, in the record's order. The reference to a recipe is an ingredient like any other."""
    yield from _flat("", read_canonical(data))


def _flat(prefix: str, value: Any) -> Iterator[Ingredient]:
    items: Iterator[tuple[Any, Any]] | None = None
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    if items is None:
        yield Ingredient(readable(prefix), readable(value) if isinstance(value, str) else json.dumps(value))
        return
    for name, part in items:
        yield from _flat(f"{prefix}.{name}" if prefix else str(name), part)


class Change(NamedTuple):
    """How one ingredient differs between two records. None: it was, or is, not there."""

    name: str
    old: str | None
    new: str | None


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """What differs between two sets of ingredients, in the order of the new one; what is gone comes last."""
    differ = [Change(name, old.get(name), value) for name, value in new.items() if old.get(name) != value]
    return differ + [Change(name, value, None) for name, value in old.items() if name not in new]
