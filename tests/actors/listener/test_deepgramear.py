"""The Deepgram ear against a simulator of its protocol on loopback, and what can go wrong with it."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from streamed import CHUNK, QUIET, Words, call, say, service
from trio_websocket import WebSocketConnection

from bench.simulators.conduct import Fate
from bench.simulators.ear import TEXT
from parlance.actors.listener import deepgram
from parlance.actors.listener.port import Heard
from parlance.engine.errors import Garbled, Misconfigured, Overloaded, ProviderError, Rejected, Unreachable, inner


@pytest.fixture
def words() -> Words:
    return Words()


async def test_interim_words_come_while_the_caller_speaks_and_final_ones_after(provider: Any, words: Words) -> None:
    with trio.fail_after(5):
        async with deepgram.make({"url": provider.listen}).open(words) as hearing:
            await say(hearing, 1)
            assert await words.final(1) == TEXT
            interims = [heard.text for heard in words.heard if not heard.final]
            assert interims[0] == "I would"
            assert all(TEXT.startswith(text) for text in interims)
            await say(hearing, 2)
            assert await words.final(2) == TEXT
    assert [heard.utterance for heard in words.heard] == sorted(heard.utterance for heard in words.heard)
    assert provider.conduct.requests["Finalize"] == 2


async def test_with_endpointing_the_end_of_the_turn_waits_for_nothing(provider: Any, words: Words) -> None:
    provider.conduct.stt_delay = 0.0
    with trio.fail_after(5):
        async with deepgram.make({"url": provider.listen, "endpointing": 200}).open(words) as hearing:
            await hearing.begin(1)
            for chunk in (*[CHUNK] * 8, *[QUIET] * 3):
                await hearing.hear(chunk)
            while words.all[-1:] != [Heard(1, TEXT, final=False)]:
                await trio.sleep(0.005)
            await hearing.end(1)
            assert words.all[-1] == Heard(1, TEXT, final=True)


async def test_an_utterance_without_audio_has_no_words(provider: Any, words: Words) -> None:
    with trio.fail_after(5):
        async with deepgram.make({"url": provider.listen}).open(words) as hearing:
            await hearing.begin(1)
            await hearing.end(1)
            assert await words.final(1) == ""


async def test_silence_keeps_the_connection_alive(provider: Any, words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepgram.DeepgramWire, "patience", 0.05)
    with trio.fail_after(5):
        async with deepgram.make({"url": provider.listen}).open(words) as hearing:
            while provider.conduct.requests["KeepAlive"] < 3:
                await trio.sleep(0.01)
            await say(hearing, 1)
            assert await words.final(1) == TEXT


async def test_a_stall_while_the_caller_speaks_ends_at_its_deadline(provider: Any, words: Words) -> None:
    provider.conduct.fates.extend((Fate.NONE, Fate.STALL))
    with pytest.raises(Unreachable, match=r"nothing to 0\.2 s of audio"):
        await call(deepgram.make({"url": provider.listen, "idle": 0.2}), words, utterances=1, chunks=10_000)


async def test_a_service_that_never_says_anything_is_left_for_another(words: Words) -> None:
    async def deaf(connection: WebSocketConnection) -> None:
        while True:
            await connection.get_message()

    async with service("/v1/listen", deaf) as url:
        with pytest.raises(Unreachable, match=r"no words within 0\.2 s"):
            await call(deepgram.make({"url": url, "final": 0.2}), words, utterances=1)
    assert words.all == []


RESULT = '{"type":"Results","start":0,"duration":1,"is_final":true,"channel":{"alternatives":[{"transcript":%s}]}}'


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"Results","start":0', "[]", '{"no":"type"}', '{"type":"Results"}', "\x00", RESULT % 5,
        RESULT.replace("[{", "[[{").replace("}]", "}]]") % '"x"', '{"type":"Results","channel":{"alternatives":[]}}',
    ],
)  # fmt: skip
async def test_what_is_no_message_is_garbled(message: str, words: Words) -> None:
    async with service("/v1/listen", lambda connection: connection.send_message(message)) as url:
        with pytest.raises(Garbled, match=r"not a message of v1/listen"):
            await call(deepgram.make({"url": url}), words)


async def test_other_messages_are_passed_over(words: Words) -> None:
    async def talk(connection: WebSocketConnection) -> None:
        for message in ('{"type":"SpeechStarted"}', '{"type":"Metadata"}', '{"type":"Hello"}', RESULT % '"hi"'):
            await connection.send_message(message)
        await connection.get_message()

    async with service("/v1/listen", talk) as url:
        async with deepgram.make({"url": url}).open(words) as hearing:
            await hearing.begin(1)
            with trio.fail_after(3):
                while not words.all:
                    await trio.sleep(0.01)
    assert words.all == [Heard(1, "hi", final=False)]


@pytest.mark.parametrize(
    ("code", "error"),
    [(1008, Rejected), (1011, Unreachable), (1013, Overloaded), (1003, Garbled), (4000, Unreachable)],
)
async def test_a_closed_connection_says_why(code: int, error: type, words: Words) -> None:
    async with service("/v1/listen", lambda connection: connection.aclose(code, "because")) as url:
        with pytest.raises(ProviderError, match=f"{code} because") as caught:
            await call(deepgram.make({"url": url}), words)
    assert type(caught.value) is error


async def test_nobody_there_is_unreachable(nursery: trio.Nursery, words: Words) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(Unreachable, match="connection lost"):
        await call(deepgram.make({"url": f"ws://127.0.0.1:{port}/v1/listen"}), words)


async def test_a_failure_of_tls_is_told_in_its_own_words(provider: Any, words: Words) -> None:
    with pytest.raises(Unreachable, match=r"connection lost: .*SSL"):
        await call(deepgram.make({"url": provider.listen.replace("ws:", "wss:")}), words)


async def test_a_handshake_that_is_never_answered_ends_at_its_deadline(nursery: trio.Nursery, words: Words) -> None:
    async def silent(stream: trio.SocketStream) -> None:
        async with stream:
            while await stream.receive_some():
                pass

    listeners = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
    url = f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1/listen"
    with pytest.raises(Unreachable, match=r"no connection within 0\.2 s"):
        await call(deepgram.make({"url": url, "connect": 0.2}), words)


async def test_leaving_and_being_cancelled_leave_nothing(provider: Any, words: Words) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    ear = deepgram.make({"url": provider.listen})
    async with ear.open(words) as hearing:
        await say(hearing, 1)
    with trio.move_on_after(0.1) as scope:
        async with ear.open(words) as hearing:
            await hearing.begin(1)
            while True:
                await hearing.hear(CHUNK)
    assert scope.cancelled_caught
    with trio.fail_after(3):
        while trio.lowlevel.current_statistics().tasks_living > before:
            await trio.sleep(0.01)


async def test_an_error_of_whoever_uses_it_is_not_the_ear_s(provider: Any, words: Words) -> None:
    with pytest.raises((OSError, BaseExceptionGroup)) as caught:
        async with deepgram.make({"url": provider.listen}).open(words):
            raise OSError("mine")
    assert str(inner(caught.value)) == "mine"
    assert isinstance(inner(caught.value), OSError)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "DEEPGRAM_API_KEY"),
        ({"url": "https://x/v1/listen"}, "must begin with wss://"),
        ({"url": "ws://"}, "address like wss://"),
        ({"url": "ws://x", "modle": "m"}, "did you mean model"),
        ({"url": "ws://x", "endpointing": -1}, "endpointing"),
    ],
)
def test_wrong_settings_are_told_at_the_start(settings: Any, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    with pytest.raises(Misconfigured, match=fault):
        deepgram.make(settings)
