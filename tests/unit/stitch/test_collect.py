"""Images are gathered by frame number; holes and duplicates are named."""

from __future__ import annotations

import pytest

from helios_pipe.action.model import Entry, Part, Tree
from helios_pipe.digest import Digest, digest_bytes
from helios_pipe.errors import StitchError
from helios_pipe.stitch.sequence import collect_trees, in_order

Given = tuple[Part, Tree | None]


def chunk(node: str, *names: str, start: int | None = None, step: int = 1, frames: int | None = None) -> Given:
    """What a chunk made, each file with a content of its own."""
    tree = Tree.of(Entry(name, digest_bytes(f"{node}/{name}".encode()), 1) for name in names)
    return Part(node, tree.digest, "frames", True, frames, start, step), tree


def gathered(*parts: Given, by_chunk: bool = False) -> dict[str, Digest]:
    return {entry.path: entry.digest for entry in collect_trees(parts, {}, by_chunk=by_chunk).entries}


def refused(*parts: Given, by_chunk: bool = False) -> str:
    with pytest.raises(StitchError) as caught:
        collect_trees(parts, {}, by_chunk=by_chunk)
    return caught.value.message


FIRST = chunk("zoom/0000", "0000.png", "0001.png", "log.txt", start=0, frames=2)
SECOND = chunk("zoom/0001", "0002.png", "0003.png", start=2, frames=2)


def test_images_and_what_lies_beside_them_are_in_one_folder() -> None:
    found = gathered(FIRST, SECOND)
    assert list(found) == ["0000.png", "0001.png", "0002.png", "0003.png", "log.txt"]
    assert found["0002.png"] == digest_bytes(b"zoom/0001/0002.png")


def test_chunks_that_count_from_their_own_start_are_counted_on() -> None:
    given = [chunk(f"a/{at:04d}", "in/001.png", "in/002.png", start=10 + 4 * at, step=2, frames=2) for at in range(2)]
    assert list(gathered(*given, by_chunk=True)) == ["in/010.png", "in/012.png", "in/014.png", "in/016.png"]
    assert refused(*given) == "in/001.png is made twice: by a/0000 and by a/0001"


def test_a_hole_is_named_with_its_chunk() -> None:
    assert refused(FIRST, chunk("zoom/0001", "0003.png", start=2, frames=2)) == (
        "frame 2 missing in #.png, of zoom/0001"
    )
    assert refused(FIRST, chunk("zoom/0001", start=2, frames=9)) == (
        "frames 2, 3, 4, 5, 6 … missing in #.png, of zoom/0001"
    )


def test_a_frame_that_nobody_asked_for_is_named() -> None:
    more = chunk("zoom/0001", "0002.png", "0003.png", "0007.png", start=2, frames=2)
    assert refused(FIRST, more) == "frame 7 in #.png was not asked for: planned were 0 to 3"


def test_passes_are_sequences_of_their_own() -> None:
    given = chunk("a", "beauty_1.exr", "depth_1.exr", "beauty_2.exr", start=1, frames=2)
    assert refused(given) == "frame 2 missing in depth_#.exr, of a"
    whole = chunk("a", "beauty_1.exr", "depth_1.exr", "beauty_2.exr", "depth_2.exr", start=1, frames=2)
    assert list(gathered(whole)) == ["beauty_1.exr", "beauty_2.exr", "depth_1.exr", "depth_2.exr"]


def test_files_that_are_no_images_lie_side_by_side() -> None:
    part = Part("b", digest_bytes(b"b"), "b.wav")
    given = [chunk("a", "log.txt"), (part, None)]
    tree = collect_trees(given, {part.digest: 5}, by_chunk=False)
    assert [(entry.path, entry.size) for entry in tree.entries] == [("0000/log.txt", 1), ("0001/b.wav", 5)]


def test_images_to_encode_are_in_the_order_of_their_frames() -> None:
    entries = [Entry(name, digest_bytes(name.encode()), 1) for name in ("10.png", "9.png", "100.png")]
    assert [entry.path for entry in in_order(entries)] == ["9.png", "10.png", "100.png"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1.png", "cover.png"], "cover.png has no frame number in its name"),
        (["a_1.png", "b_2.png"], "images of several series to encode: a_#.png, b_#.png"),
    ],
)
def test_what_is_no_one_series_cannot_be_encoded(names: list[str], message: str) -> None:
    with pytest.raises(StitchError) as caught:
        in_order([Entry(name, digest_bytes(name.encode()), 1) for name in names])
    assert caught.value.message == message
