"""A run's result: the one JSON object that the callers print last, from the records of its calls. Pure.

What the figures mean, besides what `turns` says of turns:

- `response_ms`: end of the caller's last voiced frame (its sending) to the first audible agent sample after it;
  `own_ms`: the same less the end-of-turn delay and the providers' time, the part that is the engine's.
- `clear_ms`, `silence_ms`: a barge-in's onset (its first frame's sending less 20 ms) to the arrival of `clear`, and to
  the moment at which the agent was no longer audible.
- `jitter_ms`: of each media message of a reply but the first, how far the time since the one before is from that one's
  length of audio. Audio that is sent ahead has jitter, too: it says how evenly a server sends, not what is heard.
- `gaps`: pauses of over 20 ms inside a reply, because the ear's queue was empty: what is heard of a late server.
- `answered`: turns with an answer, whatever else failed in them; `interrupted`: barge-ins into a sounding reply;
  `failed` turns may have several faults, of which `uncleared`, `cut_short`, `overran` and `unsaid` are counted.
- `unasked_clears`, `unasked_sound`: what the agent did in the window and nobody had asked for.
- `coughs`: those into a sounding reply whose end was heard; the agent then went on with it (`resumed`) or gave another
  one in its place (`restarted`: more sound than a reply has, or still sounding at the next turn, for which a held one
  has ended), or neither.
- A call is `refused` if the server said so, with HTTP 403, 429 or 503 or, within 2 s of `start`, with the close code
  1012 or 1013; `half_answered`: it was, after some audio. `admitted`: the server answered it and did not refuse it.
  `dropped`: the server ended it in any other way, or never answered.
- `greeting_ms`: of a visitor, from the dialect's first message, sent when the socket opens, to the arrival of the first
  audio; `ungreeted`: visitors who heard nothing.
- `offered` are the calls of the script; `redials` are those of refused callers who try again; the other figures count
  both. `answer_ms`: from dialing to the handshake's 101, of admitted calls; `refused_ms`: from dialing to the end.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from bench.measure import unasked
from bench.measure.figures import distribution, thinned
from bench.measure.record import Record, Run
from bench.measure.turns import Judged, judge

ADMITTED = 2.0
"""Seconds a call must last to count as admitted, whatever the server says when it closes."""
REFUSALS = re.compile("101[23]( |$)")
HANDSHAKE = re.compile("HTTP (403|429|503)( |$)")
LATE = 0.005
"""Seconds: callers later than this in one frame of a hundred say nothing about a server."""
SPOILED = 0.01
"""The share of turns in which the callers may have stood still (of few turns, two): what they measured there is too
long, and as rare as what a 99th percentile leaves out."""


def is_refused(record: Record) -> bool:
    if record.by != "server" or record.ended is None:
        return False
    if record.started is None:
        return HANDSHAKE.match(record.why) is not None
    return record.ended - record.started < ADMITTED and REFUSALS.match(record.why) is not None


def judged(run: Run) -> list[Judged]:
    """All calls that were not refused."""
    return [judge(record, run) for record in run.records if not is_refused(record)]


def result(run: Run, calls: list[Judged], waveform: dict[str, Any] | None) -> dict[str, Any]:
    """`calls` from `judged`, `waveform` from `wave`."""
    turns = [turn for call in calls for turn in call.turns]
    coughs = [cough for call in calls for cough in call.coughs]
    own = run.end_of_turn + run.providers
    samples = {
        "response_ms": [turn.response for turn in turns if turn.response is not None],
        "own_ms": [turn.response - own for turn in turns if turn.response is not None],
        "clear_ms": [turn.clear for turn in turns if turn.clear is not None],
        "silence_ms": [turn.silence for turn in turns if turn.silence is not None],
        "late_ms": run.late,
    }
    gaps = [gap for call in calls for gap in call.gaps]
    greetings = [
        visit.pieces[0][1] - visit.started for visit in run.visits if visit.pieces and visit.started is not None
    ]
    return {
        "event": "result",
        "callers": _callers(run, calls),
        "calls": _calls(run, calls),
        "turns": {
            "asked": len(turns),
            "answered": sum(turn.answered for turn in turns),
            "failed": sum(bool(turn.faults) for turn in turns),
            "interrupted": sum(turn.barge_in for turn in turns),
            "uncleared": sum("uncleared" in turn.faults for turn in turns),
            "cut_short": sum("cut short" in turn.faults for turn in turns),
            "overran": sum("overran" in turn.faults for turn in turns),
            "unsaid": sum("unsaid" in turn.faults for turn in turns),
            "unasked_clears": sum(unasked.clears(call.record, run) for call in calls),
            "unasked_sound": sum(unasked.sounds(call.record, call.track, run) for call in calls),
            "resumed": sum(cough.went_on and not cough.restarted for cough in coughs),
            "restarted": sum(cough.restarted for cough in coughs),
            "coughs": len(coughs),
        },
        **{name: distribution(values) for name, values in samples.items() if name != "late_ms"},
        "jitter_ms": distribution([value for call in calls for value in call.jitter]),
        "answer_ms": distribution(
            [call.record.started - call.record.dialed for call in calls if call.record.started is not None]
        ),
        "greeting_ms": distribution(greetings),
        "visits": {"made": len(run.visits), "ungreeted": len(run.visits) - len(greetings)},
        "gaps": {"count": len(gaps), "worst_ms": round(max(gaps) * 1000, 3) if gaps else None},
        "samples": {name: thinned(values) for name, values in samples.items()},
        "waveform": waveform,
    }


def _callers(run: Run, calls: list[Judged]) -> dict[str, Any]:
    late = distribution(run.late)
    p99 = late["p99"]
    void = None
    if p99 is None:
        void = "no call was up: the callers sent nothing"
    elif p99 > LATE * 1000:
        void = f"callers were late: p99 {p99:.1f} ms, limit {LATE * 1000:.0f} ms"
    spoiled = sum(turn.spoiled > 0 for call in calls for turn in call.turns)
    turns = sum(len(call.turns) for call in calls)
    if void is None and spoiled > max(2, SPOILED * turns):
        void = f"callers stood still in {spoiled} of {turns} turns"
    return {
        "late_ms": late,
        "cpu": round(run.cpu, 3),
        "void": void,
        "unread": run.unread,
        "stalls": len(run.stalls),
        "spoiled": spoiled,
    }


def _calls(run: Run, calls: list[Judged]) -> dict[str, Any]:
    refused = [record for record in run.records if is_refused(record)]
    after = [record.ended - record.dialed for record in refused if record.ended is not None]
    redials = sum(record.redial for record in run.records)
    return {
        "offered": len(run.records) - redials,
        "redials": redials,
        "admitted": sum(call.record.started is not None for call in calls),
        "refused": len(refused),
        "dropped": sum(call.record.by == "server" for call in calls),
        "drops": dict(Counter(call.record.why for call in calls if call.record.by == "server").most_common()),
        "stuck": sum(call.stuck for call in calls),
        "half_answered": sum(bool(record.pieces) for record in refused),
        "refusals": dict(Counter(record.why for record in refused).most_common()),
        "refused_ms": distribution(after),
    }
