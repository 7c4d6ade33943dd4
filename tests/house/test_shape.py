"""Modules and functions stay small, and every module says what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.project import REPOSITORY

MODULE_LINES, FUNCTION_LINES = 300, 30

LONGER_MODULES: dict[str, str] = {}
"""Module -> why it is longer than the house's limit."""

LONGER_FUNCTIONS: dict[str, str] = {}
"""`module:function` -> why it is longer than the house's limit."""

MODULES = sorted((REPOSITORY / "helios_pipe").rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def functions(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every function's name and its lines from `def` to the end, the docstring not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_small_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    lines = text.count("\n")
    assert lines <= MODULE_LINES or name(path) in LONGER_MODULES, f"{name(path)} has {lines} lines"
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring, f"{name(path)} has no docstring"
    assert docstring.split("\n\n")[0].endswith((".", ":")), f"{name(path)}: the first paragraph is no sentence"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_function_is_short(path: Path) -> None:
    long = {f"{name(path)}:{f}": lines for f, lines in functions(ast.parse(path.read_text())) if lines > FUNCTION_LINES}
    assert not long.keys() - LONGER_FUNCTIONS.keys(), long


def test_the_exceptions_are_needed_still() -> None:
    known = {
        f"{name(p)}:{f}" for p in MODULES for f, lines in functions(ast.parse(p.read_text())) if lines > FUNCTION_LINES
    }
    assert LONGER_FUNCTIONS.keys() <= known
    assert LONGER_MODULES.keys() <= {name(p) for p in MODULES if p.read_text().count("\n") > MODULE_LINES}
