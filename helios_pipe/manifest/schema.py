"""The shape of a manifest: the JSON Schema that editors use too, and its findings in plain words. Knows no meaning.

Three things differ from a stock validator. Lists and mappings whose entries are built alike (ten thousand chunks) have one
of each kind looked at. What a text must look like (`pattern`) and which keys need each other are left to the code that
reads the value, which can say it better. And 30.0 is no whole number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from hashlib import sha256
from itertools import islice
from pathlib import Path

from helios_pipe.errors import UnusableError
from helios_pipe.manifest.model import MarkPath
from helios_pipe.manifest.problems import MAX_PROBLEMS, Report
from helios_pipe.manifest.suggest import advice, nearest
from helios_pipe.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from jsonschema import ValidationError

SCHEMA_NAME = "manifest.v1.schema.json"
KNOWN_VERSIONS = (1,)


class _Flawed:
    """Stands where a value stood that was found wrong: there, but not to be used."""

    def __repr__(self) -> str:
        return "FLAWED"


FLAWED = _Flawed()

_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
}


def schema_path() -> Path:
    """Where the schema lies: in the package, or beside it where the project is installed from its sources."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "schemas", package.parent / "schemas"):
        if (folder / SCHEMA_NAME).is_file():
            return folder / SCHEMA_NAME
    raise UnusableError(f"the schema {SCHEMA_NAME} is missing from the installation", hint="Install helios-pipe again.")


@cache
def load_schema() -> dict[str, Any]:
    """The schema as data."""
    data: dict[str, Any] = json.loads(schema_path().read_text("utf-8"))
    return data


def check_shape(data: dict[str, Any], report: Report) -> None:
    """Note every way in which `data` is not shaped like a manifest. Unknown keys are taken out of it and values that are
    wrong are replaced by FLAWED, so that what is left can be read on."""
    found = list(islice(_validator().iter_errors(data), MAX_PROBLEMS + 1))
    for error in found:
        where = tuple(error.absolute_path)
        report.error(where, _say(error, where))
    for error in found:
        if error.validator == "additionalProperties":
            _replace(data, tuple(error.absolute_path), None)
        elif error.validator != "required":
            _replace(data, tuple(error.absolute_path), FLAWED)


def shape_of(data: dict[str, Any]) -> str:
    """A digest of all that the schema can tell of a manifest: two of one shape are both right or both wrong. Most edits leave it
    as it is, and to load the validator takes as long as all else that a small run does."""
    shape = _spelled(_kind(data, frozenset(_fixed_texts(load_schema()))))
    return sha256(
        "\0".join((__version__, schema_path().read_text("utf-8"), shape)).encode("utf-8", "surrogatepass")
    ).hexdigest()


def _validator() -> Any:
    from jsonschema import Draft202012Validator, validators

    schema = load_schema()
    words = frozenset(_fixed_texts(schema))
    whole = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    extend: Any = validators.extend
    kind = extend(
        Draft202012Validator,
        {
            "items": _items(words),
            "additionalProperties": _additional(words),
            "pattern": _leave,
            "propertyNames": _leave,
            "dependentRequired": _leave,
        },
        type_checker=whole,
    )
    return kind(schema)


def _leave(validator: Any, value: Any, instance: Any, schema: Any) -> None:  # noqa: ARG001 - the signature is jsonschema's
    return None


