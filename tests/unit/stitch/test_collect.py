"""Images are gathered by frame number; holes and duplicates are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from helios_pipe.errors import StitchError
from helios_pipe.stitch.collect import collect, plan_collect
from helios_pipe.stitch.model import Piece


def folder(path: Path, *names: str) -> Path:
    path.mkdir()
    for name in names:
        (path / name).write_bytes(f"{path.name}/{name}".encode())
    return path


def refused(pieces: list[Piece], numbering: str = "absolute") -> str:
    with pytest.raises(StitchError) as caught:
        plan_collect(pieces, numbering)  # type: ignore[arg-type]
    return caught.value.message


@pytest.fixture
def pieces(tmp_path: Path) -> list[Piece]:
    return [
        Piece(folder(tmp_path / "a", "0000.png", "0001.png", "log.txt"), "zoom/0000", frames=2, start=0),
        Piece(folder(tmp_path / "b", "0002.png", "0003.png"), "zoom/0001", frames=2, start=2),
    ]


def test_images_lie_in_one_folder_in_frame_order(pieces: list[Piece], tmp_path: Path) -> None:
    names = collect(pieces, tmp_path / "out")
    assert names == ["0000.png", "0001.png", "0002.png", "0003.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert (tmp_path / "out" / "0002.png").read_text() == "b/0002.png"


def test_chunks_that_count_from_their_own_start_are_counted_on(tmp_path: Path) -> None:
    given = [
        Piece(folder(tmp_path / "a", "001.png", "002.png"), "a/0000", frames=2, start=10, step=2),
        Piece(folder(tmp_path / "b", "001.png", "002.png"), "a/0001", frames=2, start=14, step=2),
    ]
    assert [image.name for image in plan_collect(given, "chunk")] == ["010.png", "012.png", "014.png", "016.png"]
    assert refused(given) == "001.png is made twice: by a/0000 and by a/0001"


def test_a_hole_is_named_with_its_chunk(pieces: list[Piece]) -> None:
    (pieces[1].path / "0002.png").unlink()
    assert refused(pieces) == "frame 2 is missing in #.png (of zoom/0001)"


def test_a_hole_is_named_where_no_plan_is_known(tmp_path: Path) -> None:
    given = [Piece(folder(tmp_path / "a", "1.png", "4.png"), "a")]
    assert refused(given) == "frame 2, 3 is missing in #.png"


def test_a_frame_that_nobody_asked_for_is_named(pieces: list[Piece]) -> None:
    (pieces[1].path / "0007.png").write_bytes(b"x")
    assert refused(pieces) == "frame 7 in #.png was not asked for: 0 to 3 were"


def test_passes_are_sequences_of_their_own(tmp_path: Path) -> None:
    given = [Piece(folder(tmp_path / "a", "beauty_1.exr", "depth_1.exr", "beauty_2.exr"), "a", frames=2, start=1)]
    assert refused(given) == "frame 2 is missing in depth_#.exr (of a)"
    (given[0].path / "depth_2.exr").write_bytes(b"x")
    assert [image.name for image in plan_collect(given)] == [
        "beauty_1.exr",
        "beauty_2.exr",
        "depth_1.exr",
        "depth_2.exr",
    ]


def test_an_image_without_a_number_is_named(tmp_path: Path) -> None:
    assert (
        refused([Piece(folder(tmp_path / "a", "cover.png"), "a")]) == "a (a): cover.png has no frame number in its name"
    )


def test_no_images_at_all(tmp_path: Path) -> None:
    assert refused([Piece(folder(tmp_path / "a", "log.txt"), "a")]) == "no images to collect"


def test_an_empty_image_is_named_with_its_chunk(pieces: list[Piece]) -> None:
    (pieces[0].path / "0001.png").write_bytes(b"")
    assert refused(pieces).startswith("zoom/0000: ")


def test_a_folder_that_exists_stays(pieces: list[Piece], tmp_path: Path) -> None:
    target = folder(tmp_path / "out", "mine.txt")
    with pytest.raises(StitchError, match=r"out exists already"):
        collect(pieces, target)
    assert [path.name for path in target.iterdir()] == ["mine.txt"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
