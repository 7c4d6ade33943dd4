"""Sound: one file over the whole, or lossless in the chunks; counted in samples either way."""

from __future__ import annotations

from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import av
import pytest

from helios_pipe.digest import digest_file
from helios_pipe.errors import StitchError
from helios_pipe.stitch.certificate import proof_of, read_proof
from helios_pipe.stitch.join import FfmpegStitcher, Joined, JoinSettings, Piece, RemuxStitcher, join
from helios_pipe.stitch.sound import samples_at
from helios_pipe.stitch.verify import verify_file
from tests.e2e.stitch.conftest import Ffmpeg, Refused

NTSC = Fraction(30000, 1001)
FRAMES = 11
"""Frames a chunk: at 29.97 and 48 kHz its length in samples is never whole."""


def heard(path: Path) -> tuple[int, str]:
    """Samples and their digest, as 32-bit numbers whatever the format."""
    resampler = av.AudioResampler(format="s32", layout="stereo")
    hasher, count = sha256(), 0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            frame.pts = None
            for block in resampler.resample(frame):
                hasher.update(bytes(block.planes[0])[: block.samples * 8])
                count += block.samples
    return count, hasher.hexdigest()


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Ffmpeg) -> Path:
    """Three seconds of noise, the same in every format."""
    folder = tmp_path_factory.mktemp("sounds")
    source = folder / "noise.wav"
    noise = "anoisesrc=r=48000:d=3:seed=7:a=0.5,lowpass=4000,aformat=channel_layouts=stereo:sample_fmts=s16"
    ffmpeg("-f", "lavfi", "-i", noise, "-c:a", "pcm_s16le", source)
    for name, codec in (
        ("deep.wav", "pcm_s24le"),
        ("noise.flac", "flac"),
        ("noise.m4a", "aac"),
        ("noise.opus", "libopus"),
        ("noise.mp3", "libmp3lame"),
        ("noise.aiff", "pcm_s16be"),
    ):
        ffmpeg("-i", source, "-c:a", codec, folder / name)
    ffmpeg("-i", source, "-t", "0.5", "-c:a", "pcm_s16le", folder / "short.wav")
    return folder


@pytest.fixture(scope="session")
def silent(tmp_path_factory: pytest.TempPathFactory, ffmpeg: Ffmpeg) -> list[Piece]:
    """Four chunks of eleven frames at 29.97."""
    folder = tmp_path_factory.mktemp("silent")
    return [Piece(picture(ffmpeg, folder / f"{number}.mp4", number), f"a/{number}") for number in range(4)]


def picture(ffmpeg: Ffmpeg, path: Path, number: int, *arguments: str | Path) -> Path:
    cut = f"trim=start_frame={number * FRAMES}:end_frame={(number + 1) * FRAMES},setpts=PTS-STARTPTS"
    ffmpeg(
        *("-f", "lavfi", "-i", f"testsrc2=s=96x64:r=30000/1001,{cut}", *arguments),
        *("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p", path),
    )
    return path


def cut(ffmpeg: Ffmpeg, source: Path, samples: int, folder: Path) -> Path:
    target = folder / f"cut{samples}.wav"
    codec = "pcm_s24le" if source.name == "deep.wav" else "pcm_s16le"
    ffmpeg("-i", source, "-af", f"atrim=end_sample={samples}", "-c:a", codec, target)
    return target


# -- one file over the whole


