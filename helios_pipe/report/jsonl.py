"""A run told to machines: one JSON object a line. Knows nothing of terminals."""

from __future__ import annotations

import json
import time

from helios_pipe.events import Event
from helios_pipe.report.channel import Channel
from helios_pipe.texts import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


_spell = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonLines:
    """A listener that writes every event as a line, at once."""

    def __init__(self, out: TextIO) -> None:
        self._out = Channel(out)

    @property
    def error(self) -> OSError | None:
        """Why nothing is written any more; None where it still is, or where nobody reads it."""
        return self._out.error

    def __call__(self, event: Event) -> None:
        """Write one event."""
        line = {"event": event["event"], "time": timestamp(time.time()), **event}
        self._out.say(_spell(line))
