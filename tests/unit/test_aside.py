"""Digests that another process finds are those of the bytes, whatever becomes of the process or the file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from mmap import mmap
from pathlib import Path

import pytest

from helios_pipe import aside
from helios_pipe.aside import Aside, _parts
from helios_pipe.cache import sources
from helios_pipe.cache.database import Database
from helios_pipe.digest import digest_file
from helios_pipe.errors import StaleInputError

MEBIBYTE = 1 << 20

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is in its cache")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "lärge.bin"
    path.write_bytes(os.urandom(MEBIBYTE) * 21 + b"end")
    return path


@pytest.fixture
def other() -> Iterator[Aside]:
    with Aside() as found:
        yield found


def bytes_and_kinds(path: Path) -> tuple[bytes, list[type]]:
    found, kinds = [], []
    with path.open("rb", buffering=0) as file:
        for part in _parts(file.fileno()):
            found.append(bytes(part))
            kinds.append(type(part))
    return b"".join(found), kinds


@pytest.mark.parametrize(
    "size", [0, 1, MEBIBYTE - 1, MEBIBYTE, 8 * MEBIBYTE, 8 * MEBIBYTE + 1, 9 * MEBIBYTE, 17 * MEBIBYTE + 5]
)
def test_all_bytes_come_in_order(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(os.urandom(size))
    assert bytes_and_kinds(path)[0] == path.read_bytes()


@linux
def test_what_is_in_the_systems_cache_is_mapped(large: Path) -> None:
    assert (
        bytes_and_kinds(large)[1] == [mmap, mmap, mmap, memoryview, memoryview][:3] or mmap in bytes_and_kinds(large)[1]
    )


def test_one_process_answers_for_many_files(
    other: Aside, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    digests = [other.digest(name) for name in (large.name, "small", str(large))]
    pid = other._pid
    assert digests == [digest_file(large), sha256(b"x").hexdigest(), digest_file(large)]
    assert pid != -1
    assert other._pid == pid


def test_it_ends_with_the_block(large: Path) -> None:
    before = os.listdir("/proc/self/fd") if sys.platform == "linux" else []
    with Aside() as found:
        found.digest(str(large))
        pid = found._pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    if before:
        assert os.listdir("/proc/self/fd") == before


def test_an_interrupt_is_not_kept_waiting(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 38)  # minutes
    alarm = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt), Aside() as found:
            found.digest(str(tmp_path / "x"))
    finally:
        signal.signal(signal.SIGALRM, alarm)
    assert found._pid == -1


def test_what_cannot_be_read_is_told_as_ever(other: Aside, tmp_path: Path) -> None:
    for name in ("missing", "."):
        with pytest.raises(OSError, match=r"No such file|Is a directory"):
            other.digest(str(tmp_path / name))
    assert other._pid != -1  # that was no reason to end


def test_a_process_that_dies_is_done_without(other: Aside, large: Path) -> None:
    assert other.digest(str(large)) == digest_file(large)
    os.kill(other._pid, signal.SIGKILL)
    assert other.digest(str(large)) == digest_file(large)  # read here
    assert other._pid == -1
    assert other.digest(str(large)) == digest_file(large)  # by a new one
    assert other._pid != -1


@linux
def test_a_file_that_is_cut_while_it_is_mapped_kills_none_but_the_other(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(200 * MEBIBYTE))
    done = threading.Event()

    def restless() -> None:
        while not done.is_set():
            os.truncate(path, MEBIBYTE)
            time.sleep(0.002)
            os.truncate(path, 200 * MEBIBYTE)
            path.open("rb").read()  # into the system's cache
            time.sleep(0.002)

    cutting = threading.Thread(target=restless)
    cutting.start()
    try:
        deaths = 0
        with Aside() as found:
            until = time.monotonic() + 30
            while deaths == 0 and time.monotonic() < until:
                found.digest(str(path))  # of whatever was there
                deaths += found._pid == -1
    finally:
        done.set()
        cutting.join()
    assert deaths  # and here we are


@pytest.mark.parametrize("program", [None, "", "/opt/blender/blender"])
def test_as_a_part_of_another_program_nothing_is_started(
    large: Path, monkeypatch: pytest.MonkeyPatch, program: str | None
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    with Aside() as found:
        assert found.digest(str(large)) == digest_file(large)
        assert found._pid == -1


def test_very_large_sources_are_hashed_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_VERY_LARGE", 2 * MEBIBYTE)
    monkeypatch.setattr(sources, "_MUCH", 4 * MEBIBYTE)
    asked: list[str] = []
    digest = Aside.digest

    def noted(self: Aside, path: str) -> object:
        asked.append(path)
        return digest(self, path)

    monkeypatch.setattr(Aside, "digest", noted)
    paths = []
    for number, size in enumerate((MEBIBYTE, 2 * MEBIBYTE, 3 * MEBIBYTE, 100)):
        paths.append(str(tmp_path / f"{number}"))
        Path(paths[-1]).write_bytes(os.urandom(size))
    database = Database(tmp_path / "cache")
    try:
        found = sources.Sources(database, str(tmp_path)).look(paths)
    finally:
        database.close()
    assert [source.digest for source in found] == [digest_file(path) for path in paths]
    assert sorted(asked) == paths[1:3]


def test_as_a_script_it_loads_next_to_nothing(large: Path) -> None:
    words = [sys.executable, "-I", "-S", "-X", "importtime", aside.__file__]
    done = subprocess.run(words, input=os.fsencode(large) + b"\0", capture_output=True, check=True)
    assert done.stdout.decode() == digest_file(large)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines()}
    assert not loaded & {"typing", "re", "site", "helios_pipe"}


def test_where_one_cannot_be_read_no_other_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def noted(path: str, digest_of: object) -> sources.Source:
        begun.append(path)
        raise StaleInputError(f"{path} cannot be read")

    monkeypatch.setattr(sources, "_hash_one", noted)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(StaleInputError):
        sources._hash_many([(MEBIBYTE, f"{number}") for number in range(50)])
    assert len(begun) <= 2
