"""What a run may break, and the words for it."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import DIST, dist, record

from bench.limits import ALONE, beyond, broken

SINGLE = record(1)


def test_a_run_that_keeps_every_limit_breaks_none() -> None:
    assert broken(record(), SINGLE) == []
    assert beyond(record(), SINGLE) == []


def posted(**changed: Any) -> dict[str, Any]:
    """What becomes of 100 webhooks on a good day."""
    counted = {"ringover ok": 60, "twilio ok": 40}
    well = {"sent": 100, "ok": 100, "word": "", "counted": counted, "took_ms": dist(1, 3), "late_ms": dist(1, 2)}
    return well | changed


def test_webhooks_may_cost_what_they_cost() -> None:
    assert broken(record(webhooks=posted(), process={"cpu": 0.41}), SINGLE) == []


def test_beyond_100_calls_visitors_are_promised_no_time() -> None:
    assert broken(record(300, greeting_ms=dist(40, 90)), SINGLE) == []


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"turns": {"failed": 3}}, "failed turns 3, limit 0"),
        ({"turns": {"uncleared": 1}}, "barge-ins without a clear 1, limit 0"),
        ({"turns": {"cut_short": 2}}, "replies cut short 2, limit 0"),
        ({"turns": {"unsaid": 2}}, "utterances that no line was up for 2, limit 0"),
        ({"turns": {"overran": 1}}, "replies that did not end in time 1, limit 0"),
        ({"turns": {"unasked_clears": 1}}, "clears without a barge-in 1, limit 0"),
        ({"turns": {"unasked_sound": 4}}, "sound without a turn 4, limit 0"),
        ({"answer_ms": dist(9, 130)}, "answered in p99 130 ms, limit 100 ms"),
        ({"turns": {"asked": 0}}, "no turn was counted"),
        ({"calls": {"dropped": 1}}, "dropped calls 1, limit 0"),
        ({"calls": {"refused": 4, "refusals": {"1013 all taken": 4}}}, "refused calls 4, limit 0; 4 x 1013 all taken"),
        ({"gaps": {"count": 2, "worst_ms": 84.4}}, "gaps 2, worst 84 ms, limit 0"),
        ({"clear_ms": dist(61, 143)}, "onset to clear p99 143 ms, limit 120 ms"),
        ({"clear_ms": dist(81, 100)}, "onset to clear p50 81 ms, limit 80 ms"),
        ({"own_ms": dist(9, 20)}, "own share p50 9 ms, limit 8 ms"),
        ({"own_ms": dist(5, 31)}, "own share p99 31 ms, limit 30 ms"),
        ({"process": {"cpu": 0.41}}, "CPU 0.41 of a core, limit 0.35"),
        ({"process": {"mb_per_call": 0.91}}, "memory 0.91 MB a call, limit 0.7 MB"),
        ({"process": {"tasks_per_call": 6.0}}, "tasks 6.0 a call, limit 5"),
        ({"process": {"threads": 9}}, "threads 9, with one call 2: a call may have none"),
        ({"process": {"ready_s": 1.8}}, "ready after 1.8 s, limit 1.5 s"),
        ({"greeting_ms": dist(5, 61)}, "greeted in p99 61 ms, limit 60 ms"),
        ({"visits": {"ungreeted": 2}}, "ungreeted visitors 2, limit 0"),
        ({"webhooks": posted(took_ms=dist(1, 5.2))}, "webhooks answered in p99 5.2 ms, limit 5 ms"),
        (
            {"webhooks": posted(took_ms=dist(1, 9), late_ms=dist(1, 6))},
            "webhooks not judged: their sender was late, p99 6.0 ms",
        ),
        ({"webhooks": posted(ok=99)}, "webhooks not answered with 200: 1 of 100, limit 0"),
        (
            {"webhooks": posted(counted={"ringover ok": 60, "twilio ok": 39, "twilio signature": 1})},
            "webhooks that the server counted as ok 99 of 100: ringover ok 60, twilio ok 39, twilio signature 1",
        ),
        ({"webhooks": {"rate": 200, "sent": 0}}, "webhooks: none was sent"),
    ],
)
def test_each_limit_that_breaks_is_named_with_its_figures(part: dict[str, Any], words: str) -> None:
    assert broken(record(**part), SINGLE) == [words]


def test_a_void_run_is_judged_no_further() -> None:
    assert broken(record(void="callers were late: p99 7.9 ms, limit 5 ms", turns={"failed": 9}), SINGLE) == []
    assert beyond(record(void="late", turns={"failed": 9}), SINGLE) == []


def test_beyond_100_calls_a_run_is_held_against_the_single_call() -> None:
    # 545 x 1.25 + 30 = 711; 20 x 1.25 + 30 = 55; 90 x 1.25 + 30 = 142.5.
    held = record(300, response_ms=dist(530, 711), own_ms=dist(40, 55), clear_ms=dist(100, 142))
    assert broken(held, SINGLE) == []
    worse = record(
        300,
        response_ms=dist(530, 712), own_ms=dist(40, 56), clear_ms=dist(100, 143), silence_ms=dist(100, 143),
    )  # fmt: skip
    assert broken(worse, SINGLE) == [
        "response p99 712 ms, limit 711 ms (one call: 545 ms)",
        "own share p99 56 ms, limit 55 ms (one call: 20 ms)",
        "onset to clear p99 143 ms, limit 142 ms (one call: 90 ms)",
        "onset to silence p99 143 ms, limit 142 ms (one call: 90 ms)",
    ]


@pytest.mark.parametrize("single", [None, record(1, void="callers were late")])
def test_without_a_single_call_beyond_100_nothing_is_said_to_hold(single: dict[str, Any] | None) -> None:
    assert broken(record(300), single) == [ALONE]
    assert broken(record(100), single) == []


def test_a_figure_that_the_single_call_has_not_is_not_judged() -> None:
    assert broken(record(300), record(1, clear_ms=DIST)) == [f"onset to clear {ALONE}"]


def test_a_single_call_that_breaks_the_limits_itself_excuses_nobody() -> None:
    slow = record(1, own_ms=dist(40, 80), clear_ms=dist(150, 200))
    held = record(300, own_ms=dist(40, 67), clear_ms=dist(100, 180))
    assert broken(held, slow) == []
    worse = record(300, own_ms=dist(40, 68), clear_ms=dist(100, 181))
    assert broken(worse, slow) == [
        "own share p99 68 ms, limit 68 ms (one call: 80 ms)",
        "onset to clear p99 181 ms, limit 180 ms (one call: 200 ms)",
    ]


def test_too_many_is_told_by_what_callers_notice() -> None:
    assert beyond(record(500, process={"cpu": 0.99, "mb_per_call": 9.0}), SINGLE) == []
    assert beyond(record(500, turns={"failed": 1}, calls={"refused": 2}), SINGLE) == [
        "failed turns 1, limit 0",
        "refused calls 2, limit 0",
    ]


def test_two_workers_have_twice_the_limits() -> None:
    assert broken(record(200, workers=2, process={"cpu": 0.69}), SINGLE) == []
    assert broken(record(200, workers=2, process={"cpu": 0.71}), SINGLE) == ["CPU 0.71 of a core, limit 0.70"]


def test_a_peer_is_held_to_what_callers_notice() -> None:
    unasked = {"unasked_clears": 1, "unasked_sound": 1}
    costly = record(
        server="plain", turns=unasked, answer_ms=dist(9, 130), process={"cpu": 0.9, "mb_per_call": 3.0, "ready_s": 9.0}
    )
    assert broken(costly, SINGLE) == []
    assert broken(record(server="plain", turns={"failed": 1}), SINGLE) == ["failed turns 1, limit 0"]


def test_real_protocols_have_latencies_that_the_own_share_is_not_held_to() -> None:
    run = record(
        agent="simulated", own_ms=dist(30, 90), process={"cpu": 0.5, "tasks_per_call": 9.0}, clear_ms=dist(61, 121)
    )
    assert broken(run, SINGLE) == ["onset to clear p99 121 ms, limit 120 ms"]


def overloaded(**changed: Any) -> dict[str, Any]:
    calls = {"offered": 150, "admitted": 100, "refused": 50, "refused_ms": dist(4, 30)} | changed
    return record(150, limit=100, calls=calls, process={"cpu": 0.3, "refused": 50})


def test_an_overload_admits_its_limit_and_refuses_the_rest_at_once() -> None:
    assert broken(overloaded(), SINGLE) == []


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"admitted": 101, "refused": 50, "offered": 151}, "admitted calls 101 of 151 offered, limit 100"),
        ({"offered": 140, "redials": 11}, "calls neither admitted nor refused 1, limit 0"),
        ({"half_answered": 1}, "half-answered calls 1, limit 0"),
        ({"refused_ms": dist(20, 140)}, "refused in p99 140 ms, limit 100 ms"),
        ({"refused": 51, "offered": 151}, "refused calls 51, of which the server counted 50"),
    ],
)
def test_what_an_overload_may_break(part: dict[str, Any], words: str) -> None:
    assert broken(overloaded(**part), SINGLE) == [words]


def test_two_workers_share_an_odd_limit_rounded_up() -> None:
    run = overloaded(admitted=100, refused=50)
    assert broken(run | {"limit": 99, "workers": 2}, SINGLE) == []
    assert broken(run | {"limit": 99}, SINGLE) == ["admitted calls 100 of 150 offered, limit 99"]


def test_those_admitted_in_an_overload_keep_the_figures() -> None:
    run = overloaded()
    run["clear_ms"] = dist(61, 143)
    assert broken(run, SINGLE) == ["onset to clear p99 143 ms, limit 120 ms"]
