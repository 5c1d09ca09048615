"""The simulated AssemblyAI v3/ws, besides what all ears do: turns, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from earclient import LOUD, QUIET, Town, faults, kinds, town

from bench.simulators.ear import TEXT

PATH = "/v3/ws?sample_rate=8000&encoding=pcm_mulaw"
PLAIN = "i would like to book an appointment please"


@pytest.fixture
async def there(nursery: trio.Nursery) -> Town:
    return await town(nursery)


async def talk(there: Town, path: str, *audio: bytes) -> list[dict[str, Any]]:
    """All that is told of this audio, until the session is terminated."""
    async with there.dial("assemblyai", path) as phone:
        await phone.hear(*audio)
        await phone.tell("Terminate")
        told = await phone.until("Termination")
        assert await phone.closed() == 1000
        return told


def ends(told: list[dict[str, Any]]) -> list[tuple[int, bool, str]]:
    turns = [message for message in told if message.get("end_of_turn")]
    return [(turn["turn_order"], turn["turn_is_formatted"], turn["transcript"]) for turn in turns]


async def test_the_session_says_what_it_is_and_what_it_was(there: Town) -> None:
    begin, *_, end = told = await talk(there, f"{PATH}&speech_model=u3-rt-pro&no_such_thing=1", *[LOUD] * 10)
    assert begin["configuration"]["model"] == "u3-rt-pro"
    assert end["audio_duration_seconds"] == 1
    assert [fault for message in told for fault in faults("assemblyai", message)] == []


async def test_silence_ends_a_turn(there: Town) -> None:
    told = await talk(there, f"{PATH}&speech_model=u3-rt-pro", QUIET, *[LOUD] * 3, *[QUIET] * 4, QUIET, LOUD)
    assert [kinds(message) for message in told] == [
        {"Begin"}, {"SpeechStarted"}, {"Turn"}, {"Turn"}, {"Turn"}, {"SpeechStarted"}, {"Turn"}, {"Termination"},
    ]  # fmt: skip
    assert told[1]["timestamp"] == 100
    assert ends(told) == [(0, True, TEXT), (1, True, TEXT)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [(0, False, PLAIN)]),
        ("&format_turns=true", [(0, False, PLAIN), (0, True, TEXT)]),
        ("&speech_model=universal-3-5-pro", [(0, True, TEXT)]),
    ],
)
async def test_the_model_decides_how_a_turn_is_written(there: Town, query: str, expected: Any) -> None:
    assert ends(await talk(there, PATH + query, *[LOUD] * 3, *[QUIET] * 4)) == expected


async def test_of_bare_words_the_last_is_not_final_yet(there: Town) -> None:
    told = await talk(there, PATH, *[LOUD] * 3)
    partial = next(message for message in told if kinds(message) == {"Turn"})
    assert partial["transcript"] == "i"
    assert [(word["text"], word["word_is_final"]) for word in partial["words"]] == [("i", True), ("would", False)]


@pytest.mark.parametrize(
    ("query", "silence"),
    [
        ("", 400),
        ("&min_turn_silence=200", 200),
        ("&min_turn_silence=900&max_turn_silence=600", 600),
        ("&end_of_turn_confidence_threshold=1.0", 1280),
        ("&end_of_turn_confidence_threshold=1.0&max_turn_silence=1000", 1000),
    ],
)
async def test_how_long_a_silence_must_be_may_be_set(there: Town, query: str, silence: int) -> None:
    told = await talk(there, f"{PATH}&speech_model=u3-rt-pro{query}", *[LOUD] * 2, *[QUIET] * 16)
    (end,) = [message for message in told if message.get("end_of_turn")]
    assert end["words"][-1]["end"] == 200 + silence


async def test_silences_may_be_changed_while_it_listens(there: Town) -> None:
    async with there.dial("assemblyai", PATH) as phone:
        await phone.tell("UpdateConfiguration", min_turn_silence=100)
        await phone.hear(LOUD, QUIET)
        told = [await phone.next(), await phone.next()]
    assert ends(told) == [(0, False, PLAIN)]


async def test_an_end_is_forced_if_there_is_a_turn(there: Town) -> None:
    async with there.dial("assemblyai", PATH) as phone:
        await phone.tell("ForceEndpoint")
        await phone.hear(LOUD)
        await phone.tell("ForceEndpoint")
        await phone.tell("ForceEndpoint")
        await phone.tell("Terminate")
        assert ends(await phone.until("Termination")) == [(0, False, PLAIN)]


@pytest.mark.parametrize(("size", "code"), [(399, 3007), (400, None), (8000, None), (8001, 3007), (0, 3007)])
async def test_a_message_has_from_50_to_1000_ms_of_audio(there: Town, size: int, code: int | None) -> None:
    async with there.dial("assemblyai", PATH) as phone:
        await phone.hear(b"\xff" * size)
        await phone.tell("Terminate")
        _, told = await phone.next(), await phone.next()
        if code is None:
            assert kinds(told) == {"Termination"}
        else:
            assert faults("assemblyai", told) == []
            assert told["error_code"] == code
            assert f"{size / 8:.1f} ms. Expected between 50 and 1000 ms" in told["error"]
            assert await phone.closed() == code


@pytest.mark.swift
async def test_who_asked_for_it_is_hung_up_on_when_idle(there: Town) -> None:
    async with there.dial("assemblyai", f"{PATH}&inactivity_timeout=0.2") as phone:
        for _ in range(3):
            await phone.tell("KeepAlive")
            await trio.sleep(0.15)
        start = trio.current_time()
        assert (await phone.until("Error"))[-1]["error_code"] == 4031
        assert await phone.closed() == 4031
        assert trio.current_time() - start == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("{", "Invalid JSON"),
        ("[]", "Invalid Message: []"),
        ('{"type":5}', "Invalid Message"),
        ('{"type":"Finalize"}', "Invalid Message Type: Finalize"),
        (json.dumps({"type": "UpdateConfiguration", "min_turn_silence": "soon"}), "min_turn_silence"),
    ],
)
async def test_a_wrong_message_ends_the_session(there: Town, message: str, told: str) -> None:
    async with there.dial("assemblyai", PATH) as phone:
        await phone.text(message)
        error = (await phone.until("Error"))[-1]
        assert error["error_code"] == 3006
        assert told in error["error"]
        assert await phone.closed() == 3006


@pytest.mark.parametrize(
    "query",
    [
        "encoding=pcm_mulaw", "sample_rate=0&encoding=pcm_mulaw", "sample_rate=8000&encoding=mulaw",
        f"{PATH}&speech_model=nova-3", f"{PATH}&end_of_turn_confidence_threshold=2", f"{PATH}&min_turn_silence=-1",
        f"{PATH}&inactivity_timeout=soon",
    ],
)  # fmt: skip
async def test_wrong_parameters_are_told_inside_the_connection(there: Town, query: str) -> None:
    path = query if query.startswith("/") else f"/v3/ws?{query}"
    async with there.dial("assemblyai", path) as phone:
        error = await phone.next()
        assert (kinds(error), error["error_code"]) == ({"Error"}, 3006)
        assert await phone.closed() == 3006
