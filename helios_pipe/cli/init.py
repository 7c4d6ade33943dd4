"""`init`: a first manifest."""

from __future__ import annotations

from pathlib import Path

import click

from helios_pipe.errors import UsageError

_MANIFEST = """\
# yaml-language-server: $schema={schema}
version: 1
name: {name}
tools: {{ffmpeg: auto}}

jobs:
  main:
    frames: 0-119
    fps: 30
    chunk:
      size: 30
      command: >-
        ffmpeg -v error -f lavfi
        -i testsrc2=size=640x360:rate=30,trim=start_frame={{chunk.start}},setpts=PTS-STARTPTS
        -frames:v {{chunk.count}} -c:v libx264 -threads 1 -pix_fmt yuv420p {{output}}
      output: chunk.mp4
    stitch:
      output: out/{name}.mp4
"""


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
def command(folder: Path) -> int:
    """Write a first manifest, render.yaml, into FOLDER."""
    from helios_pipe.manifest.schema import schema_path

    target = folder / "render.yaml"
    name = "".join(c if c.isalnum() else "-" for c in folder.resolve().name).strip("-") or "video"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(_MANIFEST.format(name=name, schema=schema_path()))
    except FileExistsError:
        raise UsageError(f"{target} is there already", hint="Give another folder, or move it away.") from None
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from error
    click.echo(f"{target} written; now: helios-pipe run {target}")
    return 0
