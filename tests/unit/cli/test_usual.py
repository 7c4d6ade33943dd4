"""The words of `run` read without click mean what click reads in them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.cli.run import command
from helios_pipe.cli.usual import usual_options

WORDS = st.sampled_from(
    [
        "render.yaml", "zoom", "main[de,540]", "-q", "--quiet", "-k", "-f", "--force", "-v", "--json", "--no-stitch",
        "--no-wait", "--durable", "--strict", "-j2", "-j", "2", "0", "-j0", "-j=2", "-jx", "--concurrency", "--concurrency=4",
        "--concurrency=", "--adapter", "--adapter=farm", "--cache-dir", "--cache-dir=.c", "--cache-dir=", "--force-node",
        "--force-node=zoom/*", "-qk", "-n", "--dry-run", "-d", "--set", "a=b", "--deadline=9s", "--", "-", "", "--forc",
        "-h", "--max-cost=1", "\u0663", "-j\u0663", "--quiet=1",
    ]
)  # fmt: skip


@given(st.lists(WORDS, max_size=7))
def test_what_is_read_without_click_is_what_click_reads(words: list[str]) -> None:
    found = usual_options(words)
    if found is None:
        return
    with command.make_context("run", list(words)) as context:
        read = dict(context.params)
    unsaid = {name: value for name, value in read.items() if name not in found}
    assert {name: read[name] for name in found} == found
    assert not any(unsaid.values()), "an option that was given is missing"


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["m.yaml"], {"manifest": Path("m.yaml"), "jobs": ()}),
        (["m.yaml", "-j2", "-q"], {"manifest": Path("m.yaml"), "jobs": (), "concurrency": 2, "quiet": True}),
        (["-j", "8", "m.yaml", "zoom"], {"manifest": Path("m.yaml"), "jobs": ("zoom",), "concurrency": 8}),
        (
            ["m.yaml", "--force-node=a", "--force-node", "b", "--json"],
            {"manifest": Path("m.yaml"), "jobs": (), "force_nodes": ("a", "b"), "as_json": True},
        ),
    ],
)
def test_the_usual_words_need_no_click(words: list[str], options: dict[str, object]) -> None:
    assert usual_options(words) == options


@pytest.mark.parametrize(
    "words", [[], ["-q"], ["m.yaml", "-j"], ["m.yaml", "-jx"], ["m.yaml", "--no-such"], ["m.yaml", "-h"]]
)
def test_what_is_wrong_or_unusual_is_left_to_click(words: list[str]) -> None:
    assert usual_options(words) is None
    if words and "-h" not in words:
        with pytest.raises(click.UsageError):
            command.make_context("run", list(words))
