"""A disk that is really full: the message says where and how much is missing, nothing is corrupt, and the run goes on when
there is room again. Needs to mount a small file system: run as root, or in a container that may (`--cap-add SYS_ADMIN`)."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from tests.kit import quick
from tests.kit.project import Project

CHUNKS = 12
CHUNK_BYTES = 100_000
MIB = 1 << 20


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """A file system of its own, in memory, at `folder`."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(
            f"this test mounts a small file system, which is not allowed here: {done.stderr.strip()}\n"
            "Run it as root, or in a container with --cap-add SYS_ADMIN."
        )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def grow(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


def film(words: str = "") -> dict[str, object]:
    return quick.film(CHUNKS, after=f"head -c {CHUNK_BYTES} /dev/zero | tr '\\0' $n >> part.txt {words}")


def sound(cache: Path) -> None:
    """Every blob is what its name says, and the database is in order."""
    for blob in (path for path in (cache / "cas").rglob("*") if path.is_file()):
        assert sha256(blob.read_bytes()).hexdigest() == blob.name
    with sqlite3.connect(cache / "index.v1.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("size", [MIB, MIB + 300_000, MIB + 600_000])
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(project: Project, size: int) -> None:
    project.manifest(film())
    with mounted(project.root.parent / "small", "-o", f"size={size}") as small:
        cache = ("--cache-dir", str(small / "cache"))
        first = project.helios("run", "render.yaml", "--json", "-j2", *cache)
        assert first.exit_code in (1, 3), str(first)
        assert re.search(rf"{small}\S* .*the disk is full|{small}\S* is full", first.stdout + first.stderr), str(first)
        missing = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) (?:bytes are )?missing", str(first))]
        assert missing, str(first)
        assert 0 < min(missing) <= 3 * CHUNKS * CHUNK_BYTES
        sound(small / "cache")
        made = first.nodes("executed")
        assert made
        grow(small, 20 * MIB)
        again = project.helios("run", "render.yaml", "--json", *cache)
        assert again.exit_code == 0, str(again)
        assert not set(made) & set(again.nodes("executed"))
        assert len(made) + again.summary["executed"] == CHUNKS + 1
        sound(small / "cache")
    assert project.path("out/film.txt").stat().st_size == CHUNKS * CHUNK_BYTES + len(quick.whole(CHUNKS))


def test_a_command_that_finds_no_room_is_told_how_much_is_missing(project: Project) -> None:
    project.manifest(quick.film(CHUNKS, after="head -c 600000 /dev/zero >> part.txt"))
    with mounted(project.root.parent / "small", "-o", f"size={2 * MIB}") as small:
        cache = ("--cache-dir", str(small / "cache"))
        first = project.helios("run", "render.yaml", "-j1", *cache)
        assert first.exit_code == 1, str(first)
        found = re.search(
            r"hint: the disk that holds \S*/small/cache is full: ([\d,]+) bytes free; (\d+) chunks of film are still to be"
            r" made, about 600,0\d\d bytes each: about ([\d,]+) bytes are missing\. Make room",
            first.stderr,
        )
        assert found, str(first)
        free, still, missing = (int(text.replace(",", "")) for text in found.groups())
        assert missing + free >= still * 147 * 4096, "a chunk takes whole blocks"
        grow(small, 40 * MIB)
        assert project.helios("run", "render.yaml", "--json", *cache).summary["executed"] == still + 1


def test_a_disk_that_was_full_until_the_failed_output_was_removed_is_told(project: Project) -> None:
    """The command says nothing, and what it leaves behind is more than a usual chunk: afterwards there is room for one."""
    project.manifest(quick.film(CHUNKS, after="head -c $((n * 300000 + 100000)) /dev/zero >> part.txt 2> /dev/null"))
    with mounted(project.root.parent / "small", "-o", f"size={2 * MIB}") as small:
        first = project.helios("run", "render.yaml", "-j1", "--cache-dir", str(small / "cache"))
        assert first.exit_code == 1, str(first)
        assert re.search(r"hint: the disk that holds \S*/small/cache is full: [\d,]+ bytes", first.stderr), str(first)


def test_an_output_that_does_not_fit_says_how_much_is_missing(project: Project) -> None:
    with mounted(project.root.parent / "small", "-o", f"size={MIB}") as small:
        on_small = Project(small / "project")
        on_small.manifest(film())
        cache = ("--cache-dir", str(project.root.parent / "cache"))
        first = on_small.helios("run", "render.yaml", "--json", *cache)
        assert first.exit_code == 3, str(first)
        whole = CHUNKS * CHUNK_BYTES + len(quick.whole(CHUNKS))
        found = re.search(r"film\.txt\S* cannot be written: the disk is full: ([\d,]+) bytes to write", first.stderr)
        assert found, str(first)
        assert int(found[1].replace(",", "")) == whole
        assert not on_small.path("out/film.txt").exists()
        assert [p.name for p in on_small.path("out").iterdir()] == []
        grow(small, 20 * MIB)
        assert on_small.helios("run", "render.yaml", "--json", *cache).summary["executed"] == 0
        assert on_small.path("out/film.txt").stat().st_size == whole


def test_a_read_only_project_is_rendered_into_a_cache_elsewhere_and_says_what_it_cannot_write(project: Project) -> None:
    with mounted(project.root.parent / "small", "-o", f"size={MIB}") as small:
        read_only = Project(small / "project")
        read_only.manifest(quick.film(3))
        subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        refused = read_only.helios("run", "render.yaml")
        assert refused.exit_code == 3, str(refused)
        assert re.search(r"\.helios cannot be used: .*Read-only file system", refused.stderr), str(refused)
        assert "--cache-dir" in refused.stderr
        cache = ("--cache-dir", str(project.root.parent / "cache"))
        run = read_only.helios("run", "render.yaml", "--json", *cache)
        assert run.exit_code == 3, str(run)
        assert len(run.nodes("executed")) == 4
        assert re.search(r"film\.txt cannot be written: Read-only file system|out.*: Read-only file system", run.stderr)
        subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
        assert read_only.helios("run", "render.yaml", "--json", *cache).summary["cached"] == 4
        assert read_only.path("out/film.txt").read_text() == quick.whole(3)