def _items(words: frozenset[str]) -> Callable[..., Iterator[ValidationError]]:
    def check(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: ARG001
        if isinstance(instance, list):
            yield from _each(validator, enumerate(instance), items, words)

    return check


def _additional(words: frozenset[str]) -> Callable[..., Iterator[ValidationError]]:
    def check(validator: Any, extra: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        if not isinstance(instance, dict):
            return
        known = schema.get("properties", {})
        others = [(key, value) for key, value in instance.items() if key not in known]
        if extra is not False:
            yield from _each(validator, others, extra, words)
            return
        from jsonschema import ValidationError

        for key, value in others:
            yield ValidationError("unknown", path=[key], instance=value)

    return check


def _each(validator: Any, pairs: Iterable[tuple[Any, Any]], schema: Any, words: frozenset[str]) -> Iterator[Any]:
    good = set()
    for key, value in pairs:
        kind = _kind(value, words)
        if kind in good:
            continue
        errors = list(validator.descend(value, schema, path=key))
        if not errors:
            good.add(kind)
        yield from errors


def _kind(value: Any, words: frozenset[str]) -> Any:
    """What the schema can tell of a value: two values of one kind are both right or both wrong."""
    if isinstance(value, str):
        return value if value in words else bool(value)
    if isinstance(value, dict):
        return frozenset([(key, _kind(below, words)) for key, below in value.items()])
    if isinstance(value, list):
        return ("list", frozenset([_kind(below, words) for below in value]))
    if value is None or isinstance(value, bool):
        return ("constant", value)
    return (type(value), value if value != value or value < 2 else 2)  # the bounds in the schema are 0 and 1


def _spelled(kind: Any) -> str:
    """A kind as a text: equal ones are spelled alike, and no others."""
    if isinstance(kind, frozenset):
        return f"{{{','.join(sorted(map(_spelled, kind)))}}}"
    if isinstance(kind, tuple):
        return f"({','.join(map(_spelled, kind))})"
    return repr(kind)


def _fixed_texts(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (value for value in (*schema.get("enum", ()), schema.get("const")) if isinstance(value, str))
        schema = list(schema.values())
    if isinstance(schema, list):
        for below in schema:
            yield from _fixed_texts(below)


def _say(error: ValidationError, where: MarkPath) -> str:
    expected: Any = error.validator_value
    value = error.instance
    match error.validator:
        case "additionalProperties":
            return _unknown_key(str(where[-1]), error.schema)
        case "required":
            missing = next(key for key in expected if f"'{key}'" in error.message.split(" is ")[0])
            return _missing_key(missing, error.schema)
        case "type":
            return _wrong_type(value, expected, error.schema)
        case "enum":
            return f"{value!r} is unknown, {advice(str(value), expected)}"
        case "const":
            return f"is {describe(value)}, expected {expected!r}"
        case "minimum" if where[-1:] == ("frames",):
            return f"an empty range (a count of {value}), expected at least one frame"
        case "minimum":
            return f"is {value}, expected {expected} or more"
        case "exclusiveMinimum":
            return f"is {value}, expected more than {expected}"
        case "minItems" | "minProperties":
            return "is empty, expected at least one entry"
        case "minLength":
            return "is an empty text, expected some"
    return error.message


def _unknown_key(key: str, schema: Any) -> str:
    known = schema.get("properties", {})
    near = nearest(key, known)
    if near is None:
        for name, below in known.items():
            if key in _resolved(below).get("properties", {}):
                return f"unknown key {key!r} here: it belongs under {name!r}"
    return f"unknown key {key!r}, {advice(key, known)}"


def _missing_key(key: str, schema: Any) -> str:
    if key == "version":
        return f"missing key 'version', expected 'version: 1' (known versions: {spell_versions()})"
    example = next(iter(_resolved(schema.get("properties", {}).get(key, {})).get("examples", ())), None)
    such_as = f" such as {example}" if isinstance(example, (str, int)) else ""
    return f"missing key {key!r}, expected one{such_as}"


def _wrong_type(value: Any, types: Any, schema: Any) -> str:
    names = [_TYPES[name] for name in ([types] if isinstance(types, str) else types) if name in _TYPES]
    expected = names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]
    example = next(iter(schema.get("examples", ())), None)
    such_as = f", such as {example}" if isinstance(example, (str, int)) and not isinstance(example, bool) else ""
    return f"{'has no value' if value is None else 'is ' + describe(value)}, expected {expected}{such_as}"


def spell_versions() -> str:
    """The versions of the format that this program reads."""
    return ", ".join(map(str, KNOWN_VERSIONS))


def describe(value: Any) -> str:
    """A value as an error names it: its kind, and itself where it is short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 60 else "a text"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else "nothing"


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    below = load_schema()["$defs"].get(reference.removeprefix("#/$defs/"), {}) if reference else {}
    return {**below, **schema}


def _replace(data: Any, where: MarkPath, value: _Flawed | None) -> None:
    for step in where[:-1]:
        data = data[step]
        if data is FLAWED:
            return
    if value is not None and where:
        data[where[-1]] = value
    elif where and isinstance(data, dict):
        data.pop(where[-1], None)
