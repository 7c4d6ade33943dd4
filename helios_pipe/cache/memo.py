"""What a memo says, and how it is written down. A process that looks ahead reads one, too, so this loads nothing that takes
time."""

from __future__ import annotations

import marshal
from array import array
from functools import cached_property

from helios_pipe.cache.folders import MEMOS
from helios_pipe.cache.marks import marks_of
from helios_pipe.cache.stamp import Seen, checksum_of, seal, unseal
from helios_pipe.columns import Looks, all_digests, nth_digest
from helios_pipe.tuples import NamedTuple

TYPE_CHECKING = False  # typing takes as long to load as to look at a thousand blobs
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from helios_pipe.ahead import BothEnds
    from helios_pipe.cache.sources import Source
    from helios_pipe.digest import Digest

FORMAT = 5
_MARK = 3
"""Numbers of a mark."""

if TYPE_CHECKING:
    Looking = Callable[[range, Callable[[range], list[int]]], list[int]]
    """Tells which of some places have changed, given a way to look at places."""


class Known(NamedTuple):
    """A result, as far as a hit needs it: its key, its output's digest, and the mark of that blob."""

    key: str
    digest: Digest
    folder: bool
    size: int
    mtime_ns: int
    inode: int


class Origins:
    """Source files as they were hashed, in columns: digests one after another in one text, each file's executable bit a byte. How
    they looked is asked for when somebody looks at one."""

    def __init__(self, digests: str, executable: bytes, seen: Callable[[], Seen]) -> None:
        self.digests, self.executable, self._seen = digests, executable, seen

    @classmethod
    def of(cls, sources: Iterable[Source]) -> Origins:
        """Those of `sources`, of which one that could have changed unseen is told by nothing."""
        rows = list(sources)
        seen = Seen.of((s.path, s.size, -1 if s.racy else s.mtime_ns, s.ctime_ns, s.inode) for s in rows)
        return cls("".join(s.digest for s in rows), bytes(s.executable for s in rows), lambda: seen)

    def __len__(self) -> int:
        return len(self.executable)

    @cached_property
    def seen(self) -> Seen:
        """How they looked."""
        return self._seen()

    def places_of(self, paths: Collection[str]) -> list[int]:
        """Where these files stand."""
        return [at for at, path in enumerate(self.seen.paths) if path in paths] if paths else []

    def content(self, at: int) -> tuple[Digest, bool]:
        """The digest of the one at that place, and whether it may be executed."""
        return nth_digest(self.digests, at), bool(self.executable[at])


class Outcomes:
    """What came of a job's chunks, in columns: keys and digests each in one text, whether it is a folder a byte each. How the
    blobs looked is asked for when somebody looks at one."""

    def __init__(
        self, keys: str, digests: str, folders: bytes, sizes: Sequence[int], marks: Callable[[], Looks]
    ) -> None:
        self.keys, self.digests, self.folders, self.sizes, self._marks = keys, digests, folders, sizes, marks

    @classmethod
    def of(cls, known: Sequence[Known]) -> Outcomes:
        """Those of `known`."""
        keys, digests = "".join(row.key for row in known), "".join(row.digest for row in known)
        marks = Looks.of((row[3:] for row in known), _MARK)
        return cls(keys, digests, bytes(row.folder for row in known), [row.size for row in known], lambda: marks)

    def __len__(self) -> int:
        return len(self.folders)

    @cached_property
    def marks(self) -> Looks:
        """How the blobs looked."""
        return self._marks()

    def known(self, at: int) -> Known:
        """What came of the chunk at that place."""
        return Known(self.key(at), nth_digest(self.digests, at), bool(self.folders[at]), *self.marks[at])

    def key(self, at: int) -> str:
        """The key of the chunk at that place."""
        return nth_digest(self.keys, at)

    def moved(self, folder: str) -> Callable[[range], list[int]]:
        """Looks at the blobs of some of them in the cache `folder`: which places have other marks than they had."""

        def look(places: range) -> list[int]:
            return self.marks.unlike(places, marks_of(folder, self.each_digest[places.start : places.stop]))

        return look

    @cached_property
    def each_digest(self) -> list[Digest]:
        """The digests of all of them."""
        return all_digests(self.digests)


class Memo(NamedTuple):
    """A job's chunks in order: their own inputs, the same number for each, and what came of them."""

    origins: Origins
    outcomes: Outcomes
    checksum: bytes = b""

    def packed(self) -> bytes:
        """As it is stored: what a run needs of every chunk as plain bytes, and what it needs of hardly any as bytes to be opened
        when it does."""
        origins, outcomes = self.origins, self.outcomes
        hexes = [bytes.fromhex(text) for text in (origins.digests, outcomes.keys, outcomes.digests)]
        sizes = array("q", outcomes.sizes).tobytes()
        rows = marshal.dumps(origins.seen.plain), marshal.dumps(outcomes.marks.plain)
        return seal((FORMAT, *hexes, origins.executable, outcomes.folders, sizes, *rows))

    @classmethod
    def opened(cls, data: bytes) -> Memo | None:
        """The one that was packed; None where it is no such thing, or another bit than it was."""
        found = unseal(data)
        if not isinstance(found, tuple) or found[0] != FORMAT:
            return None
        contents, keys, digests, executable, folders, sizes, signatures, marks = found[1:]
        load = marshal.loads  # our own, sealed
        origins = Origins(contents.hex(), executable, lambda: Seen.opened(load(signatures)))
        outcomes = Outcomes(
            keys.hex(), digests.hex(), folders, array("q", sizes), lambda: Looks.opened(load(marks), _MARK)
        )
        return cls(origins, outcomes, checksum_of(data))


def memo_file(folder: str, job: str, name: str) -> str:
    """Where the memo of a manifest's job `name` is in the cache `folder`; `job` is the id that its runs are recorded under."""
    return f"{folder}/{MEMOS}/{job}/{name}"


def read_memo(folder: str, job: str, name: str) -> Memo | None:
    """The memo that is kept there, whether it holds or not; None where there is none."""
    try:
        with open(memo_file(folder, job, name), "rb") as file:
            return Memo.opened(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        return None


def look(folder: str, job: str, name: str, ends: BothEnds) -> tuple[bytes, list[int]] | None:
    """The checksum of the memo that is kept for a job in the cache `folder`, and the places of the chunks whose blobs are not as
    it says, from the end on. None where there is none."""
    memo = read_memo(folder, job, name)
    if memo is None:
        return None
    return memo.checksum, ends.from_the_end(range(len(memo.outcomes)), memo.outcomes.moved(folder))
