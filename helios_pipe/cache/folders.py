"""Folders of the cache that more than one part of the program knows by name."""

from __future__ import annotations

STANDING = "standing"
"""Beside the blobs, where inputs stay laid out from run to run."""
