"""Gathering images and other files of many chunks into one folder, by digests alone: no byte is moved. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from helios_pipe.action.model import Entry, Part, Tree
from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.media.probe import is_image

_NUMBER = re.compile(r"(\d+)(?=\D*$)")


def collect_trees(parts: Sequence[tuple[Part, Tree | None]], sizes: Mapping[Digest, int], *, by_chunk: bool) -> Tree:
    """One folder of all that the parts hold. Folders of numbered files are gathered by frame number: by the numbers in
    their names, or, `by_chunk`, counted on from the first frame of each chunk. Where there are no images, all files are put
    side by side under their chunk's ordinal. Raises StitchError naming holes and duplicates."""
    if not any(tree is not None and any(is_image(entry.path) for entry in tree.entries) for _, tree in parts):
        return _side_by_side(parts, sizes)
    found: dict[str, tuple[str, Entry]] = {}
    for part, tree in parts:
        for entry in (
            _renumbered(part, tree, by_chunk)
            if tree is not None
            else [Entry(part.name, part.digest, sizes[part.digest])]
        ):
            if (other := found.get(entry.path)) is not None:
                raise StitchError(
                    f"{entry.path} is made twice: by {other[0]} and by {part.node}",
                    hint="If each chunk numbers its images from its own start, say `numbering: chunk`.",
                )
            found[entry.path] = (part.node, entry)
    _no_holes(parts, found)
    return Tree.of(entry for _, entry in found.values())


def _side_by_side(parts: Sequence[tuple[Part, Tree | None]], sizes: Mapping[Digest, int]) -> Tree:
    found: list[Entry] = []
    for ordinal, (part, tree) in enumerate(parts):
        files = tree.entries if tree is not None else (Entry(part.name, part.digest, sizes[part.digest]),)
        found += [Entry(f"{ordinal:04d}/{e.path}", e.digest, e.size, e.executable) for e in files]
    return Tree.of(found)


def frame_number(name: str) -> int | None:
    """The last number in a file's name: `shot1_0042.png` is frame 42. None where there is none."""
    match = _NUMBER.search(name.rsplit("/", 1)[-1].rsplit(".", 1)[0])
    return int(match.group(1)) if match else None


def in_order(images: Sequence[Entry]) -> list[Entry]:
    """The images of one series by frame number. Raises StitchError where there are several series, or one without number."""
    for image in images:
        if frame_number(image.path) is None:
            raise StitchError(
                f"{image.path} has no frame number in its name", hint="Name images by frame, as 00042.png."
            )
    series = sorted({_series(image.path) for image in images})
    if len(series) > 1:
        raise StitchError(
            f"images of several series to encode: {', '.join(series[:5])}",
            hint="Leave one series in the chunks' folders.",
        )
    return sorted(images, key=lambda image: frame_number(image.path) or 0)


def _series(path: str) -> str:
    return _NUMBER.sub("#", path.rsplit(".", 1)[0])


def _renumbered(part: Part, tree: Tree, by_chunk: bool) -> list[Entry]:
    if not by_chunk:
        return list(tree.entries)
    numbered = [entry for entry in tree.entries if frame_number(entry.path) is not None]
    least = min((frame_number(entry.path) or 0 for entry in numbered), default=0)
    out = [entry for entry in tree.entries if frame_number(entry.path) is None]
    for entry in numbered:
        number = (part.start or 0) + ((frame_number(entry.path) or 0) - least) * part.step
        out.append(Entry(_with_number(entry.path, number), entry.digest, entry.size, entry.executable))
    return out


def _with_number(path: str, number: int) -> str:
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    stem = stem if dot else suffix
    match = list(_NUMBER.finditer(stem))[-1]
    stem = f"{stem[: match.start()]}{number:0{len(match.group(1))}d}{stem[match.end() :]}"
    return f"{folder}{slash}{stem}{dot}{suffix if dot else ''}"


def _no_holes(parts: Sequence[tuple[Part, Tree | None]], found: Mapping[str, tuple[str, Entry]]) -> None:
    """Every planned frame is there, in each series of names (passes such as `beauty_0001.exr` and `depth_0001.exr` are
    series of their own)."""
    wanted = {
        part.start + offset * part.step
        for part, tree in parts
        if tree is not None and part.start is not None and part.frames
        for offset in range(part.frames)
    }
    if not wanted:
        return
    series: dict[str, set[int]] = {}
    for path in found:
        if (number := frame_number(path)) is not None:
            series.setdefault(_series(path), set()).add(number)
    for name, numbers in series.items():
        if missing := sorted(wanted - numbers):
            shown = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
            raise StitchError(
                f"frames {shown} are missing in {name}",
                hint="Images are numbered by frame (`numbering: absolute`), or from each chunk's start (`numbering: chunk`).",
            )
        if extra := sorted(numbers - wanted):
            raise StitchError(
                f"frame {extra[0]} in {name} was not asked for: planned were {min(wanted)} to {max(wanted)}"
            )
