"""Cartesia's voice: contexts that end soon, flushes, and words' times."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trio
from wired import read, said, sonic

from bench.simulators import speak
from parlance.actors.speaker import cartesia
from parlance.actors.speaker.stream import StreamVoice
from parlance.actors.speaker.wire import Closed, Piece
from parlance.codecs.format import TELEPHONE

SECOND = bytes(8000)
TEXT = "Good morning, this is the clinic, and what can I do for you today?"


def chunk(audio: bytes = SECOND, context: str = "turn-1") -> str:
    told = {"type": "chunk", "context_id": context, "data": base64.b64encode(audio).decode(), "done": False}
    return json.dumps(told | {"status_code": 206, "step_time": 1.0, "flush_id": 0})


def words(told: list[tuple[str, float, float]], context: str = "turn-1") -> str:
    spoken, start, end = (list(part) for part in zip(*told, strict=True))
    times = {"words": spoken, "start": start, "end": end}
    return json.dumps({"type": "timestamps", "context_id": context, "done": False, "word_timestamps": times})


def flushed(context: str = "turn-1", flush: int = 0) -> str:
    return json.dumps({"type": "flush_done", "context_id": context, "flush_id": flush, "flush_done": True})


@pytest.fixture
async def voice(provider: Any, nursery: trio.Nursery) -> StreamVoice:
    """The voice at its simulator, with no connection but those that it needs."""
    made = cartesia.make({"url": provider.ws("cartesia", "/tts/websocket"), "voice": "v", "warm": 0})
    await nursery.start(made.run)
    return made


def test_a_phrase_is_continued_and_flushed_in_a_context_that_is_fresh() -> None:
    wire = sonic(language="en", speed=1.2)
    common = {
        "model_id": "sonic-3.5",
        "voice": {"id": "v"},
        "output_format": {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000},
        "add_timestamps": True,
        "max_buffer_delay_ms": 0,
        "language": "en",
        "generation_config": {"speed": 1.2},
        "context_id": "turn-1",
        "continue": True,
    }
    sent = [common | {"transcript": "Hello. "}, common | {"transcript": "", "flush": True}]
    assert read(wire.say("Hello.", 0.0)) == sent
    assert wire.receive(chunk(), 0.3) == Piece(SECOND)
    assert wire.receive(flushed(), 0.4) == Piece(done=True)
    assert read(wire.say("You.", 0.7))[0] == common | {"transcript": "You. "}
    wire.receive(chunk(), 1.0)
    wire.receive(flushed(flush=1), 1.0)
    assert read(wire.say("More.", 1.6))[0]["context_id"] == "turn-2"
    wire.receive(chunk(context="turn-2"), 2.0)
    wire.receive(flushed("turn-2"), 2.0)
    assert read(wire.finish(2.4)) == [common | {"context_id": "turn-2", "transcript": "", "continue": False}]
    assert wire.finish(2.4) == []


@pytest.mark.parametrize("base", [1.0, 0.0], ids=["from the context's beginning", "from the flush"])
def test_words_times_count_from_the_phrases_first_sample(base: float) -> None:
    wire = sonic()
    wire.say("Hello there.", 0.0)
    assert wire.receive(words([("Hello", 0.0, 0.4)]), 0.1) == Piece(times=((5, 0.4),))
    wire.receive(chunk(), 0.2)
    assert wire.receive(words([("there.", 0.5, 0.9)]), 0.3) == Piece(times=((12, 0.9),))
    wire.receive(flushed(), 0.3)
    wire.say("And you?", 0.4)
    told = words([("And", base + 0.1, base + 0.3), ("you?", base + 0.4, base + 0.75)])
    assert wire.receive(told, 0.5) == Piece(times=((3, pytest.approx(0.3)), (8, 0.75)))


@pytest.mark.parametrize("flush", [0, 1, 7], ids=str)
def test_the_numbers_of_flushes_do_not_matter(flush: int) -> None:
    wire = sonic()
    wire.say("Hello.", 0.0)
    assert wire.receive(flushed(flush=flush), 0.1) == Piece(done=True)


def test_what_was_cancelled_is_dropped_and_the_next_has_a_context_of_its_own() -> None:
    wire = sonic()
    wire.say("Hello.", 0.0)
    wire.receive(chunk(), 0.1)
    assert read(wire.abort()) == [{"context_id": "turn-1", "cancel": True}]
    assert wire.reusable(0.1)
    assert read(wire.say("You.", 0.2))[0]["context_id"] == "turn-2"
    assert wire.receive(chunk(), 0.3) is None
    assert wire.receive(json.dumps({"type": "error", "context_id": "turn-1", "message": "old"}), 0.3) is None
    assert wire.receive(chunk(context="turn-2"), 0.3) == Piece(SECOND)


def test_a_context_that_was_gone_is_no_failure_of_the_phrase() -> None:
    wire = sonic()
    wire.say("Hello.", 0.0)
    told = {"type": "error", "context_id": "turn-1", "title": "Context closed", "message": "x", "status_code": 400}
    with pytest.raises(Closed):
        wire.receive(json.dumps(told), 0.1)


async def test_phrases_that_follow_at_once_are_one_context(voice: StreamVoice, provider: Any) -> None:
    await said(voice, TEXT, "And you?", "Well.")
    assert provider.conduct.requests["context"] == 1
    assert provider.conduct.requests["finish"] == 1


async def test_a_context_that_has_ended_meanwhile_is_no_failure(voice: StreamVoice, provider: Any) -> None:
    async with voice.reply() as reply:
        for text in (TEXT, "And you?"):
            async with reply.speak(text) as sounds:
                heard = b"".join([sound.audio async for sound in sounds])
            assert heard == b"".join(speak.audio(text, TELEPHONE))
            await trio.sleep(1.2)
    assert provider.conduct.requests["context"] == 2
    assert provider.conduct.requests["/tts/websocket"] == 1
