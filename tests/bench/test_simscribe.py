"""The simulated Scribe realtime, besides what all ears do: commits, and what it refuses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trio
from earclient import LOUD, QUIET, Phone, Town, faults, kinds, town

from bench.simulators import scribe
from bench.simulators.ear import TEXT

PATH = "/v1/speech-to-text/realtime?model_id=scribe_v2_realtime&audio_format=ulaw_8000"
VAD = f"{PATH}&commit_strategy=vad&vad_silence_threshold_secs=0.5"


@pytest.fixture
async def there(nursery: trio.Nursery) -> Town:
    return await town(nursery)


async def send(phone: Phone, *audio: bytes, **more: Any) -> None:
    for piece in audio:
        data = base64.b64encode(piece).decode()
        message = {"message_type": "input_audio_chunk", "audio_base_64": data, "commit": False, "sample_rate": 8000}
        await phone.text(json.dumps(message | more))


async def test_the_session_says_what_it_is(there: Town) -> None:
    async with there.dial("elevenlabs", f"{VAD}&language_code=en&keyterms=a&keyterms=b") as phone:
        started = await phone.next()
    assert faults("scribe", started) == []
    wanted = {"sample_rate": 8000, "commit_strategy": "vad", "vad_silence_threshold_secs": 0.5, "keyterms": ["a", "b"]}
    assert wanted.items() <= started["config"].items()


async def test_a_commit_may_come_with_audio(there: Town) -> None:
    async with there.dial("elevenlabs", PATH) as phone:
        await send(phone, LOUD * 4, commit=True)
        assert (await phone.until("committed_transcript"))[-1]["text"] == TEXT


async def test_a_commit_of_too_little_is_throttled_and_forgotten(there: Town) -> None:
    async with there.dial("elevenlabs", PATH) as phone:
        await send(phone, LOUD, LOUD)
        await send(phone, b"", commit=True)
        throttled = (await phone.until("commit_throttled"))[-1]
        assert faults("scribe", throttled) == []
        assert "only 0.20s of uncommitted audio" in throttled["error"]
        await send(phone, LOUD)
        await send(phone, b"", commit=True)
        assert (await phone.until("committed_transcript"))[-1]["text"] == TEXT
    assert there.conduct.requests["commit"] == 2


async def test_times_come_besides_if_they_are_asked_for(there: Town) -> None:
    there.conduct.text = "Yes, please."
    async with there.dial("elevenlabs", f"{PATH}&include_timestamps=true") as phone:
        await send(phone, *[LOUD] * 10)
        await send(phone, b"", commit=True)
        *_, plain, timed = await phone.until("committed_transcript_with_timestamps")
    assert kinds(plain) == {"committed_transcript"}
    assert faults("scribe", timed) == []
    assert [(word["text"], word["type"], word["start"], word["end"]) for word in timed["words"]] == [
        ("Yes,", "word", 0.0, 0.5),
        (" ", "spacing", 0.5, 0.5),
        ("please.", "word", 0.5, 1.0),
    ]


@pytest.mark.swift
async def test_silence_commits_if_it_is_asked_to(there: Town) -> None:
    async with there.dial("elevenlabs", VAD) as phone:
        await send(phone, *[QUIET] * 8, *[LOUD] * 3, *[QUIET] * 4)
        told = [kinds(await phone.next()) for _ in range(3)]
        assert told == [{"session_started"}, {"partial_transcript"}, {"partial_transcript"}]
        await send(phone, QUIET)
        assert kinds(await phone.next()) == {"partial_transcript"}
        assert kinds(await phone.next()) == {"committed_transcript"}
        await send(phone, *[QUIET] * 10)
        assert await phone.silent()
    assert there.conduct.requests["utterance"] == 1


async def test_much_audio_is_committed_without_being_asked(there: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribe, "LONGEST", 1.0)
    async with there.dial("elevenlabs", PATH) as phone:
        await send(phone, *[LOUD] * 10)
        assert (await phone.until("committed_transcript"))[-1]["text"] == TEXT


@pytest.mark.swift
async def test_who_sends_no_audio_is_told_goodbye(there: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scribe, "PATIENCE", 0.1)
    async with there.dial("elevenlabs", PATH) as phone:
        assert kinds(await phone.next()) == {"session_started"}
        assert await phone.closed() == 1000


GOOD = {"message_type": "input_audio_chunk", "audio_base_64": "", "commit": False, "sample_rate": 8000}


@pytest.mark.parametrize(
    "message",
    [
        "{", "[]", '"x"', GOOD | {"message_type": "KeepAlive"}, GOOD | {"sample_rate": 16000},
        GOOD | {"sample_rate": "8000"}, GOOD | {"commit": None}, GOOD | {"audio_base_64": "*"},
        {name: value for name, value in GOOD.items() if name != "commit"},
        {name: value for name, value in GOOD.items() if name != "audio_base_64"}, GOOD | {"previous_text": "late"},
    ],
)  # fmt: skip
async def test_a_wrong_message_ends_the_session(there: Town, message: Any) -> None:
    async with there.dial("elevenlabs", PATH) as phone:
        await send(phone, LOUD, previous_text="at the right time")
        await phone.text(message if isinstance(message, str) else json.dumps(message))
        error = (await phone.until("input_error"))[-1]
        assert faults("scribe", error) == []
        assert await phone.closed() == 1008


async def test_bare_audio_is_no_message(there: Town) -> None:
    async with there.dial("elevenlabs", PATH) as phone:
        await phone.hear(LOUD)
        await phone.until("input_error")


@pytest.mark.parametrize(
    "query",
    [
        "audio_format=ulaw_8000", "model_id=eleven_v3&audio_format=ulaw_8000",
        "model_id=scribe_v2_realtime&audio_format=mp3",
        f"{PATH}&commit_strategy=never", f"{PATH}&vad_silence_threshold_secs=0.2", f"{PATH}&vad_threshold=1",
        f"{PATH}&min_speech_duration_ms=10", f"{PATH}&min_silence_duration_ms=soon", f"{PATH}&include_timestamps=1",
        f"{PATH}&keyterms={'x' * 21}", f"{PATH}{'&keyterms=x' * 51}",
        f"{PATH}&include_timestamps=true&filter_background_audio=true",
    ],
)  # fmt: skip
async def test_wrong_parameters_are_told_inside_the_connection(there: Town, query: str) -> None:
    path = query if query.startswith("/") else f"/v1/speech-to-text/realtime?{query}"
    async with there.dial("elevenlabs", path) as phone:
        error = await phone.next()
        assert kinds(error) == {"invalid_request"}
        assert faults("scribe", error) == []
        assert await phone.closed() == 1008
