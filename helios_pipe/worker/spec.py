"""Our part of a job spec: what a worker needs to run a chunk as we would. Knows nothing of where a spec lies.

A spec is a Helios JobSpec. What their workers ignore and ours need stands under `heliosPipe`: what all its chunks have in
common once, and a list with one entry a chunk, whose place is the chunk's id. It names content by digest and holds no URL
that expires, no name of a run and no time, so that the same work makes the same bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helios_pipe.action.model import Action, Limits, Output, ToolMark, Tree
from helios_pipe.action.tree import check_paths
from helios_pipe.digest import Digest, is_digest, read_canonical
from helios_pipe.errors import AdapterError, StoreError

SECTION, SPEC_VERSION = "heliosPipe", 1
CHUNKS_PER_SPEC = 64
"""A worker reads the whole spec for one chunk, so large jobs have several."""


@dataclass(frozen=True, slots=True)
class Order:
    """One chunk to run: the action with its trees still empty, and their digests (None: an empty tree)."""

    action: Action
    shared: Digest | None
    extra: Digest | None


def common_of(action: Action) -> tuple[object, ...]:
    """What actions must have in common to stand in one spec."""
    limits = (action.limits.timeout_s, action.limits.stall_timeout_s)
    return action.shared.digest, action.env, action.pass_env, action.secrets, action.tools, limits


def write_spec(actions: Sequence[Action], tree_url: Callable[[Digest], str]) -> dict[str, Any]:
    """The spec of actions that `common_of` says may stand together. `tree_url` says where a tree is."""
    first = actions[0]
    frames = [action.output.frames or 1 for action in actions]
    ours = {
        "version": SPEC_VERSION,
        "inputs": _digest_of(first.shared),
        "env": dict(first.env),
        "passEnv": list(first.pass_env),
        "secrets": list(first.secrets),
        "tools": [{"name": t.name, "text": t.text, "pinned": t.pinned, "argv": list(t.argv)} for t in first.tools],
        "timeoutMs": _milliseconds(first.limits.timeout_s),
        "stallTimeoutMs": _milliseconds(first.limits.stall_timeout_s),
        "chunks": [_chunk(action) for action in actions],
    }
    assets = {"assetsUrl": tree_url(first.shared.digest)} if first.shared.entries else {}
    return {
        **assets,
        "metadata": {"totalFrames": sum(frames), "fps": 1},
        "chunks": [_helios_chunk(*item, sum(frames[: item[0]])) for item in enumerate(actions)],
        SECTION: ours,
    }


def _helios_chunk(number: int, action: Action, start: int) -> dict[str, Any]:
    return {
        "id": number,
        "startFrame": start,
        "frameCount": action.output.frames or 1,
        "outputFile": action.output.name,
        "command": shlex.join(action.argv),
    }


def _chunk(action: Action) -> dict[str, Any]:
    return {
        "node": action.node,
        "kind": action.kind,
        "argv": list(action.argv),
        "inputs": _digest_of(action.extra),
        "files": dict(action.files),
        "output": {"name": action.output.name, "folder": action.output.folder, "frames": action.output.frames},
    }


def _digest_of(tree: Tree) -> Digest | None:
    return tree.digest if tree.entries else None


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds * 1000))


def parse_spec(data: bytes, where: str) -> dict[str, Any]:
    """The spec's JSON. Raises AdapterError."""
    try:
        spec = read_canonical(data)
    except (ValueError, RecursionError) as error:
        raise AdapterError(f"the job spec {where} is not JSON: {error}") from error
    if not isinstance(spec, dict):
        raise AdapterError(f"the job spec {where} is not a JSON object")
    return spec


def read_order(spec: Mapping[str, Any], chunk_id: int, where: str) -> Order | None:
    """The chunk's order; None where the spec is a plain Helios one. Raises AdapterError, naming what is wrong."""
    ours = spec.get(SECTION)
    if not isinstance(ours, dict) or "version" not in ours:
        return None
    if ours["version"] != SPEC_VERSION:
        raise AdapterError(
            f"the job spec {where} has version {ours['version']!r}, and this worker knows version {SPEC_VERSION}",
            hint="Deploy the worker and the orchestrator from the same version of helios-pipe.",
        )
    try:
        chunks = ours["chunks"]
        if not isinstance(chunks, list):
            raise TypeError("chunks is no list")
        if not 0 <= chunk_id < len(chunks):
            raise AdapterError(f"Chunk with ID {chunk_id} not found in job spec")
        return _order(ours, chunks[chunk_id])
    except (KeyError, TypeError, ValueError, StoreError) as error:
        raise AdapterError(f"the job spec {where} is damaged: {error!r}") from error


def _order(ours: Mapping[str, Any], chunk: Mapping[str, Any]) -> Order:
    output = Output(_text(chunk["output"]["name"]), bool(chunk["output"]["folder"]), _count(chunk["output"]["frames"]))
    check_paths([output.name, *chunk["files"]])
    kind = chunk["kind"]
    if kind not in ("chunk", "stitch", "command"):
        raise ValueError(f"{kind!r} is no kind of action")
    argv = _texts(chunk["argv"])
    if not argv:
        raise ValueError("argv is empty")
    action = Action(
        node=_text(chunk["node"]),
        kind=kind,
        argv=argv,
        output=output,
        env=tuple(sorted((_text(k), _text(v)) for k, v in ours["env"].items())),
        pass_env=_texts(ours["passEnv"]),
        secrets=_texts(ours["secrets"]),
        tools=tuple(_tool(tool) for tool in ours["tools"]),
        limits=Limits(_seconds(ours["timeoutMs"]), _seconds(ours["stallTimeoutMs"])),
        files=tuple(sorted((path, _content(text)) for path, text in chunk["files"].items())),
    )
    return Order(action, _digest(ours["inputs"]), _digest(chunk["inputs"]))


def _tool(tool: Mapping[str, Any]) -> ToolMark:
    return ToolMark(_text(tool["name"]), _text(tool["text"]), bool(tool["pinned"]), _texts(tool["argv"]))


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(f"{value!r} is no text")
    return value


def _content(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} is no list")
    return tuple(_text(value) for value in values)


def _count(value: object) -> int | None:
    if value is not None and (type(value) is not int or value < 1):
        raise TypeError(f"{value!r} is no number of frames")
    return value


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if type(value) is not int or value < 1:
        raise TypeError(f"{value!r} is no time in milliseconds")
    return value / 1000


def _digest(value: object) -> Digest | None:
    if value is None:
        return None
    if not isinstance(value, str) or not is_digest(value):
        raise TypeError(f"{value!r} is no digest")
    return Digest(value)
