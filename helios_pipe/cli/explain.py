"""`explain`: every ingredient of one node's key, and which one changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helios_pipe.cli.asking import make_request
from helios_pipe.cli.options import cache_option, json_option, manifest_argument, set_option

if TYPE_CHECKING:
    from helios_pipe.pipeline.explaining import Explanation, Line

_WIDTH = 100


@click.command("explain")
@manifest_argument
@click.argument("node")
@set_option
@cache_option
@json_option
def command(manifest: Path, node: str, as_json: bool, **options: Any) -> int:
    """Show every ingredient of NODE's key; against its last result, which one changed, old -> new."""
    from helios_pipe.pipeline.explaining import explain
    from helios_pipe.pipeline.session import Session, open_manifest

    request = make_request(manifest, **options)
    session = Session(request, open_manifest(request))
    try:
        found = explain(session, node)
    finally:
        session.close()
    click.echo(json.dumps(_plain(found), ensure_ascii=False) if as_json else "\n".join(_text(found)))
    return 0


def _plain(found: Explanation) -> dict[str, object]:
    lines = [
        {
            "name": line.name,
            "value": line.value,
            "manifest": line.place,
            "changed": line.change is not None if line.known else None,
            "old": (line.change.old if line.change is not None else line.value) if line.known else None,
        }
        for line in found.lines
    ]
    return {
        "node": found.node,
        "kind": found.kind,
        "key": found.key,
        "last_key": found.last_key,
        "action": found.action,
        "reason": found.reason,
        "ingredients": lines,
    }


def _text(found: Explanation) -> list[str]:
    head = [
        f"{found.node} ({found.kind}): {found.action}: {found.reason}",
        f"  key       {found.key or 'not known yet'}",
    ]
    if found.last_key is not None and found.last_key != found.key:
        head.append(f"  last key  {found.last_key}")
        if found.key is not None and not found.compared:
            head.append("  what the last key was made of is not in the cache any more")
    changed = [line for line in found.lines if line.change is not None]
    same = [line for line in found.lines if line.change is None and (line.known or not found.compared)]
    unknown = [line for line in found.lines if not line.known and found.compared]
    if changed:
        head += ["changed", *(text for line in changed for text in _changed(line))]
    head += _rows("the same" if changed or unknown else "made of", same)
    return head + _rows("not compared: what it was is not in the cache", unknown)


def _rows(title: str, lines: list[Line]) -> list[str]:
    width = max((len(line.name) for line in lines), default=0)
    rows = [f"  {line.name:<{width}}  {_short(line.value)}{_place(line)}" for line in lines]
    return [title, *rows] if rows else []


def _changed(line: Line) -> list[str]:
    assert line.change is not None
    return [f"  {line.name}{_place(line)}", f"    {_short(line.change.old)} -> {_short(line.change.new)}"]


def _place(line: Line) -> str:
    return f"  [{line.place}]" if line.place else ""


def _short(value: str | None) -> str:
    if value is None:
        return "(nothing)"
    return value if len(value) <= _WIDTH else f"{value[:_WIDTH]}…"
