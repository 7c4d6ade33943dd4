"""The bytes of large files are the right ones, whoever does what to them meanwhile, and nobody dies of it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from hashlib import sha256
from mmap import ALLOCATIONGRANULARITY as GRAIN
from mmap import mmap
from pathlib import Path

import pytest

from helios_pipe import large
from helios_pipe.digest import digest_file

MEBIBYTE = 1 << 20

linux = pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "_WINDOW", 4 * GRAIN)
    monkeypatch.setattr(large, "_BUFFER", GRAIN)


def parts(file: int) -> tuple[bytes, list[type]]:
    found, kinds = b"", []
    for part in large.each_part(file):
        found += bytes(part)
        kinds.append(type(part))
    return found, kinds


@pytest.mark.parametrize("more", [-1, 0, 1, 100])
@pytest.mark.parametrize("grains", [1, 4, 5, 9])
@pytest.mark.usefixtures("small_parts")
def test_all_bytes_come_in_order(tmp_path: Path, grains: int, more: int) -> None:
    data = os.urandom(grains * GRAIN + more)
    (tmp_path / "x").write_bytes(data)
    with open(tmp_path / "x", "rb", buffering=0) as file:
        assert parts(file.fileno())[0] == data
        assert parts(file.fileno())[0] == b""
        for start in (1, GRAIN, len(data) - 1):
            os.lseek(file.fileno(), start, os.SEEK_SET)
            assert parts(file.fileno())[0] == data[start:]


@linux
@pytest.mark.usefixtures("small_parts")
def test_what_is_in_the_cache_is_mapped_unless_somebody_writes_to_it(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(os.urandom(9 * GRAIN))
    with open(tmp_path / "x", "rb", buffering=0) as file:
        assert parts(file.fileno())[1] == [mmap, mmap, mmap]
        assert fcntl.fcntl(file, fcntl.F_GETLEASE) == fcntl.F_UNLCK  # given back
    with open(tmp_path / "x", "ab"), open(tmp_path / "x", "rb", buffering=0) as file:
        assert mmap not in parts(file.fileno())[1]


@linux
def test_who_wants_to_write_waits_for_one_part_and_no_more_is_mapped(tmp_path: Path) -> None:
    path, data = tmp_path / "x", os.urandom(40 * MEBIBYTE)
    path.write_bytes(data)
    entered = threading.Event()

    def cut() -> None:
        entered.set()
        with open(path, "r+b") as file:
            file.truncate(30 * MEBIBYTE)

    with open(path, "rb", buffering=0) as file:
        coming = large.each_part(file.fileno())
        assert isinstance(next(coming), mmap)
        writer = threading.Thread(target=cut)
        writer.start()
        entered.wait()
        while fcntl.fcntl(file, fcntl.F_GETLEASE) == fcntl.F_RDLCK:
            time.sleep(0.001)
        assert path.stat().st_size == len(data)  # it waits
        kinds = [type(part) for part in coming]
        writer.join()
    assert mmap not in kinds
    assert path.stat().st_size == 30 * MEBIBYTE


@linux
def test_a_file_that_is_cut_and_grows_all_the_time_kills_nobody(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(24 * MEBIBYTE))
    restless = "import os, sys\nprint(flush=True)\nwhile True:\n for size in (1 << 20, 24 << 20): os.truncate(sys.argv[1], size)"
    with subprocess.Popen([sys.executable, "-c", restless, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            for _ in range(200):
                digest_file(path)  # of whatever was there
        finally:
            other.kill()


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    data = os.urandom(21 * MEBIBYTE + 5)
    (tmp_path / "x").write_bytes(data)
    assert digest_file(tmp_path / "x") == sha256(data).hexdigest()
    os.sync()
    with open(tmp_path / "x", "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk, where there is one
    assert digest_file(tmp_path / "x") == sha256(data).hexdigest()


def test_where_the_system_has_no_leases_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(fcntl, "F_GETLEASE")
    data = os.urandom(20 * MEBIBYTE)
    (tmp_path / "x").write_bytes(data)
    with open(tmp_path / "x", "rb", buffering=0) as file:
        found, kinds = parts(file.fileno())
    assert found == data
    assert mmap not in kinds
