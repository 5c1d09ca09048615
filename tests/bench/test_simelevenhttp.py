"""The simulated ElevenLabs voice over HTTP: audio, and lines of audio with its characters' times."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
import trio
import voiceclient
from simclient import recorded
from voiceclient import Client

from bench.simulators import eleven, speak
from bench.simulators.alignment import timed
from bench.simulators.conduct import HUGE, Fate
from parlance.codecs.format import TELEPHONE, Encoding, Format

TEXT = "Good morning, this is the clinic."
VOICE = "/v1/text-to-speech/voice-1"
STREAM = f"{VOICE}/stream?output_format=ulaw_8000"
LINES = f"{VOICE}/stream/with-timestamps?output_format=ulaw_8000"


@pytest.fixture
async def client(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> Client:
    for module in (speak, eleven):
        monkeypatch.setattr(module, "SPEED", 100.0)
    return await voiceclient.start(nursery, "elevenlabs", {"xi-api-key": "k"})


def sound(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(base64.b64decode(line["audio_base64"]) for line in lines)


def spoken(text: str) -> bytes:
    return b"".join(speak.audio(text, TELEPHONE))


@pytest.mark.parametrize(
    ("name", "encoding", "rate"),
    [
        ("ulaw_8000", "mulaw", 8000),
        ("alaw_8000", "alaw", 8000),
        ("pcm_8000", "pcm16", 8000),
        ("pcm_24000", "pcm16", 24000),
    ],
)
async def test_audio_is_in_the_format_asked_for(client: Client, name: str, encoding: Encoding, rate: int) -> None:
    wanted = Format(encoding, rate)
    answer = await client.post(f"{VOICE}/stream?output_format={name}", {"text": TEXT, "model_id": "m"})
    assert answer.content == b"".join(speak.audio(TEXT, wanted))


async def test_lines_tell_when_each_character_is_spoken(client: Client) -> None:
    lines = [json.loads(line) for line in (await client.post(LINES, {"text": TEXT})).text.splitlines()]
    starts, ends, chars = [], [], ""
    for line in lines:
        chars += "".join(line["alignment"]["characters"])
        starts += line["alignment"]["character_start_times_seconds"]
        ends += line["alignment"]["character_end_times_seconds"]
    assert (chars, sound(lines)) == (TEXT, spoken(TEXT))
    assert starts == [0, *ends[:-1]]
    assert ends[-1] == pytest.approx(len(spoken(TEXT)) / 8000)
    assert {frozenset(line) for line in lines} == {frozenset(recorded("elevenhttp")[0])}


@pytest.mark.parametrize("path", [STREAM, LINES])
async def test_what_is_cut_breaks_the_connection(client: Client, path: str) -> None:
    client.conduct.fates.append(Fate.CUT)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(path, {"text": TEXT})


@pytest.mark.parametrize("path", [STREAM, LINES])
@pytest.mark.parametrize(("fate", "some"), [(Fate.STALL, True), (Fate.SILENT, False)])
async def test_an_answer_that_stops_stays_open(client: Client, path: str, fate: Fate, some: bool) -> None:
    client.conduct.fates.append(fate)
    told = await client.got(path, {"text": TEXT}, 0.3)
    first = timed(TEXT, TELEPHONE)[0].sound
    if path == LINES and some:
        assert sound([json.loads(told)]) == first
    else:
        assert told == (first if some else b"")


async def test_lines_meet_their_fates(client: Client) -> None:
    client.conduct.fates.extend((Fate.HALF, Fate.TYPES, Fate.HUGE, Fate.EMPTY, Fate.RATE))
    half, types, huge, empty, rate = [(await client.post(LINES, {"text": TEXT})).text.splitlines() for _ in range(5)]
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        json.loads(half[0])
    assert json.loads(half[1])["alignment"]
    assert not isinstance(json.loads(types[0])["audio_base64"], str)
    assert len(huge[0]) > HUGE
    assert empty == []
    times = json.loads(rate[-1])["alignment"]["character_end_times_seconds"]
    assert len(sound([json.loads(line) for line in rate])) == 3 * len(spoken(TEXT))
    assert times[-1] == pytest.approx(len(spoken(TEXT)) / 8000)


@pytest.mark.parametrize("path", ["/stream", "/stream/with-timestamps"])
@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ("", {"text": "a"}, 400),
        ("output_format=mp3_44100_128", {"text": "a"}, 400),
        ("output_format=ulaw_8000", {"text": "  "}, 400),
        ("output_format=ulaw_8000", {}, 422),
        ("output_format=ulaw_8000", b"{", 422),
        ("output_format=ulaw_8000", {"text": "a", "seed": "x"}, 422),
        ("output_format=ulaw_8000", {"text": "a", "model_id": 5}, 422),
        ("output_format=ulaw_8000", {"text": "a", "voice_settings": {"speed": 3}}, 422),
        ("output_format=ulaw_8000&optimize_streaming_latency=9", {"text": "a"}, 422),
    ],
)
async def test_refusals_have_the_shapes_of_the_service(
    client: Client, path: str, query: str, body: Any, status: int
) -> None:
    answer = await client.post(f"{VOICE}{path}?{query}", body)
    assert answer.status_code == status
    listed, named = recorded("elevenhttp")[-2]["detail"], recorded("elevenhttp")[-1]["detail"]
    detail = answer.json()["detail"]
    assert set(detail[0] if status == 422 else detail) == set(listed[0] if status == 422 else named)
