"""How the program ends where nothing is loaded yet."""

from __future__ import annotations

import sys

import pytest

from helios_pipe.cli import main


def test_an_interrupt_while_it_is_being_loaded_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "_at_once", interrupted)
    monkeypatch.setattr(sys, "argv", ["helios-pipe", "plan", "render.yaml"])
    assert main.main() == 130
    assert capfd.readouterr() == ("", "")
