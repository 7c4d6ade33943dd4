"""A whole manifest: from plain data to frozen values, matrix combinations expanded. Looks at no file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path

from helios_pipe.manifest.adapters import build_adapters
from helios_pipe.manifest.jobs import build_job
from helios_pipe.manifest.model import CacheConfig, Frames, Job, Manifest, Scalar, Tool
from helios_pipe.manifest.problems import Report
from helios_pipe.manifest.scalars import resolve
from helios_pipe.manifest.schema import FLAWED
from helios_pipe.manifest.scope import Scope, printable, spelled_text
from helios_pipe.manifest.section import NAME, NAME_RULE, VARIABLE, VARIABLE_RULE, Section
from helios_pipe.manifest.stores import url_problem
from helios_pipe.manifest.suggest import advice
from helios_pipe.regex import regex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_NODES = 1_000_000

_PLACEHOLDER_NAME = regex(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def build_manifest(path: Path, data: dict[str, Any], overrides: Mapping[str, str], report: Report) -> Manifest:
    """The manifest that the data describes, as far as it is sound; what is not is in the report."""
    values = _variables(data, overrides, report)
    used: set[str] = set()
    scope = Scope(report, {f"vars.{name}": printable(value) for name, value in values.items()}, used)
    top = Section(data, (), scope)
    manifest = Manifest(
        path=path,
        root=path.parent,
        name=_name(top, path),
        jobs=tuple(_jobs(top, values, used)),
        vars=values,
        tools=_tools(top),
        env=top.env(),
        pass_env=_names(top, "pass_env"),
        secrets=_names(top, "secrets"),
        adapters=build_adapters(top),
        cache=_cache(top),
        marks=report.marks,
    )
    for name in values:
        if f"vars.{name}" not in used:
            top.warn(f"the variable {name!r} is used nowhere", "vars", name)
    return manifest


def default_name(path: Path) -> str:
    """A job set's name, from its file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-") or "manifest"


def count_nodes(frames: Frames, size: int) -> int:
    """How many chunks a range is cut into: cells of size × step frame numbers, counted from frame 0."""
    cell = size * frames.step
    return frames.end // cell - frames.start // cell + 1


def _name(top: Section, path: Path) -> str:
    name = top.get("name")
    if isinstance(name, str) and not NAME.match(name):
        top.error(f"{name!r} is no name, expected {NAME_RULE}", "name")
    return name if isinstance(name, str) else default_name(path)


def _variables(data: dict[str, Any], overrides: Mapping[str, str], report: Report) -> dict[str, Scalar]:
    given = data.get("vars")
    values: dict[str, Scalar] = {}
    for name, value in (given if isinstance(given, dict) else {}).items():
        values[name] = None if value is FLAWED else value
        if not _PLACEHOLDER_NAME.match(name):
            report.error(("vars", name), f"{name!r} is no name of a variable, expected letters, digits, '_' and '-'")
    for name, text in overrides.items():
        if name in values:
            values[name] = read_override(text)
        elif given is not FLAWED:
            report.error(("vars",), f"--set {name}: unknown variable {name!r}, {advice(name, values)}")
    return values


def read_override(text: str) -> Scalar:
    """The value of `--set NAME=text`: a YAML 1.2 scalar; a quoted one is a text. A `#` begins no comment here."""
    text = text.strip()
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        import yaml

        try:
            loaded = yaml.safe_load(text)
        except yaml.YAMLError:
            return text
        return loaded if isinstance(loaded, str) else text
    return resolve(text)


