"""Which containers we write, and what their muxers are told. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from pathlib import Path, PurePath

from helios_pipe.errors import StitchError
from helios_pipe.stitch.model import JoinSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helios_pipe.stitch.preflight import Plan

MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
    ".nut": "nut",
}
SUFFIXES = {muxer: suffix for suffix, muxer in reversed(MUXERS.items())}
"""A suffix of each muxer, to have its files opened by."""
BOXED = frozenset({"mp4", "mov"})
STARTS_AT_ZERO = frozenset({"mp4", "mov", "matroska", "webm", "nut"})
"""Muxers that can show the first frame at 0 while decoding began before it."""
_INDEX_BASE, _INDEX_PER_FRAME = 1 << 16, 36
"""Bytes of an MP4 index at most: what does not depend on the length, tags included; and for each frame its size (4), shift (8),
key frame (4), and, were it a chunk of its own, its place (8) and its run (12)."""
_LARGE = 32 << 20


_VOLATILE = frozenset(
    {"encoder", "creation_time", "major_brand", "minor_version", "compatible_brands", "vendor_id", "duration"}
)
"""Tags that tell of the chunk's own file, not of the picture."""


def muxer_for(output: Path) -> str:
    """The muxer that the output's suffix asks for. Raises StitchError for one that we do not write."""
    muxer = MUXERS.get(PurePath(output.name).suffix.lower())
    if muxer is None:
        known = ", ".join(MUXERS)
        raise StitchError(f"{output.name}: no container is known by that suffix", hint=f"Known suffixes: {known}.")
    return muxer


def muxer_options(plan: Plan, muxer: str, settings: JoinSettings) -> dict[str, str]:
    """What the muxer is told, library or program alike: nothing volatile, ticks that hold every frame, the index first."""
    options = {"fflags": "+bitexact"}
    if muxer in BOXED:
        scale = plan.clock.timescale
        options["video_track_timescale"] = str(scale)
        # Lengths are told in these ticks, of the sound as of the video: they must be exact in both.
        options["movie_timescale"] = str(lcm(scale, plan.sound.rate) if plan.sound else scale * -(-1000 // scale))
        if settings.faststart:
            options |= _index_first(plan, settings)
    elif muxer == "mpegts":
        options["mpegts_copyts"] = "1"
    elif muxer == "nut":
        options["avoid_negative_ts"] = "disabled"  # it keeps no decode times, and those alone are negative
    return options


def kept_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """The tags of a chunk that are the joined file's too."""
    return {name: value for name, value in metadata.items() if name.lower() not in _VOLATILE}


def _index_first(plan: Plan, settings: JoinSettings) -> dict[str, str]:
    """How the index comes to stand before the frames. A large file has the place kept free from the beginning, which spares
    moving all that was written; where that would waste a hundredth of it, the muxer moves."""
    most = _INDEX_BASE + len(plan.layout.extradata) + _tags(settings) + _INDEX_PER_FRAME * plan.frames
    total = sum(chunk.mark[0] for chunk in plan.chunks)
    spare = plan.sound is None and total >= _LARGE and most * 100 <= total
    return {"moov_size": str(most)} if spare else {"movflags": "+faststart"}


def _tags(settings: JoinSettings) -> int:
    return sum(len(name.encode()) + len(value.encode()) + 64 for name, value in settings.metadata)
