"""What a run tells of itself, as it happens. Plain values; knows nothing of who listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Event = Mapping[str, object]
"""One line of `--json` without its time: `event` names it, the rest are its fields."""
Listener = Callable[[Event], None]
"""Told of every event, in order, by the thread that runs the loop. One whose attribute `tallies` is true is content with a
`progress` event for all the nodes that were found at once, and with no reasons."""
