"""The command that makes one video of an image sequence. Runs nothing: it is an action like any other, keyed and cached.

A command rather than the library in this process: encoding takes minutes where copying takes none, so it should have what
commands have (a slot, a log, a time limit, another machine), and its tool's version belongs into its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path, PurePosixPath

from helios_pipe.errors import StitchError
from helios_pipe.manifest.model import Encode
from helios_pipe.media.imagesize import image_size

FOLDER = "in"
"""Where the images lie in the workspace."""

_LOOK = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int+bitexact"
_TAGS = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
_CURVE = "clip(if(lte(val/maxval,0.0031308),12.92*val/maxval,1.055*pow(val/maxval,1/2.4)-0.055),0,1)*maxval"
_FROM_LINEAR = f"format=gbrp16le,lutrgb=r='{_CURVE}':g='{_CURVE}':b='{_CURVE}',setparams=color_trc=iec61966-2-1"
_LINEAR = frozenset({".exr", ".hdr"})
"""Images that hold light; all others hold picture values already."""
_LINEAR_PIX_FMT = "gbrp16le"
_PIX_FMT = {
    "libx264": "yuv420p",
    "libx265": "yuv420p",
    "libvpx": "yuv420p",
    "libvpx-vp9": "yuv420p",
    "libsvtav1": "yuv420p",
    "libaom-av1": "yuv420p",
    "prores_ks": "yuv422p10le",
}
_PINNED = {
    "libx264": ("-threads", "4"),
    "libx265": ("-x265-params", "pools=4:frame-threads=1:log-level=error"),
    "libsvtav1": ("-svtav1-params", "lp=1"),
    "libvpx-vp9": ("-threads", "4", "-row-mt", "0"),
}
"""Encoders' output depends on their thread count: the machine's must not decide it."""
_BOXED = frozenset({".mp4", ".m4v", ".mov"})


def sequence_names(images: Sequence[str]) -> list[str]:
    """Where the images, given by their names in frame order, must lie in the workspace: numbered from 0 without a gap, whatever
    their frame numbers are. Raises StitchError where there are none, or of several kinds."""
    suffixes = {PurePosixPath(name).suffix.lower(): name for name in images}
    if not suffixes:
        raise StitchError("no images to encode", hint="The chunks' folders must hold images (.png, .jpg, .exr, …).")
    if len(suffixes) > 1:
        shown = ", ".join(sorted(suffixes.values()))
        raise StitchError(f"images of several kinds to encode: {shown}", hint="Leave one kind in the chunks' folders.")
    (suffix,) = suffixes
    return [f"{FOLDER}/{number:07d}{suffix}" for number in range(len(images))]


def check_sizes(images: Sequence[tuple[str, Path]]) -> None:
    """All images, given by name and file in frame order, must be of one size: ffmpeg would scale the others to the first
    without a word. Raises StitchError, or OutputError for one that cannot be read."""
    first: tuple[int, int] | None = None
    for name, path in images:
        size = image_size(path, name)
        if first is None:
            first = size
        if size != first:
            raise StitchError(
                f"{name} is {size[0]}x{size[1]}, but {images[0][0]} is {first[0]}x{first[1]}",
                hint="Render every image at the same size.",
            )


def encode_argv(
    encode: Encode, *, image: str, frames: int, fps: Fraction, output: str, program: str = "ffmpeg"
) -> list[str]:
    """The command that encodes `frames` images, lying as `sequence_names` says, into `output`. `image` is one of their names.

    Pictures become BT.709 video and say so; light (EXR) gets the sRGB curve first. The same images give the same bytes, run
    after run: threads are pinned, nothing volatile is written.
    """
    suffix = PurePosixPath(image).suffix.lower()
    pix_fmt = encode.pix_fmt or _PIX_FMT.get(encode.codec) or (_LINEAR_PIX_FMT if suffix in _LINEAR else None)
    rate = f"{fps.numerator}/{fps.denominator}"
    return [
        *(program, "-v", "error", "-nostdin", "-y", "-xerror", "-protocol_whitelist", "file"),
        *("-f", "image2", "-framerate", rate, "-start_number", "0", "-i", f"{FOLDER}/%07d{suffix}"),
        *("-map", "0:v:0", "-frames:v", str(frames), "-fps_mode", "passthrough", "-noautoscale"),
        *_filters(suffix, pix_fmt),
        *("-c:v", encode.codec, *_PINNED.get(encode.codec, ("-threads", "1"))),
        *_quality(encode),
        *(("-pix_fmt", pix_fmt) if pix_fmt else ()),
        *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"),
        *(("-movflags", "+faststart") if PurePosixPath(output).suffix.lower() in _BOXED else ()),
        *encode.args,
        output,
    ]


def _filters(suffix: str, pix_fmt: str | None) -> tuple[str, ...]:
    chain = [_FROM_LINEAR] if suffix in _LINEAR and pix_fmt else []
    if pix_fmt and pix_fmt.startswith(("yuv", "nv", "p0", "y")):
        chain += [_LOOK, f"format={pix_fmt}", _TAGS]
    return ("-vf", ",".join(chain)) if chain else ()


def _quality(encode: Encode) -> tuple[str, ...]:
    argv: tuple[str, ...] = ()
    if encode.preset is not None:
        argv += ("-preset", encode.preset)
    if encode.crf is not None:
        argv += ("-crf", str(encode.crf))
        if encode.codec.startswith("libvpx"):
            argv += ("-b:v", "0")
    return argv
