"""helios-pipe: Make for frames.

The names below are public. They are loaded when they are first used, so that `import helios_pipe` costs nothing and no
cloud package is imported before something asks for it.
"""

from __future__ import annotations

from helios_pipe.version import __version__

_HOME: dict[str, str] = {}
"""Public name -> the module that defines it."""

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name in _HOME:
        from importlib import import_module

        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'helios_pipe' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
