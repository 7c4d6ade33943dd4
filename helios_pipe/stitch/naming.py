"""What others must know of joins before there is one: which version of them it is, and where the proof goes. Loads nothing."""

from __future__ import annotations

from pathlib import Path

STITCH_VERSION = 3
"""Part of every stitch's key. Raised whenever the same chunks and settings come out as other bytes."""
_PROOF_SUFFIX = ".proof.json"


def proof_path(output: Path) -> Path:
    """Where the proof of `output` lies."""
    return output.with_name(output.name + _PROOF_SUFFIX)
