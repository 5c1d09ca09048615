"""The simulated voices without times: Deepgram's over HTTP and a WebSocket, OpenAI's over HTTP; and all their fates."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import trio
import voiceclient
from simclient import recorded
from trio_websocket import ConnectionRejected
from voiceclient import Client, closed, silence, tell

from bench.simulators import speak
from bench.simulators.conduct import HUGE, Fate
from parlance.codecs import wav
from parlance.codecs.format import TELEPHONE, Format

TEXT = "Good morning, this is the clinic."
WIDE = Format("pcm16", 24000)
AURA = "/v1/speak?encoding=mulaw&sample_rate=8000"
SPEECH = "/v1/audio/speech"
BODY = {"model": "m", "voice": "v", "input": TEXT, "response_format": "pcm"}


class Service:
    def __init__(self, client: Client, path: str, body: dict[str, Any], form: Format) -> None:
        self.client, self.path, self.body, self.form = client, path, body, form

    async def ask(self) -> httpx.Response:
        return await self.client.post(self.path, self.body)


@pytest.fixture
async def deepgram(nursery: trio.Nursery) -> Client:
    return await voiceclient.start(nursery, "deepgram", {"Authorization": "Token k"})


@pytest.fixture
async def openai(nursery: trio.Nursery) -> Client:
    return await voiceclient.start(nursery, "openai", {"Authorization": "Bearer k"})


@pytest.fixture(params=["deepgram", "openai"])
def service(request: pytest.FixtureRequest, deepgram: Client, openai: Client) -> Service:
    if request.param == "deepgram":
        return Service(deepgram, f"{AURA}&container=none", {"text": TEXT}, TELEPHONE)
    return Service(openai, SPEECH, BODY, WIDE)


# ---------------------------------------------------------------------------------------------------- HTTP


async def test_bare_audio_is_what_was_asked_for(service: Service) -> None:
    answer = await service.ask()
    assert answer.content == b"".join(speak.audio(TEXT, service.form))
    assert answer.headers["content-type"] == {1: "audio/basic", 2: "audio/pcm"}[service.form.width]


async def test_without_asking_for_none_there_is_a_container(deepgram: Client) -> None:
    answer = await deepgram.post("/v1/speak?encoding=linear16&sample_rate=16000", {"text": TEXT})
    sound = wav.read(answer.content)
    assert (sound.rate, answer.headers["content-type"]) == (16000, "audio/wav")
    assert sound.samples == b"".join(speak.audio(TEXT, Format("pcm16", 16000)))


async def test_a_container_of_telephone_audio_says_so(deepgram: Client) -> None:
    sound = wav.read((await deepgram.post(AURA, {"text": TEXT})).content)
    assert (sound.rate, len(sound.samples)) == (8000, 2 * len(b"".join(speak.audio(TEXT, TELEPHONE))))


@pytest.mark.parametrize(("text", "whole"), [(TEXT, -1), ("one", None)])
async def test_half_an_answer_ends_early(service: Service, text: str, whole: int | None) -> None:
    service.client.conduct.fates.append(Fate.HALF)
    pieces = speak.audio(text, service.form)
    answer = await service.client.post(
        service.path, {name: text if value == TEXT else value for name, value in service.body.items()}
    )
    assert answer.content == (b"".join(pieces[:-1]) if whole else pieces[0][: len(pieces[0]) // 2])


async def test_wrong_types_are_json_where_audio_should_be(service: Service) -> None:
    service.client.conduct.fates.append(Fate.TYPES)
    answer = await service.ask()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert not isinstance(answer.json()["audio"], str)


async def test_too_much_is_ten_megabytes(service: Service) -> None:
    service.client.conduct.fates.append(Fate.HUGE)
    assert len((await service.ask()).content) == HUGE


async def test_an_empty_answer_is_an_answer(service: Service) -> None:
    service.client.conduct.fates.append(Fate.EMPTY)
    answer = await service.ask()
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_wrong_rate_is_a_file_that_tells_it(service: Service) -> None:
    service.client.conduct.fates.append(Fate.RATE)
    sound = wav.read((await service.ask()).content)
    assert sound.rate != service.form.rate
    assert sound.seconds == pytest.approx(len(TEXT.split()) * speak.WORD, abs=0.01)


async def test_a_cut_answer_breaks_the_connection(service: Service) -> None:
    service.client.conduct.fates.append(Fate.CUT)
    with pytest.raises(httpx.RemoteProtocolError):
        await service.ask()


@pytest.mark.parametrize(("fate", "pieces"), [(Fate.STALL, 1), (Fate.SILENT, 0)])
@pytest.mark.swift
async def test_an_answer_that_stops_stays_open(service: Service, fate: Fate, pieces: int) -> None:
    service.client.conduct.fates.append(fate)
    told = await service.client.got(service.path, service.body, 10)
    assert told == b"".join(speak.audio(TEXT, service.form)[:pieces])


async def test_an_error_is_a_status(service: Service) -> None:
    service.client.conduct.fates.append(Fate.ERROR)
    service.client.conduct.statuses = (503,)
    assert (await service.ask()).status_code == 503


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("encoding=mulaw&sample_rate=24000", {"text": "a"}, 400),
        ("encoding=mp3", {"text": "a"}, 400),
        ("container=ogg", {"text": "a"}, 400),
        ("", {"text": ""}, 400),
        ("", {"text": 5}, 400),
        ("", b"{", 400),
        ("", {"text": "a" * 2001}, 413),
    ],
)
async def test_deepgram_refuses_in_its_own_words(deepgram: Client, query: str, body: Any, status: int) -> None:
    answer = await deepgram.post(f"/v1/speak?{query}", body)
    assert answer.status_code == status
    assert set(answer.json()) == {"err_code", "err_msg", "request_id"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"response_format": "mp3"},
        {"voice": None},
        {"voice": {"name": "v"}},
        {"input": "a" * 4097},
        {"stream_format": "sse"},
        {"speed": 5},
        {"model": ""},
    ],
    ids=str,
)
async def test_openai_refuses_in_its_own_words(openai: Client, wrong: dict[str, Any]) -> None:
    answer = await openai.post(SPEECH, BODY | wrong)
    assert answer.status_code == 400
    usual = [set(message["error"]) for message in recorded("openaispeech")]
    assert usual
    assert all(set(answer.json()["error"]) <= fields for fields in usual)


async def test_a_voice_may_be_an_object(openai: Client) -> None:
    assert (await openai.post(SPEECH, BODY | {"voice": {"id": "v"}})).status_code == 200


# ----------------------------------------------------------------------------------------------- WebSocket


async def flushed(client: Client, text: str = TEXT) -> tuple[list[bytes], list[str]]:
    """What is sent to a flush, up to the first text message after the metadata."""
    async with client.socket(AURA) as socket:
        assert json.loads(await socket.get_message())["type"] == "Metadata"
        await tell(socket, type="Speak", text=text)
        await tell(socket, type="Flush")
        sound: list[bytes] = []
        with trio.fail_after(4):
            while isinstance(message := await socket.get_message(), bytes):
                sound.append(message)
        return sound, [message]


async def test_messages_have_all_that_the_real_ones_must(deepgram: Client) -> None:
    wanted = {message["type"]: set(message) for message in recorded("aura")[:3]}
    async with deepgram.socket(AURA) as socket:
        told = [json.loads(await socket.get_message())]
        await tell(socket, type="Flush")
        await tell(socket, type="Clear")
        with trio.fail_after(4):
            while told[-1]["type"] != "Cleared":
                told.append(json.loads(await socket.get_message()))
    assert {message["type"]: set(message) for message in told} | wanted == wanted


@pytest.mark.parametrize(
    ("fate", "pieces", "last"),
    [(Fate.NONE, True, dict), (Fate.EMPTY, False, dict), (Fate.HALF, True, None), (Fate.TYPES, True, list)],
)
async def test_a_flush_meets_its_fate(deepgram: Client, fate: Fate, pieces: bool, last: Any) -> None:
    deepgram.conduct.fates.extend((Fate.NONE, fate))
    sound, (message,) = await flushed(deepgram)
    assert sound == (speak.audio(TEXT, TELEPHONE) if pieces else [])
    if last is None:
        with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
            json.loads(message)
    else:
        told = json.loads(message)
        assert isinstance(told if last is dict else told["type"], last)


async def test_a_flush_may_bring_too_much_or_another_rate(deepgram: Client) -> None:
    deepgram.conduct.fates.extend((Fate.NONE, Fate.HUGE, Fate.NONE, Fate.RATE))
    assert [len(piece) for piece in (await flushed(deepgram))[0]] == [HUGE]
    assert wav.read(b"".join((await flushed(deepgram))[0])).rate == 24000


@pytest.mark.parametrize(("fate", "pieces"), [(Fate.STALL, 1), (Fate.SILENT, 0)])
@pytest.mark.swift
async def test_a_flush_that_stops_leaves_the_connection(deepgram: Client, fate: Fate, pieces: int) -> None:
    deepgram.conduct.fates.extend((Fate.NONE, fate))
    async with deepgram.socket(AURA) as socket:
        await tell(socket, type="Speak", text=TEXT)
        await tell(socket, type="Flush")
        with trio.fail_after(4):
            for _ in range(1 + pieces):
                await socket.get_message()
        assert await silence(socket, 10)


@pytest.mark.parametrize(("fate", "code"), [(Fate.CUT, None), (Fate.ERROR, 1011)])
async def test_a_flush_may_end_the_connection(deepgram: Client, fate: Fate, code: int | None) -> None:
    deepgram.conduct.fates.extend((Fate.NONE, fate))
    async with deepgram.socket(AURA) as socket:
        await tell(socket, type="Speak", text=TEXT)
        await tell(socket, type="Flush")
        assert await closed(socket) == code


@pytest.mark.parametrize(
    "wrong", ['{"type"', '{"type": "Speak"}', '{"type": "Speak", "text": 5}', '{"type": "Stop"}', "[]"]
)
async def test_what_is_no_message_ends_the_connection(deepgram: Client, wrong: str) -> None:
    async with deepgram.socket(AURA) as socket:
        await socket.send_message(wrong)
        assert await closed(socket) == 1008


@pytest.mark.parametrize("query", ["encoding=mp3", "sample_rate=11025", "encoding=mulaw", "container=wav"])
async def test_a_wrong_handshake_is_refused(deepgram: Client, query: str) -> None:
    with pytest.RaisesGroup(ConnectionRejected) as rejected:
        async with deepgram.socket(f"/v1/speak?{query}"):
            pass
    assert rejected.value.exceptions[0].status_code == 400