def _names(top: Section, key: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for index, name in top.items(key):
        if not VARIABLE.match(name):
            top.error(f"{name!r} is no name of a variable, expected {VARIABLE_RULE}", key, index)
        elif key == "secrets" and name in (top.get("pass_env") or ()):
            top.error(f"{name!r} is in 'pass_env' too, expected it in one of them", key, index)
        found[name] = None
    return tuple(found)


def _tools(top: Section) -> tuple[Tool, ...]:
    found: list[Tool] = []
    tools = top.below("tools")
    for name, value in tools.data.items() if tools else ():
        assert tools is not None
        if isinstance(value, dict):
            found.append(_tool(Section(value, tools.at(name), tools.scope), name))
            continue
        pin = spelled_text(value, tools.at(name), tools.scope.report.marks)
        found.append(Tool(name, pin=None if pin == "auto" else pin))
    return tuple(found)


def _tool(tool: Section, name: str) -> Tool:
    marks = tool.scope.report.marks
    words = [spelled_text(word, tool.at("version", index), marks) for index, word in tool.items("version")]
    digest = bool(tool.get("digest"))
    if digest and (tool.has("version") or tool.has("pin")):
        tool.error("'digest' keys the program itself, expected no 'version' and no 'pin' beside it", "digest")
    elif not digest and not tool.has("version") and not tool.has("pin"):
        tool.error("says nothing of the version, expected 'version', 'pin' or 'digest: true'")
    pin = spelled_text(tool.get("pin"), tool.at("pin"), marks)
    return Tool(name, pin=pin, argv=tuple(word for word in words if word is not None), digest=digest)


def _cache(top: Section) -> CacheConfig:
    cache = top.below("cache")
    if cache is None:
        return CacheConfig()
    remote = cache.get("remote")
    problem = url_problem(remote) if remote is not None else None
    if problem:
        cache.error(problem, "remote")
    if cache.get("push") and not cache.has("remote"):
        cache.error("there is nowhere to push to, expected 'remote' beside it", "push")
    return CacheConfig(remote, bool(cache.get("push")))


def _jobs(top: Section, values: Mapping[str, Scalar], used: set[str]) -> Iterator[Job]:
    jobs = top.below("jobs")
    room = MAX_NODES
    for name, value in jobs.data.items() if jobs else ():
        where = ("jobs", name)
        report = top.scope.report
        if not NAME.match(name):
            report.error(where, f"{name!r} is no name of a job, expected {NAME_RULE}")
        if not isinstance(value, dict):
            continue
        job = Section(value, where, top.scope)
        nodes = _count(job)
        if nodes > room:
            report.error(
                (*where, "frames" if job.has("frames") else "matrix"),
                f"would give {nodes:,} nodes{'' if room == MAX_NODES else ' more'}, the limit for a manifest is {MAX_NODES:,}",
            )
            continue
        room -= nodes
        for combination, spelled in _combinations(job):
            full = f"{name}[{','.join(spelled)}]" if spelled else name
            scope = Scope(report, _known(job, full, values, combination), used)
            yield build_job(Section(value, where, scope), full)


def _count(job: Section) -> int:
    """How many nodes the job will be, without making any."""
    chunk, frames = job.below("chunk"), None
    size = chunk.get("size") if chunk else None
    if size:
        frames = Section(job.data, job.where, Scope(Report(""), {}, set())).frames()
    chunks = count_nodes(frames, size) if frames and size else max(1, len(job.get("chunks") or ()))
    stitched = job.has("stitch") and (job.has("chunk") or job.has("chunks"))
    matrix = job.below("matrix")
    combinations = prod(len(values) for values in matrix.data.values() if isinstance(values, list)) if matrix else 1
    return combinations * (chunks + stitched)


def _combinations(job: Section) -> Iterator[tuple[dict[str, object], list[str]]]:
    matrix = job.below("matrix")
    if matrix is None:
        yield {}, []
        return
    axes: list[list[tuple[str, object, str]]] = []
    for name, values in matrix.data.items():
        if not _PLACEHOLDER_NAME.match(name):
            matrix.error(f"{name!r} is no name for a placeholder, expected letters, digits, '_' and '-'", name)
        axes.append(_axis(matrix, name) if isinstance(values, list) else [(name, "", "")])
    for combination in product(*axes):
        yield {f"matrix.{name}": printable(value) for name, value, _ in combination}, [text for *_, text in combination]


def _axis(matrix: Section, name: str) -> list[tuple[str, object, str]]:
    axis: dict[str, tuple[str, object, str]] = {}
    for index, value in matrix.items(name):
        spelled = spelled_text(value, matrix.at(name, index), matrix.scope.report.marks) or ""
        if not NAME.match(spelled):
            matrix.error(f"{spelled!r} cannot be part of a job's name, expected {NAME_RULE}", name, index)
        elif spelled in axis:
            matrix.error(f"the value {spelled!r} is given twice", name, index)
        axis[spelled] = (name, value, spelled)
    return list(axis.values())


def _known(
    job: Section, name: str, values: Mapping[str, Scalar], combination: Mapping[str, object]
) -> dict[str, object]:
    known: dict[str, object] = {f"vars.{key}": printable(value) for key, value in values.items()}
    known |= combination
    known["job"] = name
    if job.has("fps"):
        from helios_pipe.manifest.rates import Rate

        known["fps"] = Rate(
            Section(job.data, job.where, Scope(Report("", job.scope.report.marks), {}, set())).rate() or 1
        )
    return known
