"""A joined file is proved at any time after; what was done to it is found and told."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from helios_pipe.digest import digest_file
from helios_pipe.errors import OutputError
from helios_pipe.stitch.certificate import Proof, proof_of, read_proof
from helios_pipe.stitch.compare import compare_files
from helios_pipe.stitch.join import Piece, join
from helios_pipe.stitch.verify import Verification, verify_file
from tests.e2e.stitch.conftest import Ffmpeg, Make


@pytest.fixture
def pieces(three: list[Piece]) -> list[Piece]:
    return [piece._replace(digest=digest_file(piece.path)) for piece in three]


def proved(pieces: list[Piece], target: Path, sound: Piece | None = None) -> Proof:
    proof = target.with_suffix(".json")
    proof.write_bytes(proof_of(join(pieces, target, sound=sound)))
    return read_proof(proof)


def texts(found: Verification) -> list[tuple[str, str]]:
    return [(problem.kind, problem.text) for problem in found.problems]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts", ".nut"])
@pytest.mark.parametrize("full", [False, True])
def test_a_good_file_is_proved(suffix: str, full: bool, pieces: list[Piece], tmp_path: Path) -> None:
    target = tmp_path / f"all{suffix}"
    found = verify_file(target, proved(pieces, target), chunks=pieces, full=full)
    assert texts(found) == []
    assert found.ok
    assert (found.frames, found.chunks, found.seams, found.compared) == (10, 3, 2, 10 if full else 5)


def test_without_the_chunks_the_packets_are_proved(pieces: list[Piece], tmp_path: Path) -> None:
    proof = proved(pieces, tmp_path / "all.mp4")
    found = verify_file(tmp_path / "all.mp4", proof)
    assert (found.ok, found.seams, found.compared) == (True, 0, 0)
    assert verify_file(tmp_path / "all.mp4", proof, full=True).ok


def test_a_flipped_byte_is_found_by_its_chunk(pieces: list[Piece], tmp_path: Path) -> None:
    target = tmp_path / "all.mp4"
    proof = proved(pieces, target)
    data = bytearray(target.read_bytes())
    data[-20] ^= 1
    target.write_bytes(data)
    found = verify_file(target, proof)
    assert [(problem.kind, problem.chunk) for problem in found.problems] == [("file", None), ("packets", 2)]
    assert found.problems[1].text == "the packets of chunk 2 are not those that were proved"


def test_another_picture_is_found_by_its_frame(tmp_path: Path, chunk: Make, pieces: list[Piece]) -> None:
    """A file that holds other pictures in the last chunk, held against the chunk as it was."""
    other = chunk(tmp_path / "other.mp4", 13, 7)
    target = tmp_path / "all.mp4"
    good = proved(pieces, tmp_path / "good.mp4")
    bad = proved([pieces[0], pieces[1], other._replace(start=None)], target)
    forged = bad._replace(chunks=(*bad.chunks[:2], bad.chunks[2]._replace(digest=good.chunks[2].digest)))
    for full, frames in ((False, [3, 4]), (True, list(range(3, 10)))):
        found = verify_file(target, forged, chunks=pieces, full=full)
        assert [(problem.kind, problem.chunk, problem.frame) for problem in found.problems] == [
            ("frame" if full else "seam", 2, frame) for frame in frames
        ]
        told = r"frame 3 is not the chunk's own: samples apart by up to 2\d\d, PSNR 1\d\.\d dB"
        assert re.fullmatch(told, found.problems[0].text)


def test_a_file_cut_off_is_told(pieces: list[Piece], tmp_path: Path) -> None:
    target = tmp_path / "all.mp4"
    proof = proved(pieces, target)
    os.truncate(target, target.stat().st_size - 60)
    kinds = {problem.kind for problem in verify_file(target, proof, chunks=pieces).problems}
    assert {"file", "packets"} <= kinds


def test_a_file_that_is_gone_is_told(pieces: list[Piece], tmp_path: Path) -> None:
    proof = proved(pieces, tmp_path / "all.mp4")
    (tmp_path / "all.mp4").unlink()
    found = verify_file(tmp_path / "all.mp4", proof)
    assert "No such file" in found.problems[0].text
    assert not found.ok


def test_an_other_file_altogether_is_told(pieces: list[Piece], tmp_path: Path) -> None:
    proof = proved(pieces, tmp_path / "all.mp4")
    join([piece._replace(start=None) for piece in (pieces[2], pieces[0])], tmp_path / "other.mp4")
    found = verify_file(tmp_path / "other.mp4", proof, full=True)
    assert ("frames", "8 frames, proved were 10") in texts(found)
    assert ("frames", "8 frames decode, of 10") in texts(found)


def test_chunks_that_are_not_the_proved_ones_prove_nothing(pieces: list[Piece], tmp_path: Path) -> None:
    proof = proved(pieces, tmp_path / "all.mp4")
    found = verify_file(tmp_path / "all.mp4", proof, chunks=[pieces[0], pieces[2], pieces[1]])
    assert [(problem.kind, problem.chunk) for problem in found.problems] == [("file", 1), ("file", 2)]
    assert texts(verify_file(tmp_path / "all.mp4", proof, chunks=pieces[:2])) == [
        ("file", "2 chunks were given, proved were 3")
    ]


def test_sound_that_slipped_is_told(pieces: list[Piece], tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    right, late = tmp_path / "right.wav", tmp_path / "late.wav"
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=r=48000:d=1:seed=3,lowpass=3000", "-c:a", "pcm_s16le", right)
    ffmpeg("-i", right, "-af", "adelay=480S:all=1", "-c:a", "pcm_s16le", late)
    target = tmp_path / "all.mp4"
    proof = proved(pieces, target, Piece(late, "mix"))
    assert texts(verify_file(target, proof, sound=Piece(late, "mix"))) == []
    assert texts(verify_file(target, proof, sound=Piece(right, "mix"))) == [("sound", "it comes 480 samples late")]


def test_sound_that_is_gone_is_told(pieces: list[Piece], tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "pcm_s16le", tmp_path / "mix.wav")
    proof = proved(pieces, tmp_path / "all.mp4", Piece(tmp_path / "mix.wav", "mix"))
    join(pieces, tmp_path / "all.mp4")
    assert ("sound", "0 sound streams, proved were 1") in texts(verify_file(tmp_path / "all.mp4", proof))


# -- two files


def test_the_same_bytes(pieces: list[Piece], tmp_path: Path) -> None:
    join(pieces, tmp_path / "a.mp4")
    join(pieces, tmp_path / "b.mp4")
    found = compare_files(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert (found.verdict, found.frames, str(found)) == ("bytes", (10, 10), "the same bytes")


def test_the_same_frames_in_another_container(pieces: list[Piece], tmp_path: Path) -> None:
    join(pieces, tmp_path / "a.mp4")
    join(pieces, tmp_path / "b.mkv")
    found = compare_files(tmp_path / "a.mp4", tmp_path / "b.mkv")
    assert (found.verdict, str(found)) == ("frames", "all 10 frames equal, the containers differ")


def test_frames_that_differ(tmp_path: Path, chunk: Make) -> None:
    lossless = ("--option", "qp=0")
    left = [chunk(tmp_path / "l0.mp4", 0, 4, *lossless), chunk(tmp_path / "l1.mp4", 4, 4, *lossless)]
    right = [left[0], chunk(tmp_path / "r1.mp4", 24, 4, *lossless)]
    join(left, tmp_path / "a.mp4")
    join([piece._replace(start=None) for piece in right], tmp_path / "b.mp4")
    found = compare_files(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert (found.verdict, found.differing, found.first) == ("pictures", 4, 4)
    assert found.by is not None
    assert found.by.largest == 219
    assert str(found).startswith("4 of 8 frames differ, the first is frame 4: samples apart by up to 219, PSNR ")


def test_one_file_is_longer(pieces: list[Piece], tmp_path: Path) -> None:
    join(pieces, tmp_path / "a.mp4")
    join(pieces[:2], tmp_path / "b.mp4")
    found = compare_files(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert str(found) == "7 of 10 frames differ, the first is frame 3, which only one file has (10 and 3 frames)"


def test_another_size(tmp_path: Path, chunk: Make) -> None:
    chunk(tmp_path / "a.mp4", 0, 2)
    chunk(tmp_path / "b.mp4", 0, 2, "--width", "160")
    found = compare_files(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert str(found) == "2 of 2 frames differ, the first is frame 0: another size or pixel format"


def test_only_the_sound_differs(pieces: list[Piece], tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    for name, tone in (("a", "300"), ("b", "400")):
        ffmpeg("-f", "lavfi", "-i", f"sine={tone}:d=1", "-c:a", "pcm_s16le", tmp_path / f"{name}.wav")
        join(pieces, tmp_path / f"{name}.mp4", sound=Piece(tmp_path / f"{name}.wav", name))
    found = compare_files(tmp_path / "a.mp4", tmp_path / "b.mp4")
    assert (found.verdict, str(found)) == ("sound", "all 10 frames equal, the sound differs")


def test_what_cannot_be_read_is_told(pieces: list[Piece], tmp_path: Path) -> None:
    join(pieces, tmp_path / "a.mp4")
    with pytest.raises(OutputError, match=r"gone\.mp4: No such file"):
        compare_files(tmp_path / "a.mp4", tmp_path / "gone.mp4")
