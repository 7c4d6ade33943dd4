"""A manifest's file -> its frozen values. The front door: everything that is wrong is told in one go."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from helios_pipe.manifest.build import build_manifest
from helios_pipe.manifest.check import check_manifest
from helios_pipe.manifest.document import MAX_BYTES, Document
from helios_pipe.manifest.inputs import find_unmatched
from helios_pipe.manifest.model import Manifest
from helios_pipe.manifest.problems import FatalProblemError, ManifestError, Problem, Report
from helios_pipe.manifest.schema import (
    KNOWN_VERSIONS,
    check_shape,
    describe,
    schema_path,
    shape_of,
    spell_versions,
)
from helios_pipe.tuples import NamedTuple
from helios_pipe.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from helios_pipe.manifest.helios import JobSpec


class Before(NamedTuple):
    """What is known of a manifest that was loaded before: its `document`, by its `origin`, and whether its `shape` was this."""

    document: Callable[[str], object | None] = lambda _: None
    had_shape: Callable[[str], bool] = lambda _: False


_NOTHING = Before()


def load_manifest(
    path: Path,
    overrides: Mapping[str, str] | None = None,
    *,
    look: bool = False,
    look_if_wrong: Callable[[Manifest, Report], None] | None = None,
    keep_merge: bool = False,
    before: Before = _NOTHING,
) -> Manifest:
    """The manifest in the file, checked, with `overrides` (`--set NAME=text`) in the place of its variables.

    With `keep_merge` a Helios job's own merge command joins its chunks. Reads the file, and looks whether folders on the way
    to outputs are links; with `look` also whether every input that no chunk's number is part of has a match. Where something is
    wrong, `look_if_wrong` is what looks for more, so that all is told in one go. Runs and writes nothing. What
    is known from `before` is not found out again: a text of the same `origin` is neither read nor held against the schema, one of
    the same `shape` is only read. Raises ManifestError with every problem that was found.
    """
    report = Report(str(path))
    content = _read(path)
    with _no_collector():
        try:
            origin = _origin(content)
            document, known = _document(content, before.document(origin), report)
            unknown = None if known else before
            manifest = _manifest(path, document, overrides or {}, report, keep_merge=keep_merge, before=unknown)
            if manifest is not None and look:
                find_unmatched(manifest, report)
            elif manifest is not None and look_if_wrong is not None and report.errors:
                look_if_wrong(manifest, report)
        except FatalProblemError:
            raise ManifestError(report.errors) from None
    report.raise_if_any()
    assert manifest is not None  # what is no manifest has problems
    warnings = report.rendered_warnings()
    return manifest._replace(
        shown=str(path), warnings=warnings, origin=origin, document=None if known else tuple(document)
    )


def _document(content: bytes, known: object | None, report: Report) -> tuple[Document, bool]:
    """The manifest's document, and whether its shape is known to be right."""
    if isinstance(known, tuple):
        return Document(*known), True
    from helios_pipe.manifest.yaml12 import parse_document  # YAML takes long to load

    return parse_document(content, report), False


def _origin(content: bytes) -> str:
    """What decides what a manifest is read as, and whether it has the right shape: its text, the schema, and who reads them."""
    return sha256(b"\0".join((__version__.encode(), schema_path().read_bytes(), content))).hexdigest()


def manifest_of_spec(spec: JobSpec, path: Path, *, keep_merge: bool = False) -> Manifest:
    """The manifest that does what a job spec asks for, as if it stood in the file `path` (which need not be there). Raises
    ManifestError with every problem that was found."""
    from helios_pipe.manifest.helios_import import manifest_of_job

    report = Report(str(path))
    job = manifest_of_job(Path(os.path.abspath(path)), spec.to_dict(), report, keep_merge=keep_merge)
    manifest = check_manifest(job, {}, report) if job is not None else None
    report.raise_if_any()
    assert manifest is not None  # what is no manifest has problems
    return manifest._replace(shown=str(path), warnings=report.rendered_warnings())


def _manifest(
    path: Path,
    document: Document,
    overrides: Mapping[str, str],
    report: Report,
    *,
    keep_merge: bool,
    before: Before | None,
) -> Manifest | None:
    """`before` is None where the document is known, and with it that its shape is right."""
    report.marks = document.marks
    data = document.data
    if not isinstance(data, dict):
        report.error((), f"is {describe(data)}, expected a mapping that begins with 'version: 1'")
        raise FatalProblemError
    place = Path(os.path.abspath(path))
    if _is_helios(data):
        from helios_pipe.manifest.helios_import import manifest_of_job

        if overrides:
            report.error((), f"--set {next(iter(overrides))}: a Helios job has no variables")
        job = manifest_of_job(place, data, report, keep_merge=keep_merge)
        return check_manifest(job, {}, report) if job is not None else None
    if keep_merge:
        report.error((), "--keep-merge: a manifest has no merge command, only a Helios job has one")
    _check_version(data, report)
    shape = "" if before is None else _check_shape(data, before, report)
    return check_manifest(build_manifest(place, data, overrides, report), data, report)._replace(shape=shape)


def _check_shape(data: dict[str, Any], before: Before, report: Report) -> str:
    shape = shape_of(data)
    if not before.had_shape(shape):
        check_shape(data, report)
    return shape


def _is_helios(data: dict[str, Any]) -> bool:
    """Whether it is a Helios job. What knows of those is loaded where one may be."""
    if "metadata" not in data:
        return False
    from helios_pipe.manifest.helios import is_job

    return is_job(data)


def _check_version(data: dict[str, Any], report: Report) -> None:
    """Of a manifest of another version nothing more can be said."""
    version = data.get("version", KNOWN_VERSIONS[-1])
    if type(version) is not int or version not in KNOWN_VERSIONS:
        report.error(("version",), f"is {describe(version)}, expected one of the known versions: {spell_versions()}")
        raise FatalProblemError


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except IsADirectoryError as error:
        raise ManifestError([Problem(str(path), 0, 0, "", "is a folder, expected a manifest's file")]) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ManifestError([Problem(str(path), 0, 0, "", f"cannot be read: {reason}")]) from error


@contextmanager
def _no_collector() -> Iterator[None]:
    """Ten thousand chunks are a million small objects that all stay: looking for garbage among them takes longer than
    reading them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
