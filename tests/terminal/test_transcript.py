from __future__ import annotations

from datetime import UTC, datetime

from parlance.engine import effort, trace
from parlance.engine.trace import Record
from parlance.terminal.transcript import Transcript

DATE = datetime(2026, 11, 20, 14, 3, tzinfo=UTC)


def told(records: list[Record]) -> list[str]:
    transcript = Transcript()
    for record in records:
        transcript(record)
    return transcript.text(DATE).splitlines()


def test_a_whole_call(conversation: list[Record]) -> None:
    assert told(conversation) == [
        "Call:     c-1",
        "Agent:    receptionist",
        "Carrier:  fake",
        "Caller:   +15550100",
        "Date:     2026-11-20 14:03 UTC",
        "Duration: 00:23.7",
        "Ended:    completed (the agent hung up)",
        "",
        "00:00.1  Agent   Harbor Street Clinic, good morning. How can I help you?",
        "00:04.1  Caller  i would like to make an appointment",
        "00:06.8  Agent   Of course. Which day would suit you best? We are open from Mon",
        "                 << caller cuts in",
        "00:10.0  Caller  on tuesday please",
        "00:12.1  Agent   Tuesday is fine. I have ten o'clock or half past two. (held 0.5 s) Which one shall",
        "                 I take?",
        "00:18.0          caller presses 1",
        "00:18.3          ! speaker failed: espeak: stopped",
        "00:18.3          ! speaker restarted",
        "00:18.8  Caller  at ten my name is john miller",
        "00:20.5          * booked: day tuesday, time ten o'clock, name john miller",
        "00:20.5          * hangs up after this answer",
        "00:20.9  Agent   You are booked for Tuesday at ten. Goodbye!",
    ]


def test_words_that_were_not_heard_are_not_in_it() -> None:
    lines = told(
        [
            Record(1, 1.0, trace.Spoken(1, "I have a secret.")),
            Record(2, 1.1, trace.TurnEnded(1, "interrupted", "", "I have a secret.", "", 0.0)),
        ]
    )
    assert lines[-2:] == ["00:01.0  Agent   (nothing was heard)", "                 << caller cuts in"]


def test_a_call_that_broke_off_says_so_and_keeps_what_there_was() -> None:
    lines = told([Record(1, 1.0, trace.Spoken(1, "Hello.")), Record(2, 2.0, trace.CallerSaid("wait", False, 1))])
    assert "Ended:    without an ending" in lines
    assert "Duration: 00:02.0" in lines
    assert lines[-2:] == ["00:01.0  Agent   Hello.", "00:02.0  Caller  wait (cut off)"]


def test_tools_failures_and_what_was_used_are_told() -> None:
    lines = told(
        [
            Record(1, 1.0, effort.ToolAsked(1, "c1", "order", {"number": 42, "name": "Jo\nhn"})),
            Record(2, 1.5, effort.ToolAnswered(1, "c1", "order", "done", "soon", 0.5)),
            Record(3, 2.0, effort.ProviderFailed("mind", "openai", "openai: 500 oh", 1)),
            Record(4, 2.0, effort.ProviderServed("mind", "anthropic", 1)),
            Record(
                5,
                3.0,
                effort.CallUsed(
                    {"deepgram": 4.25},
                    {"openai": {"requests": 2, "in": 31, "out": 7, "cached": 0}},
                    {"espeak": 12},
                    discarded=1,
                ),
            ),
        ]
    )
    assert lines[-6:] == [
        "00:01.0          * uses order: number 42, name Jo hn",
        "00:01.5          * order done: soon",
        "00:02.0          ! mind failed: openai: 500 oh",
        "00:02.0          mind: anthropic takes over",
        "00:03.0          used: deepgram heard 4.2 s; openai asked 2 times, 31 tokens in, 7 out; espeak spoke",
        "                 12 characters; thought ahead in vain once",
    ]


def test_who_takes_over_is_told_and_nothing_of_those_who_always_serve() -> None:
    events = [
        effort.ProviderServed("voice", "cartesia", 1),
        effort.ProviderFailed("voice", "cartesia", "cartesia: 500 oh", 2),
        effort.ProviderServed("mind", "openai", 2),
        effort.ProviderServed("voice", "deepgram", 2),
        effort.ProviderServed("voice", "deepgram", 3),
        effort.ProviderFailed("voice", "deepgram", "deepgram: 503 oh", 4),
        effort.ProviderServed("voice", "deepgram", 4),
    ]
    lines = told([Record(n, float(n), event) for n, event in enumerate(events, 1)])
    assert lines[-3:] == [
        "00:02.0          ! voice failed: cartesia: 500 oh",
        "00:04.0          voice: deepgram takes over",
        "00:06.0          ! voice failed: deepgram: 503 oh",
    ]


def test_a_call_that_used_nothing_says_nothing_of_it() -> None:
    assert not any("used" in line for line in told([Record(1, 1.0, effort.CallUsed({}, {}, {}))]))
