"""Named tuples that are quickly defined: `class Span(NamedTuple)`, as with `typing`, whose own compiles the annotation of every
field. There are some ninety of them in a run, and that was a fifth of loading it.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False  # for those that load nothing that takes time
if TYPE_CHECKING:
    from typing import Any
    from typing import NamedTuple as NamedTuple
else:

    class _Definition(type):
        """Makes of a class body what `typing.NamedTuple` makes of it."""

        def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(mcs, name, bases, body)
            fields = body.get("__annotations__")
            if fields is None:  # a way of keeping them that is not known here
                from types import new_class
                from typing import NamedTuple as Typed

                return new_class(name, (Typed,), {}, lambda namespace: namespace.update(body))
            given = [field for field in fields if field in body]
            if given != list(fields)[len(fields) - len(given) :]:
                raise TypeError(f"{name}: a field without a default follows one that has one")
            made = namedtuple(name, fields, defaults=[body[field] for field in given], module=body["__module__"])
            for key, value in body.items():
                if key in _MADE:
                    raise AttributeError(f"{name}: {key} cannot be given")
                if key not in fields and key not in _KEPT:
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Definition):
        """The base of a named tuple's definition."""


_MADE = frozenset(
    {"__new__", "__init__", "__slots__", "__getnewargs__", "_fields", "_field_defaults", "_make", "_replace"}
)
_KEPT = frozenset({"__module__", "__qualname__"})
"""What the class has already, or gets elsewhere."""
