"""Where, with which programs and in which environment everything runs. Knows no workload."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
_HERE = Path(__file__).resolve().parent


class MissingError(Exception):
    """Something that a benchmark needs is not installed; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder that all is written to, the environment of every command, and the programs. `make` and `ffmpeg` are None
    where there is none; `tiny` is the words that begin the tiny command, `compiled` whether it is C or a script."""

    folder: Path
    env: Mapping[str, str]
    helios: str
    ninja: str
    make: str | None
    ffmpeg: str | None
    tiny: tuple[str, ...]
    compiled: bool

    def machine(self) -> dict[str, str]:
        """What the table has to say of where it comes from: no names of hosts, no paths."""
        return {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "processor": f"{len(os.sched_getaffinity(0))} x {_processor()}",
            "system": f"{platform.system()} {platform.release().split('-')[0]}",
            "helios-pipe": version("helios-pipe"),
            "Python": platform.python_version(),
            "ninja": _first_line([self.ninja, "--version"]),
            "make": _first_line([self.make, "--version"]) if self.make else "none",
            "ffmpeg": _first_line([self.ffmpeg, "-version"]).split(" Copyright")[0] if self.ffmpeg else "none",
            "tiny command": "compiled C" if self.compiled else "a /bin/sh script",
        }


def prepare(folder: Path) -> Place:
    """Make a place of this folder, which exists. Raises MissingError."""
    if any(c.isspace() for c in str(folder)):
        raise MissingError(
            f"{folder} has white space in its name, which make cannot take: set TMPDIR, or give --folder"
        )
    for name in ("bin", "home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    ffmpeg = _ffmpeg()
    if ffmpeg is not None:  # under its plain name, for manifests and peers alike
        (folder / "bin/ffmpeg").symlink_to(ffmpeg)
    tiny, compiled = _tiny(folder / "bin")
    env = {
        "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
    }
    return Place(folder, env, _helios(), _ninja(), shutil.which("make"), ffmpeg, tiny, compiled)


def _helios() -> str:
    program = Path(sys.executable).parent / "helios-pipe"
    if not program.exists():
        raise MissingError("helios-pipe is not installed in this environment: pip install -e '.[dev,bench]'")
    return str(program)


def _ninja() -> str:
    try:
        import ninja
    except ImportError:
        raise MissingError("ninja, which all is compared with, is missing: pip install 'helios-pipe[bench]'") from None
    for folder in (Path(ninja.BIN_DIR), Path(ninja.__file__).parent / "data/bin"):
        program = folder / "ninja"
        if program.exists() and program.read_bytes()[:2] != b"#!":  # the program, not a Python script that starts it
            return str(program)
    raise MissingError("the package ninja holds no program: pip install --force-reinstall 'helios-pipe[bench]'")


def _ffmpeg() -> str | None:
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _tiny(folder: Path) -> tuple[tuple[str, ...], bool]:
    compiler = shutil.which("cc")
    if compiler is None:
        script = folder / "tiny.sh"
        shutil.copy(_HERE / "tiny.sh", script)
        return ("/bin/sh", str(script)), False
    program = folder / "tiny"
    for flags in (["-static"], []):  # without libraries to load it is tinier still; not every system has them for that
        done = subprocess.run(
            [compiler, "-O2", *flags, "-o", program, _HERE / "tiny.c"], capture_output=True, text=True
        )
        if done.returncode == 0:
            return (str(program),), True
    raise MissingError(f"cc cannot compile tiny.c:\n{done.stderr}")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if sys.platform == "linux" else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _first_line(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
