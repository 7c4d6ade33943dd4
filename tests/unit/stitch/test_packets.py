"""A run's digest moves with every byte and every border; it is the same however it was computed."""

from __future__ import annotations

import random
from hashlib import sha256
from pathlib import Path
from typing import cast

import av
from av.packet import Packet
from av.video.stream import VideoStream

from helios_pipe.digest import digest_bytes
from helios_pipe.stitch.packets import FileDigests, PacketRuns, RunDigest, combined


def packet(payload: bytes) -> Packet[VideoStream]:
    return cast("Packet[VideoStream]", av.Packet(payload))


def run(*payloads: bytes) -> str:
    digest = RunDigest()
    for payload in payloads:
        digest.add(packet(payload))
    return digest.value()


def test_it_is_that_of_the_payloads_and_their_sizes() -> None:
    sizes = (3).to_bytes(8, "little") + (2).to_bytes(8, "little")
    assert run(b"abc", b"de") == sha256(b"abcde" + sizes).hexdigest()


def test_a_border_that_moves_is_seen() -> None:
    assert len({run(b"abc", b"de"), run(b"ab", b"cde"), run(b"abcde"), run(b"abc", b"de", b"")}) == 4


def test_runs_in_a_thread_are_the_same_as_one_by_one() -> None:
    noise = random.Random(5)
    chunks = [[noise.randbytes(noise.randrange(1, 700_000)) for _ in range(12)] for _ in range(6)]
    with PacketRuns() as runs:
        for chunk in chunks:
            for payload in chunk:
                runs.add(packet(payload))
            runs.end_run()
        assert runs.digests() == [run(*chunk) for chunk in chunks]


def test_digests_of_files_come_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
    with FileDigests([paths[0], None, paths[2]]) as digests:
        assert digests.result() == [digest_bytes(b"a"), None, digest_bytes(b"c")]


def test_what_is_left_early_stops(tmp_path: Path) -> None:
    with FileDigests([tmp_path / "gone"] * 3):
        pass


def test_all_chunks_have_one_digest() -> None:
    one, two = digest_bytes(b"1"), digest_bytes(b"2")
    assert combined([one, two]) == digest_bytes(f"{one}\n{two}\n".encode())
    assert combined([one, two]) != combined([two, one])
