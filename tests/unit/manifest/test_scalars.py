"""Plain scalars mean what YAML 1.2's core schema says, and nothing that YAML 1.1 added."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.manifest.build import read_override
from helios_pipe.manifest.scalars import resolve


class Core(yaml.SafeLoader):
    """A reference of its own: PyYAML with the tag resolution of YAML 1.2's chapter 10.3.2 in the place of 1.1's."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML keeps them there


TAGS = {
    "null": r"^(?:null|Null|NULL|~|)$",
    "bool": r"^(?:true|True|TRUE|false|False|FALSE)$",
    "int": r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$",
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?(?:\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN)$"
    ),
}
for tag, pattern in TAGS.items():
    Core.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), None)


def kind(text: str) -> str | None:
    """The core schema's name for the scalar's type; None where the text is no plain scalar."""
    try:
        document: Any = yaml.compose(f"- {text}", Loader=Core)
    except yaml.YAMLError:
        return None
    (node,) = document.value
    return str(node.tag).rpartition(":")[2] if node.value == text else None


KINDS = {str: "str", bool: "bool", int: "int", float: "float", type(None): "null"}

LIKELY = st.text(alphabet="0123456789+-.eExXoOabcfinNtTrRuUlLsS_~", max_size=9)


@given(LIKELY)
def test_a_plain_scalar_has_the_type_that_the_core_schema_gives_it(text: str) -> None:
    expected = kind(text)
    assert expected is None or KINDS[type(resolve(text))] == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("NO", "NO"), ("tRue", "tRue"),
        ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("nULL", "nULL"),
        ("1:30", "1:30"), ("190:20:30.15", "190:20:30.15"), ("2024-01-01", "2024-01-01"), ("1_000", "1_000"),
        ("010", 10), ("-010", -10), ("0o10", 8), ("0x1F", 31), ("0b101", "0b101"), ("0o8", "0o8"), ("-0x1F", "-0x1F"),
        ("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("+.5", 0.5), ("1e", "1e"), (".", "."), ("-", "-"), ("=", "="),
        (".inf", math.inf), ("-.INF", -math.inf), ("inf", "inf"), ("nan", "nan"), ("9" * 101, "9" * 101),
    ],
)  # fmt: skip
def test_well_known_traps(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(float(str(resolve(".nan"))))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("'010'", "010"), ('"010"', "010"), ('"a\\tb"', "a\tb"), ("'it''s'", "it's"), ("no", "no"),
        ("", None), (" 7 ", 7), ("#ff0000", "#ff0000"), ("a: b", "a: b"), ("[1, 2]", "[1, 2]"), ("'a' 'b'", "'a' 'b'"),
        ("'", "'"), ("true", True), ("0x1F", 31), ('"open', '"open'),
    ],
)  # fmt: skip
def test_an_override_is_read_as_the_same_kind_of_scalar(text: str, value: object) -> None:
    assert read_override(text) == value
    assert type(read_override(text)) is type(value)
