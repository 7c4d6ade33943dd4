"""Our quickly defined named tuples are what those of `typing` are."""

from __future__ import annotations

import copy
import inspect
import pickle
import typing
from typing import Any

import pytest

from helios_pipe import tuples


class Quick(tuples.NamedTuple):
    """What it is."""

    name: str
    size: int = 3
    more: tuple[str, ...] = ()

    @property
    def twice(self) -> int:
        """Twice the size."""
        return self.size * 2

    @classmethod
    def small(cls, name: str) -> Quick:
        """One of size 1."""
        return cls(name, 1)


class Slow(typing.NamedTuple):
    """What it is."""

    name: str
    size: int = 3
    more: tuple[str, ...] = ()


def test_it_is_made_copied_compared_and_taken_apart_like_any() -> None:
    one = Quick("a", more=("b",))
    same: object = Quick(name="a", size=3, more=("b",))
    assert one == same
    assert same == ("a", 3, ("b",))
    name, size, more = one
    assert (name, size, more, one.twice, Quick.small("c").size) == ("a", 3, ("b",), 6, 1)
    assert one._replace(size=4).size == 4
    assert one._asdict() == {"name": "a", "size": 3, "more": ("b",)}
    assert repr(one) == "Quick(name='a', size=3, more=('b',))"
    assert hash(one) == hash(tuple(one))
    assert pickle.loads(pickle.dumps(one)) == one
    assert not hasattr(one, "__dict__")
    with pytest.raises(AttributeError):
        one.size = 5  # type: ignore[misc]
    with pytest.raises(TypeError, match="name"):
        Quick()  # type: ignore[call-arg]


def test_it_tells_of_itself_what_one_of_typing_tells() -> None:
    for name in ("_fields", "_field_defaults", "__match_args__", "__doc__", "__module__"):
        assert getattr(Quick, name) == getattr(Slow, name)
    assert Quick.__qualname__ == "Quick"
    assert typing.get_type_hints(Quick) == typing.get_type_hints(Slow)
    match Quick("a", 2):
        case Quick(name, 2):
            assert name == "a"
        case _:
            pytest.fail("it does not match")


def test_its_constructor_is_called_as_one_of_typing_is() -> None:
    quick, slow = (inspect.signature(made).parameters.values() for made in (Quick, Slow))
    assert [(p.name, p.kind, p.default) for p in quick] == [(p.name, p.kind, p.default) for p in slow]
    assert Quick.__new__.__qualname__ == "Quick.__new__"
    for given in ((), ("a", 1, (), 4)):
        with pytest.raises(TypeError):
            Quick(*given)
    with pytest.raises(TypeError, match="colour"):
        Quick("a", colour="red")  # type: ignore[call-arg]


def test_what_it_is_made_of_has_to_fit() -> None:
    assert Quick._make(["a", 1, ()]) == Quick("a", 1)
    with pytest.raises(TypeError, match="expected 3"):
        Quick._make(["a"])
    with pytest.raises((TypeError, ValueError), match="colour"):
        Quick("a")._replace(colour="red")  # type: ignore[call-arg]
    assert copy.deepcopy(Quick("a", 1, ("b",))) == Quick("a", 1, ("b",))


def test_two_of_one_size_are_not_taken_for_each_other() -> None:
    class Other(tuples.NamedTuple):
        width: int
        height: int
        depth: int = 7

    other = Other(height=2, width=1)
    assert (other.width, other.height, other.depth, repr(other)) == (
        1,
        2,
        7,
        f"{Other.__name__}(width=1, height=2, depth=7)",
    )
    assert Quick(name="a").size == 3


def test_one_without_fields_is_empty() -> None:
    base: Any = tuples.NamedTuple
    made = type(base)("Empty", (base,), {"__module__": __name__, "__annotations__": {}})
    assert (made(), made._fields, repr(made())) == ((), (), "Empty()")


def test_what_typing_refuses_is_refused() -> None:
    base: Any = tuples.NamedTuple
    body = {"__module__": __name__, "__annotations__": {"a": "int", "b": "int"}}
    with pytest.raises(TypeError, match="a field without a default follows"):
        type(base)("Bad", (base,), {**body, "a": 1})
    with pytest.raises(AttributeError, match="_replace cannot be given"):
        type(base)("Bad", (base,), {**body, "_replace": None})


def test_where_annotations_are_kept_otherwise_typing_makes_it() -> None:
    base: Any = tuples.NamedTuple
    made = type(base)("Empty", (base,), {"__module__": __name__, "size": property(lambda self: len(self))})
    assert made._fields == ()
    assert made().size == 0


@pytest.mark.parametrize("count", [*range(1, 26), 60])
def test_every_size_has_its_constructor(count: int) -> None:
    names = [f"field_{number}" for number in range(count)]
    body = {"__annotations__": dict.fromkeys(names, "int")}
    made = type(tuples.NamedTuple)("Wide", (tuples.NamedTuple,), body)  # type: ignore[misc]
    values = range(count)
    assert tuple(made(*values)) == tuple(made(**dict(zip(names, values, strict=True)))) == tuple(values)
    with pytest.raises(TypeError, match=names[-1]):
        made(*values[:-1])
