"""The simulated Deepgram v1/listen, besides what all ears do and what `test_simulators.py` says of it."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from earclient import LOUD, QUIET, Town, faults, kinds, town
from trio_websocket import ConnectionRejected

from bench.simulators import listen
from bench.simulators.conduct import Fate

PATH = "/v1/listen?model=nova-3&encoding=mulaw&sample_rate=8000"


@pytest.fixture
async def there(nursery: trio.Nursery) -> Town:
    return await town(nursery)


async def test_with_endpointing_silence_makes_the_words_final(there: Town) -> None:
    async with there.dial("deepgram", f"{PATH}&endpointing=300&vad_events=true") as phone:
        await phone.hear(QUIET, *[LOUD] * 5, *[QUIET] * 3, LOUD)
        told = [await phone.next() for _ in range(3)]
    assert [kinds(message) for message in told] == [{"SpeechStarted"}, {"Results"}, {"SpeechStarted"}]
    assert [fault for message in told for fault in faults("deepgram", message)] == []
    assert (told[0]["timestamp"], told[2]["timestamp"]) == (0.1, 0.9)
    assert (told[1]["speech_final"], told[1]["from_finalize"]) == (True, False)
    assert (told[1]["start"], told[1]["duration"]) == (0.0, 0.9)


async def test_words_have_their_times(there: Town) -> None:
    there.conduct.text = "Yes, please."
    async with there.dial("deepgram", PATH) as phone:
        await phone.hear(*[LOUD] * 10)
        await phone.tell("Finalize")
        words = (await phone.next())["channel"]["alternatives"][0]["words"]
    assert [(word["word"], word["punctuated_word"], word["start"], word["end"]) for word in words] == [
        ("yes", "Yes,", 0.0, 0.5),
        ("please", "please.", 0.5, 1.0),
    ]


@pytest.mark.parametrize(
    ("model", "told", "expected"),
    [
        ("nova-3", {"keyterms": ["a"]}, {"type": "ConfigureSuccess", "keyterms": ["a"]}),
        ("nova-3", {"features": {"numerals": True}}, {"type": "ConfigureSuccess"}),
        ("nova-2", {"keyterms": ["a"]}, {"type": "ConfigureFailure", "code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED"}),
    ],
)
async def test_settings_may_be_changed(there: Town, model: str, told: Any, expected: dict[str, Any]) -> None:
    async with there.dial("deepgram", PATH.replace("nova-3", model)) as phone:
        await phone.tell("Configure", **told)
        answer = await phone.next()
    assert expected.items() <= answer.items()


async def test_a_cut_without_interim_words_comes_in_place_of_the_final_ones(there: Town) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.CUT))
    async with there.dial("deepgram", PATH) as phone:
        await phone.hear(*[LOUD] * 5)
        assert await phone.silent()
        await phone.tell("Finalize")
        assert await phone.closed() == 1006


async def test_what_comes_after_the_goodbye_does_not_matter(there: Town) -> None:
    async with there.dial("deepgram", PATH) as phone:
        for message in ("CloseStream", "Hello", "Finalize"):
            await phone.tell(message)
        assert (await phone.next())["type"] == "Metadata"
        assert await phone.closed() == 1000
    assert there.conduct.requests == {"/v1/listen": 1, "CloseStream": 1}


@pytest.mark.parametrize("message", ['{"type"', "[]", '{"type":"Hello"}', '{"no":"type"}'])
async def test_what_is_no_message_ends_the_stream(there: Town, message: str) -> None:
    async with there.dial("deepgram", PATH) as phone:
        await phone.text(message)
        error = await phone.next()
        assert faults("deepgram", error) == []
        assert (error["variant"], error["message"]) == ("SchemaError", message)
        assert await phone.closed() == 1008


@pytest.mark.swift
async def test_who_says_nothing_is_hung_up_on(there: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "PATIENCE", 0.2)
    async with there.dial("deepgram", PATH) as phone:
        for _ in range(3):
            await phone.tell("KeepAlive")
            await trio.sleep(0.15)
        start = trio.current_time()
        assert (await phone.next())["variant"] == "NET-0001"
        assert await phone.closed() == 1011
        assert trio.current_time() - start == pytest.approx(0.05)


@pytest.mark.parametrize(
    "query",
    [
        "encoding=opus&sample_rate=8000", "encoding=mulaw", "encoding=mulaw&sample_rate=0",
        "encoding=mulaw&sample_rate=8000&channels=2", "encoding=mulaw&sample_rate=8000&endpointing=soon",
        "encoding=mulaw&sample_rate=8000&interim_results=yes", "encoding=mulaw&sample_rate=8000&utterance_end_ms=1000",
        "encoding=mulaw&sample_rate=8000&interim_results=true&utterance_end_ms=500",
    ],
)  # fmt: skip
async def test_wrong_parameters_are_refused(there: Town, query: str) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ConnectionRejected, check=lambda error: error.status_code == 400)):
        async with there.dial("deepgram", f"/v1/listen?{query}"):
            pass
