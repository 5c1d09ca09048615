"""The simulated ElevenLabs voice over HTTP: audio, and lines of audio with its characters' times."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import trio
import voiceclient
from simclient import recorded
from voiceclient import Client

from bench.simulators import speak
from bench.simulators.alignment import timed
from bench.simulators.conduct import Fate
from parlance.codecs.format import TELEPHONE, Encoding, Format

TEXT = "Good morning, this is the clinic."
VOICE = "/v1/text-to-speech/voice-1"
STREAM = f"{VOICE}/stream?output_format=ulaw_8000"


@pytest.fixture
async def client(nursery: trio.Nursery) -> Client:
    return await voiceclient.start(nursery, "elevenlabs", {"xi-api-key": "k"})


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


async def test_what_is_cut_breaks_the_connection(client: Client) -> None:
    client.conduct.fates.append(Fate.CUT)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(STREAM, {"text": TEXT})


@pytest.mark.parametrize(("fate", "some"), [(Fate.STALL, True), (Fate.SILENT, False)])
@pytest.mark.swift
async def test_an_answer_that_stops_stays_open(client: Client, fate: Fate, some: bool) -> None:
    client.conduct.fates.append(fate)
    told = await client.got(STREAM, {"text": TEXT}, 10)
    assert told == (timed(TEXT, TELEPHONE)[0].sound if some else b"")


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
async def test_refusals_have_the_shapes_of_the_service(client: Client, query: str, body: Any, status: int) -> None:
    answer = await client.post(f"{VOICE}/stream?{query}", body)
    assert answer.status_code == status
    listed, named = (message["detail"] for message in recorded("elevenhttp"))
    detail = answer.json()["detail"]
    assert set(detail[0] if status == 422 else detail) == set(listed[0] if status == 422 else named)
