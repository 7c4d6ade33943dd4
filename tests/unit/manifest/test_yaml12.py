"""YAML text to plain data: positions, duplicates, aliases, merges, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.manifest.document import MAX_BYTES, Document
from helios_pipe.manifest.problems import FatalProblemError, Report
from helios_pipe.manifest.yaml12 import MAX_DEPTH, parse_document


def parse(text: str) -> Document:
    report = Report("m.yaml")
    document = parse_document(text.encode(), report)
    assert not report.errors
    return document


def refused(content: str | bytes) -> list[str]:
    report = Report("m.yaml")
    with pytest.raises(FatalProblemError):
        parse_document(content.encode() if isinstance(content, str) else content, report)
    return [str(problem) for problem in report.errors]


def test_every_value_has_the_line_and_column_of_its_key_or_of_itself_in_a_list() -> None:
    marks = parse("a: 1\nbc:\n  - x\n  - {d: e}\n").marks
    assert dict(marks) == {
        (): (1, 1),
        ("a",): (1, 1),
        ("bc",): (2, 1),
        ("bc", 0): (3, 5),
        ("bc", 1): (4, 5),
        ("bc", 1, "d"): (4, 6),
    }
    assert len(marks) == 6
    assert marks.nearest(("bc", 1, "missing", "deeper")) == (4, 5)
    assert marks.nearest(("bc", 7)) == (2, 1)
    with pytest.raises(KeyError):
        marks["nothing",]


def test_a_scalar_that_is_no_text_keeps_its_spelling() -> None:
    marks = parse("a: 010\nb: 7.10\nc: yes\nd: {e: TRUE}\nf: ~\n").marks
    assert [marks.spelling((key,)) for key in "abcf"] == ["010", "7.10", None, "~"]
    assert marks.spelling(("d", "e")) == "TRUE"
    assert marks.spelling(("d",)) is None


def test_columns_count_characters_not_bytes() -> None:
    assert parse("{ä: 1, b: 2}").marks["b",] == (1, 8)


def test_keys_are_always_texts() -> None:
    assert parse("1: a\ntrue: b\n~: c\n2024: d\n").data == {"1": "a", "true": "b", "~": "c", "2024": "d"}


def test_a_duplicate_key_is_a_problem_that_names_both_lines() -> None:
    report = Report("m.yaml")
    document = parse_document(b"a: 1\nb: {c: 1, c: 2}\na: 3\n", report)
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert [str(problem) for problem in report.errors] == [
        "m.yaml:2:11: b.c: the key 'c' is given twice, first on line 2",
        "m.yaml:3:1: a: the key 'a' is given twice, first on line 1",
    ]


def test_a_duplicate_key_is_told_of_also_where_the_rest_cannot_be_read() -> None:
    report = Report("m.yaml")
    with pytest.raises(FatalProblemError):
        parse_document(b"a: 1\na: 2\nb: [\n", report)
    assert "m.yaml:2:1: the key 'a' is given twice, first on line 1" in map(str, report.errors)


def test_an_alias_stands_for_what_it_names_with_its_positions() -> None:
    document = parse("a: &x {b: [1]}\nc: *x\nd: &y 5\ne: *y\n")
    assert document.data == {"a": {"b": [1]}, "c": {"b": [1]}, "d": 5, "e": 5}
    assert document.marks["c", "b", 0] == (1, 12)


def test_merge_keys_fill_in_what_is_not_said() -> None:
    document = parse(
        "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\na:\n  y: 9\n  <<: *b\nc: {<<: [*m, *b]}\nd: {'<<': 1}\n"
    )
    assert document.data["a"] == {"y": 9, "x": 1}
    assert document.data["c"] == {"y": 3, "z": 4, "x": 1}
    assert document.data["d"] == {"<<": 1}
    assert document.marks["a", "x"] == (1, 11)


def test_tags_of_the_core_schema_are_followed() -> None:
    assert parse("[!!str 1, !!int '7', !!float 3, ! 12, !!null '', !!bool true]").data == ["1", 7, 3.0, 12, None, True]


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse("\ufeffa: 1").data == {"a": 1}


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
NUMBERS = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
json_values: Any = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4),
    max_leaves=20,
)
NAMES = st.text("abc", min_size=1, max_size=3)
yaml_values: Any = st.recursive(
    st.text("abc 123:-", max_size=8) | st.integers(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=12,
)


@given(
    st.dictionaries(st.text("abc", max_size=5), json_values, max_size=4),
    st.booleans(),
    st.sampled_from([None, 2, "\t"]),
)
def test_json_is_read_as_json(data: Any, ascii_only: bool, indent: Any) -> None:
    text = json.dumps(data, ensure_ascii=ascii_only, indent=indent)
    if not ascii_only and any(not character.isprintable() and character not in "\n\t" for character in text):
        return  # YAML wants those escaped
    report = Report("m.json")
    assert parse_document(text.encode(), report).data == json.loads(text)


@given(yaml_values)
def test_what_a_yaml_writer_writes_is_read_back(data: Any) -> None:
    assert parse(yaml.safe_dump({"top": data})).data["top"] == data


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "m.yaml:1:1: the file is empty, expected a manifest that begins with 'version: 1'"),
        ("# nothing\n", "m.yaml:1:1: the file is empty, expected a manifest that begins with 'version: 1'"),
        ("a: 1\n---\nb: 2\n", "m.yaml:2:1: a second document begins here, expected one manifest a file"),
        ("a:\n\t- b\n", "m.yaml:2:1: a tab in the indentation, expected spaces"),
        ("a: b: c\n", "m.yaml:1:5: not valid YAML: mapping values are not allowed in this context; "
         "a text that holds ': ' must be quoted"),
        ("a: @b\n", "m.yaml:1:4: not valid YAML: while scanning for the next token found character that cannot start any token; "
         "a text that begins with this character must be quoted"),
        ("a: [1,\n", "m.yaml:2:1: not valid YAML: while parsing a flow node did not find expected node content"),
        ("a: *b\n", "m.yaml:1:4: the alias *b has no anchor &b before it"),
        ("a: &b [*b]\n", "m.yaml:1:8: the alias *b stands inside its own anchor"),
        ("? [a]\n: b\n", "m.yaml:1:3: a key must be a text"),
        ("a: !!set {b}\n", "m.yaml:1:4: the tag !!set does not fit here, expected a value without a tag"),
        ("a: !!python/object:os.system x\n",
         "m.yaml:1:4: the tag !!python/object:os.system does not fit here, expected a value without a tag"),
        ("a: !!int b\n", "m.yaml:1:4: the tag !!int does not fit here, expected a value without a tag"),
        ('a: "b\\0c"\n', "m.yaml:1:4: a NUL byte, which no command line, path or variable can hold"),
        ("a: \x01\n", "m.yaml:1:4: a character that YAML does not allow (U+0001)"),
        ("a:\n  <<: 3\n", "m.yaml:2:3: '<<' merges mappings, expected an alias of one (<<: *name) or a list of them"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_refused_with_its_place(text: str, problem: str) -> None:
    assert refused(text) == [problem]


def test_bytes_that_are_not_utf8_are_refused_with_their_place() -> None:
    assert refused(b"a: \xc3\xa4\nb: \xe4\n") == ["m.yaml:2:4: the byte 0xe4 is not UTF-8: save the file as UTF-8"]
    assert refused("a: 1".encode("utf-16")) == ["m.yaml:1:1: the byte 0xff is not UTF-8: save the file as UTF-8"]


def test_a_file_over_the_limit_is_refused() -> None:
    assert refused(b"#" * (MAX_BYTES + 1)) == ["m.yaml: the file is larger than 8 MiB, the limit for a manifest"]


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, '{"a":' * 100_000, "a: " + "[" * 64])
def test_deep_nesting_is_refused(text: str) -> None:
    assert refused(text)[0].endswith("nested deeper than 64 levels, the limit for a manifest")


def test_aliases_cannot_nest_deeper_than_text() -> None:
    levels = "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))
    assert refused(f"a0: &a0 [x]\n{levels}\n") == [
        "m.yaml:64:12: nested deeper than 64 levels, the limit for a manifest"
    ]
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH).data


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [" + ", ".join(["x"] * 9) + "]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert refused("\n".join(lines))[0].endswith(
        "more than 1,000,000 values once aliases are followed, the limit for a manifest"
    )


def test_a_merge_bomb_is_refused() -> None:
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: x" for n in range(9)) + "}"]
    lines += [f"a{n}: &a{n} {{" + ", ".join(f"k{m}: *a{n - 1}" for m in range(9)) + "}" for n in range(1, 40)]
    assert refused("\n".join(lines))[0].endswith("the limit for a manifest")


def test_many_tag_directives_are_refused() -> None:
    assert refused("\n%TAG !a! x" * 20) == ["m.yaml:1:1: more than 16 %TAG directives, the limit for a manifest"]
