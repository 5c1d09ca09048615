"""Simulated providers on free ports of this machine, for the adapters that talk to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import trio

from bench.simulators.__main__ import doors
from bench.simulators.conduct import Conduct

KEY = "key-that-is-secret"


@dataclass(frozen=True)
class Provider:
    """`conduct` can be changed while they run."""

    conduct: Conduct
    listen: str
    speak: str
    speech: str


@pytest.fixture
async def provider(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Provider]:
    """Whatever the libraries log meanwhile, at whatever level, the key must not be in it."""
    caplog.set_level("DEBUG")
    for name in ("DEEPGRAM_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    conduct = Conduct(stt_delay=0.02, tts_delay=0.02)
    ports = {name: await nursery.start(door.serve, 0) for name, door in doors(conduct).items()}
    tts = f"http://127.0.0.1:{ports['tts']}/v1"
    yield Provider(conduct, f"ws://127.0.0.1:{ports['stt']}/v1/listen", f"{tts}/speak", f"{tts}/audio/speech")
    assert KEY not in caplog.text
