"""What the bench's smaller commands have in common: `--help`, progress, figures as JSON, what did not hold."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import pytest
from rich.table import Table

from bench import instrument

COMMANDS = (
    *("adapters", "call", "codecs", "engine", "frame", "gate", "providers", "rough", "share"),
    *("callers.__main__", "report.__main__", "simulators.__main__", "webhooks"),
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = import_module(f"bench.{name}")
    monkeypatch.setattr(sys, "argv", ["bench", "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert told.startswith(f"usage: python -m bench.{name.removesuffix('.__main__')} ")
    assert str(module.__doc__).partition("\n")[0] in told


@pytest.mark.parametrize(("live", "told"), [(False, "one\ntwo\n"), (True, "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K")])
def test_progress_is_a_line_that_changes_or_a_line_each(
    live: bool, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: live)
    with instrument.progress() as seen:
        seen("one")
        seen("two")
    assert capsys.readouterr() == ("", told)


def test_figures_come_with_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    instrument.document(figures=[1.5])
    found = json.loads(capsys.readouterr().out)
    assert found["figures"] == [1.5]
    assert found["machine"]["cores"] >= 1
    assert "trio" in found["versions"]
    shown = Table("name", "ms")
    shown.add_row("mind", "1.5")
    instrument.show(shown, "! [this] is no markup")
    told = capsys.readouterr().out
    assert "mind" in told
    assert "! [this] is no markup" in told


def test_what_did_not_hold_is_told_and_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert (instrument.judge([]), instrument.judge(["one", "two"])) == (0, 1)
    assert capsys.readouterr().err == "! one\n! two\n"
