"""What a user asked for, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from helios_pipe.tuples import NamedTuple


class Request(NamedTuple):
    """One call of `run`, `plan`, `explain`: the manifest, the jobs (none: all), and the options by their names."""

    manifest: Path
    jobs: tuple[str, ...] = ()
    overrides: Mapping[str, str] = MappingProxyType({})
    concurrency: int | None = None
    adapter: str | None = None
    keep_going: bool = False
    force: bool = False
    force_nodes: tuple[str, ...] = ()
    cache_dir: str | None = None
    stitch: bool = True
    wait: bool = True
    durable: bool = False
    deadline_s: float | None = None
    max_cost: float | None = None
    strict: bool = False
    keep_merge: bool = False
    made: frozenset[str] = frozenset()
    """Nodes that need not be forced any more: the run that this one goes on with has made them."""
    resumes: int | None = None
    """The number of that run."""
    python: bool = False
    """Whether a program asked, with adapters and callbacks that only it has."""

    def describe(self) -> dict[str, object]:
        """For the journal: enough to run it again."""
        return {
            "manifest": str(self.manifest),
            "jobs": list(self.jobs),
            "set": dict(self.overrides),
            "concurrency": self.concurrency,
            "adapter": self.adapter,
            "keep_going": self.keep_going,
            "force": self.force,
            "force_nodes": list(self.force_nodes),
            "cache_dir": self.cache_dir,
            "stitch": self.stitch,
            "keep_merge": self.keep_merge,
            "durable": self.durable,
            "max_cost": None if self.max_cost is None else repr(self.max_cost),
            "deadline_s": None if self.deadline_s is None else repr(self.deadline_s),
            "resumes": self.resumes,
            "python": self.python,
        }
