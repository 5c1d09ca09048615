"""The Scribe ear against a simulator of its protocol on loopback, and what can go wrong with it."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
import trio
from streamed import CHUNK, KEY, Words, failure, say, told

from bench.simulators import scribe
from bench.simulators.conduct import Conduct
from bench.simulators.ear import TEXT
from bench.simulators.town import doors
from parlance.actors.dial import Dial
from parlance.actors.listener import elevenlabs
from parlance.actors.listener.port import Heard
from parlance.actors.listener.stream import StreamedEar
from parlance.engine.errors import Misconfigured, Overloaded, ProviderError, Rejected, Unreachable


@pytest.fixture
def conduct() -> Conduct:
    return Conduct(stt_delay=0.02)


@pytest.fixture
def words() -> Words:
    return Words()


@pytest.fixture
async def ear(
    nursery: trio.Nursery, conduct: Conduct, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> StreamedEar:
    monkeypatch.setenv("ELEVENLABS_API_KEY", KEY)
    port = await nursery.start(doors(conduct)["elevenlabs"].serve, 0)
    url = f"ws://127.0.0.1:{port}/v1/speech-to-text/realtime"
    return elevenlabs.make({"url": url, "key_env": "ELEVENLABS_API_KEY", "keyterms": ["parlance"]})


async def test_interim_words_come_while_the_caller_speaks_and_final_ones_after(
    ear: StreamedEar, conduct: Conduct, words: Words
) -> None:
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            assert (hearing.endpoints, hearing.chunk, hearing.provider) == (False, 0.1, "elevenlabs")
            await say(hearing, 1)
            assert await words.final(1) == TEXT
            interims = [heard.text for heard in words.heard if not heard.final]
            assert interims[0] == "I would"
            await say(hearing, 2)
            assert await words.final(2) == TEXT
    assert conduct.requests["commit"] == 2


async def test_an_utterance_that_is_too_short_to_be_committed_is_committed(ear: StreamedEar, words: Words) -> None:
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            await say(hearing, 1, chunks=1)
            assert await words.final(1) == TEXT
            await say(hearing, 2, chunks=0)
            assert await words.final(2) == ""


async def test_silence_keeps_the_connection_alive(
    ear: StreamedEar, words: Words, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevenlabs.ScribeWire, "patience", 0.05)
    monkeypatch.setattr(scribe._Session, "patience", 0.3)
    with trio.fail_after(5):
        async with ear.open(words) as hearing:
            with trio.move_on_after(0.8):
                await words.until(lambda: False)
            assert words.all == []
            await say(hearing, 1)
            assert await words.final(1) == TEXT


async def test_wrong_parameters_are_told_inside_the_connection(ear: StreamedEar, words: Words) -> None:
    wrong = elevenlabs.make({"url": str(ear.settings.url), "model": "whisper"})
    told = await failure(wrong, words)
    assert type(told) is Rejected
    assert "invalid_request: model_id" in str(told)


@pytest.mark.parametrize(
    ("settings", "fault"),
    [({"keyterms": ["x" * 21]}, "keyterms"), ({"keyterms": ["x"] * 51}, "keyterms"), ({"language": 5}, "language")],
)
def test_wrong_settings_are_told_at_the_start(settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault):
        elevenlabs.make({"url": "ws://x"} | settings)


# -------------------------------------------------------------------------------------- the wire


def scribe_wire() -> elevenlabs.ScribeWire:
    return elevenlabs.ScribeWire(Dial("elevenlabs", elevenlabs.Settings(url="ws://x")))


def message(kind: str, **more: Any) -> str:
    return json.dumps({"message_type": kind} | more)


def committed(text: str) -> str:
    return message("committed_transcript", text=text)


def test_scribe_answers_belong_to_utterances_by_their_order() -> None:
    wire = scribe_wire()
    for utterance in (1, 2):
        wire.begin(utterance)
        wire.hear(CHUNK * 5)
        wire.end(utterance)
    assert told(wire, message("partial_transcript", text="on")) == [Heard(1, "on", False)]
    assert told(wire, committed("one")) == [Heard(1, "one", True)]
    assert told(wire, committed("two")) == [Heard(2, "two", True)]
    assert told(wire, committed("nobody's")) == []


def test_scribe_commits_by_itself_in_a_long_utterance() -> None:
    wire = scribe_wire()
    wire.begin(1)
    wire.hear(CHUNK * 900)
    assert told(wire, committed("the first part")) == [Heard(1, "the first part", False)]
    assert told(wire, message("partial_transcript", text="and")) == [Heard(1, "the first part and", False)]
    wire.end(1)
    assert told(wire, committed("and the last")) == [Heard(1, "the first part and the last", True)]


@pytest.mark.parametrize(("tenths", "filled"), [(1, 2400), (4, 0), (20, 0)])
def test_scribe_commits_no_less_than_it_takes(tenths: int, filled: int) -> None:
    wire = scribe_wire()
    wire.begin(1)
    wire.hear(CHUNK * tenths)
    commit = json.loads(wire.end(1).send[0])
    assert commit["commit"] is True
    assert b64decode(commit["audio_base_64"]) == b"\xff" * filled
    wire.begin(2)
    wire.hear(CHUNK)
    assert b64decode(json.loads(wire.end(2).send[0])["audio_base_64"]) == b"\xff" * 2400


def test_scribe_that_refuses_a_commit_has_heard_what_it_said_so_far() -> None:
    wire = scribe_wire()
    wire.begin(1)
    wire.receive(message("partial_transcript", text="well"))
    wire.end(1)
    assert told(wire, message("commit_throttled", error="too soon")) == [Heard(1, "well", True)]


def test_scribe_may_owe_one_answer_and_not_two() -> None:
    wire = scribe_wire()
    for utterance in (1, 2, 3):
        wire.begin(utterance)
        wire.end(utterance)
    assert wire.give_up(1).news == [Heard(1, "", True)]
    assert wire.give_up(1).news == ()
    assert told(wire, committed("late")) == []
    assert wire.give_up(2).news == [Heard(2, "", True)]
    with pytest.raises(Unreachable, match="two commits"):
        wire.give_up(3)


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("auth_error", Rejected), ("unaccepted_terms", Rejected), ("quota_exceeded", Rejected),
        ("input_error", Rejected), ("invalid_request", Rejected), ("chunk_size_exceeded", Rejected),
        ("rate_limited", Overloaded), ("queue_overflow", Overloaded), ("resource_exhausted", Overloaded),
        ("session_time_limit_exceeded", Unreachable), ("insufficient_audio_activity", Unreachable),
        ("transcriber_error", Unreachable), ("error", Unreachable),
    ],
)  # fmt: skip
def test_scribe_s_errors_say_whether_a_retry_helps(kind: str, error: type[ProviderError]) -> None:
    with pytest.raises(ProviderError, match=f"{kind}: because") as caught:
        scribe_wire().receive(message(kind, error="because"))
    assert type(caught.value) is error
