"""The Flux ear against a simulator of its protocol on loopback, and what can go wrong with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from streamed import CHUNK, QUIET, Words, failure, say, service, told

from bench.simulators.ear import TEXT
from parlance.actors.dial import Dial
from parlance.actors.listener import flux
from parlance.actors.listener.port import Eager, Heard, Resumed
from parlance.actors.listener.stream import StreamedEar
from parlance.engine.errors import Misconfigured, Unreachable


def ear(provider: Any, **settings: Any) -> StreamedEar:
    return flux.make({"url": provider.listen.replace("v1", "v2"), "key_env": "DEEPGRAM_API_KEY"} | settings)


@pytest.fixture
def words() -> Words:
    return Words()


async def test_words_while_the_caller_speaks_and_the_service_s_own_end_of_turn(provider: Any, words: Words) -> None:
    with trio.fail_after(5):
        async with ear(provider).open(words) as hearing:
            assert (hearing.endpoints, hearing.chunk, hearing.provider) == (True, 0.08, "flux")
            await hearing.begin(1)
            for chunk in (*[CHUNK] * 12, *[QUIET] * 7):
                await hearing.hear(chunk)
            assert await words.last(1) == Heard(1, TEXT, final=True, ended=True)
            await hearing.end(1)
            await say(hearing, 2)
            assert await words.last(2) == Heard(2, TEXT, final=True)
    interims = [heard.text for heard in words.heard if not heard.final and heard.utterance == 1]
    assert interims[0].startswith("I")
    assert all(TEXT.startswith(text) for text in interims)
    assert Eager(1, TEXT) in words.all
    assert provider.conduct.requests["ForceEndTurn"] == 1


async def test_a_caller_who_goes_on_takes_the_early_end_back(provider: Any, words: Words) -> None:
    with trio.fail_after(5):
        async with ear(provider).open(words) as hearing:
            await hearing.begin(1)
            for chunk in (*[CHUNK] * 8, *[QUIET] * 4):
                await hearing.hear(chunk)
            await words.until(lambda: words.all[-1:] == [Eager(1, TEXT)])
            await hearing.hear(CHUNK)
            await words.until(lambda: words.all[-1:] == [Resumed(1)])
            await hearing.end(1)
            assert await words.last(1) == Heard(1, TEXT, final=True)


async def test_without_a_threshold_there_is_no_early_end(provider: Any, words: Words) -> None:
    with trio.fail_after(5):
        async with ear(provider, eager_eot_threshold=0).open(words) as hearing:
            await say(hearing, 1, quiet=5)
            await words.final(1)
    assert all(isinstance(news, Heard) for news in words.all)


async def test_noise_is_nothing_and_is_known_to_be_nothing_before_the_deadline(provider: Any, words: Words) -> None:
    with trio.fail_after(5):
        async with ear(provider, final=4).open(words) as hearing:
            await say(hearing, 1, chunks=0, quiet=12)
            assert await words.final(1) == ""


async def test_a_turn_that_dangles_is_ended_by_silence(
    provider: Any, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flux, "DANGLING", 0.1)
    with trio.fail_after(5):
        async with ear(provider).open(words) as hearing:
            await hearing.begin(1)
            for _ in range(8):
                await hearing.hear(CHUNK)
            assert await words.last(1) == Heard(1, TEXT, final=True, ended=True)


async def test_silence_keeps_the_connection_alive(provider: Any, words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flux, "KEEP_ALIVE", 0.02)
    monkeypatch.setattr("bench.simulators.flux.PATIENCE", 0.2)
    monkeypatch.setattr("bench.simulators.flux._Session.patience", 0.2)
    with trio.fail_after(5):
        async with ear(provider).open(words) as hearing:
            with trio.move_on_after(0.6):
                await words.until(lambda: False)
            await say(hearing, 1)
            assert await words.final(1) == TEXT


async def test_a_service_that_never_says_anything_has_gone(words: Words) -> None:
    async def deaf(connection: Any) -> None:
        await connection.send_message('{"type":"Connected"}')
        while True:
            await connection.get_message()

    async with service("/v2/listen", deaf) as url:
        told = await failure(flux.make({"url": url, "final": 0.2}), words)
    assert type(told) is Unreachable
    assert "no words within 0.2 s" in str(told)


async def test_other_messages_are_passed_over(words: Words) -> None:
    async def talk(connection: Any) -> None:
        for message in ('{"type":"Connected"}', '{"type":"Warning","code":"X"}', '{"type":"New"}'):
            await connection.send_message(message)
        await connection.send_message(
            '{"type":"TurnInfo","event":"New","turn_index":0,"audio_window_end":1,"transcript":"hi","words":[]}'
        )
        while True:
            await connection.get_message()

    async with service("/v2/listen", talk) as url:
        with trio.fail_after(4):
            async with flux.make({"url": url}).open(words) as hearing:
                await hearing.begin(1)
                await hearing.hear(CHUNK)
                await words.until(lambda: words.all)
    assert words.all == [Heard(1, "hi", final=False)]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"eager_eot_threshold": 0.8}, "eager_eot_threshold must be 0, or from 0.3 to eot_threshold"),
        ({"eager_eot_threshold": 0.1}, "eager_eot_threshold must be 0, or from 0.3"),
        ({"eot_threshold": 0.4}, "eot_threshold"),
        ({"eot_timeout_ms": 100}, "eot_timeout_ms"),
        ({"url": "https://x"}, "must begin with wss://"),
    ],
)
def test_wrong_settings_are_told_at_the_start(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault):
        flux.make({"url": "ws://x"} | settings)


# -------------------------------------------------------------------------------------- the wire


def flux_wire() -> flux.FluxWire:
    return flux.FluxWire(Dial("flux", flux.Settings(url="ws://x")))


def turn(event: str, stop: float, text: str = "", **more: Any) -> str:
    told = {"type": "TurnInfo", "event": event, "turn_index": 0, "audio_window_end": stop, "transcript": text}
    return json.dumps(told | {"words": []} | more)


def test_flux_is_sent_silence_while_it_dangles_and_a_little_when_it_does_not() -> None:
    wire = flux_wire()
    assert wire.patience == flux.KEEP_ALIVE
    assert wire.alive().send == [b"\xff" * 640]
    wire.begin(1)
    wire.hear(CHUNK)
    wire.receive(turn("StartOfTurn", 0.1, "Yes"))
    assert wire.patience == flux.DANGLING
    assert wire.alive().send == [b"\xff" * 4000]
    assert json.loads(wire.end(1).send[0]) == {"type": "ForceEndTurn"}
    assert wire.patience == flux.WAITING
    assert wire.alive().send == [b"\xff" * 2000]
    assert wire.position == pytest.approx(0.08 + 0.1 + 0.5 + 0.25)
    assert told(wire, turn("EndOfTurn", 0.7, "Yes.", trigger="manual")) == [Heard(1, "Yes.", True)]
    assert wire.patience == flux.KEEP_ALIVE


def test_flux_is_not_asked_to_end_what_it_has_ended() -> None:
    wire = flux_wire()
    wire.begin(1)
    wire.hear(CHUNK)
    assert told(wire, turn("EndOfTurn", 0.1, "Yes.", trigger="model")) == [Heard(1, "Yes.", True, ended=True)]
    assert wire.end(1).send == ()


@pytest.mark.parametrize("trigger", ["model", "manual", "timeout", "one of next year"])
def test_flux_s_end_that_was_asked_for_earlier_ends_no_other_utterance(trigger: str) -> None:
    wire = flux_wire()
    wire.begin(1)
    wire.hear(CHUNK)
    ended = trigger != "manual"
    assert told(wire, turn("EndOfTurn", 0.1, "Yes.", trigger=trigger)) == [Heard(1, "Yes.", ended, ended=ended)]
