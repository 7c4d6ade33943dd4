"""What stands where in a cache folder, for those that need no more than that."""

from __future__ import annotations

TYPE_CHECKING = False  # for those that load nothing that takes time
if TYPE_CHECKING:
    from collections.abc import Iterable

DATABASE = "index.v1.sqlite"
MEMOS = "memos"
"""What is known of the chunks of each job."""
STANDING = "standing"
"""Where inputs stay laid out from run to run."""
REPORTS = "reports"
"""Pages about jobs."""
BLOBS = "cas"


def blob_path(cache: str, digest: str) -> str:
    """Where a blob is, or would be."""
    return f"{cache}/{BLOBS}/{digest[:2]}/{digest}"


def blob_paths(cache: str, digests: Iterable[str]) -> list[str]:
    """The same for many."""
    return [f"{cache}/{BLOBS}/{digest[:2]}/{digest}" for digest in digests]
