"""What is installed, reachable and missing, each finding with what to do about it. Changes nothing but the cache folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from helios_pipe import settings
from helios_pipe.errors import HeliosPipeError, UnusableError
from helios_pipe.manifest.model import Manifest
from helios_pipe.pipeline.request import Request
from helios_pipe.tuples import NamedTuple
from helios_pipe.version import __version__

_PACKAGES = ("av", "boto3", "click", "google-auth", "jsonschema", "networkx", "PyYAML", "requests", "rich")
_OPTIONAL = {"distributed": "dask", "imageio-ffmpeg": "ffmpeg", "pillow": "ui"}
_LITTLE_SPACE = 2 << 30


class Finding(NamedTuple):
    """One thing that was looked at: `ok`, `note` (works, but) or `fail`; what was found, what to do, and what a run would end
    with where it fails."""

    name: str
    state: Literal["ok", "note", "fail"]
    detail: str
    advice: str = ""
    exit_code: int = UnusableError.exit_code


def examine(manifest: Path | None, adapter: str | None, cache_dir: str | None) -> Iterator[Finding]:
    """Look at everything, in an order in which each thing needs only those before it."""
    yield Finding("helios-pipe", "ok", f"{__version__} on Python {sys.version.split()[0]}")
    yield from _packages()
    root = manifest.parent.absolute() if manifest is not None else Path.cwd()
    cache = settings.cache_dir(root, cache_dir)
    yield _guarded("cache", lambda: _cache(cache))
    yield _guarded("ffmpeg", lambda: _ffmpeg(cache))
    if manifest is not None:
        yield from _manifest(Request(manifest, adapter=adapter, cache_dir=cache_dir))


def _guarded(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except HeliosPipeError as error:
        return Finding(name, "fail", error.message, error.hint, error.exit_code)


def _packages() -> Iterator[Finding]:
    missing = [name for name in _PACKAGES if _version(name) is None]
    if missing:
        yield Finding("packages", "fail", f"missing: {', '.join(missing)}", "Install helios-pipe again with pip.")
    else:
        yield Finding("packages", "ok", ", ".join(f"{name} {_version(name)}" for name in _PACKAGES))
    for name, extra in _OPTIONAL.items():
        found = _version(name)
        advice = "" if found else f"If you need it: pip install 'helios-pipe[{extra}]'."
        yield Finding(f"extra {extra}", "ok" if found else "note", f"{name} {found or 'is not installed'}", advice)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cache(folder: Path) -> Finding:
    from helios_pipe.cache.database import Database

    Database(folder).close()
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    detail = f"{folder} can be written; {free / 1e9:.1f} GB free"
    if free < _LITTLE_SPACE:
        return Finding("cache", "note", detail, "Make room (`helios-pipe cache gc --max-size …`), or give --cache-dir.")
    return Finding("cache", "ok", detail)


def _ffmpeg(cache: Path) -> Finding:
    from helios_pipe.worker.environment import tool_path
    from helios_pipe.worker.programs import find_program
    from helios_pipe.worker.toolcheck import tool_line

    path = tool_path(settings.environment().get("PATH", os.defpath), cache / "bin")
    if find_program("ffmpeg", path) is None:
        advice = "Install ffmpeg, or the bundled one: pip install 'helios-pipe[ffmpeg]'."
        return Finding("ffmpeg", "note", "not on PATH; commands that call it will fail", advice)
    return Finding("ffmpeg", "ok", tool_line("ffmpeg", (), path).line)


def _manifest(request: Request) -> Iterator[Finding]:
    from helios_pipe.pipeline.session import Session, open_manifest

    try:
        opened = open_manifest(request)
        session = Session(request, opened)
    except HeliosPipeError as error:
        yield Finding("manifest", "fail", str(error), exit_code=error.exit_code)
        return
    try:
        yield Finding("manifest", "ok", f"{request.manifest}: {opened.graph.total} nodes")
        for tool in opened.manifest.tools:
            yield _guarded(f"tool {tool.name}", lambda tool=tool: Finding(  # type: ignore[misc]
                f"tool {tool.name}", "ok", session.tools.marks([tool])[0].text
            ))  # fmt: skip
        yield from _secrets(opened.manifest)
        if request.adapter is not None:
            from helios_pipe.pipeline.farm import look_at

            for look in look_at(session, opened.manifest.adapters[request.adapter]):
                yield Finding(look.name, "ok" if look.ok else "fail", look.detail, look.advice)
    finally:
        session.close()


def _secrets(manifest: Manifest) -> Iterator[Finding]:
    for name in manifest.secrets:
        if name in settings.environment():
            yield Finding(f"secret {name}", "ok", "set")
        else:
            yield Finding(f"secret {name}", "fail", "not set", f"Set {name} in the environment of the run.")
