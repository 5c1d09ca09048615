"""The simulated Cartesia voice: many contexts over one WebSocket."""

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

from bench.simulators import cartesia, speak
from bench.simulators.conduct import HUGE, Fate
from parlance.codecs.format import Encoding, Format

TEXT = "Good morning, this is the clinic."
PATH = "/tts/websocket"
VERSION = {"Cartesia-Version": "2026-08-14"}
RAW = {"container": "raw", "encoding": "pcm_mulaw", "sample_rate": 8000}
REQUEST: dict[str, Any] = {"model_id": "m", "voice": {"id": "v"}, "output_format": RAW, "max_buffer_delay_ms": 0}


@pytest.fixture
async def client(nursery: trio.Nursery) -> Client:
    return await voiceclient.start(nursery, "cartesia", {"Authorization": "Bearer k"} | VERSION)


async def say(socket: WebSocketConnection, name: str, text: str, *, more: bool = True, **changed: Any) -> None:
    await tell(socket, **(REQUEST | {"context_id": name, "transcript": text, "continue": more} | changed))


def kind(*wanted: str) -> Any:
    return lambda message: message["type"] in wanted


def sound(messages: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(message["data"]) for message in messages if message["type"] == "chunk")


@pytest.mark.parametrize(
    ("encoding", "rate", "wanted"),
    [
        ("pcm_mulaw", 8000, "mulaw"),
        ("pcm_alaw", 8000, "alaw"),
        ("pcm_s16le", 16000, "pcm16"),
        ("pcm_s16le", 22050, "pcm16"),
    ],
)
async def test_a_whole_text_is_spoken_in_its_format(client: Client, encoding: str, rate: int, wanted: Encoding) -> None:
    form = {"container": "raw", "encoding": encoding, "sample_rate": rate}
    async with client.socket(PATH) as socket:
        await say(socket, "a", TEXT, more=False, output_format=form)
        told = await until(socket, kind("done"))
    assert sound(told) == b"".join(speak.audio(TEXT, Format(wanted, rate)))
    assert {message["type"] for message in told} == {"chunk", "done"}


async def test_words_are_timed_from_the_beginning_of_the_context(client: Client) -> None:
    async with client.socket(PATH) as socket:
        await say(socket, "a", "Good morning, this ", add_timestamps=True)
        await say(socket, "a", "is the clinic.", more=False, add_timestamps=True)
        told = await until(socket, kind("done"))
    times = [message["word_timestamps"] for message in told if message["type"] == "timestamps"]
    words, starts, ends = ([one for time in times for one in time[name]] for name in ("words", "start", "end"))
    assert (words, sound(told)) == (TEXT.split(), spoken("Good morning, this") + spoken("is the clinic."))
    assert starts == [0, *ends[:-1]]
    assert ends[-1] == pytest.approx(len(sound(told)) / 8000)


async def test_messages_have_all_that_the_real_ones_must(client: Client) -> None:
    wanted = {message["type"]: set(message) for message in reversed(recorded("cartesia")[:5])}
    async with client.socket(PATH) as socket:
        await say(socket, "a", TEXT, add_timestamps=True)
        await say(socket, "a", "", flush=True, add_timestamps=True)
        await say(socket, "a", "", more=False, add_timestamps=True)
        told = await until(socket, kind("done"))
    assert {message["type"] for message in told} == set(wanted) - {"phoneme_timestamps"}
    for message in told:
        assert set(message) == wanted[message["type"]]


async def test_flushes_are_numbered(client: Client) -> None:
    async with client.socket(PATH) as socket:
        for text in ("one two", "three"):
            await say(socket, "a", text)
            await say(socket, "a", "", flush=True)
        await say(socket, "a", "", more=False)
        told = await until(socket, kind("done"))
    done = [message["flush_id"] for message in told if message["type"] == "flush_done"]
    assert done == [1, 2]
    for number, text in ((1, "one two"), (2, "three")):
        assert sound([message for message in told if message.get("flush_id") == number]) == spoken(text)


async def test_contexts_speak_at_the_same_time(client: Client) -> None:
    async with client.socket(PATH) as socket:
        await say(socket, "a", "word " * 20, more=False)
        await say(socket, "b", "one two", more=False)
        told = await until(socket, lambda message: message["type"] == "done" and message["context_id"] == "a")
    assert [message["context_id"] for message in told if message["type"] == "done"] == ["b", "a"]
    assert sound([message for message in told if message["context_id"] == "b"]) == spoken("one two")


@pytest.mark.swift
async def test_text_waits_for_more_of_it_unless_it_ends_a_sentence(client: Client) -> None:
    async with client.socket(PATH) as socket:
        await say(socket, "a", "Good ", max_buffer_delay_ms=300)
        assert await silence(socket, 0.15)
        assert sound(await until(socket, kind("chunk"))) == spoken("Good")
        await say(socket, "a", "morning.", max_buffer_delay_ms=5000)
        with trio.fail_after(1):
            assert sound(await until(socket, kind("chunk"))) == spoken("morning.")


