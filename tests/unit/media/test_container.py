"""Which demuxer may open a file is decided by its name, then by its first bytes, never by what a text in it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from helios_pipe.errors import OutputError
from helios_pipe.media.container import demuxer_for, open_media
from helios_pipe.media.names import is_image, is_video


@pytest.mark.parametrize(
    ("name", "demuxer"),
    [
        ("a.mp4", "mov"),
        ("a.MOV", "mov"),
        ("a.webm", "matroska"),
        ("a.b.ts", "mpegts"),
        ("a.nut", "nut"),
        ("a.wav", "wav"),
    ],
)
def test_the_name_decides(name: str, demuxer: str, tmp_path: Path) -> None:
    assert demuxer_for(tmp_path / name) == demuxer
    assert demuxer_for(tmp_path / "blob", name) == demuxer


@pytest.mark.parametrize(
    ("head", "demuxer"),
    [
        (b"\0\0\0\x20ftypisom", "mov"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "mov"),
        (b"\x1a\x45\xdf\xa3\x01", "matroska"),
        (b"nut/multimedia container\0", "nut"),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"\x47" + bytes(187) + b"\x47", "mpegts"),
        (bytes(4) + b"\x47" + bytes(191) + b"\x47", "mpegts"),
        (b"fLaC\0", "flac"),
        (b"OggS\0", "ogg"),
        (b"YUV4MPEG2 W96", "yuv4mpegpipe"),
    ],
)
def test_without_a_name_the_first_bytes_decide(head: bytes, demuxer: str, tmp_path: Path) -> None:
    blob = tmp_path / "0123abcd"
    blob.write_bytes(head + bytes(300))
    assert demuxer_for(blob) == demuxer


@pytest.mark.parametrize("text", [b"ffconcat version 1.0\nfile x\n", b"#EXTM3U\n#EXTINF:1,\nx\n", b"", b"<MPD>"])
def test_a_text_has_no_demuxer(text: bytes, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    blob.write_bytes(text)
    with pytest.raises(OutputError, match=r"blob: not a known media format; it begins with b'"):
        demuxer_for(blob)


def test_an_unreadable_file_says_what_it_is_instead(tmp_path: Path) -> None:
    lure = tmp_path / "lure.mp4"
    lure.write_bytes(b"ffconcat version 1.0\nfile /etc/hostname\n")
    expected = r"lure\.mp4: not readable as mov \(Invalid data.*\); it begins with b'ffconcat version'$"
    with pytest.raises(OutputError, match=expected), open_media(lure):
        pass


def test_kinds_are_told_by_their_suffix() -> None:
    assert [name for name in ("a.mp4", "a.MKV", "a.png", "a", "mp4", "a.mp4.txt") if is_video(name)] == [
        "a.mp4",
        "a.MKV",
    ]
    assert [name for name in ("a.png", "b/0001.EXR", "a.mp4", "png") if is_image(name)] == ["a.png", "b/0001.EXR"]
