"""Secrets stay out of streams, however these are cut."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.worker.mask import Mask, masked


def shown(mask: Mask, *pieces: bytes) -> bytes:
    return b"".join(mask.feed(piece) for piece in pieces) + mask.feed(b"", final=True)


def test_a_secret_is_replaced_by_stars() -> None:
    assert shown(Mask(["s3cret"]), b"token=s3cret\n") == b"token=***\n"


def test_a_secret_split_between_two_pieces_is_replaced() -> None:
    assert shown(Mask(["s3cret"]), b"token=s3", b"cret\n") == b"token=***\n"


def test_what_could_begin_a_secret_is_held_back_until_it_is_none() -> None:
    mask = Mask(["s3cret"])
    assert mask.feed(b"token=s3c") == b"token="
    assert mask.feed(b"ond\n") == b"s3cond\n"


def test_the_longer_of_two_secrets_wins_also_when_it_arrives_later() -> None:
    assert shown(Mask(["abc", "abcdef"]), b"abc", b"def!") == b"***!"
    assert shown(Mask(["abc", "abcdef"]), b"abc", b"xyz!") == b"***xyz!"


def test_a_secret_that_overlaps_the_beginning_of_another_is_replaced() -> None:
    assert shown(Mask(["xab", "abz"]), b"..xab", b"z") == b"..***z"


def test_empty_texts_are_no_secrets() -> None:
    assert shown(Mask(["", ""]), b"anything") == b"anything"


def test_a_message_is_masked_whole() -> None:
    assert masked("no such program: hunter2-tool", ["hunter2"]) == "no such program: ***-tool"


@given(
    secrets=st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3),
    text=st.text("abc", max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_no_cut_of_a_stream_shows_a_secret_or_loses_anything_else(
    secrets: list[str], text: str, cuts: list[int]
) -> None:
    data = text.encode()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    out = shown(Mask(secrets), *(data[a:b] for a, b in pairwise(edges)))
    assert not any(secret.encode() in out for secret in secrets)
    # c is in no secret: every one of them comes through, in its place between what was there
    assert out.count(b"c") == text.count("c")
    for before, after in zip(text.split("c"), out.decode().split("c"), strict=True):
        assert before == after or "***" in after
