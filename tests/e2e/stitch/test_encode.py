"""Image sequences as video: the right pictures in the right colours, the same bytes every time."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest

from helios_pipe.digest import digest_file
from helios_pipe.errors import StitchError
from helios_pipe.manifest.model import Encode
from helios_pipe.media.imagesize import image_size
from helios_pipe.media.probe import probe
from helios_pipe.stitch.encode import check_sizes, encode_argv, sequence_names
from tests.e2e.stitch.conftest import Ffmpeg
from tests.kit import burnin

FRAMES = 6


@pytest.fixture(scope="session")
def sequences(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Ffmpeg) -> Path:
    """`png`, `jpg` and `exr`: each a workspace with six images under in/. `exr` holds light of one grey, 0.5."""
    root = tmp_path_factory.mktemp("sequences")
    for kind in ("png", "jpg"):
        images = root / kind / "in"
        images.mkdir(parents=True)
        options = burnin.arguments(["--count", str(FRAMES), "--output", f"{images}/"])
        frames = (burnin.picture(number, 128, 72, (128, 128), "yuv420p") for number in range(FRAMES))
        burnin.save_images(frames, list(range(FRAMES)), images, options)
        for number in range(FRAMES):
            target = images / f"{number:07d}.{kind}"
            if kind == "png":
                (images / f"{number:05d}.png").rename(target)
            else:
                ffmpeg("-i", images / f"{number:05d}.png", "-q:v", "2", target)
                (images / f"{number:05d}.png").unlink()
    (root / "exr" / "in").mkdir(parents=True)
    half = "color=white:s=128x72:r=24,format=gbrpf32le,colorlevels=romax=0.5:gomax=0.5:bomax=0.5"
    ffmpeg("-f", "lavfi", "-i", half, "-frames:v", FRAMES, "-start_number", "0", root / "exr" / "in" / "%07d.exr")
    return root


def encode(program: str, workspace: Path, kind: str, output: str, encode_: Encode, frames: int = FRAMES) -> None:
    argv = encode_argv(
        encode_, image=f"x.{kind}", frames=frames, fps=Fraction(24000, 1001), output=output, program=program
    )
    done = subprocess.run(argv, cwd=workspace, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_every_image_is_a_frame_in_order(kind: str, sequences: Path, program: str) -> None:
    workspace = sequences / kind
    encode(program, workspace, kind, "all.mp4", Encode(crf=18, preset="fast"))
    assert burnin.read_frame_numbers(workspace / "all.mp4") == list(range(FRAMES))
    found = probe(workspace / "all.mp4")
    assert (found.frames, found.fps, found.pix_fmt) == (FRAMES, Fraction(24000, 1001), "yuv420p")
    assert (found.color_range, found.color_primaries, found.color_trc, found.color_space) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("codec", "output", "settings"),
    [
        ("libx264", "all.mp4", {"crf": 30}),
        ("libx265", "all.mkv", {"pix_fmt": "yuv420p10le"}),
        ("libvpx-vp9", "all.webm", {"crf": 40, "args": ("-deadline", "realtime", "-cpu-used", "8")}),
        ("libsvtav1", "all.mp4", {"crf": 50, "preset": "12"}),
        ("prores_ks", "all.mov", {}),
        ("ffv1", "all.mkv", {}),
    ],
)
def test_the_same_images_give_the_same_bytes(
    codec: str, output: str, settings: dict[str, object], sequences: Path, program: str
) -> None:
    digests = set()
    for _ in range(2):
        encode(program, sequences / "png", "png", output, Encode(codec=codec, **settings))  # type: ignore[arg-type]
        digests.add(digest_file(sequences / "png" / output))
    assert len(digests) == 1
    assert burnin.read_frame_numbers(sequences / "png" / output) == list(range(FRAMES))


def test_light_gets_the_curve_that_pictures_have(sequences: Path, program: str) -> None:
    """Half the light is 73.5 % of the signal: 16 + 219 * 0.735 = 177."""
    encode(program, sequences / "exr", "exr", "all.mp4", Encode(crf=1))
    with av.open(str(sequences / "exr" / "all.mp4")) as container:
        frame = next(container.decode(video=0))
    assert abs(bytes(frame.planes[0])[40 * frame.planes[0].line_size + 60] - 177) <= 1
    assert abs(bytes(frame.planes[1])[20 * frame.planes[1].line_size + 30] - 128) <= 1


def test_red_keeps_its_hue(tmp_path: Path, ffmpeg: Ffmpeg, program: str) -> None:
    """In BT.709 full red has luma 63; by the default matrix, BT.601, it would be 81 and show too bright."""
    (tmp_path / "in").mkdir()
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", "-pix_fmt", "rgb24", tmp_path / "in/0000000.png")
    encode(program, tmp_path, "png", "all.mp4", Encode(crf=1), frames=1)
    with av.open(str(tmp_path / "all.mp4")) as container:
        frame = next(container.decode(video=0))
    assert abs(bytes(frame.planes[0])[0] - 63) <= 1


def test_sizes_are_read_from_headers(sequences: Path, tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    for kind in ("png", "jpg", "exr"):
        assert image_size(sequences / kind / "in" / f"0000000.{kind}") == (128, 72)
    for suffix in ("tif", "bmp", "webp", "tga", "ppm"):
        ffmpeg("-i", sequences / "png" / "in" / "0000000.png", tmp_path / f"1.{suffix}")
        assert image_size(tmp_path / f"1.{suffix}") == (128, 72), suffix


def test_an_image_of_another_size_is_named(sequences: Path, tmp_path: Path, ffmpeg: Ffmpeg) -> None:
    """ffmpeg scales it to the first one's size and says nothing."""
    images = [(f"{number:04d}.png", sequences / "png" / "in" / f"{number:07d}.png") for number in range(3)]
    check_sizes(images)
    ffmpeg("-i", images[0][1], "-vf", "scale=96:54", tmp_path / "blob.png")
    with pytest.raises(StitchError, match=r"^0007\.png is 96x54, but 0000\.png is 128x72\n  Render every image"):
        check_sizes([*images, ("0007.png", tmp_path / "blob.png")])


def test_images_are_numbered_without_a_gap() -> None:
    assert sequence_names(["0010.png", "0012.PNG"]) == ["in/0000000.png", "in/0000001.png"]
    with pytest.raises(StitchError, match=r"images of several kinds to encode: b\.jpg, a\.png|a\.png, b\.jpg"):
        sequence_names(["a.png", "b.jpg"])
    with pytest.raises(StitchError, match=r"^no images to encode"):
        sequence_names([])


def test_the_users_own_arguments_come_last() -> None:
    argv = encode_argv(
        Encode(codec="libx264", args=("-threads", "8", "-tune", "film")),
        image="in/0000000.exr",
        frames=3,
        fps=Fraction(25),
        output="all.mkv",
    )
    assert argv[0] == "ffmpeg"
    assert argv[-5:] == ["-threads", "8", "-tune", "film", "all.mkv"]
    assert argv[argv.index("-i") + 1] == "in/%07d.exr"
    assert "+faststart" not in argv
