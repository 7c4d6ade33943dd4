"""The proof holds what follows from key and bytes, and reads back as it was written."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from helios_pipe.digest import digest_bytes
from helios_pipe.errors import StitchError
from helios_pipe.stitch.certificate import proof_of, read_proof
from helios_pipe.stitch.model import Joined, JoinedChunk, JoinedSound, JoinSettings
from helios_pipe.stitch.naming import proof_path

A, B, C = (digest_bytes(name) for name in (b"a", b"b", b"c"))
JOINED = Joined(
    frames=15,
    fps=Fraction(30000, 1001),
    duration=Fraction(1001, 2000),
    sha256=A,
    size=1234,
    chunks=(JoinedChunk("zoom/0000", B, 0, 10, C), JoinedChunk("zoom/0001", None, 10, 5, A)),
    packets_sha256=B,
    settings=JoinSettings(fps=Fraction(30000, 1001), metadata=(("title", "Zoom"),)),
    sound=JoinedSound("flac", 48000, 24024, A, B, None),
)


def test_it_reads_back_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(proof_of(JOINED))
    proof = read_proof(tmp_path / "p")
    assert (proof.sha256, proof.size, proof.frames, proof.fps) == (A, 1234, 15, Fraction(30000, 1001))
    assert [(chunk.digest, chunk.first, chunk.frames, chunk.packets) for chunk in proof.chunks] == [
        (B, 0, 10, C),
        (None, 10, 5, A),
    ]
    assert proof.sound == JOINED.sound
    assert proof.settings["metadata:title"] == "Zoom"


def test_names_of_nodes_do_not_stand_in_it() -> None:
    """Another job's join of the same chunks has the same key, and so must have the same proof."""
    renamed = JOINED._replace(chunks=tuple(chunk._replace(name="other") for chunk in JOINED.chunks))
    assert proof_of(renamed) == proof_of(JOINED)
    assert b"zoom" not in proof_of(JOINED)


def test_its_bytes_are_canonical() -> None:
    text = proof_of(JOINED._replace(chunks=JOINED.chunks[:1], sound=None, settings=JoinSettings())).decode()
    assert text == (
        f'{{"chunks":[{{"first":0,"frames":10,"packets_sha256":"{C}","sha256":"{B}"}}],'
        f'"output":{{"duration":"1001/2000","fps":"30000/1001","frames":15,"packets_sha256":"{B}","sha256":"{A}","size":1234}},'
        '"settings":{"audio_bitrate":null,"audio_codec":null,"faststart":true,"fps":null},'
        '"sound":null,"stitch_version":3,"version":1}\n'
    )


def test_it_lies_beside_its_output() -> None:
    assert proof_path(Path("out/a.mp4")) == Path("out/a.mp4.proof.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.update(version=2), "version 2, known is 1"),
        (lambda document: document.pop("chunks"), "not a proof file (KeyError: 'chunks')"),
        (lambda document: document["output"].update(fps="30/0"), "not a proof file (ZeroDivisionError"),
        (
            lambda document: document["output"].update(sha256="short"),
            "not a proof file (ValueError: 'short' is no digest)",
        ),
        (lambda document: document.update(output=[]), "not a proof file (TypeError"),
    ],
)
def test_what_is_no_proof_is_told(change: object, message: str, tmp_path: Path) -> None:
    document = json.loads(proof_of(JOINED))
    assert callable(change)
    change(document)
    (tmp_path / "p").write_text(json.dumps(document))
    with pytest.raises(StitchError) as caught:
        read_proof(tmp_path / "p")
    assert message in caught.value.message


def test_a_file_that_is_gone_or_no_json_is_told(tmp_path: Path) -> None:
    with pytest.raises(StitchError, match=r"gone: No such file or directory\n  A join writes it beside its output\."):
        read_proof(tmp_path / "gone")
    (tmp_path / "p").write_text("{")
    with pytest.raises(StitchError, match=r"p: no JSON"):
        read_proof(tmp_path / "p")
