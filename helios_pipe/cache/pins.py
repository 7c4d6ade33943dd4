"""Results that are to stay, by names that people give them: those of a delivered version, say. Knows nothing of how they were
made."""

from __future__ import annotations

from helios_pipe.cache.database import Database
from helios_pipe.errors import UsageError
from helios_pipe.tuples import NamedTuple


class Pin(NamedTuple):
    """So many results of a job, pinned under a name, and when, in seconds since 1970. `lost` are those that are not there any
    more: damaged ones, or such as a program took away that knows nothing of pins."""

    name: str
    job: str
    results: int
    time: float
    lost: int = 0


def pin(database: Database, name: str, job: str, now: float) -> Pin:
    """Have what each node of the job was last stay, whatever becomes of the job. Raises UsageError where the name is taken, or
    there is nothing to keep; StoreError."""
    if any(other.name == name for other in pins(database)):
        raise UsageError(
            f"there is a pin {name!r} already", hint=f"Give another name, or: helios-pipe cache unpin {name}"
        )
    with database.transaction() as connection:
        query = (
            "INSERT INTO pins SELECT ?, ?, last.key, ? FROM last JOIN results ON results.key = last.key"
            " WHERE last.job = ? GROUP BY last.key"
        )
        count = connection.execute(query, (name, job, now, job)).rowcount
    if not count:
        raise UsageError(f"{job} has no results", hint="Run it first.")
    return Pin(name, job, count, now)


def unpin(database: Database, name: str) -> int:
    """Let what has that name go, as far as nothing else holds it. Returns how many results. Raises UsageError naming the pins
    that there are; StoreError."""
    with database.transaction() as connection:
        count = connection.execute("DELETE FROM pins WHERE name = ?", (name,)).rowcount
    if not count:
        known = ", ".join(other.name for other in pins(database)) or "none"
        raise UsageError(f"there is no pin {name!r}; there are: {known}")
    return count


def pins(database: Database) -> list[Pin]:
    """All pins, by name."""
    query = (
        "SELECT pins.name, pins.job, count(*), min(pins.time), count(*) - count(results.key) FROM pins"
        " LEFT JOIN results ON results.key = pins.key GROUP BY pins.name, pins.job ORDER BY pins.name"
    )
    return [Pin(*row) for row in database.connection.execute(query)]
