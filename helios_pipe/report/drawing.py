"""The graph drawn as text: dot, mermaid, json. Knows nothing of what the nodes do."""

from __future__ import annotations

import json
from typing import Any

_SHAPES = {"chunk": "box", "stitch": "doubleoctagon", "command": "ellipse", "group": "folder"}
_BRACKETS = {"chunk": ("[", "]"), "stitch": ("[[", "]]"), "command": ("([", "])"), "group": ("[/", "/]")}


def dot(graph: Any) -> str:
    """Graphviz's language; what is needed stands left of what needs it."""
    lines = ["digraph helios_pipe {", "  rankdir=LR;", '  node [fontname="sans-serif", fontsize=10];']
    lines += [f"  {_quoted(name)} [shape={_SHAPES[data['kind']]}];" for name, data in graph.nodes(data=True)]
    lines += [f"  {_quoted(a)} -> {_quoted(b)};" for a, b in graph.edges]
    return "\n".join([*lines, "}"])


def mermaid(graph: Any) -> str:
    """Mermaid's flowchart."""
    ids = {name: f"n{at}" for at, name in enumerate(graph)}
    lines = ["flowchart LR"]
    for name, data in graph.nodes(data=True):
        left, right = _BRACKETS[data["kind"]]
        label = name.replace('"', "#quot;")
        lines.append(f'  {ids[name]}{left}"{label}"{right}')
    lines += [f"  {ids[a]} --> {ids[b]}" for a, b in graph.edges]
    return "\n".join(lines)


def as_json(graph: Any) -> str:
    """`{"nodes": [{"node", "kind", "job", …}], "edges": [[from, to], …]}`."""
    nodes = [{"node": name, **data} for name, data in graph.nodes(data=True)]
    return json.dumps({"nodes": nodes, "edges": [[a, b] for a, b in graph.edges]}, ensure_ascii=False)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
