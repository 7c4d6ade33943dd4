"""Files of memos: one for each job, and nothing beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helios_pipe.cache.database import Database
from helios_pipe.cache.generation import new_generation
from helios_pipe.cache.memo import Known, Memo, Origins, Outcomes
from helios_pipe.cache.memos import Memos, sweep
from helios_pipe.digest import Digest
from helios_pipe.errors import StoreError

MEMO = Memo(
    Origins.of([]), Outcomes.of([Known(f"{at:064x}", Digest(f"{at:064x}"), False, at, -at, 1 << 63) for at in range(3)])
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = Database(tmp_path / "cache")
    yield found
    found.close()


def files(database: Database) -> list[str]:
    return sorted(
        str(path.relative_to(database.folder)) for path in database.folder.glob("memos/**/*") if path.is_file()
    )


def test_what_is_kept_is_found_by_what_it_holds_for(database: Database) -> None:
    checksum = Memos(database, "j").keep("a", "mark", MEMO)
    found = Memos(database, "j").find("a", "mark")
    assert found is not None
    assert found.checksum == checksum
    assert [found.outcomes.known(at) for at in range(3)] == [MEMO.outcomes.known(at) for at in range(3)]
    assert Memos(database, "j").find("a", "another") is None
    assert Memos(database, "k").find("a", "mark") is None
    new_generation(database.folder)
    assert Memos(database, "j").find("a", "mark") is None


@pytest.mark.parametrize("name", ["a" * 255, "a.tmp", "a[x,y.z]"])
def test_any_name_of_a_job_is_a_files_name(database: Database, name: str) -> None:
    Memos(database, "j").keep(name, "mark", MEMO)
    Memos(database, "j").keep(name, "mark", MEMO)
    assert files(database) == [f"memos/j/{name}"]
    assert Memos(database, "j").find(name, "mark") is not None


def test_a_memo_that_cannot_be_written_is_an_error_and_leaves_the_one_before(database: Database) -> None:
    Memos(database, "j").keep("a", "mark", MEMO)
    (database.folder / "memos/j/~").mkdir()
    with pytest.raises(StoreError, match="memos/j/a cannot be written"):
        Memos(database, "j").keep("a", "mark", MEMO)
    assert Memos(database, "j").find("a", "mark") is not None


def test_what_no_row_speaks_of_is_swept_away_unless_a_run_may_be_at_it(database: Database) -> None:
    Memos(database, "j").keep("a", "mark", MEMO)
    for stray in ("j/~", "j/b", "k/a"):
        path = database.folder / "memos" / stray
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    sweep(database, 0.0)
    assert len(files(database)) == 4
    sweep(database, float("inf"))
    assert files(database) == ["memos/j/a"]
