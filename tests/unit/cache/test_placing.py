"""What was written beside its place ahead of time is put there only while it is certain to be right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from helios_pipe.cache.blobs import Blobs
from helios_pipe.cache.database import Database
from helios_pipe.cache.memory import Memory
from helios_pipe.cache.placing import Ahead, Placer
from helios_pipe.digest import Digest, digest_bytes

FILM = b"the film"
OTHER = b"another!"


class Place:
    """A cache that has the film, and where that is to be put."""

    def __init__(self, root: Path, database: Database) -> None:
        self.path = root / "film.mp4"
        self.blobs = Blobs(root / "cache")
        self.digest = self.blobs.put_bytes(FILM).digest
        self.placer = Placer(Memory(database), self.blobs)

    def written(self, data: bytes = FILM) -> Ahead:
        ahead = self.placer.ahead(str(self.path))
        ahead.begin().write_bytes(data)
        return ahead

    def put(self, digest: Digest | None = None) -> int:
        """Put it in place; returns its inode. Nothing else is left."""
        self.placer.place(digest or self.digest, False, str(self.path))
        self.placer.close()
        assert sorted(os.listdir(self.path.parent)) == ["cache", "film.mp4"]
        return self.path.stat().st_ino


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with closing(Database(tmp_path / "cache")) as database:
        yield Place(tmp_path, database)


def test_what_is_certain_is_renamed(place: Place) -> None:
    ahead = place.written()
    ahead.done(place.digest)
    inode = os.stat(ahead.temp).st_ino
    assert place.put() == inode
    assert place.path.read_bytes() == FILM


def test_what_nobody_said_was_done_is_written_anew(place: Place) -> None:
    place.written(OTHER)
    place.put()
    assert place.path.read_bytes() == FILM


def test_what_has_another_digest_is_written_anew(place: Place) -> None:
    place.written(OTHER).done(digest_bytes(OTHER))
    place.put()
    assert place.path.read_bytes() == FILM


def test_what_was_touched_since_is_written_anew(place: Place) -> None:
    ahead = place.written()
    ahead.done(place.digest)
    Path(ahead.temp).write_bytes(OTHER)
    os.utime(ahead.temp, ns=(0, 0))
    place.put()
    assert place.path.read_bytes() == FILM


def test_what_is_gone_is_written_anew(place: Place) -> None:
    ahead = place.written()
    ahead.done(place.digest)
    os.unlink(ahead.temp)
    place.put()
    assert place.path.read_bytes() == FILM


def test_what_a_killed_run_left_is_no_hindrance(place: Place) -> None:
    ahead = place.written(OTHER)
    again = place.written()  # begun afresh
    again.done(place.digest)
    assert os.path.exists(ahead.temp)
    place.put()
    assert place.path.read_bytes() == FILM


def test_nothing_is_left_where_the_film_is_in_place_already(place: Place) -> None:
    inode = place.put()
    place.written().done(place.digest)
    assert place.put() == inode


def test_a_film_that_we_put_there_is_replaced_without_being_read(place: Place) -> None:
    place.put()
    other = place.blobs.put_bytes(OTHER).digest
    place.put(other)
    assert place.path.read_bytes() == OTHER


def test_what_was_never_begun_is_left_alone(place: Place) -> None:
    """Only what this run began is taken away."""
    left = Path(place.placer.ahead(str(place.path)).temp)
    left.write_bytes(OTHER)
    place.placer.close()
    assert left.read_bytes() == OTHER


def test_what_a_killed_run_left_goes_also_where_there_is_nothing_to_put(place: Place) -> None:
    place.put()
    Ahead(str(place.path)).begin().write_bytes(FILM[:3])
    place.put()
