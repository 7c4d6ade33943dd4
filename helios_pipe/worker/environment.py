"""What a command sees of the outside: its environment, and the PATH it is looked up on. Knows nothing of how it is run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from helios_pipe import settings
from helios_pipe.action.model import Action
from helios_pipe.errors import UnusableError, UsageError
from helios_pipe.worker.programs import find_program

_SHORTEST_LINE = 4
"""A line of a secret with several is masked by itself from this length on: `}` would be everywhere."""


def command_environment(action: Action, caller: Mapping[str, str], home: str | Path, path: str) -> dict[str, str]:
    """The whole environment of the action's command. From the caller's it takes what `pass_env` and `secrets` name; HOME and
    TMPDIR are `home` unless something says otherwise; what the manifest declares wins over all, for that is what is keyed.
    Raises UsageError, naming it, on a secret that the caller does not have."""
    scratch = str(home)
    environment = {"PATH": path, "TZ": "UTC", "LC_ALL": "C.UTF-8", "HOME": scratch, "TMPDIR": scratch}
    for name in action.pass_env:
        if name in caller:
            environment[name] = caller[name]
    for name in action.secrets:
        environment[name] = _secret(action, name, caller)
    environment.update(action.env)
    return environment


def secret_values(action: Action, caller: Mapping[str, str]) -> tuple[str, ...]:
    """The texts that must not be shown: each secret, also without the white space around it, and each of its lines, for
    programs print a key line by line. Raises UsageError as above."""
    if not action.secrets:
        return ()
    texts: dict[str, None] = {}
    for name in action.secrets:
        value = _secret(action, name, caller)
        lines = [line.strip() for line in value.splitlines()]
        texts.update(dict.fromkeys([value, value.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)]))
    return tuple(text for text in texts if text.strip())


def tool_path(caller_path: str, extra_dir: Path) -> str:
    """The PATH that commands get: the caller's, its relative folders made absolute (a command runs elsewhere). Where no
    ffmpeg is on it and the `ffmpeg` extra is installed, `extra_dir` comes last, with a link to the one that the extra brings.
    Idempotent. Raises UnusableError where the link cannot be made."""
    path = os.pathsep.join(os.path.abspath(folder) for folder in caller_path.split(os.pathsep) if folder)
    if find_program("ffmpeg", path) is not None:
        return path
    link = extra_dir / "ffmpeg"
    if not _leads_to_extra(link):
        bundled = _bundled_ffmpeg()
        if bundled is None:
            return path
        try:
            _link(bundled, link)
        except OSError as error:
            raise UnusableError(f"{extra_dir} cannot be written: {error.strerror}") from error
    return os.pathsep.join((path, os.path.abspath(extra_dir)))


def _secret(action: Action, name: str, caller: Mapping[str, str]) -> str:
    try:
        return caller[name]
    except KeyError:
        raise UsageError(
            f"{action.node} needs the secret {name}, which is not set in the environment",
            hint=f"Set {name}, or take it out of `secrets`.",
        ) from None


def _leads_to_extra(link: Path) -> bool:
    """Whether the link leads to a program of the `ffmpeg` extra that this interpreter would import."""
    try:
        target = os.readlink(link)
    except OSError:
        return False
    extra = _extra()
    return extra is not None and target.startswith(f"{extra}{os.sep}") and os.access(target, os.X_OK)


def _extra() -> str | None:
    """The folder of the `ffmpeg` extra's package, not imported: that takes as long as all else that a small run does. None where
    it is not installed, or somebody has named another binary."""
    from importlib.util import find_spec

    package = find_spec("imageio_ffmpeg")
    if package is None or package.origin is None or "IMAGEIO_FFMPEG_EXE" in settings.environment():
        return None
    return os.path.dirname(package.origin)


def _bundled_ffmpeg() -> str | None:
    """The binary of the `ffmpeg` extra; None where it is not installed, or has none for this machine."""
    from glob import escape, glob

    extra = _extra()
    found = [] if extra is None else glob(f"{escape(extra)}/binaries/ffmpeg-*")
    if len(found) == 1 and os.access(found[0], os.X_OK):
        return found[0]
    try:
        import imageio_ffmpeg

        binary = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return None
    return binary if isinstance(binary, str) else None


def _link(binary: str, link: Path) -> None:
    """Make `link` lead to `binary`: whole at every instant, for other runs use it."""
    if os.path.islink(link) and os.readlink(link) == binary:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    temp = f"{link}.{os.getpid()}.{os.urandom(4).hex()}"
    os.symlink(binary, temp)
    os.replace(temp, link)
