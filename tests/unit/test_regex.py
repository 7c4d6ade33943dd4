"""A pattern that is compiled when it is first used does what a compiled one does; those of the package are sound."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re
from typing import Any

import pytest

import helios_pipe
from helios_pipe.regex import Unused, regex


def own_patterns() -> dict[str, Unused]:
    """Every pattern at the top of a module of the package, by its place."""
    found: dict[int, tuple[str, Unused]] = {}
    for module in pkgutil.walk_packages(helios_pipe.__path__, "helios_pipe."):
        if module.name.endswith("__main__"):
            continue
        try:
            names = vars(importlib.import_module(module.name))
        except ImportError:  # of a package that is not installed here
            continue
        for name, value in names.items():
            if isinstance(value, Unused):
                found.setdefault(id(value), (f"{module.name}.{name}", value))
    return dict(sorted(found.values()))


OWN = own_patterns()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is compiled from now on."""
    patterns: list[str] = []
    compile_ = re.compile

    def noted(pattern: str, flags: int = 0) -> re.Pattern[str]:
        patterns.append(pattern)
        return compile_(pattern, flags)

    monkeypatch.setattr(re, "compile", noted)
    return patterns


@pytest.mark.parametrize("flags", [0, re.IGNORECASE, re.IGNORECASE | re.DOTALL])
@pytest.mark.parametrize("text", ["", "ab", "AB ab", "a\n", "xaby"])
def test_it_matches_as_re_does(text: str, flags: int) -> None:
    ours, theirs = regex(r"(a)(.)", flags), re.compile(r"(a)(.)", flags)
    for way in ("match", "fullmatch", "search"):
        found, expected = getattr(ours, way)(text), getattr(theirs, way)(text)
        assert (found and found.groups()) == (expected and expected.groups())
    assert ours.sub(r"<\2>", text) == theirs.sub(r"<\2>", text)
    assert ours.split(text) == theirs.split(text)
    assert ours.findall(text) == theirs.findall(text)
    assert [m.span() for m in ours.finditer(text, 1)] == [m.span() for m in theirs.finditer(text, 1)]
    assert (ours.pattern, ours.flags, ours.groups) == (theirs.pattern, theirs.flags, theirs.groups)


def test_nothing_is_compiled_before_it_is_used(compiled: list[str]) -> None:
    pattern = regex("never [seen] before")
    assert compiled == []
    for text in ("never s before", "x"):
        pattern.match(text)
    assert compiled == ["never [seen] before"]


def test_what_was_used_once_is_its_own(compiled: list[str]) -> None:
    pattern = regex("a+")
    first = pattern.match
    assert pattern.match is first
    assert vars(pattern)["match"] is first


def test_what_is_wrong_is_told_at_the_first_use() -> None:
    pattern = regex("(a")
    for _ in range(2):
        with pytest.raises(re.error, match="unterminated"):
            pattern.match("a")


def test_what_a_pattern_does_not_have_it_has_not(compiled: list[str]) -> None:
    pattern: Any = regex("a")
    for name in ("__wrapped__", "_private"):
        assert not hasattr(pattern, name)
    assert compiled == []
    assert not hasattr(pattern, "matches")


def test_one_that_nobody_used_can_be_sent() -> None:
    assert pickle.loads(pickle.dumps(regex("a", re.IGNORECASE))).match("A")


def test_there_are_patterns_to_look_at() -> None:
    assert {"helios_pipe.manifest.template._TOKEN", "helios_pipe.action.key._AS_IT_IS"} <= set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_a_pattern_of_the_package_compiles(name: str) -> None:
    assert OWN[name].pattern
