"""A run told to machines: one JSON object a line. Knows nothing of terminals."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TextIO

from helios_pipe.events import Event


class JsonLines:
    """A listener that writes every event as a line, at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        """Write one event."""
        line = {"event": event["event"], "time": timestamp(), **event}
        self._out.write(json.dumps(line, ensure_ascii=False, separators=(", ", ": "), default=str) + "\n")
        self._out.flush()


def timestamp() -> str:
    """Now, in UTC, as ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
