"""What tests of simulators share: runs in real time that are short."""

from __future__ import annotations

import pytest


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Callers who say little, and a house that waits for nothing before they call; and the options of simulators that
    make answers as short.
    """
    monkeypatch.setattr("bench.caller.SAYS", 30)
    monkeypatch.setattr("bench.caller.SETTLING", 0.2)
    monkeypatch.setattr("bench.unplugged.bare.ROUNDS", 3)
    return ["--text", "Yes, on Monday, please.", "--tts-pace", "100"]
