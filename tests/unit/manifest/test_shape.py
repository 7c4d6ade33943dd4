"""The shape of a manifest is all that the schema can tell of it: what has the same one need not be held against it again."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from helios_pipe.manifest import schema
from helios_pipe.manifest.problems import Report
from helios_pipe.manifest.schema import check_shape, shape_of
from tests.unit.manifest.test_schema import GOOD

DATA: dict[str, Any] = yaml.safe_load(GOOD)
VALUES: tuple[Any, ...] = (
    "", "x", "lambda", "local", "concat", "isolated", "auto", -1, 0, 1, 1.0, 0.5, 2, 2.5, 30, True, False, None, [], ["x"], [0],
    ["x", "x"], [[]], {}, {"x": "y"}, {"command": "x", "output": "y"}, {"job": "x"}, {"type": "http"}, float("nan"), float("inf"),
)  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list in it, with each key or place."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in pairs:
        yield value, key
        yield from places(below)


def changed(data: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The manifest with some values replaced, taken out, or put in."""
    data = copy.deepcopy(data)
    for _ in range(dice.randint(1, 3)):
        holder, key = dice.choice(list(places(data)))
        what = dice.random()
        if what < 0.7:
            holder[key] = copy.deepcopy(dice.choice(VALUES))
        elif what < 0.8 and isinstance(holder, dict):
            del holder[key]
        elif isinstance(holder, dict):
            holder[dice.choice(("x", "size", "frames", "output", "type", "with space"))] = copy.deepcopy(
                dice.choice(VALUES)
            )
        else:
            holder.append(copy.deepcopy(holder[key]))
        if not any(True for _ in places(data)):
            break
    return data


def edited(data: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    """The manifest after edits of the usual kind: other texts, other numbers, lists in another order, and longer."""
    data = copy.deepcopy(data)
    for holder, key in list(places(data)):
        value = holder[key]
        if dice.random() < 0.5:
            continue
        if isinstance(value, str) and value and value not in set(schema._fixed_texts(schema.load_schema())):
            holder[key] = dice.choice(("other", "{chunk.start}", "é\ud800", "7"))
        elif type(value) in (int, float) and value >= 2:
            holder[key] = type(value)(dice.randint(2, 99))
        elif isinstance(value, list) and value:
            value.append(copy.deepcopy(dice.choice(value)))
            dice.shuffle(value)
    return data


@pytest.fixture
def right(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Whether a manifest's shape is right, each value looked at by itself."""
    plain = schema._kind

    def verdict(data: dict[str, Any]) -> bool:
        report = Report("m.yaml")
        monkeypatch.setattr(schema, "_kind", lambda *_: object())
        try:
            check_shape(copy.deepcopy(data), report)
        finally:
            monkeypatch.setattr(schema, "_kind", plain)
        return not report.errors

    return verdict


def test_the_usual_edits_leave_the_shape_as_it_is(right: Any) -> None:
    dice = random.Random(1)
    assert right(DATA)
    for _ in range(40):
        other = edited(DATA, dice)
        assert shape_of(other) == shape_of(DATA)
        assert right(other)


def test_what_has_the_same_shape_is_right_or_wrong_alike(right: Any) -> None:
    dice = random.Random(2)
    verdicts: dict[str, bool] = {}
    alike = wrong = 0
    for _ in range(150):
        one = changed(DATA, dice)
        for data in (one, edited(one, dice)):
            shape, verdict = shape_of(data), right(data)
            alike += shape in verdicts
            wrong += not verdict
            assert verdicts.setdefault(shape, verdict) == verdict, data
    assert alike > 50
    assert 50 < wrong < 290


CHANGES: tuple[dict[str, Any], ...] = (
    {"version": 2},
    {"jobs": []},
    {"name": ""},
    {"extra": 1},
    {"vars": {"width": 0.5}},
    {"vars": {"width": True}},
)


def test_a_changed_shape_is_another_one() -> None:
    assert len({shape_of({**DATA, **change}) for change in ({}, *CHANGES)}) == 1 + len(CHANGES)