@pytest.mark.swift
async def test_a_cancelled_context_says_nothing_more(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.conduct.tts_pace = 5.0
    async with client.socket(PATH) as socket:
        await say(socket, "a", "word " * 100, more=False)
        await until(socket, kind("chunk"))
        await tell(socket, context_id="a", cancel=True)
        await say(socket, "b", "one", more=False)
        await until(socket, kind("done"))
        assert await silence(socket, 0.1)
        await say(socket, "a", "again", more=False)
        assert (await until(socket, kind("error")))[-1]["context_id"] == "a"


@pytest.mark.swift
async def test_a_context_expires_after_its_last_audio(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cartesia, "EXPIRY", 0.2)
    async with client.socket(PATH) as socket:
        await say(socket, "a", "one")
        await until(socket, kind("chunk"))
        await say(socket, "a", "two", max_buffer_delay_ms=400)
        assert sound(await until(socket, kind("chunk"))) == spoken("two")
        begun = trio.current_time()
        await until(socket, kind("done"))
        assert trio.current_time() - begun == pytest.approx(0.2)
        await say(socket, "a", "three")
        assert (await until(socket, kind("error")))[-1]["status_code"] == 400


async def test_a_finished_context_takes_no_more(client: Client) -> None:
    async with client.socket(PATH) as socket:
        await say(socket, "a", TEXT, more=False)
        await say(socket, "a", TEXT)
        assert (await until(socket, kind("error")))[-1]["context_id"] == "a"


@pytest.mark.swift
async def test_silence_ends_the_connection(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cartesia, "PATIENCE", 0.2)
    async with client.socket(PATH) as socket:
        assert await closed(socket) == 1000


@pytest.mark.parametrize(
    "wrong",
    [
        {"model_id": None},
        {"voice": {}},
        {"voice": 5},
        {"transcript": None},
        {"transcript": "", "continue": False},
        {"context_id": None},
        {"output_format": RAW | {"container": "wav"}},
        {"output_format": RAW | {"encoding": "mp3"}},
        {"output_format": RAW | {"sample_rate": 11025}},
        {"output_format": None},
        {"max_buffer_delay_ms": 9000},
        {"voice": {"id": "another"}, "context_id": "known"},
    ],
    ids=str,
)
async def test_a_wrong_request_is_told_and_the_connection_stays(client: Client, wrong: dict[str, Any]) -> None:
    async with client.socket(PATH) as socket:
        await say(socket, "known", "")
        await tell(socket, **(REQUEST | {"context_id": "a", "transcript": "x", "continue": True} | wrong))
        (told,) = await until(socket, lambda message: True)
        assert (told["type"], told["status_code"]) == ("error", 400)
        example = recorded("cartesia")[5]
        assert set(told) == set(example) - ({"context_id"} if wrong.get("context_id", "a") is None else set())
        await say(socket, "b", TEXT, more=False)
        assert sound(await until(socket, kind("done"))) == spoken(TEXT)


@pytest.mark.parametrize("wrong", ["half", "[]", b"{}"])
async def test_what_is_no_object_is_an_error(client: Client, wrong: str | bytes) -> None:
    async with client.socket(PATH) as socket:
        await socket.send_message(wrong)
        assert (await until(socket, kind("error")))[-1]["title"]


@pytest.mark.parametrize("fate", [Fate.HALF, Fate.TYPES, Fate.HUGE, Fate.EMPTY, Fate.RATE])
async def test_a_context_meets_its_fate(client: Client, fate: Fate) -> None:
    client.conduct.fates.extend((Fate.NONE, fate))
    async with client.socket(PATH) as socket:
        await say(socket, "a", TEXT, more=False)
        first = await socket.get_message()
        rest = [] if fate is Fate.EMPTY else await until(socket, kind("done"))
    if fate is Fate.HALF:
        with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
            json.loads(first)
        return
    told = json.loads(first)
    if fate is Fate.TYPES:
        assert (told["context_id"], type(told["data"])) == ("a", int)
    elif fate is Fate.HUGE:
        assert len(first) > HUGE
    elif fate is Fate.EMPTY:
        assert told["type"] == "done"
    else:
        assert len(sound([told, *rest])) == 3 * len(spoken(TEXT))


@pytest.mark.parametrize(("fate", "some"), [(Fate.STALL, True), (Fate.SILENT, False)])
@pytest.mark.swift
async def test_a_context_that_stops_leaves_the_others(client: Client, fate: Fate, some: bool) -> None:
    client.conduct.fates.extend((Fate.NONE, fate))
    async with client.socket(PATH) as socket:
        await say(socket, "a", TEXT, more=False)
        if some:
            await until(socket, kind("chunk"))
        assert await silence(socket, 10)
        await say(socket, "b", "one", more=False)
        assert {message["context_id"] for message in await until(socket, kind("done"))} == {"b"}


async def test_an_error_is_of_its_context_alone(client: Client) -> None:
    client.conduct.fates.extend((Fate.NONE, Fate.ERROR))
    client.conduct.statuses = (429,)
    async with client.socket(PATH) as socket:
        await say(socket, "a", TEXT, more=False)
        (told,) = await until(socket, kind("error"))
        assert (told["status_code"], told["context_id"]) == (429, "a")
        await say(socket, "b", TEXT, more=False)
        assert sound(await until(socket, kind("done"))) == spoken(TEXT)


async def test_a_cut_breaks_the_connection(client: Client) -> None:
    client.conduct.fates.extend((Fate.NONE, Fate.CUT))
    async with client.socket(PATH) as socket:
        await say(socket, "a", TEXT, more=False)
        assert await closed(socket) is None


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (PATH, {"Cartesia-Version": ""}, 400),
        (PATH, {"Cartesia-Version": "latest"}, 400),
        (PATH, {"Authorization": "Token k"}, 401),
        ("/tts/sse", {}, 404),
    ],
)
async def test_a_wrong_handshake_is_refused(client: Client, path: str, headers: dict[str, str], status: int) -> None:
    with pytest.RaisesGroup(ConnectionRejected) as rejected:
        async with client.socket(path, **headers):
            pass
    assert rejected.value.exceptions[0].status_code == status


async def test_the_version_may_be_in_the_query(client: Client) -> None:
    async with client.socket(f"{PATH}?cartesia_version=2026-08-14", **{"Cartesia-Version": ""}) as socket:
        await say(socket, "a", "one", more=False)
        assert sound(await until(socket, kind("done"))) == spoken("one")
