"""Templates: only known names, nothing that reaches an object, and braces that mean themselves."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helios_pipe.manifest.template import Field, Template, TemplateError, parse_template

KNOWN = ("chunk.start", "chunk.count", "output", "vars.width", "job")
VALUES = {"chunk.start": 30, "chunk.count": 5, "output": "c.mp4", "vars.width": 640, "job": "zoom"}


def test_fields_are_filled_with_pythons_format() -> None:
    template = parse_template("{chunk.start:05d}-{vars.width}x{{{job:>6}}}", KNOWN)
    assert template.fill(VALUES) == "00030-640x{  zoom}"
    assert template.fields == {"chunk.start", "vars.width", "job"}
    assert str(template) == "{chunk.start:05d}-{vars.width}x{{{job:>6}}}"


def test_binding_leaves_what_is_not_known_yet() -> None:
    template = parse_template("a{vars.width}b{output}c{job}", KNOWN).bind({"vars.width": 640, "job": "{x}"})
    assert template.parts == ("a640b", Field("output"), "c{x}")
    assert template.fill({"output": "o"}) == "a640boc{x}"
    assert str(template) == "a640b{output}c{{x}}"


def test_a_text_without_fields_is_constant() -> None:
    assert parse_template("plain", KNOWN).constant
    assert parse_template("", KNOWN) == Template(("",))
    assert parse_template("{{}}", KNOWN).fill({}) == "{}"
    assert not parse_template("{job}", KNOWN).constant


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{chunk.strat}", "unknown placeholder {chunk.strat}: did you mean {chunk.start}? (write {{ and }} for braces)"),
        ("{__class__}", "unknown placeholder {__class__}: known: {chunk.count}, {chunk.start}, {job}, {output}, {vars.width} "
                        "(write {{ and }} for braces)"),
        ("{job.__class__}", "unknown placeholder {job.__class__}: known: {chunk.count}, {chunk.start}, {job}, {output}, "
                            "{vars.width} (write {{ and }} for braces)"),
        ("{output[0]}", "unknown placeholder {output[0]}: did you mean {output}? (write {{ and }} for braces)"),
        ("{job!r}", "unknown placeholder {job!r}: did you mean {job}? (write {{ and }} for braces)"),
        ("{}", "unknown placeholder {}: known: {chunk.count}, {chunk.start}, {job}, {output}, {vars.width} "
               "(write {{ and }} for braces)"),
        ("a{b", "a single '{' in 'a{b': write '{{' for a brace"),
        ("a}b", "a single '}' in 'a}b': write '}}' for a brace"),
        ("{job:{job}}", "a single '{' in '{job:{job}}': write '{{' for a brace"),
        ("{chunk.start:09999999d}", "{chunk.start:09999999d} is wider than 1000 characters, the limit"),
        ("{chunk.start:" + "9" * 5000 + "}", "{chunk.start:" + "9" * 5000 + "} is wider than 1000 characters, the limit"),
    ],
)  # fmt: skip
def test_what_is_no_template_is_refused_with_what_is_meant(text: str, problem: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text, KNOWN)
    assert str(caught.value) == problem


def test_a_format_that_does_not_fit_the_value_is_refused() -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template("{job:05d}", KNOWN).fill(VALUES)
    assert str(caught.value) == (
        "{job:05d} does not fit the value 'zoom': Unknown format code 'd' for object of type 'str'"
    )


parts = st.lists(st.sampled_from([f"{{{name}}}" for name in KNOWN]) | st.text("ab{} .:", max_size=6).map(
    lambda text: text.replace("{", "{{").replace("}", "}}")), max_size=8).map("".join)  # fmt: skip


@given(parts)
def test_a_template_says_what_pythons_format_says(text: str) -> None:
    """`str.format` on plain names is the reference."""
    python = text
    for name in KNOWN:
        python = python.replace(f"{{{name}}}", f"{{{name.replace('.', '_')}}}")
    if python.count("{{{") or python.count("}}}"):
        return  # the replacement cannot tell `{{{job}` apart
    expected = python.format(**{name.replace(".", "_"): value for name, value in VALUES.items()})
    assert parse_template(text, KNOWN).fill(VALUES) == expected


@given(parts)
def test_a_template_is_spelled_as_it_is_parsed(text: str) -> None:
    template = parse_template(text, KNOWN)
    assert parse_template(str(template), KNOWN) == template


@given(st.text(string.printable, max_size=30))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        template = parse_template(text, KNOWN)
    except TemplateError:
        return
    assert template.fields <= set(KNOWN)


@given(parts, st.sets(st.sampled_from(KNOWN)))
def test_binding_in_two_steps_is_filling_at_once(text: str, first: set[str]) -> None:
    template = parse_template(text, KNOWN)
    bound = template.bind({name: VALUES[name] for name in first})
    assert bound.fields == template.fields - first
    assert bound.fill(VALUES) == template.fill(VALUES)
