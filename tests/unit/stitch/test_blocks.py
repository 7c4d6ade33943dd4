"""Blocks of files: whole, in order, and none begun after one has failed."""

from __future__ import annotations

import os
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from helios_pipe.stitch.blocks import BLOCK, CutOffError, Hashed, blocks, side_by_side


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    data = os.urandom(3 * BLOCK + 17)
    (tmp_path / "a").write_bytes(data)
    return data


def test_a_stretch_is_read_block_by_block(content: bytes, tmp_path: Path) -> None:
    with (tmp_path / "a").open("rb") as file:
        assert b"".join(map(bytes, blocks(file.fileno(), 5, 2 * BLOCK + 1))) == content[5 : 2 * BLOCK + 6]
        with pytest.raises(CutOffError):
            list(blocks(file.fileno(), 2 * BLOCK, 2 * BLOCK))


@pytest.mark.parametrize("threads", [False, True])
def test_what_is_read_is_hashed(threads: bool, content: bytes, tmp_path: Path) -> None:
    whole, rest = sha256(), sha256()
    with (tmp_path / "a").open("rb") as file, Hashed(file.fileno(), lanes=2, threads=threads) as hashed:
        parts = [bytes(view) for view in hashed.read(0, 40, (whole,))]
        parts += [bytes(view) for view in hashed.read(40, len(content) - 40, (whole, rest))]
        hashed.hash(1, rest, b"end")
    assert b"".join(parts) == content
    assert (whole.digest(), rest.digest()) == (sha256(content).digest(), sha256(content[40:] + b"end").digest())


@pytest.mark.parametrize("threads", [False, True])
def test_results_come_in_the_order_of_the_tasks(threads: bool) -> None:
    assert side_by_side(lambda n: n * n, range(50), threads=threads) == [n * n for n in range(50)]


def test_when_one_fails_no_other_is_begun() -> None:
    begun: list[int] = []
    held = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            held.set()
            raise ValueError("three")
        held.wait(0.01)
        return number

    with pytest.raises(ValueError, match="three"):
        side_by_side(work, range(1000), threads=True)
    assert len(begun) < 50
