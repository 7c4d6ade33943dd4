"""What `validate` looks at: the manifest, its graph, and that every pattern has a match. Opens no cache."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from helios_pipe.graph.build import build_graph
from helios_pipe.manifest.load import load_manifest


class Checked(NamedTuple):
    """A valid manifest in figures."""

    jobs: int
    nodes: int
    warnings: tuple[str, ...]


def check(manifest: Path, overrides: Mapping[str, str]) -> Checked:
    """Raises ManifestError with every problem there is."""
    loaded = load_manifest(manifest, overrides)
    graph = build_graph(loaded)
    return Checked(len(loaded.jobs), graph.total, loaded.warnings)
