"""ElevenLabs' voice over a WebSocket: contexts, characters' times, and where a phrase ends."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
import trio
from wired import brief, eleven, names, read, said

from bench.simulators import speak
from parlance.actors.dial import Dial
from parlance.actors.speaker import elevenlabs
from parlance.actors.speaker.stream import StreamVoice
from parlance.actors.speaker.wire import Piece
from parlance.codecs.format import TELEPHONE
from parlance.engine.errors import Garbled

SECOND = bytes(8000)
TEXT = "Good morning, this is the clinic, and what can I do for you today?"


def aligned(text: str, audio: bytes = SECOND, *, ms: int = 100, context: str = "turn-1", **more: Any) -> str:
    """A message of ElevenLabs: audio, and its characters of `ms` each."""
    starts = [at * ms for at in range(len(text))]
    times = {"chars": list(text), "charStartTimesMs": starts, "charDurationsMs": [ms] * len(text)}
    told = {"audio": base64.b64encode(audio).decode(), "alignment": times, "contextId": context}
    return json.dumps(told | more)


@pytest.fixture
async def voice(provider: Any, nursery: trio.Nursery) -> StreamVoice:
    """The voice at its simulator, with no connection but those that it needs."""
    made = elevenlabs.make({"url": provider.ws("elevenlabs", "/v1/text-to-speech"), "voice": "v", "warm": 0})
    await nursery.start(made.run)
    return made


def test_a_context_is_opened_with_the_voice_settings_and_kept_for_the_reply() -> None:
    wire = eleven(stability=0.4, speed=1.1)
    assert read(wire.say("Hello.", 0.0)) == [
        {"text": " ", "context_id": "turn-1", "voice_settings": {"stability": 0.4, "speed": 1.1}},
        {"text": "Hello. ", "context_id": "turn-1", "flush": True},
    ]
    piece = wire.receive(aligned("Hello. ", bytes(5600)), 1.0)
    assert piece is not None
    assert piece.done
    assert read(wire.say("You.", 2.0)) == [{"text": "You. ", "context_id": "turn-1", "flush": True}]
    wire.receive(aligned("You. ", bytes(4000)), 3.0)
    assert read(wire.finish(4.0)) == [{"context_id": "turn-1", "close_context": True}]
    assert read(wire.say("More.", 5.0))[0] == {
        "text": " ",
        "context_id": "turn-2",
        "voice_settings": {"stability": 0.4, "speed": 1.1},
    }


def test_times_count_from_each_message_and_are_added_up() -> None:
    wire = eleven()
    wire.say("Hello you.", 0.0)
    first = wire.receive(aligned("Hell", bytes(3200)), 1.0)
    assert first == Piece(bytes(3200), ((1, 0.1), (2, 0.2), (3, pytest.approx(0.3)), (4, 0.4)))
    second = wire.receive(aligned("o you. ", bytes(5600)), 1.1)
    assert second is not None
    assert second.done
    assert second.times[0] == (5, 0.5)
    assert second.times[-1] == (10, pytest.approx(1.0))


def test_a_phrase_is_not_whole_before_its_audio_is_as_long_as_its_times_say() -> None:
    wire = eleven()
    wire.say("Hello you.", 0.0)
    piece = wire.receive(aligned("Hello you. ", bytes(4000)), 1.0)
    assert piece is not None
    assert not piece.done
    assert wire.quiet() == 1.0
    piece = wire.receive(json.dumps({"audio": base64.b64encode(bytes(4800)).decode(), "contextId": "turn-1"}), 1.0)
    assert piece == Piece(bytes(4800), (), done=True)


def test_times_that_begin_again_are_taken_as_the_better_ones() -> None:
    wire = eleven()
    wire.say("Hello my friend.", 0.0)
    wire.receive(aligned("Hello my", SECOND), 1.0)
    piece = wire.receive(aligned("Hello my friend. ", SECOND), 1.1)
    assert piece is not None
    assert piece.done
    assert piece.times[0] == (10, pytest.approx(1.0))
    assert piece.times[-1] == (16, pytest.approx(1.6))


@pytest.mark.parametrize(
    ("message", "quiet"),
    [
        (aligned("Hello my"), math.inf),
        (aligned("Hello my xylophone "), 1.0),
        (json.dumps({"audio": "//8=", "contextId": "turn-1", "alignment": None}), 1.0),
        (json.dumps({"audio": None, "contextId": "turn-1"}), math.inf),
    ],
    ids=["words are missing", "lost", "no times", "no audio"],
)
def test_silence_is_an_end_only_where_nothing_says_that_words_are_missing(message: str, quiet: float) -> None:
    wire = eleven()
    wire.say("Hello my friend.", 0.0)
    wire.receive(message, 1.0)
    assert wire.quiet() == quiet


def test_without_times_the_context_is_closed_and_its_last_message_ends_the_phrase() -> None:
    wire = eleven()
    wire.say("Hello.", 0.0)
    wire.receive(json.dumps({"audio": "//8=", "contextId": "turn-1"}), 1.0)
    assert read(wire.settle()) == [{"context_id": "turn-1", "close_context": True}]
    assert wire.quiet() == math.inf
    assert wire.receive(json.dumps({"audio": "//8=", "contextId": "turn-1"}), 1.0) == Piece(b"\xff\xff")
    assert wire.receive(json.dumps({"isFinal": True, "contextId": "turn-1"}), 1.0) == Piece(done=True)
    assert wire.finish(2.0) == []
    assert read(wire.say("You.", 2.0))[0]["context_id"] == "turn-2"


def test_an_end_in_the_middle_of_the_words_is_garbled() -> None:
    wire = eleven()
    wire.say("Hello my friend.", 0.0)
    wire.receive(aligned("Hello my"), 1.0)
    with pytest.raises(Garbled, match="in its middle"):
        wire.receive(json.dumps({"isFinal": True, "contextId": "turn-1"}), 1.0)


def test_audio_that_comes_late_is_heard_before_the_next_phrase() -> None:
    wire = eleven()
    wire.say("Hi.", 0.0)
    piece = wire.receive(aligned("Hi. ", bytes(3200)), 1.0)
    assert piece is not None
    assert piece.done
    assert wire.receive(json.dumps({"audio": "//8=", "contextId": "turn-1"}), 1.0) is None
    wire.say("You.", 2.0)
    piece = wire.receive(aligned("You. ", bytes(4000)), 2.1)
    assert piece is not None
    assert piece.audio == b"\xff\xff" + bytes(4000)


def test_what_older_contexts_still_say_is_nobodys_and_too_many_of_them_end_the_connection() -> None:
    wire = eleven()
    for number in range(1, 5):
        wire.say("Hello.", 0.0)
        assert read(wire.abort()) == [{"context_id": f"turn-{number}", "close_context": True}]
        assert wire.reusable(0.0)
    wire.say("Hello.", 0.0)
    assert wire.receive(aligned("Hello. ", context="turn-2"), 1.0) is None
    wire.abort()
    assert not wire.reusable(0.0)
    assert wire.receive(json.dumps({"isFinal": True, "contextId": "turn-2"}), 1.0) is None
    assert wire.reusable(0.0)


async def test_without_times_a_phrase_ends_all_the_same(provider: Any, nursery: trio.Nursery) -> None:
    service = elevenlabs.Settings.model_validate(
        {"url": provider.ws("elevenlabs", "/v1/text-to-speech"), "voice": "v", "warm": 0, "settle": 0.3}
    )
    url = service.address().replace("sync_alignment=true", "sync_alignment=false")
    dial = Dial("elevenlabs", service, header="xi-api-key")
    voice = StreamVoice(dial, service, url, lambda: elevenlabs.ElevenWire(service, brief, names()))
    await nursery.start(voice.run)
    assert await said(voice, TEXT, "No.") == [b"".join(speak.audio(text, TELEPHONE)) for text in (TEXT, "No.")]
    assert provider.conduct.requests["context"] == 2


async def test_a_reply_has_one_context(voice: StreamVoice, provider: Any) -> None:
    await said(voice, TEXT, "And you?", "Well.")
    await said(voice, TEXT)
    assert provider.conduct.requests["context"] == 2
    assert provider.conduct.requests["/v1/text-to-speech/v/multi-stream-input"] == 1


async def test_many_barge_ins_do_not_run_into_the_limit_of_contexts(voice: StreamVoice) -> None:
    for _ in range(12):
        async with voice.reply() as reply, reply.speak("word " * 100) as sounds:
            await anext(sounds)
    assert await said(voice, TEXT) == [b"".join(speak.audio(TEXT, TELEPHONE))]


def test_a_connection_is_good_for_as_long_as_it_is_kept() -> None:
    wanted = elevenlabs.Settings.model_validate({"url": "ws://x/", "voice": "v", "language": "de"})
    assert wanted.lifetime < wanted.inactivity
    address = wanted.address()
    assert address.startswith("ws://x/v/multi-stream-input?model_id=eleven_flash_v2_5&output_format=ulaw_8000&")
    assert "inactivity_timeout=180" in address
    assert "language_code=de" in address
