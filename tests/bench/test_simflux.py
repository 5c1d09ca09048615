"""The simulated Deepgram Flux, besides what all ears do: its turns, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from earclient import LOUD, QUIET, Phone, Town, faults, town
from trio_websocket import ConnectionRejected

from bench.simulators import flux
from bench.simulators.conduct import Fate
from bench.simulators.ear import TEXT

PATH = "/v2/listen?model=flux-general-en&encoding=mulaw&sample_rate=8000"
EAGER = f"{PATH}&eager_eot_threshold=0.4"


@pytest.fixture
async def there(nursery: trio.Nursery) -> Town:
    return await town(nursery)


async def talk(there: Town, path: str, *audio: bytes) -> list[dict[str, Any]]:
    """All that is told of this audio, until the stream is closed."""
    async with there.dial("deepgram", path) as phone:
        return await whole(phone, *audio)


async def whole(phone: Phone, *audio: bytes) -> list[dict[str, Any]]:
    await phone.hear(*audio)
    await phone.tell("Configure")
    return await phone.until("ConfigureSuccess")


def story(told: list[dict[str, Any]]) -> list[tuple[str, int, float]]:
    """The turns' events: name, turn, and where in the audio."""
    turns = [message for message in told if message["type"] == "TurnInfo"]
    return [(turn["event"], turn["turn_index"], turn["audio_window_end"]) for turn in turns]


async def test_a_turn_is_from_the_first_loud_audio_to_the_end_of_a_silence(there: Town) -> None:
    told = await talk(there, PATH, *[QUIET] * 3, *[LOUD] * 4, *[QUIET] * 7)
    assert story(told) == [
        ("Update", 0, 0.24),
        ("StartOfTurn", 0, 0.32),
        ("Update", 0, 0.56),
        ("Update", 0, 0.8),
        ("Update", 0, 1.04),
        ("Update", 0, 1.28),
        ("EndOfTurn", 0, 1.3),
    ]
    first, *_, last = told[1:-1]
    assert (first["transcript"], first["words"]) == ("", [])
    assert (last["transcript"], last["trigger"], last["audio_window_start"]) == (TEXT, "model", 0.0)
    assert last["end_of_turn_confidence"] >= 0.7
    assert (last["words"][0]["start"], last["words"][-1]["end"]) == (0.3, 1.3)
    assert [message["sequence_id"] for message in told] == list(range(len(told)))
    assert {message["request_id"] for message in told} == {told[0]["request_id"]}
    assert not any("trigger" in message for message in told[:-2])
    assert [fault for message in told for fault in faults("flux", message)] == []


async def test_an_eager_end_is_taken_back_if_somebody_speaks_on(there: Town) -> None:
    told = await talk(there, EAGER, *[LOUD] * 2, *[QUIET] * 4, LOUD, *[QUIET] * 6, LOUD)
    changes = [event for event in story(told) if event[0] != "Update"]
    assert changes == [
        ("StartOfTurn", 0, 0.02),
        ("EagerEndOfTurn", 0, 0.54),
        ("TurnResumed", 0, 0.62),
        ("EagerEndOfTurn", 0, 1.04),
        ("EndOfTurn", 0, 1.3),
        ("StartOfTurn", 1, 1.32),
    ]
    ends = [message for message in told if str(message.get("event")).endswith("EndOfTurn")]
    assert {message["transcript"] for message in ends} == {TEXT}


async def test_words_of_the_end_are_those_of_the_eager_end(there: Town) -> None:
    async with there.dial("deepgram", EAGER) as phone:
        await phone.hear(*[LOUD] * 2, *[QUIET] * 4)
        eager = (await phone.until("EagerEndOfTurn"))[-1]
        there.conduct.text = "something else"
        await phone.hear(*[QUIET] * 2)
        assert (await phone.until("EndOfTurn"))[-1]["transcript"] == eager["transcript"] == TEXT
        await phone.hear(*[LOUD] * 2, *[QUIET] * 6)
        assert (await phone.until("EndOfTurn"))[-1]["transcript"] == "something else"


async def test_an_eager_end_comes_only_if_it_was_asked_for(there: Town) -> None:
    assert "EagerEndOfTurn" not in {event for event, *_ in story(await talk(there, PATH, LOUD, *[QUIET] * 7))}


@pytest.mark.parametrize(
    ("query", "at"), [("&eot_timeout_ms=500", 0.6), ("&eot_threshold=1.0&eot_timeout_ms=1000", 1.1)]
)
async def test_a_turn_may_end_at_its_time_out(there: Town, query: str, at: float) -> None:
    told = await talk(there, PATH + query, LOUD, *[QUIET] * 12)
    (end,) = [message for message in told if message.get("event") == "EndOfTurn"]
    assert (end["trigger"], end["audio_window_end"]) == ("timeout", at)


