"""What is ready of one set of inputs. Knows nothing of attempts."""

from __future__ import annotations

from threading import Lock

from helios_pipe.worker.bring import Mark
from helios_pipe.worker.staging import Stage


class Shelf:
    """What is ready of one tree: the stage that attempts are given now, or the marks of the project's files."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.stage: Stage | None = None
        self.private = False
        self.marks: tuple[Mark, ...] = ()

    def retire(self, stage: Stage) -> None:
        """Somebody got at the stage's copies: from now on, attempts get copies of their own from a new one. Those that are
        under way go on with the old one, and find out for themselves."""
        with self.lock:
            if self.stage is stage:
                self.stage, self.private = None, True
