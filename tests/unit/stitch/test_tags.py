"""Tags as boxes: texts are kept, the encoder's name is not, and anything else is left to the library."""

from __future__ import annotations

import pytest

from helios_pipe.media.boxes import UnfitError
from helios_pipe.stitch.shape import box
from helios_pipe.stitch.tags import tags_of, with_settings

HANDLER = box(b"hdlr", bytes(8), b"mdirappl", bytes(9))
TEXT = b"\0\0\0\1\0\0\0\0"


def udta(*items: bytes, handler: bytes = HANDLER) -> bytes:
    return box(b"meta", bytes(4), handler, box(b"ilst", *items))


def text(kind: bytes, value: str) -> bytes:
    return box(kind, box(b"data", TEXT, value.encode()))


def test_texts_are_kept_and_the_encoder_is_not() -> None:
    kept = tags_of(udta(text(b"\xa9nam", "Zoom"), text(b"\xa9too", "Lavf")), quicktime=False)
    assert kept == ((b"\xa9nam", box(b"data", TEXT, b"Zoom")),)
    short = box(b"\xa9nam", b"\0\4\x55\xc4Zoom"), box(b"\xa9swr", b"\0\4\x55\xc4Lavf")
    assert tags_of(b"".join(short), quicktime=True) == ((b"\xa9nam", b"\0\4\x55\xc4Zoom"),)


def test_a_text_of_quicktimes_that_says_nothing_is_none() -> None:
    assert tags_of(box(b"\xa9nam", b"\0\0\x55\xc4"), quicktime=True) == ()


def test_no_tags_are_none() -> None:
    assert tags_of(None, quicktime=False) == tags_of(b"", quicktime=False) == tags_of(udta(), quicktime=False) == ()


@pytest.mark.parametrize(
    "data",
    [
        udta(box(b"covr", box(b"data", b"\0\0\0\x0d\0\0\0\0", b"picture"))),
        udta(box(b"\xa9nam", box(b"data", b"\0\0\0\2\0\0\0\0", b"\0Z"))),
        udta(text(b"\xa9nam", "a"), text(b"\xa9nam", "b")),
        udta(text(b"tves", "1")),
        udta(handler=box(b"hdlr", bytes(8), b"mdtaappl", bytes(9))),
        udta() + box(b"chpl", bytes(9)),
        box(b"\xa9xyz", b"\0\4\x55\xc4+1+1"),
        b"\0\0\0\x40meta",
        b"rest",
    ],
)
def test_anything_else_is_left_to_the_library(data: bytes) -> None:
    with pytest.raises(UnfitError):
        tags_of(data, quicktime=False)


def test_settings_stand_over_the_chunks_tags_in_the_order_of_the_boxes() -> None:
    given = tags_of(udta(text(b"\xa9cmt", "old"), text(b"cprt", "us")), quicktime=False)
    found = with_settings(given, [("copyright", ""), ("comment", "new"), ("title", "Zoom")], quicktime=False)
    assert found == ((b"\xa9nam", box(b"data", TEXT, b"Zoom")), (b"\xa9cmt", box(b"data", TEXT, b"new")))
    for name, quicktime in (("mood", False), ("title", True)):
        with pytest.raises(UnfitError):
            with_settings((), [(name, "x")], quicktime=quicktime)
