"""One step as data: what is run, on what, and what it must leave. Knows nothing of where or when it runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from operator import itemgetter

from helios_pipe.digest import Digest, canonical, digest_bytes
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

ActionKind: TypeAlias = "Literal['chunk', 'stitch', 'command']"


class Entry(NamedTuple):
    """One file of a tree: its logical path (relative, with `/`), content, size in bytes, and whether it may be executed."""

    path: str
    digest: Digest
    size: int
    executable: bool = False


class Tree:
    """A set of files by logical path, sorted. Its digest is that of its canonical JSON, which is also how it is stored."""

    def __init__(self, entries: tuple[Entry, ...] = ()) -> None:
        self.entries = entries

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.entries == other.entries

    def __hash__(self) -> int:
        return hash(self.entries)

    def __repr__(self) -> str:
        return f"Tree({self.entries!r})"

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Tree:
        """The tree of `entries` in any order; a path given twice with the same content counts once."""
        found = list(entries)
        if len({entry.path for entry in found}) < len(found):
            found = list(set(found))
        return cls(tuple(sorted(found, key=itemgetter(0))))

    @cached_property
    def data(self) -> bytes:
        """The canonical JSON: path -> {mode, sha256, size}."""
        return canonical(
            {
                e.path: {"mode": 0o755 if e.executable else 0o644, "sha256": e.digest, "size": e.size}
                for e in self.entries
            }
        )

    @cached_property
    def digest(self) -> Digest:
        """The digest of `data`."""
        return digest_bytes(self.data)

    @property
    def size(self) -> int:
        """Bytes of all its files together."""
        return sum(entry.size for entry in self.entries)


class Output(NamedTuple):
    """What the command must leave, relative to its workspace: a file, or a folder. `frames` is how many frames it must
    hold (None: not counted)."""

    name: str
    folder: bool = False
    frames: int | None = None


class ToolMark(NamedTuple):
    """What is keyed of a tool: the line it prints, a pin, or its digest. `pinned`: a worker's line must only contain it."""

    name: str
    text: str
    pinned: bool = False
    argv: tuple[str, ...] = ()


class Limits(NamedTuple):
    """How long a command may take, in seconds (None: for ever), and how often it may fail."""

    timeout_s: float | None = None
    stall_timeout_s: float | None = None
    retries: int = 0
    retry_delay_s: float = 1.0


class Action(NamedTuple):
    """A command in a clean folder. `argv` is logical: the output stands in it by `output.name`, inputs by their logical
    paths, so that it is the same on every machine. `shared` is the input set that many actions have in common (staged
    once), `extra` what only this one has. `files` are small generated inputs, path -> text (a list of inputs). `marked_argv`
    is never keyed: for a workspace in the project, argv with a NUL wherever the output's name stands."""

    node: str
    kind: ActionKind
    argv: tuple[str, ...]
    output: Output
    shared: Tree = Tree()
    extra: Tree = Tree()
    env: tuple[tuple[str, str], ...] = ()
    pass_env: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    tools: tuple[ToolMark, ...] = ()
    limits: Limits = Limits()
    workspace: Literal["isolated", "project"] = "isolated"
    files: tuple[tuple[str, str], ...] = ()
    marked_argv: tuple[str, ...] = ()


class Part(NamedTuple):
    """One piece of a join: the node that made it (for messages), its content, its name's last component, and where known
    the frames it holds: how many, from which number on, in which step."""

    node: str
    digest: Digest
    name: str
    folder: bool = False
    frames: int | None = None
    start: int | None = None
    step: int = 1


class Join(NamedTuple):
    """A stitch that needs no command. `settings` are keyed as they stand; `audio` is the sound's content and base name."""

    node: str
    method: Literal["concat", "collect", "encode"]
    parts: tuple[Part, ...]
    output: Output
    settings: tuple[tuple[str, str | int | bool | None], ...] = ()
    audio: tuple[Digest, str] | None = None
    kind: ActionKind = "stitch"


Step = Action | Join
