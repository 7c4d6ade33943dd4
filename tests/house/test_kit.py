"""The kit's renderer does what tests rely on: its numbers survive lossy codecs, its mischief is real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit import burnin


def render(
    folder: Path, *words: str, output: str = "chunk.mp4", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, burnin.__file__, "--start", "1000", "--count", "6", *words, "--output", output],
        cwd=folder,
        env=env or {},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("chunk.mp4", ["--codec", "libx264", "--option", "qp=40"]),
        ("chunk.mkv", ["--codec", "ffv1"]),
        ("chunk.webm", ["--codec", "libvpx-vp9"]),
        ("chunk.mov", ["--codec", "prores_ks", "--pixels", "yuv422p10le"]),
        ("frames/", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_frame_numbers_are_read_back_from_the_picture(tmp_path: Path, output: str, words: list[str]) -> None:
    done = render(tmp_path, "--step", "3", *words, output=output)
    assert done.returncode == 0, done.stderr
    assert burnin.read_frame_numbers(tmp_path / output) == [1000, 1003, 1006, 1009, 1012, 1015]


def test_equal_commands_give_equal_bytes_and_another_look_gives_others(tmp_path: Path) -> None:
    for name, look in (("a.mp4", "warm"), ("b.mp4", "warm"), ("c.mp4", "cold")):
        (tmp_path / "look.txt").write_text(look)
        assert render(tmp_path, "--look", "look.txt", output=name).returncode == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert a == b
    assert a != c


def test_a_frame_left_out_and_a_start_ignored_show_in_the_numbers(tmp_path: Path) -> None:
    render(tmp_path, "--misbehave", "drop:2", output="dropped.mp4")
    render(tmp_path, output="ignored.mp4", env={"KIT_MISBEHAVE": "ignore-start"})
    assert burnin.read_frame_numbers(tmp_path / "dropped.mp4") == [1000, 1001, 1003, 1004, 1005]
    assert burnin.read_frame_numbers(tmp_path / "ignored.mp4") == [0, 1, 2, 3, 4, 5]


def test_it_fails_on_a_frame_and_says_so(tmp_path: Path) -> None:
    done = render(tmp_path, "--misbehave", "fail-on-frame:1003")
    assert done.returncode == 3
    assert done.stderr == "cannot render frame 1003: the lamp is broken\n"


def test_it_exits_0_with_nothing_or_less_than_nothing(tmp_path: Path) -> None:
    assert render(tmp_path, "--misbehave", "no-output", output="none.mp4").returncode == 0
    assert render(tmp_path, "--misbehave", "empty-output", output="empty.mp4").returncode == 0
    assert not (tmp_path / "none.mp4").exists()
    assert (tmp_path / "empty.mp4").stat().st_size == 0


def test_noise_gives_other_bytes_with_the_same_numbers(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        render(tmp_path, "--misbehave", "noise", output=name)
    assert (tmp_path / "a.mp4").read_bytes() != (tmp_path / "b.mp4").read_bytes()
    assert burnin.read_frame_numbers(tmp_path / "a.mp4") == burnin.read_frame_numbers(tmp_path / "b.mp4")


def test_a_picture_of_something_else_is_refused(tmp_path: Path) -> None:
    flat = [bytes([128]) * 128] * 72
    with pytest.raises(burnin.UnreadableFrameError, match="expected one light and one dark"):
        burnin.number_in(lambda y: flat[y], 128, 72)
