"""What the browser's wire tells the page of a call, and in which order."""

from __future__ import annotations

import json
from typing import Any

from parlance.actors.media.browser import Browser
from parlance.engine.trace import (
    Acted,
    CallerBegan,
    CallerSaid,
    CallerUnheard,
    CallStarted,
    Held,
    Murmured,
    PhraseReady,
    Resumed,
    Spoken,
    StateChanged,
    TraceEvent,
    TurnBegan,
    TurnEnded,
    TurnTimed,
)


def told(wire: Browser, *events: TraceEvent) -> list[dict[str, Any]]:
    return [json.loads(text) for event in events for text in wire.announce(event)]


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [message.get("status", message["type"]) for message in messages]


def test_hello_names_the_session_the_agent_and_the_audio_of_both_ways():
    (text,) = Browser("sales", rate=24000).hello("c42", "sales")
    assert json.loads(text) == {
        "type": "connection_established",
        "session_id": "c42",
        "agent": "sales",
        "format": {"encoding": "pcm16", "sample_rate": 24000, "channels": 1, "frame_ms": 20},
    }


def test_a_turn_is_told_in_the_order_the_profile_asks_for():
    messages = told(
        Browser("sales"),
        CallerBegan(1.0),
        CallerSaid("what are", final=False, utterance=1),
        CallerSaid("what are your hours", final=True, utterance=1),
        TurnBegan(2, words="what are your hours"),
        PhraseReady(2, "We are open"),
        PhraseReady(2, "until six."),
        Spoken(2, "We are open"),
        Spoken(2, "until six."),
        TurnEnded(2, "played", "", "We are open until six.", "We are open until six.", 1.6),
    )
    assert kinds(messages) == [
        "speech_started",
        "transcription",
        "processing",
        "transcription",
        "llm_response",
        "generating_audio",
        "llm_response",
        "speaking",
        "speaking",
        "idle",
        "turn_ended",
    ]
    assert messages[1] == {"type": "transcription", "text": "what are", "is_final": False, "utterance": 1}
    assert messages[3]["is_final"] is True
    assert messages[4] == {"type": "llm_response", "turn": 2, "text": "We are open"}


def test_a_greeting_is_spoken_without_any_processing():
    messages = told(
        Browser("sales"),
        TurnBegan(1, cue="greeting"),
        PhraseReady(1, "Hello."),
        Spoken(1, "Hello."),
        TurnEnded(1, "played", "", "Hello.", "Hello.", 0.5),
    )
    assert kinds(messages) == ["llm_response", "generating_audio", "speaking", "idle", "turn_ended"]


def test_a_line_that_no_mind_has_thought_of_is_told_when_it_is_spoken():
    messages = told(Browser("sales"), TurnBegan(1, cue="greeting"), Spoken(1, "Hello."), Spoken(1, "How are you?"))
    assert [(message["type"], message.get("text")) for message in messages] == [
        ("llm_response", "Hello."),
        ("status_update", None),
        ("speaking", "Hello."),
        ("llm_response", "How are you?"),
        ("speaking", "How are you?"),
    ]


def test_a_cut_off_turn_tells_what_was_said_and_what_of_it_was_heard():
    messages = told(
        Browser("sales"), TurnEnded(3, "interrupted", "barge-in", "We are open until six.", "We are", 0.61234)
    )
    assert messages == [
        {
            "type": "turn_ended",
            "turn": 3,
            "outcome": "interrupted",
            "reason": "barge-in",
            "said": "We are open until six.",
            "heard": "We are",
            "heard_seconds": 0.612,
        }
    ]


def test_after_a_murmur_the_status_is_what_it_was():
    wire = Browser("sales")
    told(wire, TurnBegan(1, words="hours"), PhraseReady(1, "We are open until six."))
    messages = told(wire, CallerSaid("uh-huh", final=True, utterance=2), Murmured("uh-huh"))
    assert kinds(messages) == ["processing", "transcription", "generating_audio", "murmured"]
    assert told(wire, PhraseReady(1, "And on Sunday?")) == [
        {"type": "llm_response", "turn": 1, "text": "And on Sunday?"}
    ]


def test_an_utterance_without_words_replaces_its_interim_words_by_nothing():
    assert told(Browser("sales"), CallerUnheard(4)) == [
        {"type": "transcription", "text": "", "is_final": True, "utterance": 4}
    ]


def test_the_floor_is_told_as_it_changes():
    assert told(Browser("sales"), StateChanged("open", "talking", "held"), Held(2, 0.0712), Resumed(2)) == [
        {"type": "state", "line": "open", "caller": "talking", "agent": "held"},
        {"type": "held", "turn": 2, "after_ms": 71.2},
        {"type": "resumed", "turn": 2},
    ]


def test_latency_counts_from_when_the_caller_stopped():
    (message,) = told(
        Browser("sales"),
        TurnTimed(2, caller_stopped=10.0, end_of_turn=10.35, transcript=10.4, first_token=10.41, first_frame=10.6),
    )
    assert message["response_ms"] == 600.0
    assert message["steps"] == {
        "end_of_turn": 350.0,
        "transcript": 400.0,
        "first_token": 410.0,
        "first_phrase": None,
        "first_audio": None,
        "first_frame": 600.0,
    }


def test_a_turn_nobody_asked_for_has_no_response_time():
    (message,) = told(Browser("sales"), TurnTimed(1, first_phrase=0.5, first_audio=0.51, first_frame=0.52))
    assert message["response_ms"] is None
    assert message["steps"]["first_frame"] == 20.0
    (empty,) = told(Browser("sales"), TurnTimed(1))
    assert set(empty["steps"].values()) == {None}


def test_an_act_an_error_and_the_end_are_told():
    wire = Browser("sales")
    assert told(wire, Acted(2, "book", {"day": "friday"})) == [
        {"type": "acted", "act": "book", "details": {"day": "friday"}}
    ]
    (complaint,) = wire.complaint("a message is not JSON", code="json", retry=True)
    assert json.loads(complaint) == {
        "type": "error",
        "message": "a message is not JSON",
        "code": "json",
        "retryable": True,
    }
    (goodbye,) = wire.goodbye("hung up")
    assert json.loads(goodbye) == {"type": "ended", "reason": "hung up"}


def test_what_only_the_house_needs_to_know_is_not_told():
    assert told(Browser("sales"), CallStarted("c1", "sales", "browser")) == []


def test_a_page_has_no_telephone() -> None:
    wire = Browser("bikes")
    assert wire.digits, "so that its audio is not searched for keys"
    assert wire.press("1") is None
    assert wire.transfer("+33140000000") is None
