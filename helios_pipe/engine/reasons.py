"""Why a node must be made: its key against the one it had last, ingredient by ingredient. Reads records, changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from helios_pipe.action.key import Change, changes, ingredients
from helios_pipe.cache.results import Results
from helios_pipe.engine.resolve import Resolver
from helios_pipe.engine.work import State, Task
from helios_pipe.errors import HeliosPipeError
from helios_pipe.tuples import NamedTuple

_UNNAMED = {"recipe", "version", "kind"}
_SHOWN = 2
_FEW = 500
"""Up to this many keys are asked for one by one."""


class Difference(NamedTuple):
    """What differs between a node's last key and the one it has now. Of the ingredients in `unknown` it is not known what they
    were, only that one of them changed: the cache has no record of them."""

    changes: list[Change]
    unknown: frozenset[str] = frozenset()


class Reasons:
    """Explains tasks against what the same nodes of the same job were last."""

    def __init__(self, job_id: str, results: Results, resolver: Resolver) -> None:
        self._job_id = job_id
        self._results = results
        self._resolver = resolver
        self._parsed: dict[str, dict[str, str]] = {}

    @cached_property
    def last(self) -> Mapping[str, str]:
        """Node -> the key it had last."""
        return self._results.last_keys(self._job_id)

    def last_of(self, tasks: Sequence[Task]) -> Mapping[str, str]:
        """The same for some of them at least, as it is now. Who tells why a node was made must have asked for `last` before."""
        if len(tasks) > _FEW or "last" in self.__dict__:
            return self.last
        return self._results.last_keys_of(self._job_id, [task.name for task in tasks])

    def why(self, task: Task) -> str:
        """A sentence's worth: why the task must be made, or why it need not."""
        if task.reason:
            return task.reason
        if task.state is State.CACHED:
            return "up to date" if self.last.get(task.name) == task.key else "found in the cache"
        if task.forced:
            return "forced"
        old = self.last.get(task.name)
        if old is None:
            return "not made before"
        if old == task.key:
            return "its result is no longer in the cache"
        differ = self.compare(task)
        if differ is None:
            return "changed since it was last made"
        common = "env, tools or output" if task.kind == "stitch" else "env, tools, shared inputs, output or workspace"
        return "; ".join([*phrase(differ.changes), *([f"{common} changed"] if differ.unknown else [])])

    def compare(self, task: Task) -> Difference | None:
        """What differs from the last key of the node; None where nothing was stored of that."""
        data = self._results.preimage(self.last.get(task.name, ""))
        if data is None:
            return None
        now, old = self.ingredients(task), dict(ingredients(data))
        unknown = frozenset[str]()
        if (recipe := old.get("recipe")) is not None:
            if (common := self._stored_recipe(recipe)) is not None:
                old.update(common)
            elif task.recipe is not None:
                unknown = frozenset(self._recipe(task.recipe.record.digest, task.recipe.record.data)) & now.keys()
        now = {name: value for name, value in now.items() if name not in unknown} if unknown else now
        return Difference(changes(_named(old), now), unknown)

    def ingredients(self, task: Task) -> dict[str, str]:
        """Every ingredient of the task's key, those of its recipe included."""
        own = task.preimage
        if not own and task.recipe is not None:
            own = task.recipe.key(self._resolver.action(task)).data
        found = dict(ingredients(own))
        if task.recipe is not None:
            found.update(self._recipe(task.recipe.record.digest, task.recipe.record.data))
        return _named(found)

    def _stored_recipe(self, digest: str) -> dict[str, str] | None:
        """Those of a recipe that a key names; None where its record is not there: older versions kept none of stitches."""
        if digest in self._parsed:
            return self._parsed[digest]
        data = self._results.preimage(digest)
        return None if data is None else self._recipe(digest, data)

    def _recipe(self, digest: str, data: bytes) -> dict[str, str]:
        if digest not in self._parsed:
            self._parsed[digest] = dict(ingredients(data))
        return self._parsed[digest]


def _named(found: Mapping[str, str]) -> dict[str, str]:
    """Without what means nothing to people."""
    return {name: value for name, value in found.items() if name not in _UNNAMED}


def phrase(differ: list[Change]) -> list[str]:
    """Changes in words, the first few: `input look.txt changed`, `env X is new`."""
    seen: dict[str, str] = {}
    for change in differ:
        seen.setdefault(_subject(change.name), _verb(change))
    words = [f"{subject} {verb}" for subject, verb in seen.items()]
    return words if len(words) <= _SHOWN + 1 else [*words[:_SHOWN], f"and {len(words) - _SHOWN} more"]


def _verb(change: Change) -> str:
    if change.name.startswith(("argv.", "files.")):
        return "changed"
    if change.old is None:
        return "is new"
    return "is gone" if change.new is None else "changed"


def _subject(name: str) -> str:
    head, _, rest = name.partition(".")
    if head == "inputs":
        return f"chunk {int(rest)}" if rest.isdigit() else f"input {rest}"
    named = {"env": "env ", "tools": "tool ", "settings": "setting "}
    if head in named:
        return named[head] + rest
    return {"argv": "the command", "files": "the list of inputs", "frames": "the frame count"}.get(head, head)


def describe_error(error: Exception) -> str:
    """An error as the reason of a node: our own by their text, others with their class."""
    return str(error) if isinstance(error, HeliosPipeError) else f"{type(error).__name__}: {error}"
