"""Simulated providers on free ports of this machine, for the adapters that talk to them."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module

import pytest
import trio

from bench.simulators.conduct import Conduct
from bench.simulators.town import doors

KEY = "key-that-is-secret"
KEYS = (
    "DEEPGRAM_API_KEY",
    "OPENAI_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "AZURE_SPEECH_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "ELEVENLABS_API_KEY",
    "ASSEMBLYAI_API_KEY",
    "CARTESIA_API_KEY",
)


@dataclass(frozen=True)
class Provider:
    """`conduct` can be changed while they run; `hosts`: where each of them is, by its name in `town`."""

    conduct: Conduct
    hosts: Mapping[str, str]
    listen: str
    speak: str
    speech: str

    def http(self, name: str, path: str = "") -> str:
        return f"http://{self.hosts[name]}{path}"

    def ws(self, name: str, path: str = "") -> str:
        return f"ws://{self.hosts[name]}{path}"


@pytest.fixture
async def provider(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Provider]:
    """Whatever the libraries log meanwhile, at whatever level, the key must not be in it."""
    caplog.set_level("DEBUG")
    for name in KEYS:
        monkeypatch.setenv(name, KEY)
    conduct = Conduct(stt_delay=0.02, tts_delay=0.02)
    hosts = {name: f"127.0.0.1:{await nursery.start(door.serve, 0)}" for name, door in doors(conduct).items()}
    yield Provider(
        conduct,
        hosts,
        listen=f"ws://{hosts['deepgram']}/v1/listen",
        speak=f"http://{hosts['deepgram']}/v1/speak",
        speech=f"http://{hosts['openai']}/v1/audio/speech",
    )
    assert KEY not in caplog.text


@pytest.fixture(scope="module")
def frozen() -> Iterator[None]:
    """For tests that collect garbage: to look at all that was imported takes a third of a second each time."""
    for library in ("anthropic", "elevenlabs", "openai"):
        import_module(library)
    gc.freeze()
    yield
    gc.unfreeze()
