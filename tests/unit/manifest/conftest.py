"""A manifest from a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helios_pipe.manifest.inputs import find_unmatched
from helios_pipe.manifest.load import load_manifest
from helios_pipe.manifest.model import Manifest
from helios_pipe.manifest.problems import ManifestError


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Manifest]:
    """Write the text as `m.yaml` and load it, with `overrides` as keywords."""
    monkeypatch.chdir(tmp_path)

    def loaded(text: str, *, look: bool = False, look_if_wrong: bool = False, **overrides: str) -> Manifest:
        Path("m.yaml").write_text(text)
        return load_manifest(
            Path("m.yaml"), overrides, look=look, look_if_wrong=find_unmatched if look_if_wrong else None
        )

    return loaded


@pytest.fixture
def problems(load: Callable[..., Manifest]) -> Callable[..., list[str]]:
    """The problems of a text, without the file's name before each."""

    def refused(text: str, **how: Any) -> list[str]:
        with pytest.raises(ManifestError) as caught:
            load(text, **how)
        assert str(caught.value) == "\n".join(map(str, caught.value.problems))
        return [line.removeprefix("m.yaml:") for line in str(caught.value).splitlines()]

    return refused
