"""Named tuples that are quickly defined: `class Span(NamedTuple)`, as with `typing`, whose own compiles the annotation of every
field, and a constructor. There are some ninety of them in a run, and that was a fifth of loading it.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType

TYPE_CHECKING = False  # for those that load nothing that takes time
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import Any
    from typing import NamedTuple as NamedTuple
else:
    try:
        from _collections import _tuplegetter as _getter
    except ImportError:  # another interpreter
        from operator import itemgetter

        def _getter(at: int, doc: str) -> property:
            return property(itemgetter(at), doc=doc)

    class _Fields(tuple):
        """What named tuples have in common; see `collections.namedtuple`."""

        __slots__ = ()
        _fields = ()

        @classmethod
        def _make(cls, values: Iterable[Any]) -> Any:
            """One of these values."""
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"{len(made)} values for {cls.__name__}, expected {len(cls._fields)}")
            return made

        def _replace(self, /, **values: Any) -> Any:
            """The same with other values for some fields."""
            made = self._make(map(values.pop, self._fields, self))
            if values:
                raise TypeError(f"{type(self).__name__} has no fields {list(values)}")
            return made

        __replace__ = _replace

        def _asdict(self) -> dict[str, Any]:
            """Field -> value."""
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            shown = (f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({', '.join(shown)})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

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
            return _defined(name, tuple(fields), body)

    class NamedTuple(metaclass=_Definition):
        """The base of a named tuple's definition."""

    def _defined(name: str, fields: tuple[str, ...], body: dict[str, Any]) -> type:
        defaults = {field: body.pop(field) for field in fields if field in body}
        if tuple(defaults) != fields[len(fields) - len(defaults) :]:
            raise TypeError(f"{name}: a field without a default follows one that has one")
        for given in (*fields, *body):
            if given in _MADE or (given in fields and given.startswith("_")):
                raise AttributeError(f"{name}: {given} cannot be given")
        code = _constructor(len(fields)).replace(co_varnames=("_cls", *fields))
        made = FunctionType(code, {"_new": tuple.__new__}, "__new__", tuple(defaults.values()))
        made.__qualname__ = f"{name}.__new__"
        body.setdefault("__doc__", f"{name}({', '.join(fields)})")
        body |= {field: _getter(at, "") for at, field in enumerate(fields)}
        body |= {
            "__slots__": (), "__new__": made, "_fields": fields, "_field_defaults": defaults, "__match_args__": fields,
        }  # fmt: skip
        return type(name, (_Fields,), body)


@cache
def _constructor(count: int) -> CodeType:
    """A constructor of so many fields: only their names differ, so it is compiled once for all of one size."""
    fields = "".join(f"_{number}, " for number in range(count))
    code: CodeType = eval(f"lambda _cls, {fields}: _new(_cls, ({fields}))").__code__  # noqa: S307 - numbers alone
    return code


_MADE = frozenset(
    {"__new__", "__init__", "__slots__", "__getnewargs__", "_fields", "_field_defaults", "_make", "_replace"}
)
"""What a class gets here."""
