"""The simulated ElevenLabs voice over a WebSocket with many contexts."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trio
import voiceclient
from simclient import recorded
from trio_websocket import ConnectionRejected, WebSocketConnection
from voiceclient import Client, closed, silence, spoken, tell, until

from bench.simulators.conduct import HUGE, Fate

TEXT = "Good morning, this is the clinic."
VOICE = "/v1/text-to-speech/voice-1"
MULTI = f"{VOICE}/multi-stream-input?model_id=m&output_format=ulaw_8000"
AUTO = f"{MULTI}&auto_mode=true&sync_alignment=true"


@pytest.fixture
async def client(nursery: trio.Nursery) -> Client:
    return await voiceclient.start(nursery, "elevenlabs", {"xi-api-key": "k"})


def sound(messages: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(message["audio"]) for message in messages if message.get("audio"))


def final(message: dict[str, Any]) -> bool:
    return bool(message.get("isFinal"))


async def begin(socket: WebSocketConnection, name: str, **more: Any) -> None:
    await tell(socket, text=" ", context_id=name, **more)


async def test_a_context_speaks_what_is_flushed_and_ends_when_it_is_closed(client: Client) -> None:
    async with client.socket(AUTO) as socket:
        await begin(socket, "a", voice_settings={"stability": 0.5})
        await tell(socket, text=TEXT, context_id="a", flush=True)
        await tell(socket, context_id="a", close_context=True)
        told = await until(socket, final)
    assert sound(told) == spoken(TEXT)
    assert {message["contextId"] for message in told} == {"a"}
    times = [message["alignment"] for message in told[:-1]]
    assert "".join("".join(time["chars"]) for time in times) == TEXT
    assert sum(sum(time["charDurationsMs"]) for time in times) == len(spoken(TEXT)) // 8
    assert all(time["charStartTimesMs"][0] == 0 for time in times)
    wanted = recorded("elevenlabs")
    assert {frozenset(message) for message in told[:-1]} == {frozenset(wanted[0])}
    assert set(wanted[2]) <= set(told[-1])


async def test_there_are_no_times_that_nobody_asked_for(client: Client) -> None:
    async with client.socket(MULTI) as socket:
        await tell(socket, text=TEXT, context_id="a", flush=True)
        assert (await until(socket, lambda message: message["audio"]))[0]["alignment"] is None


async def test_contexts_speak_at_the_same_time(client: Client) -> None:
    async with client.socket(AUTO) as socket:
        for name, text in (("a", "word " * 20), ("b", "one two")):
            await tell(socket, text=text, context_id=name, flush=True)
            await tell(socket, context_id=name, close_context=True)
        told = await until(socket, lambda message: final(message) and message["contextId"] == "a")
    ends = [message["contextId"] for message in told if final(message)]
    assert ends == ["b", "a"]
    assert sound([message for message in told if message["contextId"] == "b"]) == spoken("one two")


@pytest.mark.swift
async def test_only_whole_words_are_spoken_before_a_flush(client: Client) -> None:
    async with client.socket(AUTO) as socket:
        await tell(socket, text="Good mor", context_id="a")
        first = await until(socket, lambda message: message["audio"])
        assert "".join(first[0]["alignment"]["chars"]) == "Good "
        await tell(socket, text="ning", context_id="a")
        assert await silence(socket, 0.1)
        await tell(socket, text=" ", context_id="a")
        assert "".join((await until(socket, lambda message: message["audio"]))[0]["alignment"]["chars"]) == "morning "


@pytest.mark.swift
async def test_text_is_waited_for_unless_the_mode_is_auto(client: Client) -> None:
    async with client.socket(MULTI) as socket:
        await begin(socket, "a", generation_config={"chunk_length_schedule": [50]})
        await tell(socket, text="word " * 8, context_id="a")
        assert await silence(socket, 0.1)
        await tell(socket, text="word " * 8, context_id="a")
        assert await until(socket, lambda message: message["audio"])


async def test_closing_a_context_stops_what_was_not_flushed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.conduct.tts_pace = 5.0
    async with client.socket(AUTO) as socket:
        await tell(socket, text="word " * 100, context_id="a")
        await until(socket, lambda message: message["audio"])
        await tell(socket, context_id="a", close_context=True)
        assert len(sound(await until(socket, final))) < 8000


async def test_closing_the_socket_says_all_that_is_left(client: Client) -> None:
    async with client.socket(MULTI) as socket:
        await tell(socket, text=TEXT, context_id="a")
        await tell(socket, close_socket=True)
        assert sound(await until(socket, final)) == spoken(TEXT)
        assert await closed(socket) == 1000


async def test_a_sixth_context_is_too_many(client: Client) -> None:
    async with client.socket(MULTI) as socket:
        for number in range(5):
            await begin(socket, str(number))
        await tell(socket, context_id="0", close_context=True)
        await until(socket, final)
        await begin(socket, "0")
        await begin(socket, "5")
        (told,) = await until(socket, lambda message: "error" in message)
        assert await closed(socket) == 1008
    assert (told["error"], set(told)) == ("max_active_conversations", set(recorded("elevenlabs")[5]))


async def test_a_flush_of_nothing_opens_a_context(client: Client) -> None:
    async with client.socket(MULTI) as socket:
        for number in range(6):
            await tell(socket, context_id=str(number), flush=True)
        assert await closed(socket) == 1008


@pytest.mark.swift
async def test_silence_closes_a_context_and_then_the_connection(client: Client) -> None:
    async with client.socket(f"{MULTI}&inactivity_timeout=1") as socket:
        await begin(socket, "a")
        await trio.sleep(0.6)
        await tell(socket, text="")
        await until(socket, final)
        begun = trio.current_time()
        (told,) = await until(socket, lambda message: "error" in message)
        assert told["error"] == "input_timeout_exceeded"
        assert trio.current_time() - begun == pytest.approx(0.6)
        assert await closed(socket) == 1008


@pytest.mark.swift
async def test_empty_text_keeps_a_context(client: Client) -> None:
    async with client.socket(f"{MULTI}&inactivity_timeout=1") as socket:
        await begin(socket, "a")
        for _ in range(3):
            await trio.sleep(0.5)
            await tell(socket, text="", context_id="a")
        assert await silence(socket, 0.1)
    assert client.conduct.requests["keepalive"] == 3


@pytest.mark.parametrize(
    "wrong",
    [
        "half",
        "[]",
        '{"text": 5, "context_id": "b"}',
        '{"text": "x ", "context_id": 5}',
        '{"text": "x ", "context_id": "a", "voice_settings": {"speed": 1}}',
        '{"text": " ", "context_id": "b", "voice_settings": {"speed": 3}}',
        '{"text": " ", "context_id": "b", "generation_config": {"chunk_length_schedule": [5]}}',
    ],
)
async def test_what_is_no_message_of_the_protocol_ends_the_connection(client: Client, wrong: str) -> None:
    async with client.socket(MULTI) as socket:
        await begin(socket, "a")
        await socket.send_message(wrong)
        (told,) = await until(socket, lambda message: "error" in message)
        assert (told["code"], await closed(socket)) == (1008, 1008)


@pytest.mark.parametrize("fate", [Fate.HALF, Fate.TYPES, Fate.HUGE, Fate.EMPTY, Fate.RATE])
async def test_a_context_meets_its_fate(client: Client, fate: Fate) -> None:
    client.conduct.fates.extend((Fate.NONE, fate))
    async with client.socket(AUTO) as socket:
        await tell(socket, text=TEXT, context_id="a", flush=True)
        first = await socket.get_message()
        if fate is Fate.HALF:
            with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
                json.loads(first)
            return
        await tell(socket, context_id="a", close_context=True)
        rest = await until(socket, final)
    told = json.loads(first)
    if fate is Fate.TYPES:
        assert (told["contextId"], type(told["audio"])) == ("a", int)
    elif fate is Fate.HUGE:
        assert len(first) > HUGE
    elif fate is Fate.EMPTY:
        assert sound([told, *rest]) == b""
    else:
        assert len(sound([told, *rest])) == 3 * len(spoken(TEXT))
    assert client.conduct.requests["context"] == 1


@pytest.mark.parametrize(("fate", "some"), [(Fate.STALL, True), (Fate.SILENT, False)])
@pytest.mark.swift
async def test_a_context_that_stops_leaves_the_others(client: Client, fate: Fate, some: bool) -> None:
    client.conduct.fates.extend((Fate.NONE, fate))
    async with client.socket(AUTO) as socket:
        await tell(socket, text=TEXT, context_id="a", flush=True)
        if some:
            await until(socket, lambda message: message["audio"])
        assert await silence(socket, 10)
        await tell(socket, text="one ", context_id="b", flush=True)
        assert (await until(socket, lambda message: message["audio"]))[-1]["contextId"] == "b"


@pytest.mark.parametrize(
    ("fate", "status", "code"), [(Fate.CUT, 500, None), (Fate.ERROR, 500, 1011), (Fate.ERROR, 429, 1008)]
)
async def test_a_context_may_end_the_connection(client: Client, fate: Fate, status: int, code: int | None) -> None:
    client.conduct.fates.extend((Fate.NONE, fate))
    client.conduct.statuses = (status,)
    async with client.socket(AUTO) as socket:
        await tell(socket, text=TEXT, context_id="a", flush=True)
        assert await closed(socket) == code


@pytest.mark.parametrize(
    "query",
    [
        "",
        "output_format=mp3_44100_128",
        "output_format=ulaw_8000&inactivity_timeout=500",
        "output_format=ulaw_8000&auto_mode=1",
    ],
)
async def test_a_wrong_handshake_is_refused(client: Client, query: str) -> None:
    with pytest.RaisesGroup(ConnectionRejected) as rejected:
        async with client.socket(f"{VOICE}/multi-stream-input?{query}"):
            pass
    assert rejected.value.exceptions[0].status_code == 403
