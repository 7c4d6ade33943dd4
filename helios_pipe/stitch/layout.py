"""What has to be equal from chunk to chunk for packets to be copied. Knows nothing of time or order."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING

from helios_pipe.media.container import HEADED

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

EXTRADATA = "codec header (extradata)"
_SAME_SETTINGS = "Encode every chunk with the same encoder, version and settings."
_REMEDY = {
    EXTRADATA: "Encode every chunk with the same settings, key frame interval (-g)"
    " included; with x264, -x264-params stitchable=1 keeps the header equal across CRF values.",
    "pixel format": "Say it in every chunk's command, as -pix_fmt yuv420p does.",
    "size": "Render every chunk at the same size.",
    "pixel aspect": "Say it in every chunk's command, as -vf setsar=1 does.",
    "colour range": "Say it in every chunk's command, as -color_range tv does.",
    "colour primaries": "Say them in every chunk's command, as -color_primaries bt709 does.",
    "colour transfer": "Say it in every chunk's command, as -color_trc bt709 does.",
    "colour space": "Say it in every chunk's command, as -colorspace bt709 does.",
}
_WHOLE_IN_HEADER = frozenset({"h264", "hevc", "av1"})
"""Codecs whose extradata says everything about the picture, so that equal extradata means equal pictures."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The properties of a video stream that a join has no right to mix."""

    codec: str
    tag: str
    profile: str
    pix_fmt: str
    width: int
    height: int
    sar: Fraction
    color_range: int
    color_primaries: int
    color_trc: int
    color_space: int
    field_order: int
    extradata: bytes

    @classmethod
    def of(cls, stream: VideoStream) -> Layout:
        """The layout of a stream as it was opened."""
        context = stream.codec_context
        return cls(
            codec=context.codec.canonical_name,
            tag=context.codec_tag.strip("\0"),
            profile=stream.profile or "",
            pix_fmt=context.pix_fmt or "",
            width=context.width,
            height=context.height,
            sar=stream.sample_aspect_ratio or Fraction(1),
            color_range=context.color_range,
            color_primaries=context.color_primaries,
            color_trc=context.color_trc,
            color_space=context.colorspace,
            field_order=context.field_order,
            extradata=context.extradata or b"",
        )

    def difference(self, other: Layout) -> tuple[str, str, str, str] | None:
        """The first property that differs, most telling first: its name, the value here, the value there, what to do."""
        for name, here, there in zip(_NAMES, self._shown(), other._shown(), strict=True):
            if here != there:
                return name, here, there, _REMEDY.get(name, _SAME_SETTINGS)
        return None

    def _shown(self) -> tuple[str, ...]:
        return (
            self.codec,
            f"{self.width}x{self.height}",
            self.pix_fmt or "unknown",
            self.profile or "none",
            str(self.sar).replace("/", ":"),
            _RANGES.get(self.color_range, str(self.color_range)),
            str(self.color_primaries),
            str(self.color_trc),
            str(self.color_space),
            str(self.field_order),
            self.tag or "none",
            f"{len(self.extradata)} bytes, sha256 {sha256(self.extradata).hexdigest()[:12]}",
        )


_RANGES = {0: "unspecified", 1: "tv", 2: "pc"}
_NAMES = (
    "codec",
    "size",
    "pixel format",
    "profile",
    "pixel aspect",
    "colour range",
    "colour primaries",
    "colour transfer",
    "colour space",
    "field order",
    "codec tag",
    EXTRADATA,
)


def can_be_quick(container: InputContainer, layout: Layout) -> bool:
    """Whether later chunks may be opened without a decoder: their headers, compared byte for byte, say it all."""
    headed = any(name in HEADED for name in container.format.name.split(","))
    return headed and layout.codec in _WHOLE_IN_HEADER and bool(layout.extradata)