@pytest.mark.parametrize(
    ("suffix", "name", "codec"),
    [
        (".mov", "noise.wav", "pcm_s16le"),
        (".mov", "deep.wav", "pcm_s24le"),
        (".mov", "noise.aiff", "pcm_s16le"),
        (".mov", "noise.flac", "pcm_s16le"),
        (".mkv", "noise.wav", "pcm_s16le"),
        (".mkv", "deep.wav", "pcm_s24le"),
        (".mkv", "noise.flac", "flac"),
    ],
)
def test_lossless_sound_stays_the_same_to_the_sample(
    suffix: str, name: str, codec: str, sounds: Path, silent: list[Piece], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    target = tmp_path / f"all{suffix}"
    joined = join(silent, target, sound=Piece(sounds / name, name))
    expected = samples_at(4 * FRAMES, NTSC, 48000)
    assert joined.sound is not None
    assert (joined.sound.codec, joined.sound.samples, expected) == (codec, expected, 70470)
    assert heard(target) == heard(cut(ffmpeg, sounds / name, expected, tmp_path))


@pytest.mark.parametrize(
    ("suffix", "name", "codec"),
    [
        (".mp4", "noise.wav", "aac"),
        (".mp4", "noise.flac", "aac"),
        (".mp4", "noise.m4a", "aac"),
        (".mp4", "noise.mp3", "aac"),
        (".mov", "noise.m4a", "aac"),
        (".mov", "noise.opus", "aac"),
        (".mkv", "noise.m4a", "flac"),
        (".ts", "noise.wav", "aac"),
    ],
)
def test_lossy_sound_is_neither_late_nor_early(
    suffix: str, name: str, codec: str, sounds: Path, silent: list[Piece], tmp_path: Path
) -> None:
    target, sound = tmp_path / f"all{suffix}", Piece(sounds / name, name)
    joined = join(silent, target, sound=sound)
    assert joined.sound is not None
    assert (joined.sound.codec, joined.sound.samples) == (codec, 70470)
    assert proved(joined, target, sound) == []
    assert proved(joined, target, Piece(sounds / "noise.wav", "the source")) == []


def proved(joined: Joined, target: Path, sound: Piece | None) -> list[str]:
    proof = target.with_name("proof.json")
    proof.write_bytes(proof_of(joined))
    return [problem.text for problem in verify_file(target, read_proof(proof), sound=sound).problems]


def test_opus_for_webm(sounds: Path, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    pieces = []
    for number in range(2):
        path = tmp_path / f"{number}.webm"
        vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-threads", "1")
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25", "-frames:v", "20", *vp9, path)
        pieces.append(Piece(path, f"a/{number}"))
    sound = Piece(sounds / "noise.wav", "noise")
    joined = join(pieces, tmp_path / "all.webm", sound=sound)
    assert joined.sound is not None
    assert (joined.sound.codec, joined.sound.samples) == ("libopus", 76800)
    assert proved(joined, tmp_path / "all.webm", sound) == []


def test_compatible_aac_is_copied_not_encoded_again(sounds: Path, silent: list[Piece], tmp_path: Path) -> None:
    join(silent, tmp_path / "all.mp4", sound=Piece(sounds / "noise.m4a", "noise"))
    packets = []
    for path in (sounds / "noise.m4a", tmp_path / "all.mp4"):
        with av.open(str(path)) as container:
            packets.append([bytes(packet) for packet in container.demux(audio=0) if packet.size])
    assert packets[1] == packets[0][: len(packets[1])]
    assert len(packets[1]) == 70


def test_sound_that_ends_early_stays_as_long_as_it_is(sounds: Path, silent: list[Piece], tmp_path: Path) -> None:
    joined = join(silent, tmp_path / "all.mov", sound=Piece(sounds / "short.wav", "short"))
    assert joined.sound is not None
    assert joined.sound.samples == 24000
    assert heard(tmp_path / "all.mov") == heard(sounds / "short.wav")


def test_two_joins_with_sound_are_the_same_bytes(sounds: Path, silent: list[Piece], tmp_path: Path) -> None:
    for suffix in (".mp4", ".mov", ".mkv"):
        digests = {
            join(silent, tmp_path / f"{n}{suffix}", sound=Piece(sounds / "noise.wav", "")).sha256 for n in (0, 1)
        }
        assert len(digests) == 1, suffix


def test_the_codec_may_be_given(sounds: Path, silent: list[Piece], tmp_path: Path) -> None:
    sound = Piece(sounds / "noise.wav", "noise")
    joined = join(silent, tmp_path / "all.mp4", JoinSettings(audio_codec="flac"), sound=sound)
    assert joined.sound is not None
    assert joined.sound.codec == "flac"
    assert proved(joined, tmp_path / "all.mp4", sound) == []


def test_a_codec_that_does_not_exist_is_refused(sounds: Path, silent: list[Piece], refused: Refused) -> None:
    told = refused(silent, JoinSettings(audio_codec="gramophone"), sound=Piece(sounds / "noise.wav", "noise"))
    assert told.startswith("sound cannot be encoded as gramophone: ")


def test_a_sound_file_that_is_none_is_refused(silent: list[Piece], tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "words.wav").write_text("no sound at all, but long enough to look at")
    assert "words.wav: not readable as wav" in refused(silent, sound=Piece(tmp_path / "words.wav", "mix"))
    assert refused(silent, sound=Piece(silent[0].path, "mix")) == (
        "mix (0.mp4): 0 sound streams, expected one that can be decoded"
    )


def test_a_sound_file_that_changed_is_refused(sounds: Path, silent: list[Piece], refused: Refused) -> None:
    other = digest_file(sounds / "deep.wav")
    told = refused(silent, sound=Piece(sounds / "noise.wav", "mix", digest=other))
    assert told.startswith("mix (noise.wav): sha256 is ")


# -- sound in the chunks


def chunks(ffmpeg: Ffmpeg, folder: Path, source: Path, codec: str, suffix: str, borders: list[int]) -> list[Piece]:
    pieces = []
    for number in range(len(borders) - 1):
        trim = f"atrim=start_sample={borders[number]}:end_sample={borders[number + 1]},asetpts=N"
        path = folder / f"{codec}{number}{suffix}"
        picture(ffmpeg, path, number, "-i", source, "-af", trim, "-c:a", codec)
        pieces.append(Piece(path, f"a/{number}", frames=FRAMES))
    return pieces


def rounded_from_the_beginning(count: int) -> list[int]:
    return [samples_at(number * FRAMES, NTSC, 48000) for number in range(count + 1)]


KEPT = [
    (".mov", "pcm_s16le", ".mov"),
    (".mov", "pcm_s24le", ".mkv"),
    (".mkv", "pcm_s16le", ".mp4"),
    (".mkv", "flac", ".mkv"),
    (".mp4", "flac", ".mp4"),
    (".mkv", "flac", ".mov"),
]


@pytest.mark.parametrize(("suffix", "codec", "target"), KEPT)
def test_lossless_sound_in_the_chunks_is_joined_to_the_sample(
    suffix: str, codec: str, target: str, sounds: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    source = sounds / ("deep.wav" if codec == "pcm_s24le" else "noise.wav")
    borders = rounded_from_the_beginning(5)
    assert len({right - left for left, right in pairwise(borders)}) == 2
    joined = join(chunks(ffmpeg, tmp_path, source, codec, suffix, borders), tmp_path / f"all{target}")
    assert joined.sound is not None
    assert joined.sound.samples == borders[-1] == 88088
    assert heard(tmp_path / f"all{target}") == heard(cut(ffmpeg, source, borders[-1], tmp_path))


@pytest.mark.parametrize(("suffix", "codec", "target"), KEPT)
def test_the_program_joins_sound_in_the_chunks_to_the_sample(
    suffix: str, codec: str, target: str, sounds: Path, ffmpeg: Ffmpeg, program: str, tmp_path: Path
) -> None:
    source = sounds / ("deep.wav" if codec == "pcm_s24le" else "noise.wav")
    borders = rounded_from_the_beginning(5)
    pieces = chunks(ffmpeg, tmp_path, source, codec, suffix, borders)
    output = tmp_path / "out" / f"all{target}"
    FfmpegStitcher(program).stitch([piece.path for piece in pieces], output)
    assert heard(output) == heard(cut(ffmpeg, source, borders[-1], tmp_path))
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize("suffix", [".mp4", ".ts"])
def test_the_program_joins_sound_that_is_encoded_once(
    suffix: str, sounds: Path, ffmpeg: Ffmpeg, program: str, tmp_path: Path
) -> None:
    pieces = chunks(ffmpeg, tmp_path, sounds / "noise.wav", "pcm_s16le", ".mov", rounded_from_the_beginning(5))
    settings, sounded = JoinSettings(audio_codec="aac"), []
    for stitcher in (RemuxStitcher(settings), FfmpegStitcher(program, settings)):
        stitcher.stitch([piece.path for piece in pieces], tmp_path / f"all{suffix}")
        sounded.append(heard(tmp_path / f"all{suffix}"))
    assert sounded[0] == sounded[1]


def test_sound_goes_along_where_the_program_takes_over(
    sounds: Path, silent: list[Piece], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    """FFV1 goes into QuickTime by the program only."""
    pieces = [Piece(tmp_path / f"{number}.mkv", piece.name) for number, piece in enumerate(silent)]
    for piece, lossy in zip(pieces, silent, strict=True):
        ffmpeg("-i", lossy.path, "-c:v", "ffv1", "-level", "3", piece.path)
    target = tmp_path / "all.mov"
    joined = join(pieces, target, sound=Piece(sounds / "noise.wav", "noise.wav"))
    assert joined.sound is not None
    assert (joined.sound.codec, joined.sound.samples) == ("pcm_s16le", 70470)
    assert heard(target) == heard(cut(ffmpeg, sounds / "noise.wav", 70470, tmp_path))


@pytest.mark.parametrize(("suffix", "codec", "samples"), [(".mp4", "aac", 88088), (".mkv", "libopus", 88088)])
def test_lossless_sound_in_the_chunks_is_encoded_once_where_a_codec_is_named(
    suffix: str, codec: str, samples: int, sounds: Path, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    pieces = chunks(ffmpeg, tmp_path, sounds / "noise.wav", "pcm_s16le", ".mov", rounded_from_the_beginning(5))
    target = tmp_path / f"all{suffix}"
    joined = join(pieces, target, JoinSettings(audio_codec=codec))
    assert joined.sound is not None
    assert (joined.sound.codec, joined.sound.samples) == (codec, samples)
    assert proved(joined, target, Piece(sounds / "noise.wav", "the source")) == []


def test_borders_rounded_chunk_by_chunk_drift_and_are_refused(
    sounds: Path, ffmpeg: Ffmpeg, tmp_path: Path, refused: Refused
) -> None:
    each = samples_at(FRAMES, NTSC, 48000)
    drifting = [number * each for number in range(5)]
    told = refused(chunks(ffmpeg, tmp_path, sounds / "noise.wav", "pcm_s16le", ".mov", drifting))
    assert told.startswith("a/1 (pcm_s16le1.mov): sound has 17618 samples, expected 17617 (from round(k/fps·rate)")


def test_lossy_sound_in_the_chunks_is_refused(sounds: Path, ffmpeg: Ffmpeg, tmp_path: Path, refused: Refused) -> None:
    told = refused(chunks(ffmpeg, tmp_path, sounds / "noise.wav", "aac", ".mp4", rounded_from_the_beginning(2)))
    assert told == (
        "a/0 (aac0.mp4): sound is aac, which cannot be joined by copying; expected PCM or FLAC\n"
        "  Leave the sound out of the chunks (-an) and give it to the stitch as one file (`audio`), "
        "or encode it losslessly (-c:a pcm_s16le or -c:a flac)."
    )


def test_another_rate_of_sound_is_refused(sounds: Path, ffmpeg: Ffmpeg, tmp_path: Path, refused: Refused) -> None:
    pieces = chunks(ffmpeg, tmp_path, sounds / "noise.wav", "pcm_s16le", ".mov", rounded_from_the_beginning(2))
    slow = tmp_path / "slow.mov"
    ffmpeg("-i", pieces[1].path, "-c:v", "copy", "-c:a", "pcm_s16le", "-ar", "44100", slow)
    told = refused([pieces[0], Piece(slow, "a/1")])
    assert told == "a/1 (slow.mov): sound rate is 44100, but 48000 in a/0\n  Make every chunk's sound the same way."


def test_a_sound_file_beside_sound_in_the_chunks_is_refused(
    sounds: Path, ffmpeg: Ffmpeg, tmp_path: Path, refused: Refused
) -> None:
    pieces = chunks(ffmpeg, tmp_path, sounds / "noise.wav", "pcm_s16le", ".mov", rounded_from_the_beginning(2))
    told = refused(pieces, sound=Piece(sounds / "noise.wav", "mix"))
    assert told == "a/0 (pcm_s16le0.mov): has sound of its own beside the stitch's\n  Leave it out of the chunks (-an)."


def test_sound_for_a_container_that_has_none_is_refused(sounds: Path, silent: list[Piece], tmp_path: Path) -> None:
    with pytest.raises(StitchError, match=r"^sound is not written to nut\n  Use \.mp4,"):
        join(silent, tmp_path / "all.nut", sound=Piece(sounds / "noise.wav", "mix"))
