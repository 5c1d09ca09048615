"""Deepgram's voice over a WebSocket: what `Clear` leaves behind, and the limit of `Flush`."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from wired import brief, read, said

from bench.simulators import speak
from parlance.actors.speaker import aura
from parlance.actors.speaker.stream import StreamVoice
from parlance.actors.speaker.wire import Piece
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Overloaded

SECOND = bytes(8000)


@pytest.fixture
async def voice(provider: Any, nursery: trio.Nursery) -> StreamVoice:
    """The voice at its simulator, with no connection but those that it needs."""
    made = aura.make({"url": provider.ws("deepgram", "/v1/speak"), "warm": 0})
    await nursery.start(made.run)
    return made


def test_audio_after_clear_belongs_to_nobody_until_cleared() -> None:
    wire = aura.AuraWire(brief)
    assert read(wire.say("Hello.", 0.0)) == [{"type": "Speak", "text": "Hello."}, {"type": "Flush"}]
    assert wire.receive(SECOND, 0.1) == Piece(SECOND)
    assert read(wire.abort()) == [{"type": "Clear"}]
    assert wire.reusable(0.1)
    wire.say("You.", 0.2)
    assert wire.receive(b"old", 0.3) is None
    assert wire.receive('{"type": "Flushed", "sequence_id": 0}', 0.3) is None
    assert wire.receive('{"type": "Cleared", "sequence_id": 0}', 0.3) is None
    assert wire.receive(b"new", 0.3) == Piece(b"new")
    assert wire.receive('{"type": "Flushed", "sequence_id": 1}', 0.3) == Piece(done=True)
    assert wire.abort() == wire.finish(1.0) == []


def test_a_connection_near_its_limit_of_flushes_is_not_used_again() -> None:
    wire = aura.AuraWire(brief)
    for number in range(11):
        assert wire.reusable(float(number))
        wire.say("Hello.", float(number))
    assert not wire.reusable(11.0)
    assert wire.reusable(61.0)


@pytest.mark.parametrize("words", ["a word was not understood", "the sample rate is the usual one"])
def test_other_warnings_are_not_the_phrases_end(words: str) -> None:
    wire = aura.AuraWire(brief)
    wire.say("Hello.", 0.0)
    assert wire.receive(json.dumps({"type": "Warning", "code": "X", "description": words}), 0.1) is None


async def test_a_reply_of_too_many_phrases_is_overloaded_and_the_next_is_not(voice: StreamVoice, provider: Any) -> None:
    with pytest.raises(Overloaded, match="Flush"):
        await said(voice, *["No."] * 21)
    assert await said(voice, "No.") == [b"".join(speak.audio("No.", TELEPHONE))]
    assert provider.conduct.requests["/v1/speak"] == 2


async def test_short_replies_never_run_into_the_limit(voice: StreamVoice, provider: Any) -> None:
    for _ in range(25):
        await said(voice, "No.")
    assert provider.conduct.requests["/v1/speak"] == 3
