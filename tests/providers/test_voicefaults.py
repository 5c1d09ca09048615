"""What the caller hears, and what the trace says, when a voice does something wrong. All voices, all faults."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
import trio
from matrix import FAULTS, Fault, Show, perform
from partners import of
from theatre import REPLY, Theatre
from verdicts import LINES, Verdict, fine, hold, pick, sorry

from bench.simulators.conduct import Fate
from parlance.engine.trace import TurnEnded

SOUND = (1.85, 2.3)
"""Two replies of twelve words each, at the simulators' pace: 2.04 s. A little may be heard twice."""
LATE = "quota, come back late"
WRONG_RATE = "another rate"
FIRST = "no (audio|answer) within 1.2 s"

_RETRIED, _BROKE = fine(SOUND, failed=1, served=2), fine(SOUND, broke=1, served=3)
VERDICTS: dict[str, Verdict] = {
    "none": fine(SOUND, served=2),
    "wrong key": sorry("401"),
    "quota": replace(_RETRIED, says="429"),
    "quota, come back": replace(_RETRIED, says="429"),
    LATE: sorry("429", broke=1),
    "5xx": replace(_RETRIED, says="500"),
    "never starts": replace(_RETRIED, says=FIRST),
    "stops in the middle": replace(_BROKE, says="no more audio within 1 s"),
    "cut in the middle": replace(_BROKE, says="connection (lost|closed)"),
    "half a JSON": replace(_RETRIED, says="not a message of"),
    "wrong types": replace(_RETRIED, says="where there should be audio|not a message of|that is no base64"),
    "10 MB": replace(_RETRIED, says="a message of more than 1 MB|" + FIRST),
    "nothing in it": replace(_RETRIED, says="sent no audio at all|" + FIRST),
    WRONG_RATE: replace(_RETRIED, says="a WAV file where there should be bare audio"),
}

# A body that just ends is a whole one: nobody knows that there was to be more.
_SHORT = fine((1.7, 2.1), served=2)
# Deepgram's only JSON comes after a phrase's audio; a context's times say what its audio should have been.
_SPECIAL: dict[tuple[str, str], Verdict] = {
    ("voice deepgram-ws", "half a JSON"): replace(_BROKE, seconds=(1.85, 2.9), says="not a message of v1/speak"),
    ("voice deepgram-ws", "wrong types"): replace(_BROKE, seconds=(1.85, 2.9), says="not a message of v1/speak"),
    ("voice elevenlabs", WRONG_RATE): replace(_BROKE, seconds=(2.0, 4.0), says="is its rate another one"),
    ("voice cartesia", WRONG_RATE): replace(_BROKE, seconds=(2.0, 4.0), says="is its rate another one"),
}
for _partner in of("voice"):
    if not _partner.line:
        _SPECIAL[_partner.title, "half a JSON"] = _SHORT
TITLES = [partner.title for partner in of("voice")]
ENDLESS = [(partner.title, "10 MB") for partner in of("voice") if not partner.line]
LIMIT = 6.0
"""Seconds of a reply, in the agents of `theatre`."""


async def script(theatre: Theatre) -> None:
    await trio.sleep(0.2)
    await theatre.say()
    await theatre.say()


@cache
def show() -> Show:
    return perform("voice", FAULTS | {WRONG_RATE: Fault(Fate.RATE)}, script)


ROWS = [(title, fault) for title in TITLES for fault in VERDICTS if (title, fault) not in ENDLESS]


@pytest.mark.parametrize(("title", "fault"), ROWS)
def test_a_voice_that_does_something_wrong(title: str, fault: str) -> None:
    hold(show().of(title, fault), "voice", title.removeprefix("voice "), pick(_SPECIAL, VERDICTS, title, fault))


@pytest.mark.parametrize(("title", "fault"), ENDLESS)
def test_a_voice_that_never_stops_is_stopped_by_the_replys_limit(title: str, fault: str) -> None:
    """Nothing in a body of bare audio says how long its phrase is to be."""
    row = show().of(title, fault)
    row.theatre.check()
    assert row.left == 0
    assert row.theatre.turns == [("reply", "failed"), ("regret", "played"), ("reply", "played")]
    failed, regret, played = row.theatre.all(TurnEnded)
    assert failed.reason == "took too long"
    assert REPLY.startswith(failed.heard)
    assert (regret.heard, played.heard) == (LINES.regret, REPLY)
    assert failed.heard_seconds < LIMIT + 0.5


@pytest.mark.parametrize("title", TITLES)
def test_a_voice_that_wants_to_be_left_alone_is(title: str) -> None:
    requests = show().of(title, LATE).served.conduct.requests
    assert sum(count for name, count in requests.items() if name.endswith(" error")) == 1
    assert sum(count for name, count in requests.items() if name.startswith("/") and " " not in name) == 1


@pytest.mark.parametrize("fault", ["stops in the middle", "cut in the middle"])
@pytest.mark.parametrize("title", TITLES)
def test_what_is_heard_of_a_voice_that_begins_again_is_a_pause(title: str, fault: str) -> None:
    """It takes up the words that were not heard: the first reply's sound has one gap, and hardly anything twice."""
    theatre = show().of(title, fault).theatre
    until = theatre.at(TurnEnded)[0]
    sounds = [(begun, end) for begun, end in theatre.caller.sounds if begun < until]
    gaps = [begun - end for (_, end), (begun, _) in pairwise(sounds)]
    assert max(gaps, default=0.0) < 2.4
    assert sum(end - begun for begun, end in sounds) < 1.02 + 0.3


def test_nothing_is_left_of_all_these_calls() -> None:
    assert show().left == {}