async def test_a_turn_without_words_ends_only_at_its_time_out(there: Town) -> None:
    there.conduct.fates.extend((Fate.NONE, Fate.EMPTY))
    told = await talk(there, f"{EAGER}&eot_timeout_ms=2000", LOUD, *[QUIET] * 21)
    assert [event for event in story(told) if event[0] != "Update"] == [("StartOfTurn", 0, 0.02), ("EndOfTurn", 0, 2.1)]


async def test_a_turn_is_ended_by_hand_if_there_is_one(there: Town) -> None:
    async with there.dial("deepgram", PATH) as phone:
        await phone.tell("ForceEndTurn")
        await phone.hear(*[LOUD] * 2)
        await phone.tell("ForceEndTurn")
        await phone.tell("ForceEndTurn")
        told = await whole(phone)
    assert [message["trigger"] for message in told if message.get("event") == "EndOfTurn"] == ["manual"]


async def test_thresholds_may_be_changed_while_it_listens(there: Town) -> None:
    async with there.dial("deepgram", PATH) as phone:
        await phone.tell("Configure", thresholds={"eot_threshold": 1.0, "eot_timeout_ms": 2000}, keyterms=["a"])
        (_, done) = await phone.until("ConfigureSuccess")
        assert done["thresholds"] == {"eager_eot_threshold": None, "eot_threshold": 1.0, "eot_timeout_ms": 2000}
        assert done["keyterms"] == ["a"]
        told = await whole(phone, LOUD, *[QUIET] * 10)
        assert "EndOfTurn" not in {event for event, *_ in story(told)}


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": {"eot_threshold": 0.4}}, {"thresholds": {"eager_eot_threshold": 0.8}},
        {"thresholds": {"eot_timeout_ms": 100}}, {"thresholds": {"eot_timeout_ms": "soon"}},
        {"thresholds": {"eot": 0.7}}, {"thresholds": [1]}, {"language_hints": ["de"]},
    ],
)  # fmt: skip
async def test_a_wrong_change_is_refused_and_changes_nothing(there: Town, change: dict[str, Any]) -> None:
    async with there.dial("deepgram", PATH) as phone:
        await phone.tell("Configure", **change)
        failure = (await phone.until("ConfigureFailure"))[-1]
        assert faults("flux", failure) == []
        await phone.tell("Configure")
        done = await phone.next()
        assert done["thresholds"] == {"eager_eot_threshold": None, "eot_threshold": 0.7, "eot_timeout_ms": 5000}


async def test_the_model_for_many_languages_tells_them(there: Town) -> None:
    path = f"{PATH.replace('-en', '-multi')}&language_hint=de&language_hint=en"
    told = await talk(there, path, LOUD, *[QUIET] * 6)
    (end,) = [message for message in told if message.get("event") == "EndOfTurn"]
    assert (end["languages"], end["languages_hinted"]) == (["en"], ["de", "en"])


@pytest.mark.parametrize("message", ["{", "[]", '{"type":"KeepAlive"}', '{"type":"Finalize"}', '{"type":"Hello"}'])
async def test_what_is_no_message_ends_the_stream(there: Town, message: str) -> None:
    async with there.dial("deepgram", PATH) as phone:
        await phone.text(message)
        error = (await phone.until("Error"))[-1]
        assert faults("flux", error) == []
        assert error["code"] == "UNPARSABLE_CLIENT_MESSAGE"
        assert await phone.closed() == 1008


@pytest.mark.swift
async def test_who_says_nothing_is_hung_up_on(there: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flux, "PATIENCE", 0.1)
    async with there.dial("deepgram", PATH) as phone:
        assert (await phone.until("Error"))[-1]["code"] == "NET-0001"
        assert await phone.closed() == 1011


async def test_closing_the_stream_is_answered(there: Town) -> None:
    async with there.dial("deepgram", PATH) as phone:
        await phone.text(json.dumps({"type": "CloseStream"}))
        assert await phone.closed() == 1000


@pytest.mark.parametrize(
    "query",
    [
        "encoding=mulaw&sample_rate=8000", "model=nova-3&encoding=mulaw&sample_rate=8000",
        "model=flux-general-en&sample_rate=8000", "model=flux-general-en&encoding=mulaw",
        "model=flux-general-en&encoding=mulaw&sample_rate=0", "model=flux-general-en&encoding=mp3&sample_rate=8000",
        f"{PATH}&interim_results=true", f"{PATH}&language_hint=de", f"{PATH}&eot_threshold=0.4",
        f"{PATH}&eot_threshold=high", f"{PATH}&eager_eot_threshold=0.2", f"{PATH}&eager_eot_threshold=0.8",
        f"{PATH}&eot_timeout_ms=400", f"{PATH}&eot_timeout_ms=60001",
    ],
)  # fmt: skip
async def test_wrong_parameters_are_refused(there: Town, query: str) -> None:
    path = query if query.startswith("/") else f"/v2/listen?{query}"
    with pytest.RaisesGroup(pytest.RaisesExc(ConnectionRejected, check=lambda error: error.status_code == 400)):
        async with there.dial("deepgram", path):
            pass
