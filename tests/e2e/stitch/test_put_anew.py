"""A blob is its bytes, not its file: a join goes on where another run puts the same chunk into the cache again meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from helios_pipe.action.model import Join, Output, Part
from helios_pipe.cache.blobs import Blobs
from helios_pipe.digest import digest_file
from helios_pipe.ports import FailureClass, Outcome
from helios_pipe.stitch import join as joining
from helios_pipe.stitch import packetwise
from helios_pipe.stitch.join import Piece
from helios_pipe.stitch.runner import JoinRunner

WAYS = {".mp4": (joining, "write_film"), ".mkv": (packetwise, "preflight")}
"""By stretches and packet by packet: what each does after, or before, it looked at the chunks first."""


class Cache:
    """Three chunks in a cache, and their join."""

    def __init__(self, folder: Path, pieces: list[Piece], container: str) -> None:
        self.blobs, self.container = Blobs(folder), container
        self.parts = []
        for piece in pieces:
            shutil.copy(piece.path, copy := self.blobs.temp_path())
            digest = self.blobs.adopt(copy).digest
            self.parts.append(Part(piece.name, digest, "chunk.mp4", frames=piece.frames, start=piece.start))
        self.step = Join("zoom/stitch", "concat", tuple(self.parts), Output("o"), (("container", container),))

    def put_anew(self) -> None:
        """Give the last chunk another file with the same bytes, as one that heals it does."""
        path = Path(self.blobs.path(self.parts[-1].digest))
        shutil.copy(path, beside := path.with_name("beside"))
        beside.replace(path)

    def damage(self) -> None:
        """Change a byte of the last chunk."""
        path = Path(self.blobs.path(self.parts[-1].digest))
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)

    def join(self) -> Outcome:
        """One attempt."""
        return JoinRunner(self.blobs, self.blobs.locate).run(self.step, 1, Event())


@pytest.fixture(params=WAYS)
def cache(request: pytest.FixtureRequest, three: list[Piece], tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", three, request.param)


@pytest.fixture
def meanwhile(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None], int], list[int]]:
    """Let something happen, so many times, between two looks of a join at its chunks."""
    where, name = WAYS[cache.container]
    real = getattr(where, name)

    def arrange(act: Callable[[], None], times: int) -> list[int]:
        looks: list[int] = []

        def acting(*words: Any, **more: Any) -> Any:
            looks.append(1)
            found = real(*words, **more) if name == "preflight" else None
            if len(looks) <= times:
                act()
            return found if name == "preflight" else real(*words, **more)

        monkeypatch.setattr(where, name, acting)
        return looks

    return arrange


def test_the_same_bytes_in_another_file_are_joined(cache: Cache, meanwhile: Any) -> None:
    usual = cache.join()
    looks = meanwhile(cache.put_anew, 2)
    again = cache.join()
    assert (again.reason, again.digest) == ("", usual.digest)
    assert len(looks) == 3
    assert again.proof == usual.proof
    assert digest_file(cache.blobs.path(str(again.digest))) == usual.digest


def test_a_chunk_that_is_never_at_rest_is_told(cache: Cache, meanwhile: Any) -> None:
    meanwhile(cache.put_anew, 99)
    outcome = cache.join()
    assert outcome.failure is FailureClass.COMMAND
    assert outcome.reason.endswith("changed while it was being joined")
    assert not list((cache.blobs.folder.parent / "tmp").iterdir())


def test_other_bytes_are_damage(cache: Cache, meanwhile: Any) -> None:
    meanwhile(cache.damage, 1)
    outcome = cache.join()
    assert outcome.failure is FailureClass.INFRASTRUCTURE
    assert outcome.damaged == (cache.parts[-1].digest,)
