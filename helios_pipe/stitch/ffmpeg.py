"""Joining by the ffmpeg program, for what the library in this process does not write. Trusts neither its exit code nor its clock.

Its concat demuxer exits 0 on broken input and places chunks in microseconds. So it gets only chunks that were checked, by links
with plain names in a folder of their own, may open nothing but their format; and every time stamp is set from a frame number.
Sound is written by the library, once and to the sample, and copied beside the video.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import accumulate
from pathlib import Path

from helios_pipe.errors import StitchError, ToolError
from helios_pipe.media.container import DEMUXERS
from helios_pipe.ports import WorkerJob
from helios_pipe.settings import environment
from helios_pipe.stitch.model import JoinSettings
from helios_pipe.stitch.muxers import SUFFIXES, kept_tags, muxer_options
from helios_pipe.stitch.packets import PacketRuns
from helios_pipe.stitch.preflight import INDEX_FROM, Plan
from helios_pipe.stitch.remux import Written
from helios_pipe.stitch.source import opened, packets_of
from helios_pipe.stitch.track import write_sound
from helios_pipe.worker.process import run_process

_SOUND = "sound"
_FORMATS = {"mov": "mov,mp4,m4a,3gp,3g2,mj2", "matroska": "matroska,webm"}
"""The demuxers' full names, where they have several."""


def find_ffmpeg() -> str:
    """The ffmpeg of the PATH, else that of the `ffmpeg` extra. Raises ToolError where there is none."""
    found = shutil.which("ffmpeg", path=environment().get("PATH"))
    if found is not None:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise ToolError("no ffmpeg found", hint="Install it, or `pip install helios-pipe[ffmpeg]`.") from error


def concat(program: str, plan: Plan, target: Path, muxer: str, settings: JoinSettings) -> Written:
    """Write all chunks into `target` by the concat demuxer. Gives the digest of each chunk's packets. Raises StitchError."""
    # Sound may be large: it is kept where there is room for the film.
    place = target.parent if plan.sound else None
    with tempfile.TemporaryDirectory(prefix=".helios-concat-", dir=place) as folder:
        _write_list(plan, Path(folder))
        sound = write_sound(plan.sound, Path(folder) / _SOUND, _sound_muxer(muxer)) if plan.sound else None
        argv = concat_argv(program, plan, target, muxer, settings)
        env = {"PATH": os.path.dirname(program), "LC_ALL": "C.UTF-8"}
        result = run_process(WorkerJob(argv[0], tuple(argv[1:]), env=env, cwd=Path(folder)))
    if result.exit_code:
        raise StitchError(
            f"ffmpeg could not join {len(plan.chunks)} chunks as {muxer}: {result.stderr.strip() or result.reason}",
            hint="Not every codec fits every container; .mkv takes most.",
        )
    with PacketRuns() as runs:
        for chunk in plan.chunks:
            if plan.prove or chunk.mark[0] < INDEX_FROM:  # a large one is compared byte by byte in any case
                for packet in packets_of(chunk.piece, quick=plan.quick):
                    runs.add(packet)
            runs.end_run()
        return Written(runs.digests(), sound)


def concat_argv(program: str, plan: Plan, target: Path, muxer: str, settings: JoinSettings) -> list[str]:
    """The command, run in the folder of the list. `setts` gives each packet the time of its frame number."""
    with opened(plan.chunks[0].piece, quick=True) as container:
        tags = kept_tags(container.metadata)  # the concat demuxer has none of its own
    per = plan.clock.per
    setts = (
        f"setts=time_base=1/{plan.clock.timescale}:prescale=1"
        f":pts=round(PTS/{per})*{per}:dts=(N-{plan.delay})*{per}:duration={per}"
    )
    return [
        *(program, "-v", "error", "-nostdin", "-y", "-xerror"),
        *("-protocol_whitelist", "file", "-format_whitelist", f"concat,{_FORMATS.get(plan.demuxer, plan.demuxer)}"),
        *("-f", "concat", "-auto_convert", "0", "-i", "list.ffconcat", *_sound_input(plan, muxer)),
        *("-map", "0:v:0", *(("-map", "1:a:0") if plan.sound else ()), "-c", "copy", "-bsf:v", setts),
        *(item for name, value in muxer_options(plan, muxer, settings).items() for item in (f"-{name}", value)),
        *(
            item
            for name, value in {**tags, **dict(settings.metadata)}.items()
            for item in ("-metadata", f"{name}={value}")
        ),
        *("-f", muxer, os.path.abspath(target)),
    ]


def _sound_input(plan: Plan, muxer: str) -> tuple[str, ...]:
    if plan.sound is None:
        return ()
    demuxer = DEMUXERS[SUFFIXES[_sound_muxer(muxer)]]
    only = ("-protocol_whitelist", "file", "-format_whitelist", _FORMATS.get(demuxer, demuxer))
    return (*only, "-f", demuxer, "-i", _SOUND)


def _sound_muxer(muxer: str) -> str:
    """The container of the sound on its way: the film's own, but that of MPEG-TS spells AAC in another way."""
    return "mp4" if muxer == "mpegts" else muxer


def _write_list(plan: Plan, folder: Path) -> None:
    """Links with plain names: no apostrophe, newline or dash of a chunk's own name ever reaches the list. Lengths are rounded
    from the beginning, so that microseconds do not add up."""
    lines = ["ffconcat version 1.0\n"]
    ends = [0, *accumulate(chunk.frames for chunk in plan.chunks)]
    micros = [round(end * 1_000_000 / plan.clock.fps) for end in ends]
    for number, chunk in enumerate(plan.chunks):
        os.symlink(os.path.abspath(chunk.piece.path), folder / f"{number:06d}")
        lines.append(f"file '{number:06d}'\nduration {micros[number + 1] - micros[number]}us\n")
    (folder / "list.ffconcat").write_text("".join(lines))
