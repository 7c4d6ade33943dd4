"""Gathering images and other files of many chunks into one folder, by digests alone: no byte is moved. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from helios_pipe.action.model import Entry, Part, Tree
from helios_pipe.digest import Digest
from helios_pipe.errors import StitchError
from helios_pipe.media.images import frame_number, renumbered, series_of
from helios_pipe.media.names import is_image


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


def in_order(images: Sequence[Entry]) -> list[Entry]:
    """The images of one series by frame number. Raises StitchError where there are several series, or one without number."""
    for image in images:
        if frame_number(image.path) is None:
            raise StitchError(
                f"{image.path} has no frame number in its name", hint="Name images by frame, as 00042.png."
            )
    series = sorted({series_of(image.path) for image in images})
    if len(series) > 1:
        raise StitchError(
            f"images of several series to encode: {', '.join(series[:5])}",
            hint="Leave one series in the chunks' folders.",
        )
    return sorted(images, key=lambda image: frame_number(image.path) or 0)


def _renumbered(part: Part, tree: Tree, by_chunk: bool) -> list[Entry]:
    """The chunk's files; `by_chunk`, numbered on from its first frame."""
    numbers = [number for entry in tree.entries if (number := frame_number(entry.path)) is not None]
    if not by_chunk or not numbers:
        return list(tree.entries)
    return [_counted_on(part, entry, min(numbers)) for entry in tree.entries]


def _counted_on(part: Part, entry: Entry, least: int) -> Entry:
    number = frame_number(entry.path)
    if number is None:
        return entry
    return entry._replace(path=renumbered(entry.path, (part.start or 0) + (number - least) * part.step))


def _no_holes(parts: Sequence[tuple[Part, Tree | None]], found: Mapping[str, tuple[str, Entry]]) -> None:
    """Every planned frame is there, in each series of names (passes such as `beauty_0001.exr` and `depth_0001.exr` are
    series of their own)."""
    wanted = {
        part.start + offset * part.step: part.node
        for part, tree in parts
        if tree is not None and part.start is not None and part.frames
        for offset in range(part.frames)
    }
    if not wanted:
        return
    series: dict[str, set[int]] = {}
    for path in found:
        if (number := frame_number(path)) is not None:
            series.setdefault(series_of(path), set()).add(number)
    for name, numbers in series.items():
        _tell_holes(name, numbers, wanted)


def _tell_holes(name: str, numbers: set[int], wanted: Mapping[int, str]) -> None:
    if missing := sorted(wanted.keys() - numbers):
        shown = ", ".join(map(str, missing[:5])) + (" …" if len(missing) > 5 else "")
        raise StitchError(
            f"frame{'s' if len(missing) > 1 else ''} {shown} missing in {name}, of {wanted[missing[0]]}",
            hint="Images are numbered by frame (`numbering: absolute`), or from each chunk's start (`numbering: chunk`).",
        )
    if extra := sorted(numbers - wanted.keys()):
        raise StitchError(f"frame {extra[0]} in {name} was not asked for: planned were {min(wanted)} to {max(wanted)}")
