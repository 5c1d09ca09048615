"""The simulated audio/transcriptions: what it hears, in which shape, and what it refuses."""

from __future__ import annotations

import struct
from typing import Any

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from simclient import asking, calm, events, like_one_of, parsed, recorded, until_cut, wav

from bench.simulators import transcribe
from bench.simulators.conduct import HUGE, Fate
from bench.simulators.ear import TEXT

PATH = "/v1/audio/transcriptions"
MODEL = "gpt-4o-transcribe"


def request(file: bytes | None = None, name: str = "a.wav", **fields: str) -> dict[str, Any]:
    content = wav() if file is None else file
    return {"data": {"model": MODEL} | fields, "files": {"file": (name, content, "audio/wav")}}


@pytest.mark.parametrize(
    ("fields", "usage"),
    [
        ({}, "tokens"),
        ({"model": "whisper-1"}, "duration"),
        ({"model": "whisper-1", "stream": "true"}, "duration"),
        ({"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities[]": "word"}, "duration"),
        ({"model": "gpt-transcribe", "languages[]": "fr", "prompt": "x", "temperature": "0"}, "tokens"),
    ],
)
async def test_it_answers_whole(fields: dict[str, str], usage: str) -> None:
    conduct = calm()
    async with asking("openai", conduct) as client:
        answer = await client.post(PATH, **request(**fields))
        conduct.text = "\u4f60\u597d"
        other = await client.post(PATH, **request(**fields))
    assert (answer.status_code, answer.json()["text"], answer.json()["usage"]["type"]) == (200, TEXT, usage)
    assert other.json()["text"] == "\u4f60\u597d"
    assert like_one_of(answer.json(), recorded("transcription"))
    if "response_format" in fields:
        assert (answer.json()["duration"], answer.json()["segments"][0]["end"]) == (1.0, 1.0)


async def test_it_answers_in_plain_text() -> None:
    async with asking("openai", calm()) as client:
        answer = await client.post(PATH, **request(response_format="text"))
    assert answer.text == f"{TEXT}\n"


async def test_it_streams_words_and_then_all_of_them() -> None:
    async with asking("openai", calm()) as client:
        told = parsed(events((await client.post(PATH, **request(stream="true"))).content))
    assert "".join(event["delta"] for event in told[:-1]) == told[-1]["text"] == TEXT
    assert len(told) == len(TEXT.split()) + 1
    assert [event for event in told if not like_one_of(event, recorded("transcription"))] == []


@pytest.mark.swift
async def test_it_takes_its_time() -> None:
    conduct = calm()
    conduct.stt_delay = 0.2
    start = trio.current_time()
    async with asking("openai", conduct) as client:
        await client.post(PATH, **request())
    assert trio.current_time() - start == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("fate", "told"), [(Fate.TYPES, {"text": 7}), (Fate.EMPTY, {"text": ""}), (Fate.HUGE, {"text": "x" * HUGE})]
)
async def test_an_answer_is_spoiled(fate: Fate, told: dict[str, Any]) -> None:
    conduct = calm()
    conduct.fates.append(fate)
    async with asking("openai", conduct) as client:
        got = (await client.post(PATH, **request())).json()
    assert got["text"] == told["text"]


@pytest.mark.parametrize("fields", [{}, {"response_format": "text"}, {"stream": "true"}])
@pytest.mark.parametrize("fate", [Fate.HALF, Fate.CUT, Fate.STALL, Fate.SILENT, Fate.ERROR])
@pytest.mark.swift
async def test_an_answer_is_not_whole(fate: Fate, fields: dict[str, str]) -> None:
    conduct = calm()
    conduct.fates.append(fate)
    conduct.statuses = (500,)
    asked = request(**fields)
    async with asking("openai", conduct) as client:
        if fate is Fate.CUT:
            assert await until_cut(client, PATH, **asked)
        elif fate in (Fate.STALL, Fate.SILENT):
            with pytest.raises(httpx.ReadTimeout):
                await client.post(PATH, **asked, timeout=10)
        else:
            answer = await client.post(PATH, **asked)
            assert answer.status_code == (500 if fate is Fate.ERROR else 200)
            assert answer.text.strip() != TEXT
            if fate is Fate.HALF and "stream" in fields:
                assert len(parsed(events(answer.content))) == len(events(answer.content)) - 1
            elif fate is Fate.HALF:
                assert answer.text.strip().startswith(TEXT[:20] if fields else '{"text": "')
                assert not answer.text.endswith("}")


GOOD = wav()
REFUSED = [
    ("no model", request(model="")),
    ("no file", {"data": {"model": MODEL}, "files": {"other": ("a.wav", GOOD)}}),
    ("no multipart", {"json": {"model": MODEL}}),
    ("a form", {"data": {"model": MODEL}}),
    ("a broken multipart", {"content": b"--x", "headers": {"content-type": "multipart/form-data; boundary=x"}}),
    ("no boundary", {"content": b"--x", "headers": {"content-type": "multipart/form-data"}}),
    ("no samples but a name", request(b"\0" * 3200)),
    ("a name without its ending", request(name="a")),
    ("a header that waits for more", request(GOOD[:-2])),
    ("a header of a stream", request(GOOD[:4] + b"\xff" * 4 + GOOD[8:40] + b"\xff" * 4 + GOOD[44:])),
    ("more than the header tells", request(GOOD + b"\0\0")),
    ("stereo", request(wav(channels=2))),
    ("bytes", request(wav(width=1))),
    ("mu-law", request(GOOD[:20] + struct.pack("<H", 7) + GOOD[22:])),
    ("too short", request(wav(0.05))),
    ("nothing", request(wav(0.0))),
    ("an unknown format", request(response_format="xml")),
    ("a format of another model", request(response_format="verbose_json")),
    ("times without the format for them", request(**{"model": "whisper-1", "timestamp_granularities[]": "word"})),
    ("a stream that is no truth", request(stream="1")),
    ("an unknown field", request(sample_rate="8000")),
]


@pytest.mark.parametrize("asked", [asked for _, asked in REFUSED], ids=[name for name, _ in REFUSED])
async def test_a_wrong_request_is_refused_in_the_services_shape(asked: dict[str, Any]) -> None:
    async with asking("openai", calm()) as client:
        answer = await client.post(PATH, **asked)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["message"]


@given(st.binary(max_size=80), st.integers(0, 60), st.booleans())
def test_any_bytes_are_a_file_or_none(data: bytes, at: int, inside: bool) -> None:
    file = GOOD[:at] + data + GOOD[at + len(data) : 400] if inside else data
    try:
        sound = transcribe.wav(file)
    except ValueError:
        return
    assert len(sound.samples) <= len(file)
