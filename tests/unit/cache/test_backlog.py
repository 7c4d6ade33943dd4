"""What was promised to be written is in the database or will be found, whatever becomes of the process; nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helios_pipe.cache.backlog import Statement, Writes, open_database
from helios_pipe.cache.database import Database

PUT = "INSERT OR REPLACE INTO last VALUES ('job', ?, ?)"


def row(node: object, key: str = "key") -> list[Statement]:
    """One write."""
    return [(PUT, [(str(node), key)])]


def nodes(database: Database) -> list[str]:
    """What is in the database."""
    return [name for (name,) in database.connection.execute("SELECT node FROM last ORDER BY node")]


def left(folder: Path) -> list[Path]:
    """The files of writes that are not in the database."""
    return sorted((folder / "backlog").glob("*.*"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path)
    yield opened
    opened.close()


def killed(folder: Path, *, more: str = "") -> None:
    """Another process writes five rows into the database in `folder`, and is killed. `more` is what it does before that."""
    code = f"""
import os, signal, sys
from pathlib import Path
from helios_pipe.cache.backlog import Writes, open_database
writes = Writes(open_database(Path(sys.argv[1])))
for node in range(5):
    writes.put([("{PUT}", [(str(node), "key")])])
{more}
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code, str(folder)], check=False).returncode == -9


def test_a_write_that_comes_alone_is_in_the_database_at_once(database: Database, tmp_path: Path) -> None:
    Writes(database).put(row("0"))
    assert nodes(database) == ["0"]
    assert left(tmp_path) == []


def test_writes_that_come_fast_are_in_a_file_until_they_are_flushed(database: Database, tmp_path: Path) -> None:
    writes = Writes(database)
    for node in range(5):
        writes.put(row(node))
    assert writes.waiting
    assert nodes(database) == ["0"]
    assert left(tmp_path)[0].stat().st_size > 0
    writes.flush()
    assert not writes.waiting
    assert nodes(database) == ["0", "1", "2", "3", "4"]
    assert left(tmp_path)[0].stat().st_size == 0
    writes.close()
    writes.close()
    assert left(tmp_path) == []


def test_after_so_many_they_are_in_the_database(database: Database) -> None:
    writes = Writes(database)
    for node in range(1000):
        writes.put(row(f"{node:04d}"))
    assert 1000 - len(nodes(database)) <= 128
    writes.close()
    assert len(nodes(database)) == 1000


def test_of_two_writes_to_one_row_the_later_counts(database: Database) -> None:
    writes = Writes(database)
    for key in ("first", "second", "third"):
        writes.put(row("0", key))
    writes.close()
    assert database.connection.execute("SELECT key FROM last").fetchall() == [("third",)]


@pytest.mark.parametrize("count", [1, 49, 50, 51, 137])
def test_however_many_rows_come_at_once_all_are_there_and_of_two_the_later_counts(
    database: Database, count: int
) -> None:
    rows = [(f"{node:04d}", key) for key in ("first", "second") for node in range(count)]
    Writes(database).put([(PUT, rows)])
    found = database.connection.execute("SELECT node, key FROM last ORDER BY node").fetchall()
    assert found == [(f"{node:04d}", "second") for node in range(count)]


def test_what_must_survive_a_power_cut_goes_into_the_database_at_once(tmp_path: Path) -> None:
    database = open_database(tmp_path, durable=True)
    writes = Writes(database)
    for node in range(3):
        writes.put(row(node))
    assert nodes(database) == ["0", "1", "2"]
    database.close()


def test_what_a_killed_process_had_still_to_write_is_written_by_the_next(tmp_path: Path) -> None:
    killed(tmp_path)
    assert len(left(tmp_path)) == 1
    database = open_database(tmp_path)
    assert nodes(database) == ["0", "1", "2", "3", "4"]
    assert left(tmp_path) == []
    database.close()


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_a_frame_that_was_cut_off_is_none_and_those_before_it_are(tmp_path: Path, cut: int) -> None:
    killed(tmp_path)
    os.truncate(left(tmp_path)[0], left(tmp_path)[0].stat().st_size - cut)
    database = open_database(tmp_path)
    assert nodes(database) == ["0", "1", "2", "3"]
    database.close()


def test_a_damaged_frame_ends_what_is_believed(tmp_path: Path) -> None:
    killed(tmp_path)
    data = bytearray(left(tmp_path)[0].read_bytes())
    data[len(data) // 2] ^= 1
    left(tmp_path)[0].write_bytes(data)
    database = open_database(tmp_path)
    assert nodes(database) == ["0", "1", "2"]
    database.close()


def test_a_file_that_its_process_had_not_written_to_yet_is_taken_away(tmp_path: Path) -> None:
    killed(tmp_path, more="writes.flush()")
    assert left(tmp_path)[0].stat().st_size == 0
    open_database(tmp_path).close()
    assert left(tmp_path) == []


def test_a_file_that_is_just_being_made_is_left_alone_and_one_that_never_was_is_taken_away(tmp_path: Path) -> None:
    killed(tmp_path)
    for name, age_s in (("young", 0), ("old", 100_000)):
        (tmp_path / f"backlog/{name}.new").touch()
        os.utime(tmp_path / f"backlog/{name}.new", times=(time.time() - age_s,) * 2)
    open_database(tmp_path).close()
    assert [path.name for path in left(tmp_path)] == ["young.new"]


def test_what_a_living_process_has_still_to_write_is_left_to_it(database: Database, tmp_path: Path) -> None:
    writes = Writes(database)
    for node in range(3):
        writes.put(row(node))
    other = open_database(tmp_path)
    assert nodes(other) == ["0"]
    assert len(left(tmp_path)) == 1
    writes.close()
    assert nodes(other) == ["0", "1", "2"]
    other.close()


def test_a_process_that_is_killed_amid_many_writes_loses_none_that_it_was_told_of(tmp_path: Path) -> None:
    more = f"""
for node in range(5, 400):
    writes.put([("{PUT}", [(str(node), "key")])])
"""
    killed(tmp_path, more=more)
    database = open_database(tmp_path)
    assert sorted(map(int, nodes(database))) == list(range(400))
    database.close()


def test_a_write_that_finds_no_room_is_told_of_and_not_there_and_all_before_it_are(tmp_path: Path) -> None:
    code = f"""
import os, resource, sys
from pathlib import Path
from helios_pipe.cache.backlog import Writes, open_database
from helios_pipe.errors import StoreError
writes = Writes(open_database(Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
node = 0
try:
    while node < 100:
        writes.put([("{PUT}", [(f"{{node:04d}}", "k" * 50_000)])])
        node += 1
except StoreError as error:
    print(node, error)
sys.stdout.flush()
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True)
    count, _, text = done.stdout.partition(" ")
    assert "backlog" in text
    assert "cannot be written" in text
    database = open_database(tmp_path)
    assert nodes(database) == [f"{node:04d}" for node in range(int(count))]
    assert 2 < int(count) < 100
    database.close()
