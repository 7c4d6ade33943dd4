"""Commands to words, in both dialects."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.errors import UsageError
from helios_pipe.manifest.words import CommandError, parse_command, split_helios, split_posix

OBSERVED: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data/parse_command.json").read_text())


@pytest.mark.parametrize("case", OBSERVED, ids=lambda case: repr(case.get("in", "missing")))
def test_helios_splits_as_it_was_seen_to(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(CommandError) as caught:
            parse_command(case.get("in"), dialect="helios")
        assert str(caught.value) == case["error"]
        assert isinstance(caught.value, UsageError)
        assert isinstance(caught.value, ValueError)
    else:
        command, args = parse_command(case["in"], dialect="helios")
        assert {"command": command, "args": args} == case["out"]


def test_helios_is_the_default_dialect() -> None:
    assert parse_command("echo 'a\\nb'").args == ["anb"]
    assert parse_command("echo 'a\\nb'", dialect="posix").args == ["a\\nb"]


@given(st.text("ab \t\n'\"\\#$;|&", max_size=30))
def test_posix_words_are_those_of_shlex(text: str) -> None:
    try:
        expected = shlex.split(text)
    except ValueError:
        with pytest.raises(CommandError):
            split_posix(text)
        return
    assert split_posix(text) == expected


@given(st.lists(st.text(min_size=1, max_size=10), max_size=6))
def test_what_a_shell_would_quote_comes_back(words: list[str]) -> None:
    assert split_posix(shlex.join(words)) == words


@given(st.lists(st.text("ab'\"\\ $\u00a0", min_size=1, max_size=10), min_size=1, max_size=6))
def test_helios_takes_an_escaped_character_as_it_is(words: list[str]) -> None:
    text = " ".join("".join("\\" + character for character in word) for word in words)
    if words[-1][-1] in " \u00a0":
        return  # it trims first, escaped or not
    assert split_helios(text) == words


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("echo 'a", 'a quote is not closed in "echo \'a"'),
        ("echo a\\", "a backslash at the end escapes nothing in 'echo a\\\\'"),
        ("", "Command string cannot be empty"),
        (" \n", "Command string cannot be empty"),
    ],
)
def test_posix_says_what_is_open(text: str, problem: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_command(text, dialect="posix")
    assert str(caught.value) == problem
