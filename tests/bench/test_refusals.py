"""What became of calls: refused, dropped, dialed again, and how soon they were answered."""

from __future__ import annotations

import pytest
from records import call, concluded, play

from bench.measure.record import Record


def test_refused_dropped_and_half_answered_calls() -> None:
    soon = Record(0, 0.0, 0.1, 0.15, "server", "1013 all lines are taken")
    shut = Record(1, 0.0, None, 0.02, "server", "HTTP 503 Service Unavailable")
    half, ear = call()
    play(ear, 0.2, 0.5)
    half.ended, half.by, half.why = 1.9, "server", "1013 all lines are taken"
    dropped, _ = call()
    dropped.ended, dropped.by, dropped.why = 2.2, "server", "1011 internal error"
    ours, _ = call()
    ours.ended, ours.by = 0.5, "us"
    calls = concluded(soon, shut, half, dropped, ours)["calls"]
    assert calls | {"offered": 5, "admitted": 2, "refused": 3, "dropped": 1, "half_answered": 1, "stuck": 0} == calls
    assert calls["drops"] == {"1011 internal error": 1}
    assert calls["refusals"] == {"1013 all lines are taken": 2, "HTTP 503 Service Unavailable": 1}
    assert calls["refused_ms"] | {"n": 3, "p50": 150.0, "worst": 1900.0} == calls["refused_ms"]


@pytest.mark.parametrize(
    ("started", "ended", "why", "refused"),
    [
        (0.1, 0.2, "1012 restarting", True),
        (0.1, 0.2, "1013", True),
        (0.1, 2.2, "1013 too late", False),
        (0.1, 0.2, "1011 internal error", False),
        (0.1, 0.2, "closed without a close frame", False),
        (0.1, 0.2, "Connection reset by peer", False),
        (None, 0.2, "HTTP 429 Too Many Requests", True),
        (None, 0.2, "HTTP 403", True),
        (None, 0.2, "HTTP 500 Internal Server Error", False),
        (None, 0.2, "Connection reset by peer", False),
        (None, 60.0, "no answer to the handshake", False),
    ],
)
def test_a_refusal_says_so_and_all_else_is_a_drop(started: float | None, ended: float, why: str, refused: bool) -> None:
    calls = concluded(Record(0, 0.0, started, ended, "server", why))["calls"]
    assert (calls["refused"], calls["dropped"]) == ((1, 0) if refused else (0, 1))
    assert (calls["refusals"] if refused else calls["drops"]) == {why: 1}
    assert calls["admitted"] == (not refused and started is not None)


def test_redials_are_counted_apart_and_their_refusals_with_all() -> None:
    first, again, third = (Record(0, 0.0, 0.1, 0.15, "server", "1013 full", redial=number > 0) for number in range(3))
    calls = concluded(first, again, third)["calls"]
    assert calls | {"offered": 1, "redials": 2, "refused": 3, "admitted": 0} == calls
    assert calls["refused_ms"]["n"] == 3


def test_the_time_to_answer_a_call_is_measured_from_dialing() -> None:
    slow, _ = call()
    slow.started = 0.25
    refused = Record(0, 0.0, 0.9, 0.95, "server", "1013 full")
    assert concluded(slow, refused)["answer_ms"] | {"n": 1, "worst": 250.0} == concluded(slow, refused)["answer_ms"]
