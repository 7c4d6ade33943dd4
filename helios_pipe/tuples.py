"""Named tuples that are quickly defined: `class Span(NamedTuple)`, as with `typing`, whose own compiles the annotation of every
field, and a constructor. There are some ninety of them in a run, and that was a fifth of loading it.
"""

from __future__ import annotations

from types import FunctionType

TYPE_CHECKING = False  # for those that load nothing that takes time
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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
        code = _constructor(len(fields)).__code__.replace(co_varnames=("_cls", *fields))
        made = FunctionType(code, {"_new": tuple.__new__}, "__new__", tuple(defaults.values()))
        made.__qualname__ = f"{name}.__new__"
        body.setdefault("__doc__", f"{name}({', '.join(fields)})")
        body |= {field: _getter(at, "") for at, field in enumerate(fields)}
        body |= {
            "__slots__": (), "__new__": made, "_fields": fields, "_field_defaults": defaults, "__match_args__": fields,
        }  # fmt: skip
        return type(name, (_Fields,), body)


def _constructor(count: int) -> Callable[..., Any]:
    """A constructor of so many fields, whose names are nobody's yet."""
    if 0 < count <= len(_CONSTRUCTORS):
        return _CONSTRUCTORS[count - 1]
    fields = "".join(f"_{number}, " for number in range(count))
    made: Callable[..., Any] = eval(f"lambda _cls, {fields}: _new(_cls, ({fields}))")  # noqa: S307 - numbers alone
    return made


# Compiled with the module: to compile these when they are needed took a millisecond of every run.
_new = tuple.__new__
_CONSTRUCTORS: tuple[Callable[..., Any], ...] = (
    lambda _cls, a: _new(_cls, (a,)),
    lambda _cls, a, b: _new(_cls, (a, b)),
    lambda _cls, a, b, c: _new(_cls, (a, b, c)),
    lambda _cls, a, b, c, d: _new(_cls, (a, b, c, d)),
    lambda _cls, a, b, c, d, e: _new(_cls, (a, b, c, d, e)),
    lambda _cls, a, b, c, d, e, f: _new(_cls, (a, b, c, d, e, f)),
    lambda _cls, a, b, c, d, e, f, g: _new(_cls, (a, b, c, d, e, f, g)),
    lambda _cls, a, b, c, d, e, f, g, h: _new(_cls, (a, b, c, d, e, f, g, h)),
    lambda _cls, a, b, c, d, e, f, g, h, i: _new(_cls, (a, b, c, d, e, f, g, h, i)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j: _new(_cls, (a, b, c, d, e, f, g, h, i, j)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p: _new(_cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p)),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q: _new(
        _cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q)
    ),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r: _new(
        _cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r)
    ),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s: _new(
        _cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s)
    ),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t: _new(
        _cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t)
    ),
    lambda _cls, a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u: _new(
        _cls, (a, b, c, d, e, f, g, h, i, j, k, m, n, o, p, q, r, s, t, u)
    ),
)


_MADE = frozenset(
    {"__new__", "__init__", "__slots__", "__getnewargs__", "_fields", "_field_defaults", "_make", "_replace"}
)
"""What a class gets here."""
